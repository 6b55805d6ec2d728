//! The simulated cluster: its state, and how it moves from one event to the next. Depends on nothing
//! but its seed, its size and the simulated time.

use std::collections::BTreeMap;

use sentinel_model::Timestamp;

use crate::dice::Dice;
use crate::load::{Moment, Origin};
use crate::store::{Key, Store};

mod agenda;
mod events;
mod node;
mod pod;
mod pods;
mod publish;
mod scheduler;
mod start;
mod usage;
mod workload;

use agenda::Agenda;
pub use agenda::{Action, PodStep};
pub use events::{Reporter, Subject};
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
    next_pod: u32,
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

    /// Plans an action in so many milliseconds.
    fn after(&mut self, millis: i64, action: Action) {
        let at = self.now.saturating_add_millis(millis.max(0));
        self.agenda.plan(at, action);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Pod(pod, PodStep::Schedule) => self.schedule(pod),
            Action::Renew(node) => self.publish_lease(node),
            Action::ExpireEvents => self.expire_events(),
            _ => {}
        }
    }
}

