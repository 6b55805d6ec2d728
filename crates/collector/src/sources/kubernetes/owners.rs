//! From an object to the workload at the top of its owner chain: Pod → ReplicaSet → Deployment, Pod →
//! Job → CronJob.

use ahash::AHashMap;
use sentinel_model::{OwnerRef, WorkloadRef};
use serde_json::Value;

use super::json::{flag, list, owned, text};
use super::kind::Kind;

/// A chain longer than this is a loop or somebody's joke.
const MAX_DEPTH: usize = 6;

/// Label that a Deployment puts on its ReplicaSets and their pods; the ReplicaSet's name ends in it.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Controllers of the objects that own others, by the owner's uid.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    controllers: AHashMap<String, Option<OwnerRef>>,
}

/// `metadata.ownerReferences`.
pub(crate) fn owner_refs(object: &Value) -> Vec<OwnerRef> {
    list(object, "metadata.ownerReferences")
        .iter()
        .map(|owner| OwnerRef {
            kind: owned(owner, "kind"),
            name: owned(owner, "name"),
            uid: owned(owner, "uid"),
            is_controller: flag(owner, "controller"),
        })
        .collect()
}

/// The owner that manages an object: its controller, else its only owner.
pub(crate) fn controller(owners: &[OwnerRef]) -> Option<&OwnerRef> {
    owners.iter().find(|owner| owner.is_controller).or(match owners {
        [only] => Some(only),
        _ => None,
    })
}

impl Owners {
    /// Notes who owns `object`, if objects of its kind own pods.
    pub(crate) fn observe(&mut self, kind: Kind, object: &Value) {
        if matches!(kind, Kind::ReplicaSet | Kind::Job) {
            let above = controller(&owner_refs(object)).cloned();
            self.controllers.insert(owned(object, "metadata.uid"), above);
        }
    }

    pub(crate) fn forget(&mut self, uid: &str) {
        self.controllers.remove(uid);
    }

    /// The workload of an object, itself included; `None` for what belongs to none.
    pub(crate) fn workload(&self, kind: Kind, object: &Value) -> Option<WorkloadRef> {
        let owners = owner_refs(object);
        let name = text(object, "metadata.name");
        match (kind, controller(&owners)) {
            (Kind::Pod, Some(owner)) if owner.kind == "Node" => Some(static_pod(object, name)),
            (Kind::Pod | Kind::ReplicaSet | Kind::Job, Some(owner)) => Some(self.top(owner, object)),
            (
                Kind::ReplicaSet
                | Kind::Job
                | Kind::Deployment
                | Kind::StatefulSet
                | Kind::DaemonSet
                | Kind::CronJob,
                _,
            ) => Some(workload(kind.as_str(), name)),
            _ => None,
        }
    }

    fn top(&self, owner: &OwnerRef, object: &Value) -> WorkloadRef {
        let mut owner = owner;
        for _ in 0..MAX_DEPTH {
            match self.controllers.get(&owner.uid) {
                Some(Some(above)) => owner = above,
                Some(None) => break,
                None => return guess(owner, object).unwrap_or_else(|| workload(&owner.kind, &owner.name)),
            }
        }
        workload(&owner.kind, &owner.name)
    }
}

fn workload(kind: &str, name: &str) -> WorkloadRef {
    WorkloadRef { kind: kind.to_owned(), name: name.to_owned() }
}

/// A pod that a node's own files define is named after itself and the node.
fn static_pod(pod: &Value, name: &str) -> WorkloadRef {
    let suffix = format!("-{}", text(pod, "spec.nodeName"));
    workload("StaticPod", name.strip_suffix(&suffix).filter(|name| !name.is_empty()).unwrap_or(name))
}

/// Controllers name what they make in a fixed way, which helps while an owner has not been seen yet (or
/// is gone already).
fn guess(owner: &OwnerRef, object: &Value) -> Option<WorkloadRef> {
    match owner.kind.as_str() {
        "ReplicaSet" => {
            let hash = object.get("metadata")?.get("labels")?.get(TEMPLATE_HASH)?.as_str()?;
            let name = owner.name.strip_suffix(hash)?.strip_suffix('-')?;
            (!name.is_empty()).then(|| workload("Deployment", name))
        }
        // A CronJob's Jobs end in the minute since 1970 for which they were made.
        "Job" => {
            let (name, minute) = owner.name.rsplit_once('-')?;
            let is_minute = minute.len() == 8 && minute.bytes().all(|digit| digit.is_ascii_digit());
            (is_minute && !name.is_empty()).then(|| workload("CronJob", name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn owned_by(kind: &str, name: &str, uid: &str) -> Value {
        json!({"metadata": {"name": "it", "uid": "1", "ownerReferences":
            [{"kind": kind, "name": name, "uid": uid, "controller": true}]}})
    }

    fn named(name: &str, uid: &str) -> Value {
        json!({"metadata": {"name": name, "uid": uid}})
    }

    #[test]
    fn climbs_from_a_pod_over_its_replica_set_to_its_deployment() {
        let mut owners = Owners::default();
        let mut replica_set = owned_by("Deployment", "cart", "d");
        replica_set["metadata"]["uid"] = "r".into();
        owners.observe(Kind::ReplicaSet, &replica_set);
        let pod = owned_by("ReplicaSet", "cart-77f9699d69", "r");
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("Deployment", "cart")));
        assert_eq!(owners.workload(Kind::ReplicaSet, &replica_set), Some(workload("Deployment", "cart")));
    }

    #[test]
    fn stops_at_an_owner_that_nobody_owns() {
        let mut owners = Owners::default();
        owners.observe(Kind::Job, &named("seed-12345678", "j"));
        let pod = owned_by("Job", "seed-12345678", "j");
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("Job", "seed-12345678")));
        owners.observe(Kind::ReplicaSet, &named("bare", "r"));
        let pod = owned_by("ReplicaSet", "bare", "r");
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("ReplicaSet", "bare")));
    }

    #[test]
    fn guesses_from_names_while_the_owner_is_unknown() {
        let owners = Owners::default();
        let mut pod = owned_by("ReplicaSet", "cart-77f9699d69", "r");
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("ReplicaSet", "cart-77f9699d69")));
        pod["metadata"]["labels"] = json!({"pod-template-hash": "77f9699d69"});
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("Deployment", "cart")));
        let pod = owned_by("Job", "compact-29371389", "j");
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("CronJob", "compact")));
        let pod = owned_by("Job", "migrate", "j");
        assert_eq!(owners.workload(Kind::Pod, &pod), Some(workload("Job", "migrate")));
    }

    #[test]
    fn names_a_static_pod_without_its_node() {
        let mut pod = owned_by("Node", "node-1", "n");
        pod["metadata"]["name"] = "etcd-node-1".into();
        pod["spec"] = json!({"nodeName": "node-1"});
        assert_eq!(Owners::default().workload(Kind::Pod, &pod), Some(workload("StaticPod", "etcd")));
    }

    #[test]
    fn counts_workloads_as_their_own_and_others_as_nobodys() {
        let owners = Owners::default();
        let it = named("web", "1");
        assert_eq!(owners.workload(Kind::Deployment, &it), Some(workload("Deployment", "web")));
        assert_eq!(owners.workload(Kind::CronJob, &it), Some(workload("CronJob", "web")));
        assert_eq!(owners.workload(Kind::Pod, &it), None);
        assert_eq!(owners.workload(Kind::Service, &it), None);
    }

    #[test]
    fn survives_a_loop_of_owners() {
        let mut owners = Owners::default();
        for (uid, above) in [("a", "b"), ("b", "a")] {
            let mut it = owned_by("ReplicaSet", above, above);
            it["metadata"]["uid"] = uid.into();
            owners.observe(Kind::ReplicaSet, &it);
        }
        assert!(owners.workload(Kind::Pod, &owned_by("ReplicaSet", "a", "a")).is_some());
    }

    #[test]
    fn takes_the_controller_among_several_owners() {
        let owner = |name: &str, is_controller| OwnerRef {
            kind: "X".into(),
            name: name.into(),
            uid: name.into(),
            is_controller,
        };
        let owners = [owner("a", false), owner("b", true)];
        assert_eq!(controller(&owners).map(|owner| owner.name.as_str()), Some("b"));
        assert_eq!(controller(&[owner("a", false), owner("b", false)]), None);
        assert!(controller(&[owner("a", false)]).is_some());
    }

    proptest! {
        #[test]
        fn never_panics_on_odd_names(name in "\\PC{0,20}", node in "\\PC{0,8}", hash in "\\PC{0,8}") {
            let mut pod = owned_by("ReplicaSet", &name, "r");
            pod["metadata"]["labels"] = json!({"pod-template-hash": hash});
            pod["spec"] = json!({"nodeName": node});
            let owners = Owners::default();
            prop_assert!(owners.workload(Kind::Pod, &pod).is_some());
            pod["metadata"]["ownerReferences"][0]["kind"] = "Job".into();
            prop_assert!(owners.workload(Kind::Pod, &pod).is_some());
        }
    }
}
