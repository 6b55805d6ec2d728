//! The first screen: is anything wrong, since when, because of what.

use serde::Serialize;
use utoipa::ToSchema;

use super::{ResourceUsage, Time};

/// How bad a problem is, by what still works:
/// `critical`: nothing does – a node that is not ready, a workload without an available replica, a pod that
/// crash-loops or was killed for its memory while no pod of its workload is ready.
/// `error`: something is broken and does not mend by itself – such a pod while others of its workload are
/// ready (or of a Job, which serves nobody), a failed pod or Job, a pod that cannot be scheduled, pull its
/// image or be configured, a node under pressure.
/// `warning`: less than wanted, or mending – a workload short of replicas, a pod that is not ready, a pod
/// that is ready again after a crash, a warning event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Error,
    Critical,
}

/// Something that an object's own state or a warning event says is wrong. Not an incident: nothing is
/// grouped by cause.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProblemRow {
    pub severity: Severity,
    /// `pod`, `node`, `workload` or `event`.
    pub kind: String,
    pub cluster: String,
    pub namespace: String,
    pub object_kind: String,
    pub object_name: String,
    pub reason: String,
    pub message: String,
    /// As its condition says, else when it was first seen so.
    pub since: Option<Time>,
}

/// A change that somebody or a controller made.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChangeRow {
    pub time: Time,
    /// `created`, `deleted`, `image`, `scaled`, `rollout` or `node`.
    pub kind: String,
    pub cluster: String,
    pub namespace: String,
    pub object_kind: String,
    pub object_name: String,
    /// In words: `2 → 4 replicas`.
    pub what: String,
}

/// Changes that this server saw; those before `known_from` it did not see, or has forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Changes {
    pub known_from: Time,
    /// Newest first.
    pub items: Vec<ChangeRow>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct HealthCounts {
    pub n_nodes: usize,
    pub n_nodes_ready: usize,
    pub n_workloads: usize,
    pub n_workloads_healthy: usize,
    pub n_pods: usize,
    pub n_pods_healthy: usize,
    pub n_pods_running: usize,
    pub n_pods_pending: usize,
    pub n_pods_failing: usize,
    pub n_pods_finished: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct PodCapacity {
    pub allocatable: Option<f64>,
    pub used: usize,
}

/// What nodes offer, and what the pods in scope ask for and use. Without a namespace `used` is what nodes
/// measure, which is more than the sum of pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Capacity {
    pub cpu: ResourceUsage,
    pub memory: ResourceUsage,
    pub pods: PodCapacity,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TopRow {
    pub cluster: String,
    pub namespace: String,
    pub workload_kind: String,
    pub workload: String,
    pub value: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct TopRows {
    /// Cores.
    pub cpu: Vec<TopRow>,
    /// Bytes.
    pub memory: Vec<TopRow>,
    /// Restarts of the present pods.
    pub restarts: Vec<TopRow>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct OverviewCounts {
    pub n_clusters: usize,
    pub n_namespaces: usize,
    /// Series in scope that moved within the last minutes.
    pub n_series: usize,
    /// Problems that states tell, also those beyond the list's end.
    pub n_problems: usize,
    /// Objects that events of the last 5 minutes warn about and whose state does not say that they are well
    /// again; rows of kind `event`.
    pub n_warnings: usize,
    /// Warning events of the last 15 minutes; `null` when the log store does not answer.
    pub n_warning_events: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Overview {
    pub health: HealthCounts,
    /// What states tell, worst first, then what events warn about; at most 200.
    pub problems: Vec<ProblemRow>,
    /// Newest first, of the last 30 minutes; at most 500.
    pub changes: Vec<ChangeRow>,
    pub capacity: Capacity,
    pub top: TopRows,
    pub counts: OverviewCounts,
}
