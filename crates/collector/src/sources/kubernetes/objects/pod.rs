//! Pods and their containers.

use sentinel_model::{ContainerKind, ContainerState, ContainerStatus, PodDetail};
use serde_json::Value;

use super::super::json::{at, count, flag, integer, list, owned, text, time};
use super::super::quantity::resources;
use super::conditions;
use super::pod_status::status;

pub(super) fn pod(pod: &Value) -> PodDetail {
    PodDetail {
        phase: owned(pod, "status.phase"),
        status: status(pod),
        node: owned(pod, "spec.nodeName"),
        pod_ip: owned(pod, "status.podIP"),
        qos_class: owned(pod, "status.qosClass"),
        service_account: owned(pod, "spec.serviceAccountName"),
        started: time(pod, "status.startTime"),
        deletion_requested: time(pod, "metadata.deletionTimestamp"),
        conditions: conditions(pod),
        containers: containers(pod),
    }
}

/// In the order of the manifest, init containers first. Each has its status where there is one.
fn containers(pod: &Value) -> Vec<ContainerStatus> {
    let groups = [
        ("spec.initContainers", "status.initContainerStatuses", ContainerKind::Init),
        ("spec.containers", "status.containerStatuses", ContainerKind::App),
        ("spec.ephemeralContainers", "status.ephemeralContainerStatuses", ContainerKind::Ephemeral),
    ];
    let mut containers = Vec::new();
    for (specs, statuses, kind) in groups {
        let statuses = list(pod, statuses);
        for spec in list(pod, specs) {
            let name = text(spec, "name");
            let status = statuses.iter().find(|status| text(status, "name") == name);
            let is_sidecar = kind == ContainerKind::Init && text(spec, "restartPolicy") == "Always";
            let kind = if is_sidecar { ContainerKind::Sidecar } else { kind };
            containers.push(container(kind, spec, status.unwrap_or(&Value::Null)));
        }
    }
    containers
}

fn container(kind: ContainerKind, spec: &Value, status: &Value) -> ContainerStatus {
    ContainerStatus {
        name: owned(spec, "name"),
        kind,
        image: owned(spec, "image"),
        is_ready: flag(status, "ready"),
        is_started: flag(status, "started"),
        restart_count: count(status, "restartCount"),
        state: state(at(status, "state")),
        last_state: state(at(status, "lastState")),
        requests: resources(at(spec, "resources.requests")),
        limits: resources(at(spec, "resources.limits")),
    }
}

fn state(state: Option<&Value>) -> ContainerState {
    let Some(state) = state else { return ContainerState::Absent };
    if let Some(terminated) = at(state, "terminated") {
        return ContainerState::Terminated {
            reason: owned(terminated, "reason"),
            message: owned(terminated, "message"),
            exit_code: code(terminated, "exitCode"),
            signal: code(terminated, "signal"),
            started: time(terminated, "startedAt"),
            finished: time(terminated, "finishedAt"),
        };
    }
    if let Some(running) = at(state, "running") {
        return ContainerState::Running { started: time(running, "startedAt") };
    }
    match at(state, "waiting") {
        Some(waiting) => {
            ContainerState::Waiting { reason: owned(waiting, "reason"), message: owned(waiting, "message") }
        }
        None => ContainerState::Absent,
    }
}

fn code(terminated: &Value, field: &str) -> i32 {
    integer(terminated, field).and_then(|code| i32::try_from(code).ok()).unwrap_or_default()
}
