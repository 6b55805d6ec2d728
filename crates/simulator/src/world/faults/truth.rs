//! The truth about a fault, for those who judge whether it was found.

use std::sync::Arc;

use serde::Serialize;

use super::{FaultKind, Victim, id_of};
use crate::store::Kind;
use crate::world::{PodId, WorkloadId, World};

/// One fault as it really is. Times are milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Truth {
    pub id: String,
    pub kind: FaultKind,
    pub start_ms: i64,
    /// When the cause was removed; `null` while it lasts.
    pub end_ms: Option<i64>,
    /// When everything worked again; `null` as long as it does not.
    pub recovered_ms: Option<i64>,
    pub root: ObjectName,
    pub also_affected: Vec<ObjectName>,
    pub expected_signals: Vec<&'static str>,
    pub description: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectName {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

/// Objects named as affected at most.
const MAX_AFFECTED: usize = 200;

impl World {
    pub(super) fn tell_truth(&self, number: usize) -> Truth {
        let fault = &self.faults.faults[number];
        let (kind, victim) = (fault.spec.kind, &fault.victim);
        let root = self.root_of(kind, victim);
        let mut also_affected = self.affected_by(kind, victim);
        also_affected.retain(|object| *object != root);
        also_affected.truncate(MAX_AFFECTED);
        Truth {
            id: id_of(number),
            kind,
            start_ms: self.now.as_millis(),
            end_ms: None,
            recovered_ms: None,
            root,
            also_affected,
            expected_signals: kind.signals().to_vec(),
            description: kind.description(),
        }
    }

    fn root_of(&self, kind: FaultKind, victim: &Victim) -> ObjectName {
        let of_workload = || victim.workload.map(|id| self.workload_name(id));
        let root = match kind {
            FaultKind::NodeNotReady => victim.node.map(|node| ObjectName {
                kind: "Node",
                namespace: String::new(),
                name: self.nodes[usize::from(node.0)].name.to_string(),
            }),
            FaultKind::ImagePull | FaultKind::BadRollout | FaultKind::Unschedulable => of_workload(),
            FaultKind::VolumeFilling => victim.workload.zip(victim.claim).map(|(id, claim)| {
                let workload = &self.workloads[id.0 as usize];
                ObjectName {
                    kind: "PersistentVolumeClaim",
                    namespace: workload.namespace.to_string(),
                    name: workload.volumes[claim].claim.to_string(),
                }
            }),
            _ => victim.pod.and_then(|pod| self.pod_name(pod)),
        };
        // Each kind has the victim that its root is made of.
        root.unwrap_or(ObjectName { kind: "Cluster", namespace: String::new(), name: String::new() })
    }

    fn affected_by(&self, kind: FaultKind, victim: &Victim) -> Vec<ObjectName> {
        let mut affected: Vec<ObjectName> =
            victim.pod.and_then(|pod| self.pod_name(pod)).into_iter().collect();
        if let Some(id) = victim.workload {
            affected.push(self.workload_name(id));
            let workload = &self.workloads[id.0 as usize];
            if matches!(kind, FaultKind::ImagePull | FaultKind::BadRollout | FaultKind::Unschedulable) {
                affected.push(ObjectName {
                    kind: "ReplicaSet",
                    namespace: workload.namespace.to_string(),
                    name: workload.current().name.to_string(),
                });
            }
            if matches!(kind, FaultKind::VolumeFilling | FaultKind::CrashLoop) {
                affected.extend(self.callers_of(id));
            }
        }
        if let Some(node) = victim.node {
            let node = &self.nodes[usize::from(node.0)];
            affected.push(ObjectName { kind: "Node", namespace: String::new(), name: node.name.to_string() });
            affected.extend(node.pods.iter().filter_map(|pod| self.pod_name(*pod)));
        }
        affected
    }

    fn callers_of(&self, id: WorkloadId) -> impl Iterator<Item = ObjectName> {
        let called = &self.workloads[id.0 as usize];
        let (namespace, name) = (Arc::clone(&called.namespace), Arc::clone(&called.name));
        self.workloads
            .iter()
            .filter(move |w| w.namespace == namespace && w.app.upstream.contains(&&*name))
            .map(|w| self.workload_name(w.id))
    }

    fn workload_name(&self, id: WorkloadId) -> ObjectName {
        let workload = &self.workloads[id.0 as usize];
        ObjectName {
            kind: workload.kind().name(),
            namespace: workload.namespace.to_string(),
            name: workload.name.to_string(),
        }
    }

    fn pod_name(&self, id: PodId) -> Option<ObjectName> {
        let pod = self.pods.get(&id)?;
        Some(ObjectName {
            kind: Kind::Pod.name(),
            namespace: pod.key.namespace.to_string(),
            name: pod.key.name.to_string(),
        })
    }
}

impl FaultKind {
    /// What shows first, named as in the recordings of real clusters.
    fn signals(self) -> &'static [&'static str] {
        match self {
            Self::CrashLoop => &["pod.terminated:Error", "pod.restarts", "event:BackOff"],
            Self::OomKill => {
                &["pod.terminated:OOMKilled", "pod.restarts", "metric:container_memory_working_set_bytes"]
            }
            Self::ImagePull => {
                &["pod.waiting:ErrImagePull", "pod.waiting:ImagePullBackOff", "event:Failed", "event:BackOff"]
            }
            Self::MemoryLeak => &["metric:container_memory_working_set_bytes", "pod.terminated:OOMKilled"],
            Self::CpuThrottling => &[
                "metric:container_cpu_cfs_throttled_periods_total",
                "metric:container_cpu_usage_seconds_total",
            ],
            Self::Unschedulable => &["pod.condition:PodScheduled=False", "event:FailedScheduling"],
            Self::NodeNotReady => {
                &["node.condition:Ready=Unknown", "event:NodeNotReady", "scrape.error:kubelet"]
            }
            Self::BadRollout => &["deployment.condition:Progressing=False", "event:ScalingReplicaSet"],
            Self::VolumeFilling => &["metric:kubelet_volume_stats_used_bytes", "log:No space left on device"],
            Self::NoisyNeighbour => {
                &["metric:container_cpu_usage_seconds_total", "metric:node_cpu_usage_seconds_total"]
            }
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::CrashLoop => {
                "A pod's program exits with status 1 two seconds after each start; ended by deleting the pod."
            }
            Self::OomKill => {
                "A container's memory grows to its limit within 25 seconds of each start; the kernel kills it (OOMKilled, 137)."
            }
            Self::ImagePull => {
                "A rollout to an image that is not in the registry; the old pods keep serving; ended by a rollback."
            }
            Self::MemoryLeak => {
                "A container's memory grows slowly until the kernel kills it (OOMKilled, 137); the next one does not leak."
            }
            Self::CpuThrottling => {
                "A hot loop uses up a container's CPU limit: nearly every scheduling period is throttled."
            }
            Self::Unschedulable => {
                "A new Deployment asks for more CPU than any node has: its pod stays Pending; ended by deleting it."
            }
            Self::NodeNotReady => {
                "A node's link to the control plane is cut; its containers run on; no scrape or log of it arrives."
            }
            Self::BadRollout => {
                "A rollout whose pods crash or never become ready; the old pods keep serving; ended by a rollback."
            }
            Self::VolumeFilling => {
                "A database's volume fills up, then its writes fail and its callers see errors; ended by deleting old files."
            }
            Self::NoisyNeighbour => {
                "A pod takes most of its node's CPU: the other pods of the node get slower."
            }
        }
    }
}
