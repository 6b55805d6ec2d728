//! `kube_deployment_*`, `kube_replicaset_*`, `kube_statefulset_*` and `kube_daemonset_*`.

use serde_json::Value;

use super::super::json::{at, flag, integer, text, time};
use super::super::owners::owner_refs;
use super::{Family, bit};

/// A family without labels of its own and the field that it shows; a missing field counts 0.
type Field = (&'static str, &'static str);

const DEPLOYMENT: [Field; 7] = [
    ("kube_deployment_metadata_generation", "metadata.generation"),
    ("kube_deployment_status_observed_generation", "status.observedGeneration"),
    ("kube_deployment_status_replicas", "status.replicas"),
    ("kube_deployment_status_replicas_available", "status.availableReplicas"),
    ("kube_deployment_status_replicas_ready", "status.readyReplicas"),
    ("kube_deployment_status_replicas_unavailable", "status.unavailableReplicas"),
    ("kube_deployment_status_replicas_updated", "status.updatedReplicas"),
];

const REPLICA_SET: [Field; 5] = [
    ("kube_replicaset_metadata_generation", "metadata.generation"),
    ("kube_replicaset_status_fully_labeled_replicas", "status.fullyLabeledReplicas"),
    ("kube_replicaset_status_observed_generation", "status.observedGeneration"),
    ("kube_replicaset_status_ready_replicas", "status.readyReplicas"),
    ("kube_replicaset_status_replicas", "status.replicas"),
];

const STATEFUL_SET: [Field; 7] = [
    ("kube_statefulset_metadata_generation", "metadata.generation"),
    ("kube_statefulset_status_observed_generation", "status.observedGeneration"),
    ("kube_statefulset_status_replicas", "status.replicas"),
    ("kube_statefulset_status_replicas_available", "status.availableReplicas"),
    ("kube_statefulset_status_replicas_current", "status.currentReplicas"),
    ("kube_statefulset_status_replicas_ready", "status.readyReplicas"),
    ("kube_statefulset_status_replicas_updated", "status.updatedReplicas"),
];

const DAEMON_SET: [Field; 9] = [
    ("kube_daemonset_metadata_generation", "metadata.generation"),
    ("kube_daemonset_status_observed_generation", "status.observedGeneration"),
    ("kube_daemonset_status_current_number_scheduled", "status.currentNumberScheduled"),
    ("kube_daemonset_status_desired_number_scheduled", "status.desiredNumberScheduled"),
    ("kube_daemonset_status_number_available", "status.numberAvailable"),
    ("kube_daemonset_status_number_misscheduled", "status.numberMisscheduled"),
    ("kube_daemonset_status_number_ready", "status.numberReady"),
    ("kube_daemonset_status_number_unavailable", "status.numberUnavailable"),
    ("kube_daemonset_status_updated_number_scheduled", "status.updatedNumberScheduled"),
];

pub(super) fn deployment(object: &Value, family: &mut Family<'_>) {
    fields(&DEPLOYMENT, object, family);
    created("kube_deployment_created", object, family);
    let replicas = integer(object, "spec.replicas");
    optional("kube_deployment_spec_replicas", replicas, family);
    family.gauge("kube_deployment_spec_paused", &[], bit(flag(object, "spec.paused")));
    family.conditions("kube_deployment_status_condition", object);
    if let Some(rolling) = at(object, "spec.strategy.rollingUpdate") {
        let total = replicas.unwrap_or(1);
        let limits = [
            (
                "kube_deployment_spec_strategy_rollingupdate_max_surge",
                "maxSurge",
                f64::ceil as fn(f64) -> f64,
            ),
            ("kube_deployment_spec_strategy_rollingupdate_max_unavailable", "maxUnavailable", f64::floor),
        ];
        for (name, field, round) in limits {
            if let Some(pods) = at(rolling, field).and_then(|value| share(value, total, round)) {
                family.gauge(name, &[], pods);
            }
        }
    }
}

pub(super) fn replica_set(object: &Value, family: &mut Family<'_>) {
    fields(&REPLICA_SET, object, family);
    created("kube_replicaset_created", object, family);
    optional("kube_replicaset_spec_replicas", integer(object, "spec.replicas"), family);
    owners("kube_replicaset_owner", object, family);
}

pub(super) fn stateful_set(object: &Value, family: &mut Family<'_>) {
    fields(&STATEFUL_SET, object, family);
    created("kube_statefulset_created", object, family);
    optional("kube_statefulset_replicas", integer(object, "spec.replicas"), family);
    for (name, field) in [
        ("kube_statefulset_status_current_revision", "status.currentRevision"),
        ("kube_statefulset_status_update_revision", "status.updateRevision"),
    ] {
        family.gauge(name, &[("revision", text(object, field))], 1.0);
    }
}

pub(super) fn daemon_set(object: &Value, family: &mut Family<'_>) {
    fields(&DAEMON_SET, object, family);
    created("kube_daemonset_created", object, family);
}

pub(super) fn fields(table: &[Field], object: &Value, family: &mut Family<'_>) {
    for (name, field) in table {
        family.gauge(name, &[], integer(object, field).unwrap_or_default() as f64);
    }
}

pub(super) fn created(name: &str, object: &Value, family: &mut Family<'_>) {
    family.instant(name, &[], time(object, "metadata.creationTimestamp"));
}

pub(super) fn optional(name: &str, number: Option<i64>, family: &mut Family<'_>) {
    if let Some(number) = number {
        family.gauge(name, &[], number as f64);
    }
}

/// One row for each owner, and one without owner's labels when there is none.
pub(super) fn owners(name: &str, object: &Value, family: &mut Family<'_>) {
    let owners = owner_refs(object);
    if owners.is_empty() {
        family.gauge(name, &[], 1.0);
    }
    for owner in &owners {
        let is_controller = if owner.is_controller { "true" } else { "false" };
        let labels = [
            ("owner_kind", owner.kind.as_str()),
            ("owner_name", &owner.name),
            ("owner_is_controller", is_controller),
        ];
        family.gauge(name, &labels, 1.0);
    }
}

/// A number of pods, or a percentage of them.
fn share(value: &Value, total: i64, round: fn(f64) -> f64) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let percent: f64 = text.strip_suffix('%')?.parse().ok()?;
            let pods = round(percent * total as f64 / 100.0);
            pods.is_finite().then_some(pods)
        }
        _ => None,
    }
}
