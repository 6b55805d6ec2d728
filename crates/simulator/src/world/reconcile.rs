//! The controllers' common part: each workload is looked at a moment after something about it changed.

use super::events::Occurrence;
use super::{Action, Pod, PodId, Reporter, Status, Subject, Workload, WorkloadId, World};
use crate::dice::Uid;
use crate::store::Kind;

/// Controllers see a change so many milliseconds after it was written.
const DELAY: i64 = 14;

/// A pod can serve so many times its usual share before requests fail.
const MAX_DEMAND: f64 = 3.0;

impl World {
    pub(super) fn plan_reconcile(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        if !workload.is_dirty {
            workload.is_dirty = true;
            self.after(DELAY, Action::Reconcile(id));
        }
    }

    pub(super) fn reconcile(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        workload.is_dirty = false;
        if workload.is_deleted {
            return;
        }
        match workload.kind() {
            Kind::Deployment => self.reconcile_deployment(id),
            Kind::StatefulSet => self.reconcile_stateful_set(id),
            Kind::DaemonSet => self.reconcile_daemon_set(id),
            _ => self.reconcile_jobs(id),
        }
        self.reconcile_endpoints(id);
        self.reconcile_budget(id);
        self.share_demand(id);
    }

    /// Ready pods share the workload's demand; the others get none.
    fn share_demand(&mut self, id: WorkloadId) {
        let workload = &self.workloads[id.0 as usize];
        if workload.kind() == Kind::CronJob {
            return;
        }
        let pods: Vec<(PodId, bool)> =
            workload.pods.iter().filter_map(|pod| Some((*pod, self.pods.get(pod)?.is_serving()))).collect();
        let n_serving = pods.iter().filter(|(_, is_serving)| *is_serving).count().max(1);
        let share = match workload.kind() {
            Kind::Deployment => (f64::from(workload.planned) / n_serving as f64).min(MAX_DEMAND),
            _ => 1.0,
        };
        for (pod, is_serving) in pods {
            self.set_demand(pod, if is_serving { share } else { 0.0 });
        }
    }

    pub(super) fn pods_of(&self, id: WorkloadId) -> impl Iterator<Item = &Pod> {
        self.workloads[id.0 as usize].pods.iter().filter_map(|pod| self.pods.get(pod))
    }

    /// Counts the pods that `counts` selects.
    pub(super) fn count_pods(&self, id: WorkloadId, counts: impl Fn(&Pod) -> bool) -> Status {
        let current = self.workloads[id.0 as usize].current();
        let mut status = Status::default();
        for pod in self.pods_of(id).filter(|pod| counts(pod) && !pod.is_finished_job()) {
            if pod.deletion.is_some() {
                status.terminating += 1;
                continue;
            }
            if pod.is_finished() {
                continue;
            }
            status.replicas += 1;
            status.updated += u32::from(pod.template.hash == current.template.hash);
            status.ready += u32::from(pod.is_ready());
        }
        status.available = status.ready;
        status
    }

    /// A controller's own event about a workload.
    pub(super) fn record_about(
        &mut self,
        subject: Subject,
        (component, reason, message): (&'static str, &'static str, String),
    ) {
        let is_warning = matches!(reason, "BackoffLimitExceeded" | "FailedCreate");
        let reporter = Reporter::controller(component);
        self.record(Occurrence { subject, reporter, is_warning, reason, message });
    }
}

impl Pod {
    /// Gets its share of requests.
    pub(super) fn is_serving(&self) -> bool {
        self.containers.iter().all(|container| container.is_ready) && !self.is_finished()
    }

    pub(super) fn is_finished_job(&self) -> bool {
        self.owner.kind == Kind::Job && self.is_finished()
    }

    pub(super) fn is_of(&self, owner: Uid) -> bool {
        self.owner.uid == owner
    }
}

impl Workload {
    pub(super) fn is_rolling(&self) -> bool {
        use super::ProgressState::Complete;
        self.progress.state != Complete
    }
}
