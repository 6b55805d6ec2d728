//! Deleting pods: the kubelet stops their containers, then they are gone.

use super::{Action, Condition, Deletion, Phase, Pod, PodId, PodStep, State, Terminated, World};
use crate::catalogue::LogStyle;
use crate::logs;

impl World {
    /// Asks for a pod to be deleted.
    pub(super) fn delete_pod(&mut self, id: PodId) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.deletion.is_none()) else { return };
        let is_at_once = pod.node.is_none() || pod.is_finished();
        let grace_seconds = if is_at_once { 0 } else { pod.template.grace_seconds };
        let at = now.saturating_add_millis(grace_seconds * 1_000);
        pod.deletion = Some(Deletion { at, grace_seconds });
        pod.generation += 1;
        self.publish_pod(id);
        if is_at_once {
            self.remove_pod(id);
            return;
        }
        self.changed(id);
        self.after(25, Action::Pod(id, PodStep::Stop));
    }

    /// First step: the containers are told to stop. Second step: they have.
    pub(super) fn stop_pod(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else { return };
        if !pod.is_stopping && pod.containers.iter().any(|c| c.running_since().is_some()) {
            self.tell_to_stop(id);
        } else {
            self.all_stopped(id);
        }
    }

    fn tell_to_stop(&mut self, id: PodId) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let names: Vec<&str> = pod.template.containers.iter().map(|spec| spec.name).collect();
        let lines = logs::stop(pod, 0, now);
        pod.note(0, now, lines);
        for (place, name) in names.into_iter().enumerate() {
            self.record_container(id, place, ("Killing", format!("Stopping container {name}")));
        }
        self.publish_pod(id);
        let wait = self.dice.whole(160, 1_900);
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.is_stopping = true;
        self.after(wait, Action::Pod(id, PodStep::Stop));
    }

    fn all_stopped(&mut self, id: PodId) {
        let (now, moment) = (self.now, self.moment(self.now));
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let curve = &self.workloads[pod.workload.0 as usize].curve;
        for place in 0..pod.containers.len() {
            Self::retire_meter(pod, place, curve, (now, moment));
            let end = end_of(pod, place, now);
            let c = &mut pod.containers[place];
            if let Some(end) = end {
                c.state = State::Terminated(end);
            }
            (c.is_ready, c.is_started) = (false, false);
        }
        let has_failed =
            pod.containers.iter().any(|c| matches!(&c.state, State::Terminated(end) if end.exit_code != 0));
        pod.phase = if has_failed { Phase::Failed } else { Phase::Succeeded };
        if let Some(initialized) = pod.conditions.is_initialized.as_mut().filter(|_| !has_failed) {
            initialized.reason = "PodCompleted";
        }
        pod.judge(now);
        let gone = Condition::no(now, "PodSandboxNotReady", "pod sandbox is not ready");
        Condition::turn(&mut pod.conditions.can_start, gone);
        self.publish_pod(id);
        self.changed(id);
        let wait = self.dice.whole(230, 900);
        self.after(wait, Action::Pod(id, PodStep::Gone));
    }

    /// The pod is gone from the API.
    pub(super) fn remove_pod(&mut self, id: PodId) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        if pod.deletion.is_some_and(|deletion| deletion.grace_seconds > 0) {
            pod.deletion = Some(Deletion { at: now, grace_seconds: 0 });
            self.publish_pod(id);
        }
        self.unpublish_pod(id);
        self.retire_pod(id);
        self.unbind(id);
        self.changed(id);
        if let Some(pod) = self.pods.remove(&id) {
            self.names.remove(&pod.key);
            self.workloads[pod.workload.0 as usize].pods.remove(&id);
        }
    }
}

/// How a container ends when it is told to; `None` if it had ended before.
fn end_of(pod: &Pod, place: usize, now: sentinel_model::Timestamp) -> Option<Terminated> {
    let container = &pod.containers[place];
    match &container.state {
        State::Terminated(_) => None,
        State::Running { since } => {
            // A JVM ends with the signal's status, others have a handler.
            let is_java = pod.template.app.log == LogStyle::Java;
            Some(Terminated {
                exit_code: if is_java { 143 } else { 0 },
                reason: if is_java { "Error" } else { "Completed" },
                message: "",
                started: Some(*since),
                finished: Some(now),
                id: container.id,
            })
        }
        State::Waiting { .. } => match &container.last {
            Some(last) => Some((**last).clone()),
            None => Some(Terminated {
                exit_code: 137,
                reason: "ContainerStatusUnknown",
                message: "The container could not be located when the pod was terminated",
                started: None,
                finished: None,
                id: None,
            }),
        },
    }
}
