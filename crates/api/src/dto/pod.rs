//! Pods and their containers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::node::ConditionDto;
use super::object::OwnerDto;
use super::{Time, Usage};

/// How the last container of a pod that ended did so.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LastTermination {
    pub container: String,
    pub reason: String,
    pub exit_code: i32,
    pub finished: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PodRow {
    pub cluster: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// As `kubectl get pods` prints it, but a container that keeps failing is `CrashLoopBackOff` during
    /// its whole back-off.
    pub status: String,
    /// Why it is unwell, in one word (`OOMKilled`, `Unschedulable`); empty when it is well.
    pub reason: String,
    pub message: String,
    /// Does what it should: all ready, or finished well, or just starting, and no recent crash.
    pub is_healthy: bool,
    pub ready_containers: usize,
    pub total_containers: usize,
    pub n_restarts: u64,
    /// When a container last ended to be started again.
    pub last_restart: Option<Time>,
    pub last_termination: Option<LastTermination>,
    /// Empty while it is not scheduled.
    pub node: String,
    pub workload_kind: String,
    pub workload: String,
    pub pod_ip: String,
    pub created: Option<Time>,
    pub usage: Usage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerKindDto {
    App,
    Init,
    Sidecar,
    Ephemeral,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerStateKind {
    Waiting,
    Running,
    Terminated,
    /// The API server says nothing about it (yet).
    Absent,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ContainerStateDto {
    #[serde(rename = "type")]
    pub kind: ContainerStateKind,
    pub reason: String,
    pub message: String,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    pub started: Option<Time>,
    pub finished: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ContainerDto {
    pub name: String,
    pub kind: ContainerKindDto,
    pub image: String,
    pub is_ready: bool,
    pub is_started: bool,
    pub restart_count: u32,
    pub state: ContainerStateDto,
    pub last_state: ContainerStateDto,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PodDetailDto {
    #[serde(flatten)]
    pub row: PodRow,
    pub qos_class: String,
    pub service_account: String,
    pub started: Option<Time>,
    pub conditions: Vec<ConditionDto>,
    pub labels: BTreeMap<String, String>,
    pub owners: Vec<OwnerDto>,
    /// Init containers first, in the order of the pod's specification.
    pub containers: Vec<ContainerDto>,
    /// The object as the API server gave it, without managed fields, environment values and secrets.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PodLogLine {
    pub timestamp: Time,
    pub severity: String,
    pub container: String,
    pub body: String,
}

/// The end of a pod's log, oldest line first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PodLogs {
    pub items: Vec<PodLogLine>,
    /// For the lines before these.
    pub next_page_token: Option<String>,
    /// Lines of this pod's namespace arrive here at all.
    pub is_collected: bool,
    /// What to do when there is nothing to see.
    pub hint: Option<String>,
}
