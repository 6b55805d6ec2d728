//! Heartbeats of nodes, and what the control plane does when they stop.

use std::sync::Arc;

use super::events::Occurrence;
use super::{Action, Condition, Health, NodeId, Reporter, Subject, Taint, World};
use crate::time::{MINUTE, SECOND};

/// The control plane waits so long for a heartbeat.
pub const GRACE: i64 = 40 * SECOND;

/// Pods tolerate a lost node so long.
const TOLERATION: i64 = 5 * MINUTE;

/// A kubelet renews its node's lease so often.
const RENEWAL: i64 = 10_250;

/// A kubelet writes its node's status so often when nothing changes.
const STATUS: i64 = 5 * MINUTE;

impl World {
    pub(super) fn renew_lease(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[usize::from(id.0)];
        if node.health == Health::Ready {
            node.renewed = now;
            self.publish_lease(id);
        }
        let jitter = self.dice.whole(0, 120);
        self.after_real(RENEWAL + jitter, Action::Renew(id));
    }

    pub(super) fn heartbeat(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[usize::from(id.0)];
        if node.health == Health::Ready {
            node.heartbeat = now;
            self.publish_node(id);
        }
        let jitter = self.dice.whole(4 * SECOND, 8 * SECOND);
        self.after_real(STATUS + jitter, Action::Heartbeat(id));
    }

    /// The node's link to the control plane is cut; its containers run on.
    pub(super) fn silence_node(&mut self, id: NodeId) {
        self.nodes[usize::from(id.0)].health = Health::Silent;
        let jitter = self.dice.whole(0, 5 * SECOND);
        self.after(GRACE + jitter, Action::NoticeLost(id));
    }

    pub(super) fn notice_lost(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[usize::from(id.0)];
        if node.health != Health::Silent {
            return;
        }
        node.health = Health::Lost;
        node.since = now;
        self.publish_node(id);
        let key = "node.kubernetes.io/unreachable";
        for effect in ["NoSchedule", "NoExecute"] {
            self.nodes[usize::from(id.0)].taints.push(Taint { key, effect, added: now });
            self.publish_node(id);
        }
        self.record_node(id, (Reporter::controller("node-controller"), "NodeNotReady"));
        self.after(TOLERATION, Action::Evict(id));
        let pods: Vec<_> = self.nodes[usize::from(id.0)].pods.iter().copied().collect();
        for pod_id in pods {
            let Some(pod) = self.pods.get_mut(&pod_id) else { continue };
            if !pod.is_ready() {
                continue;
            }
            Condition::turn(&mut pod.conditions.is_ready, Condition::no(now, "", ""));
            let (workload, subject) = (pod.workload, Subject::pod(pod));
            self.publish_pod(pod_id);
            self.record(Occurrence {
                subject,
                reporter: Reporter::controller("node-controller"),
                is_warning: true,
                reason: "NodeNotReady",
                message: "Node is not ready".to_owned(),
            });
            self.plan_reconcile(workload);
        }
    }

    /// The taint manager gives up the pods of a node that is lost for too long.
    pub(super) fn evict(&mut self, id: NodeId) {
        let node = &self.nodes[usize::from(id.0)];
        let is_over = self.now.millis_since(node.since) >= self.span(TOLERATION);
        if node.health != Health::Lost || !is_over {
            return;
        }
        let pods: Vec<_> = node.pods.iter().copied().collect();
        for pod_id in pods {
            let Some(pod) = self.pods.get(&pod_id) else { continue };
            if pod.template.is_daemon() || pod.deletion.is_some() {
                continue;
            }
            let message = format!("Marking for deletion Pod {}/{}", pod.key.namespace, pod.key.name);
            let subject = Subject::pod(pod);
            self.record_about(subject, ("taint-eviction-controller", "TaintManagerEviction", message));
            self.delete_pod(pod_id);
        }
    }

    /// The link is back.
    pub(super) fn restore_node(&mut self, id: NodeId) {
        let now = self.now;
        let node = &mut self.nodes[usize::from(id.0)];
        let was_lost = node.health == Health::Lost;
        node.health = Health::Ready;
        (node.heartbeat, node.renewed) = (now, now);
        if was_lost {
            node.since = now;
        }
        self.publish_lease(id);
        self.publish_node(id);
        if !was_lost {
            return;
        }
        self.nodes[usize::from(id.0)].taints.clear();
        self.publish_node(id);
        let node = &self.nodes[usize::from(id.0)];
        let reporter = Reporter::kubelet(node);
        for reason in
            ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"]
        {
            self.record_node(id, (reporter.clone(), reason));
        }
        self.revive_pods(id);
    }

    /// Each kubelet writes what it always knew: its pods were ready all the time.
    fn revive_pods(&mut self, id: NodeId) {
        let pods: Vec<_> = self.nodes[usize::from(id.0)].pods.iter().copied().collect();
        for pod_id in pods {
            let Some(pod) = self.pods.get_mut(&pod_id) else { continue };
            let were_ready = pod.conditions.are_containers_ready.clone().filter(|ready| ready.is_true);
            let Some(ready) = were_ready else { continue };
            if pod.is_ready() {
                continue;
            }
            pod.conditions.is_ready = Some(ready);
            let workload = pod.workload;
            self.publish_pod(pod_id);
            self.plan_reconcile(workload);
        }
    }

    fn record_node(&mut self, id: NodeId, (reporter, reason): (Reporter, &'static str)) {
        let node = &self.nodes[usize::from(id.0)];
        let message = format!("Node {} status is now: {reason}", node.name);
        let mut subject = Subject::node(node);
        if reporter.host.is_empty() {
            subject.namespace = Arc::from("");
        }
        self.record(Occurrence { subject, reporter, is_warning: false, reason, message });
    }
}
