//! Nodes.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Time, Usage};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum NodeStatus {
    Ready,
    NotReady,
    /// The node's kubelet does not report any more.
    Unknown,
}

/// A condition of an object's status.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ConditionDto {
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    pub reason: String,
    pub message: String,
    pub since: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NodeRow {
    pub cluster: String,
    pub name: String,
    pub status: NodeStatus,
    /// Why it is not ready; empty when it is.
    pub reason: String,
    pub conditions: Vec<ConditionDto>,
    /// Conditions other than `Ready` that hold: `MemoryPressure`, `DiskPressure`, …
    pub pressures: Vec<String>,
    pub is_unschedulable: bool,
    /// `key=value:Effect`.
    pub taints: Vec<String>,
    pub roles: Vec<String>,
    pub kubelet_version: String,
    pub os_image: String,
    pub kernel_version: String,
    pub container_runtime: String,
    pub architecture: String,
    pub internal_ip: String,
    pub created: Option<Time>,
    /// Pods on it that are not finished.
    pub n_pods: usize,
    pub pods_allocatable: Option<f64>,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NodeDetailDto {
    #[serde(flatten)]
    pub row: NodeRow,
    pub labels: BTreeMap<String, String>,
    /// The object as the API server gave it, without managed fields, environment values and secrets.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
}
