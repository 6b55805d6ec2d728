//! The simulated cluster: its state, and how it moves from one event to the next. Depends on nothing
//! but its seed, its size and the simulated time.

use std::collections::BTreeMap;

use sentinel_model::Timestamp;

use crate::dice::Dice;
use crate::load::{Moment, Origin};
use crate::store::{Key, Store};

mod agenda;
mod autoscaler;
mod daemon_set;
mod deployment;
mod endpoints;
mod events;
mod exits;
mod faults;
mod images;
mod jobs;
mod kubelet;
mod life;
mod log_source;
mod node;
mod node_health;
mod pace;
mod pod;
mod pods;
mod publish;
mod reconcile;
mod scheduler;
mod start;
mod stateful_set;
mod stop;
mod usage;
mod workload;

use agenda::Agenda;
pub use agenda::{Action, PodStep};
pub use events::{Reporter, Subject};
pub use faults::{FaultKind, FaultSpec, ObjectName, Truth};
pub use log_source::{LogError, LogRequest};
pub use node::{Fit, Health, Node, NodeSize, Taint};
pub use pod::{
    Condition, Conditions, Container, Deletion, Leak, Note, Owner, Phase, Pod, Sandbox, State, Terminated,
    Trouble,
};
pub use start::Founding;
pub use usage::{ContainerUse, DISK_BYTES, MemoryUse, NodeUse, PodUse, VolumeUse};
pub use workload::{
    Autoscaler, Availability, Budget, Endpoint, Job, JobPhase, Progress, ProgressState, Revision, Service,
    Status, Volume, Workload,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId(pub u32);

/// The whole cluster.
#[derive(Debug)]
pub struct World {
    pub(crate) store: Store,
    pub(crate) nodes: Vec<Node>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) pods: BTreeMap<PodId, Pod>,
    pub(crate) names: BTreeMap<Key, PodId>,
    pub(crate) log_rate: f64,
    seed: u64,
    origin: Origin,
    now: Timestamp,
    agenda: Agenda,
    dice: Dice,
    events: events::EventBook,
    faults: faults::FaultBook,
    next_pod: u32,
    /// What was used before counts for nothing.
    counted_from: Timestamp,
}

impl World {
    /// Simulated time that the world has reached.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    pub fn moment(&self, at: Timestamp) -> Moment {
        self.origin.moment(at)
    }

    pub const fn seed(&self) -> u64 {
        self.seed
    }

    pub const fn store(&self) -> &Store {
        &self.store
    }

    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// Lets everything happen that is due until `until`.
    pub fn advance_to(&mut self, until: Timestamp) {
        while let Some((at, action)) = self.agenda.take_due(until) {
            self.now = at.max(self.now);
            self.act(action);
        }
        self.now = until.max(self.now);
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.next_at()
    }

    /// Plans an action in so many milliseconds at a pace of 1.
    fn after(&mut self, millis: i64, action: Action) {
        let at = self.now.saturating_add_millis(self.span(millis).max(0));
        self.agenda.plan(at, action);
    }

    /// Plans an action in so many milliseconds at any pace: what the real time rules, such as leases.
    fn after_real(&mut self, millis: i64, action: Action) {
        self.agenda.plan(self.now.saturating_add_millis(millis.max(0)), action);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Pod(pod, step) => self.step_pod(pod, step),
            Action::Reconcile(workload) => self.reconcile(workload),
            Action::Deadline(workload) => self.check_deadline(workload),
            Action::RunJob(workload) => self.run_job(workload),
            Action::CountJob(workload, job) => self.count_job(workload, job),
            Action::Autoscale(workload) => self.autoscale(workload),
            Action::Renew(node) => self.renew_lease(node),
            Action::Heartbeat(node) => self.heartbeat(node),
            Action::NoticeLost(node) => self.notice_lost(node),
            Action::Evict(node) => self.evict(node),
            Action::ExpireEvents => self.expire_events(),
            Action::Live(habit) => self.live(habit),
            Action::StartFault(fault) => self.start_fault(fault),
            Action::StepFault(fault) => self.step_fault(fault),
            Action::EndFault(fault) => self.end_fault(fault),
            Action::NextFault => self.next_fault(),
        }
    }
}

#[cfg(test)]
mod tests;
