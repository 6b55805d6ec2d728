//! Beginnings of faults.

use super::{FaultKind, Stage};
use crate::logs;
use crate::template::{Behaviour, Version};
use crate::world::{PodId, Progress, ProgressState, Trouble, Volume, WorkloadId, World};

/// A full volume is one with less than this share left.
const FULL: f64 = 0.95;

/// Share of the time of a fault after which a volume is full.
const FILLED_AFTER: f64 = 0.5;

impl World {
    pub(super) fn inject(&mut self, number: usize) {
        let fault = &self.faults.faults[number];
        let (kind, seconds) = (fault.spec.kind, fault.spec.millis as f64 / 1_000.0);
        let victim = fault.victim.clone();
        match (kind, victim.pod, victim.workload) {
            (FaultKind::CrashLoop, Some(pod), _) => {
                self.trouble(pod, Trouble::Crashing);
                self.container_exits(pod, 0, 1);
                self.ail(victim.workload, 0.15);
            }
            (FaultKind::OomKill, Some(pod), _) => {
                self.trouble(pod, Trouble::OutOfMemory);
                self.leak_to_limit(pod, 0, 20.0);
                self.ail(victim.workload, 0.08);
            }
            (FaultKind::MemoryLeak, Some(pod), _) => {
                self.trouble(pod, Trouble::Leaking);
                self.leak_to_limit(pod, 0, seconds * 0.96);
            }
            (FaultKind::CpuThrottling, Some(pod), _) => {
                self.trouble(pod, Trouble::Throttled);
                self.ail(victim.workload, 0.05);
            }
            (FaultKind::NoisyNeighbour, Some(pod), _) => self.make_noise(pod),
            (FaultKind::ImagePull, _, Some(workload)) => self.release_bad(workload, Behaviour::HasNoImage),
            (FaultKind::BadRollout, _, Some(workload)) => {
                let behaviour =
                    if self.dice.chance(0.5) { Behaviour::NeverReady } else { Behaviour::CrashesAtBoot };
                self.release_bad(workload, behaviour);
            }
            (FaultKind::VolumeFilling, Some(_), _) => {
                let (now, pace) = (self.now, self.pace());
                self.turn(victim.pod);
                if let Some(volume) = self.volume_of(number) {
                    let used = volume.used_at(now);
                    let missing = volume.capacity as f64 * 0.985 - used;
                    let rate = missing / (seconds * FILLED_AFTER) * pace;
                    *volume = Volume { used, bytes_per_second: rate, since: now, ..take(volume) };
                }
            }
            (FaultKind::Unschedulable, _, Some(workload)) => self.release_trainer(workload),
            (FaultKind::NodeNotReady, _, _) => {
                if let Some(node) = victim.node {
                    self.silence_node(node);
                }
            }
            _ => {}
        }
    }

    /// What a pod uses takes another course from now on.
    pub(super) fn turn(&mut self, pod: Option<PodId>) {
        let now = self.now;
        if let Some(pod) = pod.and_then(|id| self.pods.get_mut(&id)) {
            pod.turned = now;
        }
    }

    /// What gets worse while a fault lasts.
    pub(super) fn worsen(&mut self, number: usize) {
        let fault = &self.faults.faults[number];
        if fault.spec.kind != FaultKind::VolumeFilling || fault.stage != Stage::Active {
            return;
        }
        let (pod, workload) = (fault.victim.pod, fault.victim.workload);
        let now = self.now;
        let is_full = self.volume_of(number).is_some_and(|v| v.used_at(now) > v.capacity as f64 * FULL);
        let Some(pod) = pod.filter(|pod| is_full && self.pods.contains_key(pod)) else { return };
        if self.pods[&pod].trouble != Trouble::DiskFull {
            self.trouble(pod, Trouble::DiskFull);
            let lines = self.pods.get(&pod).map(|pod| logs::disk_full(pod, now)).unwrap_or_default();
            if let Some(pod) = self.pods.get_mut(&pod) {
                pod.note(0, now, lines);
            }
            self.ail(workload, 0.45);
        }
    }

    /// A pod suffers from something from now on.
    pub(super) fn trouble(&mut self, id: PodId, trouble: Trouble) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.set_trouble(trouble, now);
        let lines = logs::troubled(pod, trouble, now);
        if !lines.is_empty() {
            pod.note(0, now, lines);
        }
        let demand = pod.containers[0].meter.as_ref().map(|meter| meter.regime().demand);
        if let Some(demand) = demand {
            self.set_demand(id, demand);
        }
    }

    /// Callers of a workload see this share of their requests fail from now on.
    pub(super) fn ail(&mut self, workload: Option<WorkloadId>, share: f64) {
        let now = self.now;
        if let Some(WorkloadId(id)) = workload {
            let ailments = &mut self.workloads[id as usize].ailments;
            ailments.push((now, share));
            // Older ones concern lines that are rotated away.
            if ailments.len() > 16 {
                ailments.remove(0);
            }
        }
    }

    fn make_noise(&mut self, id: PodId) {
        self.trouble(id, Trouble::Noisy);
        for neighbour in self.neighbours(id) {
            if self.pods[&neighbour].trouble == Trouble::None {
                self.trouble(neighbour, Trouble::Starved);
            }
        }
    }

    /// Other pods on the same node.
    pub(super) fn neighbours(&self, id: PodId) -> Vec<PodId> {
        let node = self.pods.get(&id).and_then(|pod| pod.node);
        let pods = node.map(|node| &self.nodes[usize::from(node.0)].pods);
        pods.into_iter().flatten().copied().filter(|other| *other != id).collect()
    }

    fn release_bad(&mut self, workload: WorkloadId, behaviour: Behaviour) {
        let current = &self.workloads[workload.0 as usize].current().version;
        let tag = crate::world::start::next_tag(&current.tag);
        let version = Version { tag, config: current.config + 1, behaviour, ..Version::default() };
        self.roll_out(workload, version);
    }

    /// A Deployment appears.
    fn release_trainer(&mut self, id: WorkloadId) {
        let now = self.now;
        let workload = &mut self.workloads[id.0 as usize];
        workload.available.is_available = false;
        workload.progress = Progress { state: ProgressState::Created, updated: now, since: now };
        self.publish_workload(id);
        self.publish_set(id, 0);
        self.plan_reconcile(id);
    }
}

/// A copy of what cannot be copied as a whole.
fn take(volume: &Volume) -> Volume {
    Volume {
        claim: std::sync::Arc::clone(&volume.claim),
        volume: std::sync::Arc::clone(&volume.volume),
        ..*volume
    }
}
