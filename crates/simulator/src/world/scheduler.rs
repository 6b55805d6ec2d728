//! Placing pods on nodes.

use super::events::Occurrence;
use super::{Action, Condition, Fit, NodeId, PodId, PodStep, Reporter, Subject, World};
use crate::template::Template;
use crate::time::SECOND;

/// A pod that fits nowhere is looked at again after so long.
const RETRY: i64 = 25 * SECOND;

impl World {
    /// The node with the most CPU left, as the scheduler's default scoring prefers; a DaemonSet's pod
    /// goes where it is meant to.
    pub(super) fn pick_node(&self, template: &Template, target: Option<NodeId>) -> Option<NodeId> {
        if target.is_some() {
            return target;
        }
        let requests = template.requests();
        self.nodes
            .iter()
            .filter(|node| node.is_schedulable() && node.fits(requests) == Fit::Yes)
            .max_by_key(|node| {
                let (cpu, memory) = node.allocatable();
                let share = |left: i64, all: i64| left * 10_000 / all.max(1);
                let free = share(cpu - node.cpu_reserved, cpu) + share(memory - node.memory_reserved, memory);
                (free, std::cmp::Reverse(node.id))
            })
            .map(|node| node.id)
    }

    /// Reserves what a pod requests.
    pub(super) fn bind(&mut self, pod: PodId, node: NodeId) {
        let Some(pod) = self.pods.get_mut(&pod) else { return };
        pod.node = Some(node);
        let (cpu, memory) = pod.template.requests();
        let node = &mut self.nodes[usize::from(node.0)];
        node.pods.insert(pod.id);
        node.cpu_reserved += cpu;
        node.memory_reserved += memory;
    }

    /// Gives back what a pod reserved.
    pub(super) fn unbind(&mut self, pod: PodId) {
        let Some(pod) = self.pods.get(&pod) else { return };
        let Some(node) = pod.node else { return };
        let (cpu, memory) = pod.template.requests();
        let node = &mut self.nodes[usize::from(node.0)];
        if node.pods.remove(&pod.id) {
            node.cpu_reserved -= cpu;
            node.memory_reserved -= memory;
        }
    }

    pub(super) fn schedule(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else { return };
        if pod.node.is_some() || pod.deletion.is_some() {
            return;
        }
        match self.pick_node(&pod.template, pod.target) {
            Some(node) => self.place(id, node),
            None => self.refuse(id),
        }
    }

    fn place(&mut self, id: PodId, node: NodeId) {
        self.bind(id, node);
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        Condition::turn(&mut pod.conditions.is_scheduled, Condition::yes(now));
        let name = &self.nodes[usize::from(node.0)].name;
        let place = format!("{}/{}", pod.key.namespace, pod.key.name);
        let occurrence = Occurrence {
            subject: Subject::pod(pod),
            reporter: Reporter::scheduler("Binding"),
            is_warning: false,
            reason: "Scheduled",
            message: format!("Successfully assigned {place} to {name}"),
        };
        self.publish_pod(id);
        self.record(occurrence);
        self.after(12, Action::Pod(id, PodStep::Accept));
    }

    fn refuse(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else { return };
        let message = self.why_not(&pod.template);
        let now = self.now;
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let is_new = pod.conditions.is_scheduled.as_ref().is_none_or(|c| *c.message != *message);
        let no = Condition::no(now, "Unschedulable", message.clone());
        Condition::turn(&mut pod.conditions.is_scheduled, no);
        let occurrence = Occurrence {
            subject: Subject::pod(pod),
            reporter: Reporter::scheduler("Scheduling"),
            is_warning: true,
            reason: "FailedScheduling",
            message,
        };
        if is_new {
            self.publish_pod(id);
        }
        self.record(occurrence);
        self.after(RETRY, Action::Pod(id, PodStep::Schedule));
    }

    /// `0/4 nodes are available: 3 Insufficient cpu, 1 node(s) had untolerated taint(s). …`
    fn why_not(&self, template: &Template) -> String {
        let requests = template.requests();
        let mut counts = [0; 4];
        for node in &self.nodes {
            let reason = match node.fits(requests) {
                _ if !node.is_schedulable() => 3,
                Fit::TooLittleMemory => 1,
                Fit::TooManyPods => 2,
                Fit::TooLittleCpu | Fit::Yes => 0,
            };
            counts[reason] += 1;
        }
        let names =
            ["Insufficient cpu", "Insufficient memory", "Too many pods", "node(s) had untolerated taint(s)"];
        let reasons: Vec<_> = counts
            .iter()
            .zip(names)
            .filter(|(count, _)| **count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let n_nodes = self.nodes.len();
        format!(
            "0/{n_nodes} nodes are available: {}. preemption: 0/{n_nodes} nodes are available: {n_nodes} Preemption is not helpful for scheduling.",
            reasons.join(", ")
        )
    }
}
