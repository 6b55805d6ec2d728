//! Ends of faults: the cause goes, and the cluster recovers by its own means.

use std::sync::Arc;

use super::FaultKind;
use crate::store::{Key, Kind};
use crate::world::{Health, NodeId, PodId, Trouble, WorkloadId, World};

impl World {
    pub(super) fn heal(&mut self, number: usize) {
        let fault = &self.faults.faults[number];
        let (kind, victim) = (fault.spec.kind, fault.victim.clone());
        self.ail(victim.workload, 0.0);
        match kind {
            FaultKind::CrashLoop => {
                if let Some(pod) = victim.pod {
                    self.trouble(pod, Trouble::None);
                    self.delete_pod(pod);
                }
            }
            FaultKind::OomKill | FaultKind::MemoryLeak => {
                if let Some(pod) = victim.pod {
                    self.stop_leak(pod);
                }
            }
            FaultKind::CpuThrottling => {
                if let Some(pod) = victim.pod {
                    self.trouble(pod, Trouble::None);
                }
            }
            FaultKind::NoisyNeighbour => {
                if let Some(pod) = victim.pod {
                    self.calm(pod, victim.node);
                }
            }
            FaultKind::ImagePull | FaultKind::BadRollout => {
                if let (Some(workload), Some(before)) = (victim.workload, victim.before) {
                    self.roll_out(workload, before);
                }
            }
            FaultKind::VolumeFilling => self.empty_volume(number),
            FaultKind::Unschedulable => {
                if let Some(workload) = victim.workload {
                    self.delete_workload(workload);
                }
            }
            FaultKind::NodeNotReady => {
                if let Some(node) = victim.node {
                    self.restore_node(node);
                }
            }
        }
    }

    fn stop_leak(&mut self, id: PodId) {
        self.trouble(id, Trouble::None);
        self.turn(Some(id));
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.containers[0].leak = None;
        }
    }

    fn calm(&mut self, id: PodId, node: Option<NodeId>) {
        self.trouble(id, Trouble::None);
        let pods = node.map(|node| self.nodes[usize::from(node.0)].pods.clone()).unwrap_or_default();
        for neighbour in pods {
            if self.pods.get(&neighbour).is_some_and(|pod| pod.trouble == Trouble::Starved) {
                self.trouble(neighbour, Trouble::None);
            }
        }
    }

    /// Somebody deletes old files.
    fn empty_volume(&mut self, number: usize) {
        let (now, pace) = (self.now, self.pace());
        self.turn(self.faults.faults[number].victim.pod);
        if let Some(volume) = self.volume_of(number) {
            volume.used = volume.capacity as f64 * 0.46;
            volume.bytes_per_second = volume.capacity as f64 * 1e-8 * pace;
            volume.since = now;
        }
        if let Some(pod) = self.faults.faults[number].victim.pod {
            self.trouble(pod, Trouble::None);
        }
    }

    /// The Deployment and everything under it goes.
    fn delete_workload(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        workload.is_deleted = true;
        let pods: Vec<PodId> = workload.pods.iter().copied().collect();
        let n_sets = workload.revisions.len();
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&workload.name));
        let workload = &self.workloads[id.0 as usize];
        self.store.remove(Kind::Deployment, &key, |version| crate::objects::deployment(workload, version));
        for place in 0..n_sets {
            self.unpublish_set(id, place);
        }
        for pod in pods {
            self.delete_pod(pod);
        }
    }

    /// Everything that the fault concerned works again.
    pub(super) fn is_recovered(&self, number: usize) -> bool {
        let victim = &self.faults.faults[number].victim;
        let is_whole = |id: WorkloadId| {
            let workload = &self.workloads[id.0 as usize];
            workload.is_deleted && workload.pods.is_empty()
                || !workload.is_deleted
                    && !workload.is_rolling()
                    && workload.status.ready >= workload.replicas.min(workload.status.replicas.max(1))
                    && workload.status.terminating == 0
        };
        let is_node_well = |id: NodeId| {
            let node = &self.nodes[usize::from(id.0)];
            node.health == Health::Ready && node.taints.is_empty()
        };
        victim.workload.is_none_or(is_whole) && victim.node.is_none_or(is_node_well)
    }
}
