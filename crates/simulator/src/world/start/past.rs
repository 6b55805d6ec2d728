//! Pods that have been running for a while when the cluster is first seen.

use std::sync::Arc;

use sentinel_model::Timestamp;

use crate::catalogue::AppKind;
use crate::dice::Dice;
use crate::store::Kind;
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use crate::world::node::Image;
use crate::world::pods::Wanted;
use crate::world::{
    Condition, Endpoint, NodeId, Owner, Phase, PodId, Sandbox, State, Terminated, WorkloadId, World,
};

/// One in so many pods was restarted some time.
const RESTARTED: f64 = 0.12;

impl World {
    /// Makes the pods that each workload asks for, as if they had been there for long.
    pub(super) fn found_pods(&mut self) {
        for index in 0..self.workloads.len() {
            let id = WorkloadId(index as u32);
            for wanted in self.founding_wants(id) {
                self.found_pod(wanted);
            }
            self.found_counts(id);
        }
    }

    fn founding_wants(&self, id: WorkloadId) -> Vec<Wanted> {
        let workload = &self.workloads[id.0 as usize];
        let revision = workload.current();
        let owner = match workload.kind() {
            Kind::Deployment => {
                Owner { kind: Kind::ReplicaSet, name: Arc::clone(&revision.name), uid: revision.uid }
            }
            kind => Owner { kind, name: Arc::clone(&workload.name), uid: workload.uid },
        };
        let wanted = |ordinal, target| Wanted {
            workload: id,
            owner: owner.clone(),
            template: Arc::clone(&revision.template),
            ordinal,
            target,
        };
        match workload.app.kind {
            AppKind::Deployment(_) => (0..workload.replicas).map(|_| wanted(None, None)).collect(),
            AppKind::StatefulSet(..) => (0..workload.replicas).map(|n| wanted(Some(n), None)).collect(),
            AppKind::DaemonSet => self.nodes.iter().map(|node| wanted(None, Some(node.id))).collect(),
            AppKind::CronJob(..) => Vec::new(),
        }
    }

    fn found_pod(&mut self, wanted: Wanted) {
        let target = wanted.target;
        let (workload, template) = (wanted.workload, Arc::clone(&wanted.template));
        let id = self.add_pod(wanted);
        let Some(node) = self.pick_node(&template, target) else { return };
        self.bind(id, node);
        let mut dice = Dice::keyed(self.seed ^ 0x0041_4745, id.0.to_be_bytes());
        let created = self.founding_time(workload, node, &mut dice);
        let ip = if template.is_daemon() {
            self.nodes[usize::from(node.0)].ip
        } else {
            self.nodes[usize::from(node.0)].take_address()
        };
        for spec in &template.containers {
            self.keep_image(node, &spec.image);
        }
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let at = |millis: i64| created.saturating_add_millis(millis);
        pod.created = created;
        pod.started = Some(at(100));
        pod.ip = Some(ip);
        pod.phase = Phase::Running;
        pod.sandbox = Some(Sandbox { id: dice.digest(), since: at(450) });
        pod.conditions.is_scheduled = Some(Condition::yes(at(20)));
        pod.conditions.is_initialized = Some(Condition::yes(at(100)));
        pod.conditions.can_start = Some(Condition::yes(at(450)));
        let mut ready = at(9 * SECOND);
        for container in &mut pod.containers {
            let mut since = at(1_200);
            container.instance = 1;
            if dice.chance(RESTARTED) && now.millis_since(created) > DAY {
                container.restarts = dice.whole(1, 5) as u32;
                container.instance = container.restarts + 1;
                let crashed = Timestamp::from_millis(
                    dice.whole(created.as_millis() + HOUR, now.as_millis() - 2 * HOUR),
                );
                container.last = Some(Box::new(past_end(since, crashed, &mut dice)));
                since = crashed.saturating_add_millis(800);
                ready = since.saturating_add_millis(8 * SECOND);
            }
            container.state = State::Running { since };
            container.id = Some(dice.digest());
            (container.is_ready, container.is_started) = (true, true);
        }
        pod.conditions.is_ready = Some(Condition::yes(ready));
        pod.conditions.are_containers_ready = Some(Condition::yes(ready));
        self.start_past_meters(id);
    }

    /// Meters count from the start of each container, not from the founding.
    fn start_past_meters(&mut self, id: PodId) {
        let now = self.now;
        let n_containers = self.pods.get(&id).map_or(0, |pod| pod.containers.len());
        for place in 0..n_containers {
            let since = self.pods.get(&id).and_then(|pod| pod.containers[place].running_since());
            self.now = since.unwrap_or(now);
            self.start_meter(id, place, 1.0);
        }
        self.now = now;
    }

    /// When a pod that is there now was made: after its revision and its node.
    fn founding_time(&self, workload: WorkloadId, node: NodeId, dice: &mut Dice) -> Timestamp {
        let workload = &self.workloads[workload.0 as usize];
        let earliest = Ord::max(workload.current().created, self.nodes[usize::from(node.0)].created);
        let latest = self.now.saturating_sub_millis(20 * MINUTE);
        let slack = latest.millis_since(earliest).max(1);
        // Most pods are from the rollout, some were moved later.
        let late = if dice.chance(0.7) { dice.whole(0, 90 * SECOND) } else { dice.whole(0, slack) };
        Ord::min(earliest.saturating_add_millis(late.min(slack)), latest)
    }

    /// A node keeps the images that it has pulled.
    pub(in crate::world) fn keep_image(&mut self, node: NodeId, image: &str) {
        let node = &mut self.nodes[usize::from(node.0)];
        if !node.has_image(image) {
            let bytes = Dice::keyed(7, image).whole(12_000_000, 240_000_000);
            node.images.push(Image { name: Arc::from(image), bytes });
        }
    }

    /// Counts of what was made, as the controllers would have written them.
    fn found_counts(&mut self, id: WorkloadId) {
        let workload = &mut self.workloads[id.0 as usize];
        let n_pods = workload.pods.len() as u32;
        workload.status.observed = workload.generation;
        workload.status.replicas = n_pods;
        workload.status.updated = n_pods;
        workload.status.ready = n_pods;
        workload.status.available = n_pods;
        workload.status.desired = n_pods;
        if let Some(current) = workload.revisions.last_mut() {
            current.replicas = workload.replicas;
            current.status = workload.status;
            current.status.observed = current.generation;
        }
        if let Some(service) = &mut workload.service {
            service.endpoints = workload
                .pods
                .iter()
                .map(|pod| Endpoint { pod: *pod, is_ready: true, is_terminating: false })
                .collect();
        }
        if let Some(budget) = &mut workload.budget {
            (budget.healthy, budget.expected) = (n_pods, n_pods);
            budget.is_allowed = n_pods > budget.min_available;
        }
    }
}

fn past_end(started: Timestamp, finished: Timestamp, dice: &mut Dice) -> Terminated {
    let (exit_code, reason) = match dice.index(4) {
        0 | 1 => (137, "OOMKilled"),
        2 => (1, "Error"),
        _ => (143, "Error"),
    };
    Terminated {
        exit_code,
        reason,
        message: "",
        started: Some(started),
        finished: Some(finished),
        id: Some(dice.digest()),
    }
}
