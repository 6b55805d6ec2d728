//! `kube_pod_container_*` and `kube_pod_init_container_*`.

use sentinel_model::MetricKind;
use serde_json::Value;

use super::super::json::{at, flag, integer, list, text, time};
use super::{Family, bit};

/// Where one group of containers stands in a pod and what its names begin with.
struct Group {
    prefix: &'static str,
    specs: &'static str,
    statuses: &'static str,
    is_init: bool,
}

const GROUPS: [Group; 2] = [
    Group {
        prefix: "kube_pod_container",
        specs: "spec.containers",
        statuses: "status.containerStatuses",
        is_init: false,
    },
    Group {
        prefix: "kube_pod_init_container",
        specs: "spec.initContainers",
        statuses: "status.initContainerStatuses",
        is_init: true,
    },
];

pub(super) fn containers(pod: &Value, family: &mut Family<'_>) {
    for group in &GROUPS {
        let specs = list(pod, group.specs);
        for spec in specs {
            resources(group, pod, spec, family);
        }
        for status in list(pod, group.statuses) {
            let name = text(status, "name");
            let spec = specs.iter().find(|spec| text(spec, "name") == name).unwrap_or(&Value::Null);
            info(group, spec, status, family);
            running(group, status, family);
            ended(group, status, family);
        }
    }
}

fn info(group: &Group, spec: &Value, status: &Value, family: &mut Family<'_>) {
    let mut labels = vec![
        ("container", text(status, "name")),
        ("image_spec", text(spec, "image")),
        ("image", text(status, "image")),
        ("image_id", text(status, "imageID")),
        ("container_id", text(status, "containerID")),
    ];
    if group.is_init {
        labels.push(("restart_policy", text(spec, "restartPolicy")));
    }
    family.gauge(&format!("{}_info", group.prefix), &labels, 1.0);
}

fn running(group: &Group, status: &Value, family: &mut Family<'_>) {
    let prefix = group.prefix;
    let container = [("container", text(status, "name"))];
    let restarts = integer(status, "restartCount").unwrap_or_default() as f64;
    family.add(&format!("{prefix}_status_restarts_total"), MetricKind::Counter, &container, restarts);
    family.gauge(&format!("{prefix}_status_ready"), &container, bit(flag(status, "ready")));
    let is_in = |state: &str| bit(at(status, "state").and_then(|states| at(states, state)).is_some());
    for state in ["running", "waiting", "terminated"] {
        family.gauge(&format!("{prefix}_status_{state}"), &container, is_in(state));
    }
    let waiting = text(status, "state.waiting.reason");
    if !waiting.is_empty() {
        let labels = [container[0], ("reason", waiting)];
        family.gauge(&format!("{prefix}_status_waiting_reason"), &labels, 1.0);
    }
    if !group.is_init {
        let started =
            time(status, "state.running.startedAt").or_else(|| time(status, "state.terminated.startedAt"));
        family.instant("kube_pod_container_state_started", &container, started);
    }
}

fn ended(group: &Group, status: &Value, family: &mut Family<'_>) {
    let prefix = group.prefix;
    let container = [("container", text(status, "name"))];
    let reasons = [
        ("terminated", text(status, "state.terminated.reason")),
        ("last_terminated", text(status, "lastState.terminated.reason")),
    ];
    for (state, reason) in reasons {
        if !reason.is_empty() {
            let labels = [container[0], ("reason", reason)];
            family.gauge(&format!("{prefix}_status_{state}_reason"), &labels, 1.0);
        }
    }
    if let (Some(last), false) = (at(status, "lastState.terminated"), group.is_init) {
        let exit_code = integer(last, "exitCode").unwrap_or_default() as f64;
        family.gauge("kube_pod_container_status_last_terminated_exitcode", &container, exit_code);
        let name = "kube_pod_container_status_last_terminated_timestamp";
        family.instant(name, &container, time(last, "finishedAt"));
    }
}

fn resources(group: &Group, pod: &Value, spec: &Value, family: &mut Family<'_>) {
    let container = text(spec, "name");
    let node = text(pod, "spec.nodeName");
    for kind in ["requests", "limits"] {
        let name = format!("{}_resource_{kind}", group.prefix);
        for quantity in super::node::quantities(at(spec, "resources").and_then(|all| at(all, kind))) {
            let labels = [
                ("container", container),
                ("node", node),
                ("resource", quantity.resource.as_str()),
                ("unit", quantity.unit),
            ];
            family.gauge(&name, &labels, quantity.value);
        }
    }
}
