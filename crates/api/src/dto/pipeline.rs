//! The data's own path: stages, topics and dead letters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageId {
    Collector,
    Bus,
    Processor,
    MetricStore,
    LogStore,
    Api,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    Ok,
    Degraded,
    Failed,
}

/// One stage. A number that this stage does not have, or that has not arrived yet, is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Stage {
    pub id: StageId,
    pub title: String,
    pub status: StageStatus,
    pub reason: String,
    /// What is worth knowing though nothing is wrong with the stage, such as what a source sends amiss.
    pub note: String,
    /// Samples, messages, windows, documents or requests a second, over the last minute.
    pub rate_per_s: Option<f64>,
    /// What `rate_per_s` counts.
    pub rate_of: String,
    pub bytes_per_s: Option<f64>,
    /// Messages that wait to be read by the slowest group.
    pub lag_records: Option<u64>,
    /// How far event time trails the clock.
    pub lag_seconds: Option<f64>,
    /// What sources sent amiss and nobody could use, since the start: the same series twice in one scrape,
    /// times in the future. The pipeline lost nothing by it.
    pub refused_total: Option<u64>,
    /// Thrown away on purpose, since the start: samples beyond a limit, messages that retention removed
    /// before they were read, windows beyond a limit.
    pub dropped_total: Option<u64>,
    /// Missing though nobody meant it, since the start: messages that did not reach the bus, damaged ones,
    /// frames missing by sequence number, damaged chunks.
    pub loss_total: Option<u64>,
    /// Seen twice and counted once, since the start.
    pub duplicates_total: Option<u64>,
    /// Age of the newest sample (collector), message (bus), window (processor, API), final window (metric
    /// store), log line or event (log store).
    pub newest_age_s: Option<f64>,
    /// More numbers by name.
    pub details: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GroupLag {
    pub name: String,
    pub lag: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TopicRow {
    pub name: String,
    pub n_partitions: u32,
    /// Messages between the first one kept and the end.
    pub n_records: u64,
    pub bytes: Option<u64>,
    pub published_per_s: Option<f64>,
    pub groups: Vec<GroupLag>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct DeadLetterCounts {
    pub total: u64,
    pub by_reason: BTreeMap<String, u64>,
}

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComponentStateDto {
    Ready,
    Starting,
    Degraded,
    Failed,
}

impl ComponentStateDto {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// A part of a process.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ComponentDto {
    /// Label `instance` of the process's own metrics; `null` for the process that answers.
    pub process: Option<String>,
    pub name: String,
    pub state: ComponentStateDto,
    pub reason: String,
}

/// Where canaries are counted. `bus`: samples read by the processor; `windows`: closed windows read by the
/// processor; `metric_store` and `log_store`: written there; `live`: windows that still fill, read by the API;
/// `metric_read` and `log_read`: what the API gets when it asks the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CanaryHopId {
    Bus,
    Live,
    Windows,
    MetricStore,
    MetricRead,
    LogStore,
    LogRead,
}

/// What one hop has seen of the numbered beats that every collector sends: three samples a second, a log line
/// every ten. `null` is not known yet.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CanaryHop {
    pub id: CanaryHopId,
    pub title: String,
    /// Since the start of the process that counts.
    pub received_total: u64,
    /// Beats that others before and after show to be missing.
    pub missing_total: u64,
    /// Beats that came once more; what is replayed after a restart is not among them.
    pub doubled_total: u64,
    /// From the sending of a beat until it came by, over the last three minutes. Windows come by when they have
    /// closed, `metric_read` and `log_read` are looked at every five seconds.
    pub latency_p50_s: Option<f64>,
    pub latency_p99_s: Option<f64>,
    pub last_seen: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Pipeline {
    pub generated_at: Time,
    pub stages: Vec<Stage>,
    /// In the order of the data; empty without `collector.canary` or `collector.self_metrics`.
    pub canary: Vec<CanaryHop>,
    pub topics: Vec<TopicRow>,
    pub dead_letters: DeadLetterCounts,
    /// Parts of this process, as on `/ready`, and of each other whose metrics are collected.
    pub components: Vec<ComponentDto>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeadLetterRow {
    /// `partition-offset` on the topic of dead letters.
    #[schema(example = "0-42")]
    pub id: String,
    /// Where the record came from.
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
    pub reason: String,
    pub detail: String,
    pub observed: Time,
    pub role: String,
    /// Size of the record's value.
    pub bytes: usize,
    /// Its first bytes, with what is not text escaped.
    pub preview: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeadLetterDetail {
    #[serde(flatten)]
    pub row: DeadLetterRow,
    pub key: String,
    pub value_base64: String,
    /// The trace of the message that it was, which it goes on with when it is replayed.
    pub trace_id: Option<String>,
}

/// Which dead letters to publish again: by id, or all with one reason.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    #[serde(default)]
    pub ids: Option<Vec<String>>,
    #[serde(default)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReplayAnswer {
    pub n_replayed: usize,
    /// Ids that are not there any more, or whose topic does not take records back.
    pub skipped: Vec<String>,
}
