//! Workloads: what keeps pods running.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::node::ConditionDto;
use super::pod::PodRow;
use super::{Time, Usage};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum WorkloadStatus {
    /// All replicas are there, up to date and available.
    Available,
    /// A rollout or a scaling is under way and not late; a Job runs.
    Progressing,
    /// Some replicas are missing, or a rollout is stuck.
    Degraded,
    /// No replica is available.
    Unavailable,
    /// A Job that succeeded.
    Complete,
    /// A Job that gave up.
    Failed,
    /// A suspended Job or CronJob.
    Suspended,
    /// A CronJob between its runs.
    Scheduled,
    ScaledToZero,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkloadRow {
    pub cluster: String,
    pub namespace: String,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `CronJob` or a `ReplicaSet` without an owner.
    pub kind: String,
    pub name: String,
    pub status: WorkloadStatus,
    pub reason: String,
    pub message: String,
    /// For Jobs the completions wanted, and `ready` those that succeeded.
    pub desired: u32,
    pub ready: u32,
    pub available: u32,
    pub updated: u32,
    pub n_pods: usize,
    pub n_restarts: u64,
    pub images: Vec<String>,
    /// CronJobs: when it runs; else empty.
    pub schedule: String,
    pub created: Option<Time>,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WorkloadDetailDto {
    #[serde(flatten)]
    pub row: WorkloadRow,
    pub conditions: Vec<ConditionDto>,
    pub labels: BTreeMap<String, String>,
    pub pods: Vec<PodRow>,
    /// The object as the API server gave it, without managed fields, environment values and secrets.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
}
