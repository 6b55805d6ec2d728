//! Containers that end, and what the kubelet does then.

use std::sync::Arc;

use super::{Action, Condition, Leak, Phase, PodId, PodStep, State, Terminated, World};
use crate::logs;
use crate::time::{self, MINUTE, SECOND};

/// Back-off before the second restart, doubled each time.
const FIRST_BACKOFF: i64 = 10;
const LAST_BACKOFF: i64 = 300;

/// A container that ran for so long starts with a fresh back-off.
const FORGIVEN: i64 = 10 * MINUTE;

impl World {
    pub(super) fn container_exits(&mut self, id: PodId, place: usize, exit_code: i32) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        if exit_code == 1 {
            let lines = logs::crash(pod, place, now);
            pod.note(place, now, lines);
        }
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        self.end_container(id, place, (exit_code, reason));
    }

    /// The kernel kills a container at its limit; the cgroup's own count of such kills stays at 0.
    pub(super) fn out_of_memory(&mut self, id: PodId, place: usize) {
        // A leak that was stopped does not reach the limit any more.
        if self.pods.get(&id).is_none_or(|pod| pod.containers[place].leak.is_none()) {
            return;
        }
        self.end_container(id, place, (137, "OOMKilled"));
    }

    fn end_container(&mut self, id: PodId, place: usize, (exit_code, reason): (i32, &'static str)) {
        let (now, moment) = (self.now, self.moment(self.now));
        let forgiven = self.span(FORGIVEN);
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let Some(started) = pod.containers[place].running_since() else { return };
        let curve = &self.workloads[pod.workload.0 as usize].curve;
        Self::retire_meter(pod, place, curve, (now, moment));
        let c = &mut pod.containers[place];
        let end = Terminated {
            exit_code,
            reason,
            message: "",
            started: Some(started),
            finished: Some(now),
            id: c.id,
        };
        c.state = State::Terminated(end);
        (c.is_ready, c.is_started) = (false, false);
        if now.millis_since(started) > forgiven {
            c.backoff_seconds = 0;
        }
        if pod.template.app.is_finite() {
            self.finish_job_pod(id, exit_code);
            return;
        }
        pod.judge(now);
        self.publish_pod(id);
        self.changed(id);
        self.plan_restart(id, place);
    }

    /// The first restart comes at once, each further one after a longer back-off.
    fn plan_restart(&mut self, id: PodId, place: usize) {
        let container = place as u8;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let c = &mut pod.containers[place];
        let instance = c.instance;
        let seconds = c.backoff_seconds;
        c.backoff_seconds = if seconds == 0 { FIRST_BACKOFF } else { (seconds * 2).min(LAST_BACKOFF) };
        if seconds == 0 {
            self.after(85, Action::Pod(id, PodStep::Restart { container, instance }));
            return;
        }
        self.record_back_off(id, place);
        self.after(SECOND, Action::Pod(id, PodStep::ShowBackOff { container, instance }));
        let again = self.dice.whole(4_000, 5_200);
        self.after(again, Action::Pod(id, PodStep::RepeatBackOff { container, instance }));
        let late = self.dice.whole(SECOND, 2 * SECOND + seconds * 150);
        self.after(seconds * SECOND + late, Action::Pod(id, PodStep::Restart { container, instance }));
    }

    pub(super) fn record_back_off(&mut self, id: PodId, place: usize) {
        let Some(pod) = self.pods.get(&id) else { return };
        let name = pod.spec_of(place).name;
        let message = format!(
            "Back-off restarting failed container {name} in pod {}_{}({})",
            pod.key.name, pod.key.namespace, pod.uid
        );
        self.warn_container(id, place, ("BackOff", message));
    }

    pub(super) fn show_back_off(&mut self, id: PodId, place: usize) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let name = pod.template.containers[place].name;
        let c = &mut pod.containers[place];
        let State::Terminated(end) = &c.state else { return };
        // The back-off in force is the one before it was doubled for the next time.
        let seconds = if c.backoff_seconds == LAST_BACKOFF { LAST_BACKOFF } else { c.backoff_seconds / 2 };
        let message = format!(
            "back-off {} restarting failed container={name} pod={}_{}({})",
            time::go_duration(seconds),
            pod.key.name,
            pod.key.namespace,
            pod.uid
        );
        c.last = Some(Box::new(end.clone()));
        c.state = State::Waiting { reason: "CrashLoopBackOff", message: Arc::from(message) };
        self.publish_pod(id);
        self.record_back_off(id, place);
    }

    pub(super) fn restart_container(&mut self, id: PodId, place: usize) {
        let Some(pod) = self.pods.get(&id) else { return };
        if pod.containers[place].running_since().is_none() {
            self.prepare(id, place as u8);
        }
    }

    /// The pod of a Job is not restarted: it is completed or failed.
    fn finish_job_pod(&mut self, id: PodId, exit_code: i32) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let reason = if exit_code == 0 { "PodCompleted" } else { "PodFailed" };
        if let Some(initialized) = pod.conditions.is_initialized.as_mut().filter(|_| exit_code == 0) {
            initialized.reason = reason;
        }
        for slot in [&mut pod.conditions.is_ready, &mut pod.conditions.are_containers_ready] {
            Condition::turn(slot, Condition::no(now, reason, ""));
        }
        self.publish_pod(id);
        self.changed(id);
        self.after(1_080, Action::Pod(id, PodStep::LoseSandbox));
    }

    /// All containers of a pod that is not restarted have ended.
    pub(super) fn lose_sandbox(&mut self, id: PodId) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let has_failed =
            pod.containers.iter().any(|c| matches!(&c.state, State::Terminated(end) if end.exit_code != 0));
        pod.phase = if has_failed { Phase::Failed } else { Phase::Succeeded };
        Condition::turn(
            &mut pod.conditions.can_start,
            Condition::no(now, "PodSandboxNotReady", "pod sandbox is not ready"),
        );
        let workload = pod.workload;
        self.retire_pod(id);
        self.unbind_finished(id);
        self.publish_pod(id);
        self.changed(id);
        self.after(930, Action::CountJob(workload, id.0));
    }

    /// A finished pod keeps its node's name but nothing of its resources.
    fn unbind_finished(&mut self, id: PodId) {
        self.unbind(id);
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.sandbox = None;
            pod.retired = crate::meter::Reading::default();
        }
    }

    /// Lets a container's memory grow so that it meets its limit in so many seconds at a pace of 1.
    pub(super) fn leak_to_limit(&mut self, id: PodId, container: u8, seconds: f64) {
        let (now, place, pace) = (self.now, usize::from(container), self.pace());
        let Some(pod) = self.pods.get(&id) else { return };
        let limit = pod.spec_of(place).memory_limit as f64;
        let used = self.memory_of(pod, place, now).working_set;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        if limit <= used || pod.containers[place].running_since().is_none() {
            return;
        }
        let bytes_per_second = (limit - used) / seconds * pace;
        let lines = logs::growing(pod, place, now);
        pod.note(place, now, lines);
        let c = &mut pod.containers[place];
        c.leak = Some(Leak { since: now, bytes_per_second });
        let instance = c.instance;
        let wait = (seconds * 1_000.0) as i64;
        self.after(wait, Action::Pod(id, PodStep::OutOfMemory { container, instance }));
    }
}
