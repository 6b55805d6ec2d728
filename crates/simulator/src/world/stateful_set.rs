//! The StatefulSet controller: pods by number, one after the other.

use std::sync::Arc;

use super::pods::Wanted;
use super::{Owner, Pod, PodId, Status, Subject, WorkloadId, World};
use crate::store::Kind;

const CONTROLLER: &str = "statefulset-controller";

impl World {
    pub(super) fn reconcile_stateful_set(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        workload.observed = workload.generation;
        if let Some(ordinal) = self.missing_ordinal(id) {
            self.make_ordinal(id, ordinal);
        } else if let Some(pod) = self.surplus_ordinal(id) {
            self.drop_ordinal(id, pod);
        }
        let observed = self.workloads[id.0 as usize].observed;
        let status = Status { observed, terminating: 0, ..self.count_pods(id, |_| true) };
        let workload = &mut self.workloads[id.0 as usize];
        if workload.status != status {
            workload.status = status;
            self.publish_workload(id);
        }
    }

    /// The first pod that is not there, unless one before it is not ready.
    fn missing_ordinal(&self, id: WorkloadId) -> Option<u32> {
        for ordinal in 0..self.workloads[id.0 as usize].replicas {
            match self.pods_of(id).find(|pod| ordinal_of(pod) == Some(ordinal)) {
                None => return Some(ordinal),
                Some(pod) if !pod.is_ready() || pod.deletion.is_some() => return None,
                Some(_) => {}
            }
        }
        None
    }

    /// The last pod that is one too many, or of an old version while all are ready.
    fn surplus_ordinal(&self, id: WorkloadId) -> Option<PodId> {
        let workload = &self.workloads[id.0 as usize];
        if self.pods_of(id).any(|pod| pod.deletion.is_some()) {
            return None;
        }
        let last = |is: &dyn Fn(&Pod) -> bool| {
            self.pods_of(id).filter(|pod| is(pod)).max_by_key(|pod| ordinal_of(pod)).map(|pod| pod.id)
        };
        let is_surplus = |pod: &Pod| ordinal_of(pod) >= Some(workload.replicas);
        let hash = &workload.current().template.hash;
        last(&is_surplus).or_else(|| {
            let are_ready = self.pods_of(id).all(Pod::is_ready);
            last(&|pod: &Pod| pod.template.hash != *hash).filter(|_| are_ready)
        })
    }

    fn make_ordinal(&mut self, id: WorkloadId, ordinal: u32) {
        let workload = &self.workloads[id.0 as usize];
        let owner = Owner { kind: Kind::StatefulSet, name: Arc::clone(&workload.name), uid: workload.uid };
        let template = Arc::clone(&workload.current().template);
        let message = format!("Create Pod {0}-{ordinal} in StatefulSet {0} successful", workload.name);
        let subject = Subject::workload(workload);
        self.create_pod(Wanted { workload: id, owner, template, ordinal: Some(ordinal), target: None });
        self.record_about(subject, (CONTROLLER, "SuccessfulCreate", message));
    }

    fn drop_ordinal(&mut self, id: WorkloadId, pod: PodId) {
        let workload = &self.workloads[id.0 as usize];
        let Some(name) = self.pods.get(&pod).map(|pod| Arc::clone(&pod.key.name)) else { return };
        let message = format!("Delete Pod {name} in StatefulSet {} successful", workload.name);
        let subject = Subject::workload(workload);
        self.record_about(subject, (CONTROLLER, "SuccessfulDelete", message));
        self.delete_pod(pod);
    }
}

fn ordinal_of(pod: &Pod) -> Option<u32> {
    pod.key.name.rsplit('-').next()?.parse().ok()
}
