//! What is going to happen, in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sentinel_model::Timestamp;

use super::life::Habit;
use super::pace::shifted;
use super::{NodeId, PodId, WorkloadId};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pod(PodId, PodStep),
    /// The controller of a workload looks at it.
    Reconcile(WorkloadId),
    /// A rollout may have run out of time.
    Deadline(WorkloadId),
    RunJob(WorkloadId),
    /// The Job controller takes note of a finished pod.
    CountJob(WorkloadId, u32),
    Autoscale(WorkloadId),
    Renew(NodeId),
    Heartbeat(NodeId),
    /// The control plane finds that a node's lease is old.
    NoticeLost(NodeId),
    /// Pods of a node that stayed lost are given up.
    Evict(NodeId),
    ExpireEvents,
    Live(Habit),
    StartFault(usize),
    StepFault(usize),
    EndFault(usize),
    /// The rotation picks its next fault.
    NextFault,
}

/// One step in the life of a pod. Those of a container name its place and, where they belong to one
/// container only, its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodStep {
    Schedule,
    Accept,
    MakeSandbox,
    /// Pulls what is missing, then starts.
    Prepare {
        container: u8,
    },
    Pulled {
        container: u8,
    },
    PullFails {
        container: u8,
    },
    ShowPullBackOff {
        container: u8,
    },
    Start {
        container: u8,
    },
    Probe {
        container: u8,
        instance: u32,
    },
    Started {
        container: u8,
        instance: u32,
    },
    Ready {
        container: u8,
        instance: u32,
    },
    Exit {
        container: u8,
        instance: u32,
        exit_code: i32,
    },
    ShowBackOff {
        container: u8,
        instance: u32,
    },
    RepeatBackOff {
        container: u8,
        instance: u32,
    },
    Restart {
        container: u8,
        instance: u32,
    },
    FailReadiness {
        container: u8,
        instance: u32,
    },
    OutOfMemory {
        container: u8,
        instance: u32,
    },
    LoseSandbox,
    Stop,
    Gone,
}

impl Action {
    /// Leases, heartbeats and schedules go by the clock on the wall, whatever the pace.
    const fn is_real_time(self) -> bool {
        matches!(self, Self::Renew(_) | Self::Heartbeat(_) | Self::RunJob(_))
    }
}

#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    n_planned: u64,
}

/// Ordered by time, then by the order of planning, so that runs are alike.
#[derive(Debug)]
struct Entry {
    at: Timestamp,
    number: u64,
    action: Action,
}

impl Agenda {
    pub fn plan(&mut self, at: Timestamp, action: Action) {
        self.n_planned += 1;
        self.heap.push(Reverse(Entry { at, number: self.n_planned, action }));
    }

    /// What is due later comes `ratio` times as soon, but for what real time rules.
    pub fn hasten(&mut self, now: Timestamp, ratio: f64) {
        let entries = std::mem::take(&mut self.heap).into_iter();
        let moved = entries.map(|Reverse(entry)| {
            let is_moved = entry.at > now && !entry.action.is_real_time();
            let at = if is_moved { shifted(now, entry.at, ratio) } else { entry.at };
            Reverse(Entry { at, ..entry })
        });
        self.heap = moved.collect();
    }

    pub fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub fn take_due(&mut self, until: Timestamp) -> Option<(Timestamp, Action)> {
        if self.next_at()? > until {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.action))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hastens_everything_but_what_goes_by_the_clock_on_the_wall() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_secs;
        agenda.plan(at(160), Action::Renew(NodeId(1)));
        agenda.plan(at(160), Action::NextFault);
        agenda.plan(at(90), Action::ExpireEvents);
        agenda.hasten(at(100), 60.0);
        assert_eq!(agenda.take_due(at(200)), Some((at(90), Action::ExpireEvents)));
        assert_eq!(agenda.take_due(at(200)), Some((at(101), Action::NextFault)));
        assert_eq!(agenda.take_due(at(200)), Some((at(160), Action::Renew(NodeId(1)))));
    }

    #[test]
    fn gives_what_is_due_by_time_and_then_in_the_order_of_planning() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_secs;
        agenda.plan(at(5), Action::Renew(NodeId(1)));
        agenda.plan(at(3), Action::Renew(NodeId(2)));
        agenda.plan(at(5), Action::Renew(NodeId(3)));
        assert_eq!(agenda.next_at(), Some(at(3)));
        let mut due = || agenda.take_due(at(5)).map(|(_, action)| action);
        assert_eq!(due(), Some(Action::Renew(NodeId(2))));
        assert_eq!(due(), Some(Action::Renew(NodeId(1))));
        assert_eq!(due(), Some(Action::Renew(NodeId(3))));
        assert_eq!(due(), None);
    }
}
