//! Deployments, ReplicaSets, StatefulSets and DaemonSets.

use sentinel_model::Timestamp;

use super::{Meta, OwnerRef, whole};
use crate::json::Object;
use crate::store::Kind;
use crate::world::{ProgressState, Revision, Status, Workload};

const ROLLING: &str = r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}}"#;

/// Seconds after which a rollout without progress is reported.
pub const PROGRESS_DEADLINE: i64 = 60;

pub fn deployment(workload: &Workload, version: u64) -> String {
    let revision = ("deployment.kubernetes.io/revision", workload.current().number.to_string());
    let meta = meta_of(workload, version, vec![revision]);
    whole(Kind::Deployment, &meta, |object| {
        object.object("spec", |spec| {
            spec.number("replicas", i64::from(workload.replicas));
            write_selector(spec, workload, &[]);
            spec.raw("template", &workload.current().template.json);
            spec.raw("strategy", ROLLING);
            spec.number("revisionHistoryLimit", 10);
            spec.number("progressDeadlineSeconds", PROGRESS_DEADLINE);
        });
        object.object("status", |status| write_deployment_status(status, workload));
    })
}

fn write_deployment_status(status: &mut Object<'_>, workload: &Workload) {
    let counts = &workload.status;
    status.number("observedGeneration", workload.observed);
    status.number_if("replicas", i64::from(counts.replicas));
    status.number_if("updatedReplicas", i64::from(counts.updated));
    status.number_if("readyReplicas", i64::from(counts.ready));
    status.number_if("availableReplicas", i64::from(counts.available));
    let wanted = counts.replicas.max(workload.replicas);
    status.number_if("unavailableReplicas", i64::from(wanted.saturating_sub(counts.available)));
    status.number("terminatingReplicas", i64::from(counts.terminating));
    status.array("conditions", |conditions| {
        conditions.object(|c| {
            let (is, reason, message) = match workload.available.is_available {
                true => (true, "MinimumReplicasAvailable", "Deployment has minimum availability."),
                false => {
                    (false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
                }
            };
            let times = (workload.available.since, workload.available.since);
            write_condition(c, ("Available", is), times, (reason, message));
        });
        conditions.object(|c| {
            let set = &workload.current().name;
            let (is, reason, message) = match workload.progress.state {
                ProgressState::Created => {
                    (true, "NewReplicaSetCreated", format!("Created new replica set \"{set}\""))
                }
                ProgressState::Updated => {
                    (true, "ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing."))
                }
                ProgressState::Complete => (
                    true,
                    "NewReplicaSetAvailable",
                    format!("ReplicaSet \"{set}\" has successfully progressed."),
                ),
                ProgressState::Exceeded => (
                    false,
                    "ProgressDeadlineExceeded",
                    format!("ReplicaSet \"{set}\" has timed out progressing."),
                ),
            };
            let times = (workload.progress.updated, workload.progress.since);
            write_condition(c, ("Progressing", is), times, (reason, &message));
        });
    });
}

fn write_condition(
    c: &mut Object<'_>,
    (name, is): (&str, bool),
    (updated, since): (Timestamp, Timestamp),
    (reason, message): (&str, &str),
) {
    c.text("type", name);
    c.text("status", if is { "True" } else { "False" });
    c.time("lastUpdateTime", updated);
    c.time("lastTransitionTime", since);
    c.text("reason", reason);
    c.text("message", message);
}

pub fn replica_set(workload: &Workload, revision: &Revision, version: u64) -> String {
    let hash = &revision.template.hash;
    let mut labels = super::pairs(&revision.template.labels);
    labels.push(("pod-template-hash", hash));
    labels.sort_unstable();
    let surge = workload.replicas.div_ceil(4);
    let mut annotations = vec![
        ("deployment.kubernetes.io/desired-replicas", workload.replicas.to_string()),
        ("deployment.kubernetes.io/max-replicas", (workload.replicas + surge).to_string()),
        ("deployment.kubernetes.io/revision", revision.number.to_string()),
    ];
    if !revision.history.is_empty() {
        let numbers: Vec<_> = revision.history.iter().map(u32::to_string).collect();
        annotations.push(("deployment.kubernetes.io/revision-history", numbers.join(",")));
    }
    let meta = Meta {
        name: &revision.name,
        namespace: &workload.namespace,
        uid: Some(revision.uid),
        version,
        generation: revision.generation,
        created: revision.created,
        labels,
        annotations,
        owner: Some(OwnerRef {
            kind: Kind::Deployment,
            name: &workload.name,
            uid: workload.uid,
            is_controller: true,
        }),
        ..Meta::default()
    };
    whole(Kind::ReplicaSet, &meta, |object| {
        object.object("spec", |spec| {
            spec.number("replicas", i64::from(revision.replicas));
            write_selector(spec, workload, &[("pod-template-hash", hash)]);
            spec.raw("template", &with_hash_label(revision));
        });
        object.object("status", |status| write_set_status(status, &revision.status));
    })
}

/// The template of a ReplicaSet has the hash among its labels.
fn with_hash_label(revision: &Revision) -> String {
    let labels = &revision.template.labels;
    let after = labels.iter().rev().find(|(key, _)| key.as_str() < "pod-template-hash");
    let label = format!("\"pod-template-hash\":\"{}\"", revision.template.hash);
    match after {
        Some((key, value)) => {
            let before = format!("\"{key}\":\"{value}\"");
            revision.template.json.replacen(&before, &format!("{before},{label}"), 1)
        }
        None => revision.template.json.replacen("\"labels\":{", &format!("\"labels\":{{{label},"), 1),
    }
}

fn write_set_status(status: &mut Object<'_>, counts: &Status) {
    status.number("replicas", i64::from(counts.replicas));
    status.number_if("fullyLabeledReplicas", i64::from(counts.replicas));
    status.number_if("readyReplicas", i64::from(counts.ready));
    status.number_if("availableReplicas", i64::from(counts.available));
    status.number("terminatingReplicas", i64::from(counts.terminating));
    status.number_if("observedGeneration", counts.observed);
}

pub fn stateful_set(workload: &Workload, version: u64) -> String {
    let meta = meta_of(workload, version, Vec::new());
    whole(Kind::StatefulSet, &meta, |object| {
        object.object("spec", |spec| {
            spec.number("replicas", i64::from(workload.replicas));
            write_selector(spec, workload, &[]);
            spec.raw("template", &workload.current().template.json);
            if let Some(volume) = workload.volumes.first() {
                spec.array("volumeClaimTemplates", |claims| {
                    claims.raw(&super::storage::claim_template(volume));
                });
            }
            spec.text("serviceName", &workload.name);
            spec.text("podManagementPolicy", "OrderedReady");
            spec.raw(
                "updateStrategy",
                r#"{"type":"RollingUpdate","rollingUpdate":{"partition":0,"maxUnavailable":1}}"#,
            );
            spec.number("revisionHistoryLimit", 10);
            spec.raw(
                "persistentVolumeClaimRetentionPolicy",
                r#"{"whenDeleted":"Retain","whenScaled":"Retain"}"#,
            );
        });
        object.object("status", |status| write_stateful_status(status, workload));
    })
}

fn write_stateful_status(status: &mut Object<'_>, workload: &Workload) {
    let counts = &workload.status;
    let update = &workload.current().name;
    let is_rolled_out = counts.updated == counts.replicas;
    let previous = workload.revisions.iter().rev().nth(1);
    let current = previous.filter(|_| !is_rolled_out).map_or(update, |revision| &revision.name);
    status.number("observedGeneration", workload.observed);
    status.number("replicas", i64::from(counts.replicas));
    status.number_if("readyReplicas", i64::from(counts.ready));
    let n_current = if is_rolled_out { counts.updated } else { counts.replicas - counts.updated };
    status.number_if("currentReplicas", i64::from(n_current));
    status.number_if("updatedReplicas", i64::from(counts.updated));
    status.text("currentRevision", current);
    status.text("updateRevision", update);
    status.number("collisionCount", 0);
    status.number("availableReplicas", i64::from(counts.available));
}

pub fn daemon_set(workload: &Workload, version: u64) -> String {
    let generation = ("deprecated.daemonset.template.generation", workload.generation.to_string());
    let meta = meta_of(workload, version, vec![generation]);
    whole(Kind::DaemonSet, &meta, |object| {
        object.object("spec", |spec| {
            write_selector(spec, workload, &[]);
            spec.raw("template", &workload.current().template.json);
            spec.raw(
                "updateStrategy",
                r#"{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}}"#,
            );
            spec.number("revisionHistoryLimit", 10);
        });
        object.object("status", |status| {
            let counts = &workload.status;
            let desired = i64::from(counts.desired);
            status.number("currentNumberScheduled", i64::from(counts.replicas));
            status.number("numberMisscheduled", 0);
            status.number("desiredNumberScheduled", desired);
            status.number("numberReady", i64::from(counts.ready));
            status.number("observedGeneration", workload.observed);
            status.number_if("updatedNumberScheduled", i64::from(counts.updated));
            status.number_if("numberAvailable", i64::from(counts.available));
            status.number_if("numberUnavailable", desired - i64::from(counts.available));
        });
    })
}

fn meta_of<'a>(workload: &'a Workload, version: u64, annotations: Vec<(&'a str, String)>) -> Meta<'a> {
    Meta {
        name: &workload.name,
        namespace: &workload.namespace,
        uid: Some(workload.uid),
        version,
        generation: workload.generation,
        created: workload.created,
        labels: super::pairs(&workload.current().template.labels),
        annotations,
        ..Meta::default()
    }
}

/// The first label of the template tells a workload's pods from all others.
fn write_selector(spec: &mut Object<'_>, workload: &Workload, more: &[(&str, &str)]) {
    let first = workload.current().template.labels.iter().next();
    let first = first.map(|(key, value)| (key.as_str(), value.as_str()));
    spec.object("selector", |selector| {
        selector.map("matchLabels", first.into_iter().chain(more.iter().copied()));
    });
}
