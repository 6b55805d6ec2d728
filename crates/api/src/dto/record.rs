//! Events and log lines.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EventRow {
    /// The same for every repeat of an event.
    pub id: String,
    pub cluster: String,
    pub namespace: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `info`, `warning`, `error` or `critical`.
    pub severity: String,
    pub reason: String,
    pub message: String,
    pub object_kind: String,
    pub object_name: String,
    pub workload_kind: String,
    pub workload: String,
    pub node: String,
    /// Component that reported it, such as `kubelet`.
    pub reporter: String,
    pub count: u32,
    pub first_seen: Option<Time>,
    pub last_seen: Time,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LogRow {
    pub id: String,
    pub timestamp: Time,
    pub cluster: String,
    pub namespace: String,
    pub workload_kind: String,
    pub workload: String,
    pub pod: String,
    pub container: String,
    pub node: String,
    /// `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `unspecified`.
    pub severity: String,
    /// As the container wrote it: text, never markup.
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HistogramRow {
    pub start: Time,
    /// Number of records by severity.
    pub counts: BTreeMap<String, u64>,
}

/// Counts over time; buckets without records are left out.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Histogram {
    pub bucket_ms: i64,
    pub from: Time,
    pub to: Time,
    pub items: Vec<HistogramRow>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FacetRow {
    pub value: String,
    pub count: u64,
}
