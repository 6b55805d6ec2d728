//! Workloads and what belongs to them: revisions, Jobs, autoscalers, Services.

use std::collections::BTreeSet;
use std::sync::Arc;

use sentinel_model::Timestamp;

use super::{PodId, WorkloadId};
use crate::catalogue::{App, AppKind};
use crate::dice::Uid;
use crate::load::Curve;
use crate::store::Kind;
use crate::template::{Template, Version};

#[derive(Debug)]
pub struct Workload {
    pub id: WorkloadId,
    pub app: &'static App,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub uid: Uid,
    pub created: Timestamp,
    /// Version of the object as last written.
    pub written: u64,
    pub generation: i64,
    pub observed: i64,
    /// Size asked for.
    pub replicas: u32,
    /// Size for which the demand of one pod is 1.
    pub planned: u32,
    pub curve: Curve,
    /// Oldest first; the last is the current one.
    pub revisions: Vec<Revision>,
    pub pods: BTreeSet<PodId>,
    pub status: Status,
    pub progress: Progress,
    pub available: Availability,
    pub jobs: Vec<Job>,
    pub last_run: Option<Timestamp>,
    pub last_success: Option<Timestamp>,
    pub service: Option<Service>,
    pub autoscaler: Option<Autoscaler>,
    pub budget: Option<Budget>,
    pub volumes: Vec<Volume>,
    /// Share of its callers' requests that fail, since when.
    pub ailments: Vec<(Timestamp, f64)>,
    pub is_deleted: bool,
    /// A reconciliation is planned already.
    pub is_dirty: bool,
}

/// A ReplicaSet, or the ControllerRevision of other workloads.
#[derive(Debug)]
pub struct Revision {
    pub name: Arc<str>,
    pub uid: Uid,
    pub number: u32,
    /// Numbers that it had before it was rolled back to.
    pub history: Vec<u32>,
    pub version: Version,
    pub template: Arc<Template>,
    pub created: Timestamp,
    pub written: u64,
    pub generation: i64,
    pub replicas: u32,
    pub status: Status,
}

/// Counts of pods, as they are in the status of the object last written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub observed: i64,
    pub replicas: u32,
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    pub terminating: u32,
    /// Of DaemonSets: nodes that should have a pod.
    pub desired: u32,
}

/// Condition `Progressing` of a Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub state: ProgressState,
    pub updated: Timestamp,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressState {
    Created,
    Updated,
    Complete,
    Exceeded,
}

/// Condition `Available` of a Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    pub is_available: bool,
    pub since: Timestamp,
}

#[derive(Debug)]
pub struct Job {
    pub name: Arc<str>,
    pub uid: Uid,
    pub created: Timestamp,
    pub scheduled: Timestamp,
    pub written: u64,
    pub pod: Option<PodId>,
    pub template: Arc<Template>,
    pub phase: JobPhase,
    pub finished: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobPhase {
    New,
    Active {
        is_ready: bool,
    },
    /// Its pod has finished and is being counted.
    Counting {
        is_success: bool,
    },
    Complete,
    Failed,
}

#[derive(Debug)]
pub struct Service {
    pub uid: Uid,
    pub cluster_ip: std::net::Ipv4Addr,
    pub slice_name: Arc<str>,
    pub slice_uid: Uid,
    pub slice_generation: i64,
    /// Pods in the slice as last written, with ready and terminating.
    pub endpoints: Vec<Endpoint>,
    pub changed: Option<Timestamp>,
    pub ingress_uid: Option<Uid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub pod: PodId,
    pub is_ready: bool,
    pub is_terminating: bool,
}

#[derive(Debug)]
pub struct Autoscaler {
    pub uid: Uid,
    pub min: u32,
    pub max: u32,
    pub utilization: i64,
    pub desired: u32,
    pub scaled: Option<Timestamp>,
    /// Since when fewer pods would do.
    pub lower_since: Option<Timestamp>,
    pub generation: i64,
}

#[derive(Debug)]
pub struct Budget {
    pub uid: Uid,
    pub min_available: u32,
    pub healthy: u32,
    pub expected: u32,
    pub is_allowed: bool,
    pub since: Timestamp,
}

/// A StatefulSet pod's claim and the volume behind it.
#[derive(Debug)]
pub struct Volume {
    pub claim: Arc<str>,
    pub claim_uid: Uid,
    pub volume: Arc<str>,
    pub volume_uid: Uid,
    pub capacity: i64,
    /// Bytes in use at `since`, and growth from then on.
    pub used: f64,
    pub bytes_per_second: f64,
    pub since: Timestamp,
    pub created: Timestamp,
}

impl Workload {
    pub fn kind(&self) -> Kind {
        match self.app.kind {
            AppKind::Deployment(_) => Kind::Deployment,
            AppKind::StatefulSet(..) => Kind::StatefulSet,
            AppKind::DaemonSet => Kind::DaemonSet,
            AppKind::CronJob(..) => Kind::CronJob,
        }
    }

    /// The revision that its pods should have.
    ///
    /// # Panics
    /// Never: a workload is made with its first revision and keeps at least one.
    pub fn current(&self) -> &Revision {
        self.revisions.last().expect("a workload has at least one revision")
    }
}

impl Volume {
    /// Bytes in use; a volume never holds more than it can.
    pub fn used_at(&self, at: Timestamp) -> f64 {
        let seconds = at.millis_since(self.since) as f64 / 1_000.0;
        (self.used + seconds * self.bytes_per_second).clamp(0.0, self.capacity as f64 * 0.995)
    }
}
