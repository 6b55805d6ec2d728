//! The Deployment controller and the ReplicaSet controller under it.

use std::sync::Arc;

use super::pods::Wanted;
use super::{
    Action, Availability, Owner, PodId, Progress, ProgressState, Revision, Status, Subject, WorkloadId, World,
};
use crate::dice::Dice;
use crate::objects::PROGRESS_DEADLINE;
use crate::store::Kind;
use crate::template::Version;
use crate::time::SECOND;

/// Empty ReplicaSets of the past that a Deployment keeps.
const KEPT_REVISIONS: usize = 2;

const CONTROLLER: &str = "deployment-controller";
const SET_CONTROLLER: &str = "replicaset-controller";

impl World {
    /// Begins to replace the pods of a Deployment by those of another version.
    pub(super) fn roll_out(&mut self, id: WorkloadId, version: Version) {
        let now = self.now;
        let workload = &mut self.workloads[id.0 as usize];
        workload.generation += 1;
        let number = workload.revisions.iter().map(|revision| revision.number).max().unwrap_or_default() + 1;
        let known = workload.revisions.iter().position(|revision| revision.version == version);
        match known {
            Some(place) => {
                let mut revision = workload.revisions.remove(place);
                revision.history.push(std::mem::replace(&mut revision.number, number));
                workload.revisions.push(revision);
            }
            None => {
                let key = format!("{}/{}/{number}", workload.namespace, workload.name);
                let mut dice = Dice::keyed(self.seed ^ 0x5253, key);
                workload.revisions.push(Revision::new(workload.app, version, number, now, &mut dice));
            }
        }
        workload.progress = Progress { state: ProgressState::Created, updated: now, ..workload.progress };
        self.publish_workload(id);
        let newest = self.workloads[id.0 as usize].revisions.len() - 1;
        self.publish_set(id, newest);
        self.publish_workload(id);
        self.after(PROGRESS_DEADLINE * SECOND + SECOND, Action::Deadline(id));
        self.plan_reconcile(id);
    }

    /// Asks for another number of pods.
    pub(super) fn scale(&mut self, id: WorkloadId, replicas: u32) {
        let workload = &mut self.workloads[id.0 as usize];
        if workload.replicas != replicas {
            workload.replicas = replicas;
            workload.generation += 1;
            self.publish_workload(id);
            self.plan_reconcile(id);
        }
    }

    pub(super) fn reconcile_deployment(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        workload.observed = workload.generation;
        let replicas = workload.replicas as usize;
        let current = workload.current().uid;
        let (newest, oldest) = (self.active(id, |uid| uid == current), self.active(id, |uid| uid != current));
        let max_total = replicas + replicas.div_ceil(4);
        let min_ready = replicas - replicas / 4;
        let n_total = newest.len() + oldest.len();
        let n_new = (max_total.saturating_sub(n_total)).min(replicas.saturating_sub(newest.len()));
        let n_over = newest.len().saturating_sub(replicas);
        let ready = |pods: &[(PodId, bool)]| pods.iter().filter(|(_, is_ready)| *is_ready).count();
        let n_ready = ready(&newest) + ready(&oldest);
        // Old pods that do not work go first, then as many as are not needed.
        let n_unready = oldest.len() - ready(&oldest);
        let slack = n_total.saturating_sub(min_ready + (newest.len() - ready(&newest)));
        let n_old_gone = n_unready.min(slack) + ready(&oldest).min(n_ready.saturating_sub(min_ready));
        self.grow(id, n_new);
        self.shrink(id, &newest, n_over);
        self.shrink(id, &oldest, n_old_gone);
        self.write_sets(id);
        self.write_deployment(id);
        self.forget_revisions(id);
    }

    /// Active pods of revisions, with whether they are ready; those that can go first come first.
    fn active(&self, id: WorkloadId, is_of: impl Fn(crate::dice::Uid) -> bool) -> Vec<(PodId, bool)> {
        let mut pods: Vec<_> = self
            .pods_of(id)
            .filter(|pod| pod.is_active() && is_of(pod.owner.uid))
            .map(|pod| (pod.id, pod.is_ready()))
            .collect();
        pods.sort_by_key(|(pod, is_ready)| (*is_ready, std::cmp::Reverse(*pod)));
        pods
    }

    fn grow(&mut self, id: WorkloadId, n_new: usize) {
        if n_new == 0 {
            return;
        }
        let place = self.workloads[id.0 as usize].revisions.len() - 1;
        let target = self.workloads[id.0 as usize].current().replicas + n_new as u32;
        self.set_size(id, place, target);
        for _ in 0..n_new {
            let revision = self.workloads[id.0 as usize].current();
            let owner = Owner { kind: Kind::ReplicaSet, name: Arc::clone(&revision.name), uid: revision.uid };
            let template = Arc::clone(&revision.template);
            let pod = self.create_pod(Wanted { workload: id, owner, template, ordinal: None, target: None });
            self.tell_set(id, place, ("SuccessfulCreate", "Created", pod));
        }
    }

    fn shrink(&mut self, id: WorkloadId, pods: &[(PodId, bool)], n_gone: usize) {
        for (pod, _) in pods.iter().take(n_gone) {
            let owner = self.pods.get(pod).map(|pod| pod.owner.uid);
            let revisions = &self.workloads[id.0 as usize].revisions;
            let Some(place) = revisions.iter().position(|revision| Some(revision.uid) == owner) else {
                continue;
            };
            let target = revisions[place].replicas.saturating_sub(1);
            self.set_size(id, place, target);
            self.tell_set(id, place, ("SuccessfulDelete", "Deleted", *pod));
            self.delete_pod(*pod);
        }
    }

    /// The Deployment controller asks a ReplicaSet for another number of pods.
    fn set_size(&mut self, id: WorkloadId, place: usize, replicas: u32) {
        let revision = &mut self.workloads[id.0 as usize].revisions[place];
        let before = std::mem::replace(&mut revision.replicas, replicas);
        if before == replicas {
            return;
        }
        revision.generation += 1;
        let name = Arc::clone(&revision.name);
        self.publish_set(id, place);
        let direction = if replicas > before { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {name} from {before} to {replicas}");
        let subject = Subject::workload(&self.workloads[id.0 as usize]);
        self.record_about(subject, (CONTROLLER, "ScalingReplicaSet", message));
    }

    fn tell_set(&mut self, id: WorkloadId, place: usize, (reason, verb, pod): (&'static str, &str, PodId)) {
        let workload = &self.workloads[id.0 as usize];
        let set = &workload.revisions[place];
        let Some(pod) = self.pods.get(&pod) else { return };
        let message = format!("{verb} pod: {}", pod.key.name);
        let subject = Subject::owned(workload, Kind::ReplicaSet, (&set.name, set.uid), set.written);
        self.record_about(subject, (SET_CONTROLLER, reason, message));
    }

    fn write_sets(&mut self, id: WorkloadId) {
        for place in 0..self.workloads[id.0 as usize].revisions.len() {
            let revision = &self.workloads[id.0 as usize].revisions[place];
            let (uid, observed) = (revision.uid, revision.generation);
            let status = Status { observed, updated: 0, ..self.count_pods(id, |pod| pod.is_of(uid)) };
            let revision = &mut self.workloads[id.0 as usize].revisions[place];
            if revision.status != status {
                revision.status = status;
                self.publish_set(id, place);
            }
        }
    }

    fn write_deployment(&mut self, id: WorkloadId) {
        let now = self.now;
        let counts = self.count_pods(id, |_| true);
        let workload = &mut self.workloads[id.0 as usize];
        let status = Status { observed: workload.observed, ..counts };
        let needed = workload.replicas - workload.replicas / 4;
        let is_available = status.available >= needed;
        let is_complete = status.updated == workload.replicas
            && status.replicas == workload.replicas
            && status.available >= workload.replicas;
        let has_moved = status.updated != workload.status.updated
            || status.ready > workload.status.ready
            || status.replicas != workload.status.replicas;
        let before = (workload.status, workload.progress, workload.available);
        workload.status = status;
        if workload.available.is_available != is_available {
            workload.available = Availability { is_available, since: now };
        }
        let state = match workload.progress.state {
            // A complete rollout stays complete, whatever happens to its pods later.
            ProgressState::Complete => ProgressState::Complete,
            _ if is_complete => ProgressState::Complete,
            _ if has_moved => ProgressState::Updated,
            state => state,
        };
        if state != workload.progress.state || has_moved && state == ProgressState::Updated {
            let was_exceeded = workload.progress.state == ProgressState::Exceeded;
            let since = if was_exceeded { now } else { workload.progress.since };
            workload.progress = Progress { state, updated: now, since };
            if state == ProgressState::Updated {
                self.after(PROGRESS_DEADLINE * SECOND + SECOND, Action::Deadline(id));
            }
        }
        let workload = &self.workloads[id.0 as usize];
        if before != (workload.status, workload.progress, workload.available) {
            self.publish_workload(id);
        }
    }

    /// A rollout that made no progress for too long is reported.
    pub(super) fn check_deadline(&mut self, id: WorkloadId) {
        let (now, deadline) = (self.now, self.span(PROGRESS_DEADLINE * SECOND));
        let workload = &mut self.workloads[id.0 as usize];
        let progress = workload.progress;
        let is_late = now.millis_since(progress.updated) >= deadline;
        let is_open = matches!(progress.state, ProgressState::Created | ProgressState::Updated);
        if is_open && is_late && !workload.is_deleted {
            workload.progress = Progress { state: ProgressState::Exceeded, updated: now, since: now };
            self.publish_workload(id);
        }
    }

    /// Empty ReplicaSets beyond the history are deleted, oldest first.
    fn forget_revisions(&mut self, id: WorkloadId) {
        loop {
            let workload = &self.workloads[id.0 as usize];
            let is_empty = |revision: &Revision| {
                revision.replicas == 0 && revision.status.replicas + revision.status.terminating == 0
            };
            let old = &workload.revisions[..workload.revisions.len() - 1];
            let n_empty = old.iter().filter(|revision| is_empty(revision)).count();
            let Some(place) = old.iter().position(is_empty).filter(|_| n_empty > KEPT_REVISIONS) else {
                return;
            };
            self.unpublish_set(id, place);
            self.workloads[id.0 as usize].revisions.remove(place);
        }
    }
}
