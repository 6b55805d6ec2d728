//! Rows of workloads, and what their pods add up to.

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_model::{ObjectDetail, ObjectState, PodDetail};

use super::{View, workload_of};
use crate::dto::Usage;
use crate::dto::workload::WorkloadRow;
use crate::objects::Entry;
use crate::status::{PodState, PodsOf, pod_state, workload_state};
use crate::usage::{self, PodUsed};

/// Kinds that keep pods running.
pub const KINDS: [&str; 6] = ["CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"];

/// Not made by another workload.
pub fn is_top_level(state: &ObjectState) -> bool {
    KINDS.contains(&&*state.key.kind) && !state.owners.iter().any(|owner| owner.is_controller)
}

/// Pods by workload and by node.
#[derive(Debug, Default)]
pub struct PodGroups {
    workloads: AHashMap<WorkloadKey, (PodsOf, Usage)>,
    nodes: AHashMap<(Arc<str>, String), (usize, Usage)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct WorkloadKey {
    cluster: Arc<str>,
    namespace: String,
    kind: String,
    name: String,
}

pub fn is_finished(pod: &PodDetail) -> bool {
    matches!(pod.phase.as_str(), "Succeeded" | "Failed")
}

/// What a pod was last measured to use: a finished one uses nothing, whatever was measured before its end.
pub fn pod_used<'a>(state: &ObjectState, pod: &PodDetail, view: View<'a>) -> Option<&'a PodUsed> {
    if is_finished(pod) {
        return None;
    }
    view.usage.pod(&state.key.cluster, &state.namespace, &state.name)
}

/// What a pod uses and, unless it is finished, asks for.
pub fn pod_usage(state: &ObjectState, pod: &PodDetail, view: View<'_>) -> Usage {
    if is_finished(pod) {
        return Usage::default();
    }
    let used = pod_used(state, pod, view);
    usage::asked(pod).with_used(used.map(|used| used.total).unwrap_or_default())
}

impl PodGroups {
    pub fn new(pods: &[Arc<Entry>], view: View<'_>) -> Self {
        let mut groups = Self::default();
        for entry in pods {
            if let ObjectDetail::Pod(pod) = &entry.state.detail {
                groups.add(&entry.state, pod, view);
            }
        }
        groups
    }

    fn add(&mut self, state: &ObjectState, pod: &PodDetail, view: View<'_>) {
        let usage = pod_usage(state, pod, view);
        if !pod.node.is_empty() && !is_finished(pod) {
            let node = self.nodes.entry((Arc::clone(&state.key.cluster), pod.node.clone())).or_default();
            node.0 += 1;
            let asked = Usage {
                cpu: crate::dto::ResourceUsage { used: None, ..usage.cpu },
                memory: crate::dto::ResourceUsage { used: None, ..usage.memory },
            };
            node.1.add(&asked);
        }
        let (kind, name) = workload_of(state);
        let told = pod_state(pod, state.created, view.now);
        let key = WorkloadKey {
            cluster: Arc::clone(&state.key.cluster),
            namespace: state.namespace.clone(),
            kind,
            name,
        };
        let group = self.workloads.entry(key).or_default();
        group.0.add(&told);
        group.1.add(&usage);
    }

    pub fn on_node(&self, state: &ObjectState) -> Option<&(usize, Usage)> {
        self.nodes.get(&(Arc::clone(&state.key.cluster), state.name.clone()))
    }

    /// What the pods of the same workload say, this one among them; `None` for a pod of its own.
    pub fn beside(&self, state: &ObjectState) -> Option<&PodsOf> {
        let workload = state.workload.as_ref()?;
        let key = WorkloadKey {
            cluster: Arc::clone(&state.key.cluster),
            namespace: state.namespace.clone(),
            kind: workload.kind.clone(),
            name: workload.name.clone(),
        };
        self.workloads.get(&key).map(|(pods, _)| pods)
    }

    pub fn of_workload(&self, state: &ObjectState) -> (PodsOf, Usage) {
        let key = WorkloadKey {
            cluster: Arc::clone(&state.key.cluster),
            namespace: state.namespace.clone(),
            kind: state.key.kind.to_string(),
            name: state.name.clone(),
        };
        self.workloads.get(&key).cloned().unwrap_or_default()
    }
}

impl PodsOf {
    fn add(&mut self, pod: &PodState) {
        self.n += 1;
        self.n_ready += usize::from(pod.is_ready());
        self.n_restarts += pod.n_restarts;
        if !pod.is_healthy {
            self.n_failing += 1;
            self.failing_since = [self.failing_since, pod.since].into_iter().flatten().min();
            self.trouble.get_or_insert_with(|| (pod.headline().to_owned(), pod.message.clone()));
        }
    }
}

/// `None` for what is not a workload.
pub fn workload_row(state: &ObjectState, groups: &PodGroups, view: View<'_>) -> Option<WorkloadRow> {
    let ObjectDetail::Workload(workload) = &state.detail else { return None };
    let (pods, usage) = groups.of_workload(state);
    let told = workload_state(&state.key.kind, workload, &pods, state.created, view.now);
    Some(WorkloadRow {
        cluster: state.key.cluster.to_string(),
        namespace: state.namespace.clone(),
        kind: state.key.kind.to_string(),
        name: state.name.clone(),
        status: told.status,
        reason: told.reason,
        message: told.message,
        desired: workload.desired,
        ready: workload.ready,
        available: workload.available,
        updated: workload.updated,
        n_pods: pods.n,
        n_restarts: pods.n_restarts,
        images: workload.images.clone(),
        schedule: workload.schedule.clone(),
        created: state.created.map(Into::into),
        usage,
    })
}
