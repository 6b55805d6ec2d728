//! The kubelet's part in the life of a pod, from its acceptance to its being ready.

use std::sync::Arc;

use sentinel_model::Timestamp;

use super::events::Occurrence;
use super::{
    Action, Condition, Container, Health, NodeId, Note, Phase, Pod, PodId, PodStep, Reporter, Sandbox, State,
    Subject, Trouble, World,
};
use crate::catalogue::{AppKind, LogStyle};
use crate::dice::Dice;
use crate::logs;
use crate::template::Behaviour;
use crate::time::SECOND;

/// A kubelet that is cut off is asked again after so long.
const RETRY: i64 = 2 * SECOND;

/// A program that crashes at boot does so after so long.
const BOOT: i64 = 2 * SECOND;

impl World {
    pub(super) fn step_pod(&mut self, id: PodId, step: PodStep) {
        let Some(pod) = self.pods.get(&id) else { return };
        let is_cut_off = pod.node.is_some_and(|node| self.nodes[usize::from(node.0)].health != Health::Ready);
        if is_cut_off {
            self.after(RETRY, Action::Pod(id, step));
            return;
        }
        match step {
            PodStep::Schedule => self.schedule(id),
            PodStep::Accept => self.accept(id),
            PodStep::MakeSandbox => self.make_sandbox(id),
            PodStep::Prepare { container } => self.prepare(id, container),
            PodStep::Pulled { container } => self.image_pulled(id, container),
            PodStep::PullFails { container } => self.pull_fails(id, container),
            PodStep::ShowPullBackOff { container } => self.show_pull_back_off(id, container),
            PodStep::Start { container } => self.start_container(id, container),
            PodStep::LoseSandbox => self.lose_sandbox(id),
            PodStep::Stop => self.stop_pod(id),
            PodStep::Gone => self.remove_pod(id),
            PodStep::Probe { container, instance }
            | PodStep::Started { container, instance }
            | PodStep::Ready { container, instance }
            | PodStep::Exit { container, instance, .. }
            | PodStep::ShowBackOff { container, instance }
            | PodStep::RepeatBackOff { container, instance }
            | PodStep::Restart { container, instance }
            | PodStep::FailReadiness { container, instance }
            | PodStep::OutOfMemory { container, instance } => {
                if self.is_current(id, container, instance) {
                    self.step_container(id, (container, instance), step);
                }
            }
        }
    }

    /// A step of a container is void when there is another container by now, or the pod is going.
    fn is_current(&self, id: PodId, container: u8, instance: u32) -> bool {
        self.pods.get(&id).is_some_and(|pod| {
            let is_there = |c: &Container| c.instance == instance;
            pod.deletion.is_none() && pod.containers.get(usize::from(container)).is_some_and(is_there)
        })
    }

    fn step_container(&mut self, id: PodId, (container, instance): (u8, u32), step: PodStep) {
        let place = usize::from(container);
        match step {
            PodStep::Probe { .. } => self.startup_probe_fails(id, place),
            PodStep::Started { .. } => self.container_started(id, place),
            PodStep::Ready { .. } => self.container_ready(id, place),
            PodStep::Exit { exit_code, .. } => self.container_exits(id, place, exit_code),
            PodStep::OutOfMemory { .. } => self.out_of_memory(id, place),
            PodStep::ShowBackOff { .. } => self.show_back_off(id, place),
            PodStep::RepeatBackOff { .. } => self.record_back_off(id, place),
            PodStep::Restart { .. } => self.restart_container(id, place),
            PodStep::FailReadiness { .. } => self.fail_readiness(id, (container, instance)),
            _ => {}
        }
    }

    fn accept(&mut self, id: PodId) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.started = Some(now);
        pod.conditions.is_initialized = Some(Condition::yes(now));
        pod.conditions.can_start = Some(Condition::no(now, "PodSandboxNotReady", "no pod sandbox exists"));
        pod.judge(now);
        self.publish_pod(id);
        let wait = self.dice.whole(380, 560);
        self.after(wait, Action::Pod(id, PodStep::MakeSandbox));
    }

    fn make_sandbox(&mut self, id: PodId) {
        let now = self.now;
        let sandbox = Sandbox { id: self.dice.digest(), since: now };
        let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.deletion.is_none()) else { return };
        pod.sandbox = Some(sandbox);
        Condition::turn(&mut pod.conditions.can_start, Condition::yes(now));
        let n_containers = pod.containers.len() as u8;
        self.publish_pod(id);
        for container in 0..n_containers {
            self.after(8 + i64::from(container) * 40, Action::Pod(id, PodStep::Prepare { container }));
        }
    }

    /// The address that the sandbox has got; the kubelet tells it with its next report.
    pub(super) fn give_address(&mut self, id: PodId) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let Some(node) = pod.node.filter(|_| pod.ip.is_none()) else { return };
        let node = &mut self.nodes[usize::from(node.0)];
        pod.ip = Some(if pod.template.is_daemon() { node.ip } else { node.take_address() });
    }

    fn start_container(&mut self, id: PodId, container: u8) {
        let (now, place) = (self.now, usize::from(container));
        let digest = self.dice.digest();
        self.give_address(id);
        let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.deletion.is_none()) else { return };
        let has_probes = pod.template.containers[place].has_probes;
        let boot = logs::boot(pod, place, now);
        let c = &mut pod.containers[place];
        if let State::Terminated(end) = &c.state {
            c.last = Some(Box::new(end.clone()));
        }
        c.instance += 1;
        c.restarts = c.instance - 1;
        c.id = Some(digest);
        c.state = State::Running { since: now };
        (c.is_started, c.is_ready) = (!has_probes, !has_probes);
        c.leak = None;
        c.previous_notes = std::mem::replace(&mut c.notes, vec![boot]);
        let instance = c.instance;
        if pod.containers.iter().all(Container::has_ever_started) {
            pod.phase = Phase::Running;
        }
        pod.judge(now);
        let demand = if has_probes { 0.0 } else { 1.0 };
        self.start_meter(id, place, demand);
        self.record_container(id, place, ("Created", "Container created".to_owned()));
        self.record_container(id, place, ("Started", "Container started".to_owned()));
        self.publish_pod(id);
        self.plan_run(id, container, instance);
        self.changed(id);
    }

    /// What the new container is going to do.
    fn plan_run(&mut self, id: PodId, container: u8, instance: u32) {
        let place = usize::from(container);
        let Some(pod) = self.pods.get(&id) else { return };
        let (app, spec, behaviour, trouble) =
            (pod.template.app, pod.spec_of(place), pod.template.behaviour, pod.trouble);
        let (is_main, has_probes) = (!spec.is_sidecar, spec.has_probes);
        let plan = |world: &mut Self, millis: i64, step| world.after(millis, Action::Pod(id, step));
        let is_crashing = behaviour == Behaviour::CrashesAtBoot || trouble == Trouble::Crashing;
        if is_main && is_crashing {
            let wait = BOOT + self.dice.whole(0, 500);
            if has_probes {
                plan(self, 800, PodStep::Probe { container, instance });
                plan(self, 1_800, PodStep::Probe { container, instance });
            }
            plan(self, wait, PodStep::Exit { container, instance, exit_code: 1 });
            return;
        }
        if let AppKind::CronJob(_, seconds) = app.kind {
            let wait = self.dice.between(seconds * 850.0, seconds * 1_250.0) as i64;
            plan(self, wait, PodStep::Exit { container, instance, exit_code: 0 });
            return;
        }
        if has_probes {
            let boot = boot_millis(app.log, &mut self.dice);
            for probe in 0..(boot / SECOND).min(4) {
                plan(self, 750 + probe * SECOND, PodStep::Probe { container, instance });
            }
            plan(self, boot, PodStep::Started { container, instance });
            let wait = boot + self.dice.whole(120, 1_400);
            match is_main && (behaviour == Behaviour::NeverReady || trouble == Trouble::Unready) {
                true => plan(self, wait, PodStep::FailReadiness { container, instance }),
                false => plan(self, wait, PodStep::Ready { container, instance }),
            }
        }
        if is_main && trouble == Trouble::OutOfMemory {
            self.leak_to_limit(id, container, 25.0);
        }
    }

    fn container_started(&mut self, id: PodId, place: usize) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.containers[place].is_started = true;
        self.publish_pod(id);
    }

    fn container_ready(&mut self, id: PodId, place: usize) {
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        pod.containers[place].is_ready = true;
        pod.judge(now);
        self.publish_pod(id);
        self.changed(id);
    }

    /// Readiness probes fail again and again.
    fn fail_readiness(&mut self, id: PodId, (container, instance): (u8, u32)) {
        let now = self.now;
        let place = usize::from(container);
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let is_lasting = pod.template.behaviour == Behaviour::NeverReady || pod.trouble == Trouble::Unready;
        if !is_lasting {
            self.container_ready(id, place);
            return;
        }
        if std::mem::take(&mut pod.containers[place].is_ready) {
            pod.judge(now);
            self.publish_pod(id);
            self.changed(id);
        }
        let message = "Readiness probe failed: HTTP probe failed with statuscode: 503".to_owned();
        self.warn_container(id, place, ("Unhealthy", message));
        self.after(5 * SECOND, Action::Pod(id, PodStep::FailReadiness { container, instance }));
    }

    fn startup_probe_fails(&mut self, id: PodId, place: usize) {
        let Some(pod) = self.pods.get(&id) else { return };
        let (Some(ip), port) = (pod.ip, pod.template.app.port) else { return };
        if pod.containers[place].running_since().is_none() || pod.containers[place].is_started {
            return;
        }
        let message = format!(
            "Startup probe failed: Get \"http://{ip}:{port}/live\": dial tcp {ip}:{port}: connect: connection refused"
        );
        self.warn_container(id, place, ("Unhealthy", message));
    }

    /// The owner of a pod looks at it.
    pub(super) fn changed(&mut self, id: PodId) {
        if let Some(workload) = self.pods.get(&id).map(|pod| pod.workload) {
            self.plan_reconcile(workload);
        }
    }

    pub(super) fn record_container(&mut self, id: PodId, place: usize, what: (&'static str, String)) {
        self.record_by_kubelet(id, place, what, false);
    }

    pub(super) fn warn_container(&mut self, id: PodId, place: usize, what: (&'static str, String)) {
        self.record_by_kubelet(id, place, what, true);
    }

    fn record_by_kubelet(
        &mut self,
        id: PodId,
        place: usize,
        (reason, message): (&'static str, String),
        is_warning: bool,
    ) {
        let Some(pod) = self.pods.get(&id) else { return };
        let Some(node) = pod.node.and_then(|NodeId(node)| self.nodes.get(usize::from(node))) else { return };
        let (subject, reporter) = (Subject::container(pod, place), Reporter::kubelet(node));
        self.record(Occurrence { subject, reporter, is_warning, reason, message });
    }
}

/// Time from the start of a program until it answers.
fn boot_millis(style: LogStyle, dice: &mut Dice) -> i64 {
    match style {
        LogStyle::Java => dice.whole(5_500, 9_500),
        LogStyle::Python => dice.whole(2_200, 4_200),
        LogStyle::Postgres => dice.whole(1_800, 3_400),
        _ => dice.whole(900, 1_600),
    }
}

impl Pod {
    /// Derives `ContainersReady` and `Ready` from the containers.
    pub(super) fn judge(&mut self, now: Timestamp) {
        let unready: Vec<&str> = self
            .containers
            .iter()
            .zip(&self.template.containers)
            .filter(|(container, _)| !container.is_ready)
            .map(|(_, spec)| spec.name)
            .collect();
        let next = match (self.phase, unready.is_empty()) {
            (Phase::Succeeded, _) => Condition::no(now, "PodCompleted", ""),
            (Phase::Failed, _) => Condition::no(now, "PodFailed", ""),
            (_, true) => Condition::yes(now),
            (_, false) => {
                let message = format!("containers with unready status: [{}]", unready.join(" "));
                Condition::no(now, "ContainersNotReady", message)
            }
        };
        Condition::turn(&mut self.conditions.is_ready, next.clone());
        Condition::turn(&mut self.conditions.are_containers_ready, next);
    }

    /// Lines that the running container writes beside its usual ones.
    pub(super) fn note(&mut self, place: usize, at: Timestamp, lines: Vec<String>) {
        let notes = &mut self.containers[place].notes;
        if notes.len() < MAX_NOTES {
            notes.push(Note { at, lines: Arc::from(lines) });
        }
    }
}

/// Notes that one container keeps.
const MAX_NOTES: usize = 64;
