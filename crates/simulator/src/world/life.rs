//! What goes on without anything being wrong: releases, and probes that time out once.

use super::{Action, PodId, ProgressState, Trouble, WorkloadId, World};
use crate::catalogue::AppKind;
use crate::template::Version;
use crate::time::MINUTE;

/// Something that happens again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// A team ships a new version of one of its applications.
    Release,
    /// A probe times out once.
    Hiccup,
}

/// A team of average size ships so often.
const RELEASES: i64 = 600 * MINUTE;

/// Each pod misses a probe so often.
const HICCUPS: i64 = 130 * MINUTE;

impl World {
    pub(super) fn live(&mut self, habit: Habit) {
        let (period, n) = match habit {
            Habit::Release => {
                self.release();
                (RELEASES, self.workloads.len())
            }
            Habit::Hiccup => {
                self.hiccup();
                (HICCUPS, self.pods.len())
            }
        };
        let mean = period / (n.max(1) as i64);
        let wait = self.dice.whole(mean / 2, mean * 3 / 2).max(1_000);
        self.after(wait, Action::Live(habit));
    }

    fn release(&mut self) {
        let from = self.dice.index(self.workloads.len().max(1)).min(self.workloads.len());
        let all = self.workloads[from..].iter().chain(&self.workloads[..from]);
        let quiet = all
            .filter(|w| matches!(w.app.kind, AppKind::Deployment(_)) && !w.app.extras.is_system)
            .filter(|w| w.progress.state == ProgressState::Complete && !w.is_deleted)
            .find(|w| !self.is_troubled(w.id));
        let Some(id) = quiet.map(|w| w.id) else { return };
        let current = &self.workloads[id.0 as usize].current().version;
        let version = Version { tag: super::start::next_tag(&current.tag), ..current.clone() };
        self.roll_out(id, version);
    }

    /// Something is wrong with the workload on purpose: nobody ships it now.
    pub(super) fn is_troubled(&self, id: WorkloadId) -> bool {
        self.faults.concerns(id) || self.pods_of(id).any(|pod| pod.trouble != Trouble::None)
    }

    fn hiccup(&mut self) {
        // Chance names a place, not one of all candidates: large clusters have many, and hiccup often.
        let from = PodId(self.dice.whole(0, i64::from(self.next_pod.max(1))) as u32);
        let all = self.pods.range(from..).chain(self.pods.range(..from));
        let mut candidates =
            all.map(|(_, pod)| pod).filter(|pod| pod.is_ready() && pod.template.containers[0].has_probes);
        let Some(pod) = candidates.next() else { return };
        let (Some(ip), port, id) = (pod.ip, pod.template.app.port, pod.id) else { return };
        let message = format!(
            "Readiness probe failed: Get \"http://{ip}:{port}/ready\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        );
        self.warn_container(id, 0, ("Unhealthy", message));
    }
}
