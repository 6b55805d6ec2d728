//! What a person would call a change, between two states of one object.

use sentinel_model::{ObjectDetail, ObjectState, Timestamp};

use crate::dto::overview::ChangeRow;

/// Kinds whose coming and going is news. Pods, ReplicaSets and Jobs of a CronJob follow from these.
const NEWS: [&str; 13] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "Namespace",
    "Node",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "ReplicaSet",
    "Service",
    "StatefulSet",
];

/// Changes from one state to the next; `None` before: the object is new.
pub fn between(before: Option<&ObjectState>, after: &ObjectState) -> Vec<ChangeRow> {
    if !is_news(after) {
        return Vec::new();
    }
    let change = |kind: &str, what: String| change(after, after.observed, kind, what);
    let Some(before) = before else {
        let time = after.created.unwrap_or(after.observed);
        return vec![ChangeRow { time: time.into(), ..change("created", "created".to_owned()) }];
    };
    let mut changes = Vec::new();
    match (&before.detail, &after.detail) {
        (ObjectDetail::Workload(old), ObjectDetail::Workload(new)) => {
            if old.desired != new.desired && after.key.kind.as_ref() != "DaemonSet" {
                changes.push(change("scaled", format!("{} → {} replicas", old.desired, new.desired)));
            }
            if old.images != new.images {
                changes
                    .push(change("image", format!("{} → {}", old.images.join(", "), new.images.join(", "))));
            } else if old.generation != new.generation && old.desired == new.desired {
                changes.push(change("rollout", "its specification changed".to_owned()));
            }
            if old.is_paused != new.is_paused {
                let what = if new.is_paused { "paused" } else { "resumed" };
                changes.push(change("rollout", what.to_owned()));
            }
        }
        (ObjectDetail::Node(old), ObjectDetail::Node(new)) => {
            if old.is_unschedulable != new.is_unschedulable {
                let what = if new.is_unschedulable { "cordoned" } else { "uncordoned" };
                changes.push(change("node", what.to_owned()));
            }
            if old.kubelet_version != new.kubelet_version {
                let what = format!("kubelet {} → {}", old.kubelet_version, new.kubelet_version);
                changes.push(change("node", what));
            }
        }
        _ => {}
    }
    changes
}

pub fn of_removal(state: &ObjectState, observed: Timestamp) -> Option<ChangeRow> {
    is_news(state).then(|| change(state, observed, "deleted", "deleted".to_owned()))
}

/// What another object made is that object's change, not its own.
fn is_news(state: &ObjectState) -> bool {
    NEWS.contains(&&*state.key.kind) && !state.owners.iter().any(|owner| owner.is_controller)
}

fn change(state: &ObjectState, time: Timestamp, kind: &str, what: String) -> ChangeRow {
    ChangeRow {
        time: time.into(),
        kind: kind.to_owned(),
        cluster: state.key.cluster.to_string(),
        namespace: state.namespace.clone(),
        object_kind: state.key.kind.to_string(),
        object_name: state.name.clone(),
        what,
    }
}
