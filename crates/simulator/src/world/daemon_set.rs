//! The DaemonSet controller: one pod on each node.

use std::sync::Arc;

use super::pods::Wanted;
use super::{NodeId, Owner, PodId, Status, Subject, WorkloadId, World};
use crate::store::Kind;

impl World {
    pub(super) fn reconcile_daemon_set(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        workload.observed = workload.generation;
        let missing: Vec<NodeId> = self
            .nodes
            .iter()
            .map(|node| node.id)
            .filter(|node| !self.pods_of(id).any(|pod| pod.target == Some(*node)))
            .collect();
        for node in missing {
            self.make_daemon(id, node);
        }
        if let Some(pod) = self.outdated_daemon(id) {
            self.delete_pod(pod);
        }
        let desired = self.nodes.len() as u32;
        let observed = self.workloads[id.0 as usize].observed;
        let status = Status { observed, desired, terminating: 0, ..self.count_pods(id, |_| true) };
        let workload = &mut self.workloads[id.0 as usize];
        if workload.status != status {
            workload.status = status;
            self.publish_workload(id);
        }
    }

    fn make_daemon(&mut self, id: WorkloadId, node: NodeId) {
        let workload = &self.workloads[id.0 as usize];
        let owner = Owner { kind: Kind::DaemonSet, name: Arc::clone(&workload.name), uid: workload.uid };
        let template = Arc::clone(&workload.current().template);
        let subject = Subject::workload(workload);
        let target = Some(node);
        let pod = self.create_pod(Wanted { workload: id, owner, template, ordinal: None, target });
        let message = format!("Created pod: {}", self.pods[&pod].key.name);
        self.record_about(subject, ("daemonset-controller", "SuccessfulCreate", message));
    }

    /// A pod of an old version, when all others are ready.
    fn outdated_daemon(&self, id: WorkloadId) -> Option<PodId> {
        let hash = &self.workloads[id.0 as usize].current().template.hash;
        let are_ready = self.pods_of(id).all(|pod| pod.is_ready() && pod.deletion.is_none());
        self.pods_of(id).find(|pod| pod.template.hash != *hash).map(|pod| pod.id).filter(|_| are_ready)
    }
}
