//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs.

use sentinel_model::WorkloadDetail;
use serde_json::Value;

use super::super::json::{at, clamp_count, count, flag, integer, list, map, owned, text};
use super::super::kind::Kind;
use super::conditions;

pub(super) fn workload(kind: Kind, object: &Value) -> WorkloadDetail {
    let template = if kind == Kind::CronJob { "spec.jobTemplate.spec.template" } else { "spec.template" };
    let detail = WorkloadDetail {
        generation: integer(object, "metadata.generation").unwrap_or_default(),
        observed_generation: integer(object, "status.observedGeneration").unwrap_or_default(),
        images: images(at(object, template).unwrap_or(&Value::Null)),
        conditions: conditions(object),
        selector: map(object, "spec.selector.matchLabels"),
        ..WorkloadDetail::default()
    };
    match kind {
        Kind::DaemonSet => daemon_set(object, detail),
        Kind::Job => job(object, detail),
        Kind::CronJob => WorkloadDetail {
            current: u32::try_from(list(object, "status.active").len()).unwrap_or(u32::MAX),
            is_paused: flag(object, "spec.suspend"),
            schedule: owned(object, "spec.schedule"),
            ..detail
        },
        _ => replicated(object, detail),
    }
}

fn replicated(object: &Value, detail: WorkloadDetail) -> WorkloadDetail {
    WorkloadDetail {
        desired: one_unless_set(object, "spec.replicas"),
        current: count(object, "status.replicas"),
        ready: count(object, "status.readyReplicas"),
        available: count(object, "status.availableReplicas"),
        updated: count(object, "status.updatedReplicas"),
        is_paused: flag(object, "spec.paused"),
        ..detail
    }
}

fn daemon_set(object: &Value, detail: WorkloadDetail) -> WorkloadDetail {
    WorkloadDetail {
        desired: count(object, "status.desiredNumberScheduled"),
        current: count(object, "status.currentNumberScheduled"),
        ready: count(object, "status.numberReady"),
        available: count(object, "status.numberAvailable"),
        updated: count(object, "status.updatedNumberScheduled"),
        ..detail
    }
}

fn job(object: &Value, detail: WorkloadDetail) -> WorkloadDetail {
    let parallelism = one_unless_set(object, "spec.parallelism");
    WorkloadDetail {
        // Without a number of completions, one success of any of the parallel pods is enough.
        desired: integer(object, "spec.completions").map_or(parallelism.min(1), clamp_count),
        current: count(object, "status.active"),
        ready: count(object, "status.succeeded"),
        failed: count(object, "status.failed"),
        is_paused: flag(object, "spec.suspend"),
        ..detail
    }
}

fn one_unless_set(object: &Value, path: &str) -> u32 {
    integer(object, path).map_or(1, clamp_count)
}

/// Images of a pod template, each once.
fn images(template: &Value) -> Vec<String> {
    let mut images: Vec<String> = Vec::new();
    for container in list(template, "spec.containers") {
        let image = text(container, "image");
        if !image.is_empty() && !images.iter().any(|known| known == image) {
            images.push(image.to_owned());
        }
    }
    images
}
