//! Objects of a cluster, as far as tables, rules and topology need them. Never Secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Timestamp;

/// Identity of an object, and its key on the compacted topic: `cluster/kind/uid`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    pub cluster: Arc<str>,
    pub kind: Arc<str>,
    pub uid: String,
}

/// One state of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectState {
    pub key: ObjectKey,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    pub resource_version: String,
    pub created: Option<Timestamp>,
    /// When the collector saw this state.
    pub observed: Timestamp,
    /// The object is gone; the record becomes a tombstone.
    pub is_deleted: bool,
    pub labels: BTreeMap<String, String>,
    pub owners: Vec<OwnerRef>,
    /// Top of the owner chain (a Pod's Deployment, not its ReplicaSet).
    pub workload: Option<WorkloadRef>,
    pub detail: ObjectDetail,
    /// The object as JSON without `managedFields`, environment values and anything secret.
    pub manifest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerRef {
    pub kind: String,
    pub name: String,
    pub uid: String,
    pub is_controller: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkloadRef {
    pub kind: String,
    pub name: String,
}

/// What tables and rules read without parsing the manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectDetail {
    Pod(Box<PodDetail>),
    Node(Box<NodeDetail>),
    /// Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob.
    Workload(Box<WorkloadDetail>),
    /// Every other kind: only the manifest.
    Other,
}

/// `type`, `status` and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    pub reason: String,
    pub message: String,
    pub since: Option<Timestamp>,
}

/// CPU in cores, memory and storage in bytes; absent means not set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    pub cpu_cores: Option<f64>,
    pub memory_bytes: Option<f64>,
    pub ephemeral_storage_bytes: Option<f64>,
    pub pods: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodDetail {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// What `kubectl get pods` prints under STATUS: phase, or the reason that matters more.
    pub status: String,
    pub node: String,
    pub pod_ip: String,
    pub qos_class: String,
    pub service_account: String,
    pub started: Option<Timestamp>,
    /// Set once deletion has been asked for.
    pub deletion_requested: Option<Timestamp>,
    pub conditions: Vec<Condition>,
    pub containers: Vec<ContainerStatus>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContainerKind {
    #[default]
    App,
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    Ephemeral,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerStatus {
    pub name: String,
    pub kind: ContainerKind,
    pub image: String,
    pub is_ready: bool,
    pub is_started: bool,
    pub restart_count: u32,
    pub state: ContainerState,
    pub last_state: ContainerState,
    pub requests: Resources,
    pub limits: Resources,
}

/// State of a container as the API reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// The API says nothing (yet).
    #[default]
    Absent,
    Waiting {
        reason: String,
        message: String,
    },
    Running {
        started: Option<Timestamp>,
    },
    Terminated {
        reason: String,
        message: String,
        exit_code: i32,
        signal: i32,
        started: Option<Timestamp>,
        finished: Option<Timestamp>,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeDetail {
    pub conditions: Vec<Condition>,
    pub capacity: Resources,
    pub allocatable: Resources,
    pub is_unschedulable: bool,
    /// `key=value:Effect`.
    pub taints: Vec<String>,
    pub kubelet_version: String,
    pub os_image: String,
    pub kernel_version: String,
    pub container_runtime: String,
    pub architecture: String,
    pub internal_ip: String,
    pub roles: Vec<String>,
}

/// Replica counts and rollout state. For Jobs: `desired` completions, `ready` succeeded, `failed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadDetail {
    pub desired: u32,
    pub current: u32,
    pub ready: u32,
    pub available: u32,
    pub updated: u32,
    pub failed: u32,
    pub generation: i64,
    pub observed_generation: i64,
    pub is_paused: bool,
    /// CronJobs.
    pub schedule: String,
    pub images: Vec<String>,
    pub conditions: Vec<Condition>,
    pub selector: BTreeMap<String, String>,
}
