//! Pods and their containers as the kubelet sees them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use sentinel_model::Timestamp;

use super::{NodeId, PodId, WorkloadId};
use crate::dice::Uid;
use crate::meter::{Meter, Reading};
use crate::store::{Key, Kind};
use crate::template::Template;

#[derive(Debug)]
pub struct Pod {
    pub id: PodId,
    pub key: Key,
    pub uid: Uid,
    pub workload: WorkloadId,
    pub owner: Owner,
    pub template: Arc<Template>,
    pub labels: Arc<BTreeMap<String, String>>,
    /// End of the name of its token volume.
    pub token: [u8; 5],
    pub created: Timestamp,
    pub generation: i64,
    /// Version of the object as last written.
    pub version: u64,
    pub node: Option<NodeId>,
    /// The node that a DaemonSet made it for.
    pub target: Option<NodeId>,
    pub ip: Option<Ipv4Addr>,
    pub phase: Phase,
    pub conditions: Conditions,
    /// When the kubelet took it on.
    pub started: Option<Timestamp>,
    pub containers: Vec<Container>,
    pub deletion: Option<Deletion>,
    /// Its containers were told to stop.
    pub is_stopping: bool,
    pub sandbox: Option<Sandbox>,
    /// A finished pod of a Job keeps its finalizer until the Job has counted it.
    pub is_uncounted: bool,
    /// Use of containers that are gone, for the totals of the pod's control group.
    pub retired: Reading,
    /// When something that it counts last changed its course.
    pub turned: Timestamp,
    pub trouble: Trouble,
    /// What it suffered from, since when; its past log lines depend on it.
    pub troubles: Vec<(Timestamp, Trouble)>,
}

/// The controller of a pod.
#[derive(Clone, Debug)]
pub struct Owner {
    pub kind: Kind,
    pub name: Arc<str>,
    pub uid: Uid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub struct Deletion {
    pub at: Timestamp,
    pub grace_seconds: i64,
}

/// The container that holds the pod's network.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox {
    pub id: [u8; 32],
    pub since: Timestamp,
}

/// In the order in which the API shows them. `None` until the kubelet has reported.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    pub can_start: Option<Condition>,
    pub is_initialized: Option<Condition>,
    pub is_ready: Option<Condition>,
    pub are_containers_ready: Option<Condition>,
    pub is_scheduled: Option<Condition>,
}

#[derive(Clone, Debug)]
pub struct Condition {
    pub is_true: bool,
    pub since: Timestamp,
    pub reason: &'static str,
    pub message: Arc<str>,
}

#[derive(Debug)]
pub struct Container {
    pub state: State,
    pub last: Option<Box<Terminated>>,
    pub is_ready: bool,
    pub is_started: bool,
    pub restarts: u32,
    /// Of the running or last container; `None` before the first.
    pub id: Option<[u8; 32]>,
    /// Counts containers ever made: steps planned for an earlier one are void.
    pub instance: u32,
    /// Delay before the next restart, doubled each time.
    pub backoff_seconds: i64,
    pub meter: Option<Meter>,
    /// Memory beyond the usual, growing since a moment: a leak.
    pub leak: Option<Leak>,
    /// Lines that this container wrote beside its usual ones.
    pub notes: Vec<Note>,
    /// Those of the container before it.
    pub previous_notes: Vec<Note>,
}

#[derive(Clone, Debug)]
pub enum State {
    Waiting { reason: &'static str, message: Arc<str> },
    Running { since: Timestamp },
    Terminated(Terminated),
}

#[derive(Clone, Debug)]
pub struct Terminated {
    pub exit_code: i32,
    pub reason: &'static str,
    pub message: &'static str,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub id: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leak {
    pub since: Timestamp,
    pub bytes_per_second: f64,
}

/// Lines that something out of the ordinary made a container write.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub at: Timestamp,
    pub lines: Arc<[String]>,
}

/// What a fault does to a pod, so that its logs and its next container show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    /// Its container exits soon after each start.
    Crashing,
    /// Its memory grows to the limit soon after each start.
    OutOfMemory,
    /// It leaks slowly.
    Leaking,
    /// A hot loop uses up its CPU limit.
    Throttled,
    /// Its volume is nearly full.
    DiskFull,
    /// It takes all the CPU of its node.
    Noisy,
    /// Another pod takes the CPU of its node.
    Starved,
    /// Its readiness probe fails.
    Unready,
}

/// Troubles that a pod remembers: more than a log is kept for.
const MAX_TROUBLES: usize = 32;

impl Pod {
    pub fn is_ready(&self) -> bool {
        self.conditions.is_ready.as_ref().is_some_and(|condition| condition.is_true)
    }

    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// Counts towards its workload's size.
    pub fn is_active(&self) -> bool {
        self.deletion.is_none() && !self.is_finished()
    }

    /// From now on it suffers from something else, or from nothing.
    pub fn set_trouble(&mut self, trouble: Trouble, now: Timestamp) {
        self.trouble = trouble;
        self.troubles.push((now, trouble));
        if self.troubles.len() > MAX_TROUBLES {
            self.troubles.remove(0);
        }
    }

    /// The container's entry in the template.
    pub fn spec_of(&self, container: usize) -> &crate::template::ContainerSpec {
        &self.template.containers[container]
    }

    pub fn token_text(&self) -> &str {
        std::str::from_utf8(&self.token).unwrap_or_default()
    }
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

impl Condition {
    pub fn yes(since: Timestamp) -> Self {
        Self { is_true: true, since, reason: "", message: Arc::from("") }
    }

    pub fn no(since: Timestamp, reason: &'static str, message: impl Into<Arc<str>>) -> Self {
        Self { is_true: false, since, reason, message: message.into() }
    }

    /// Takes on a new state; the time of the last transition moves only when the status does.
    pub fn turn(slot: &mut Option<Self>, next: Self) {
        let since = slot.as_ref().filter(|old| old.is_true == next.is_true).map(|old| old.since);
        *slot = Some(Self { since: since.unwrap_or(next.since), ..next });
    }
}

impl Container {
    pub fn new() -> Self {
        Self {
            state: State::Waiting { reason: "ContainerCreating", message: Arc::from("") },
            last: None,
            is_ready: false,
            is_started: false,
            restarts: 0,
            id: None,
            instance: 0,
            backoff_seconds: 0,
            meter: None,
            leak: None,
            notes: Vec::new(),
            previous_notes: Vec::new(),
        }
    }

    /// A pod is pending as long as this does not hold for each of its containers.
    pub fn has_ever_started(&self) -> bool {
        self.last.is_some() || !matches!(self.state, State::Waiting { .. })
    }

    pub fn running_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Running { since } => Some(since),
            State::Waiting { .. } | State::Terminated(_) => None,
        }
    }
}
