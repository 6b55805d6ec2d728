//! Status of pods: conditions, addresses, containers.

use std::net::Ipv4Addr;

use crate::dice;
use crate::json::{Array, Object};
use crate::template::{ContainerSpec, TOKEN_PATH};
use crate::world::{Condition, Container, Node, Pod, State, Terminated};

pub fn write(status: &mut Object<'_>, pod: &Pod, node: Option<&Node>) {
    if pod.started.is_some() {
        status.number("observedGeneration", pod.generation);
    }
    status.text("phase", pod.phase.name());
    if pod.conditions.is_scheduled.is_some() {
        status.array("conditions", |conditions| write_conditions(conditions, pod));
    }
    if let (Some(started), Some(node)) = (pod.started, node) {
        status.text("hostIP", &node.ip.to_string());
        write_addresses(status, "hostIPs", node.ip);
        if let Some(ip) = pod.ip {
            status.text("podIP", &ip.to_string());
            write_addresses(status, "podIPs", ip);
        }
        status.time("startTime", started);
        status.array("containerStatuses", |containers| {
            for (container, spec) in pod.containers.iter().zip(&pod.template.containers) {
                containers.object(|c| write_container(c, pod, container, spec));
            }
        });
    }
    status.text("qosClass", pod.template.qos.name());
    if pod.started.is_some() {
        write_pod_resources(status, pod);
    }
}

fn write_addresses(status: &mut Object<'_>, key: &str, ip: Ipv4Addr) {
    status.array(key, |ips| ips.object(|entry| entry.text("ip", &ip.to_string())));
}

fn write_conditions(conditions: &mut Array<'_>, pod: &Pod) {
    let all = &pod.conditions;
    let named = [
        ("PodReadyToStartContainers", &all.can_start),
        ("Initialized", &all.is_initialized),
        ("Ready", &all.is_ready),
        ("ContainersReady", &all.are_containers_ready),
        ("PodScheduled", &all.is_scheduled),
    ];
    for (name, condition) in named {
        let Some(condition) = condition else { continue };
        // The scheduler names the generation when it refuses a pod, not when it binds one.
        let is_observed = pod.started.is_some() || !condition.is_true;
        let generation = is_observed.then_some(pod.generation);
        conditions.object(|c| write_condition(c, name, condition, generation));
    }
}

fn write_condition(c: &mut Object<'_>, name: &str, condition: &Condition, generation: Option<i64>) {
    c.text("type", name);
    if let Some(generation) = generation {
        c.number("observedGeneration", generation);
    }
    c.text("status", if condition.is_true { "True" } else { "False" });
    c.null("lastProbeTime");
    c.time("lastTransitionTime", condition.since);
    c.text_if("reason", condition.reason);
    c.text_if("message", &condition.message);
}

fn write_container(c: &mut Object<'_>, pod: &Pod, container: &Container, spec: &ContainerSpec) {
    c.text("name", spec.name);
    c.object("state", |state| write_state(state, &container.state));
    c.object("lastState", |state| {
        if let Some(last) = &container.last {
            state.object("terminated", |terminated| write_terminated(terminated, last));
        }
    });
    c.flag("ready", container.is_ready);
    c.number("restartCount", i64::from(container.restarts));
    c.text("image", &spec.image);
    c.text("imageID", if container.id.is_some() { &spec.image_id } else { "" });
    if let Some(id) = container.id {
        c.text("containerID", &runtime_id(&id));
    }
    c.flag("started", container.is_started);
    if container.id.is_some() {
        write_resources(c, spec);
    }
    c.array("volumeMounts", |mounts| {
        for (name, path, is_read_only) in pod.template.mounts(spec) {
            mounts.object(|mount| write_mount(mount, name, path, is_read_only));
        }
        let token = format!("kube-api-access-{}", pod.token_text());
        mounts.object(|mount| write_mount(mount, &token, TOKEN_PATH, true));
    });
}

fn write_mount(mount: &mut Object<'_>, name: &str, path: &str, is_read_only: bool) {
    mount.text("name", name);
    mount.text("mountPath", path);
    if is_read_only {
        mount.flag("readOnly", true);
        mount.text("recursiveReadOnly", "Disabled");
    }
}

fn write_state(state: &mut Object<'_>, current: &State) {
    match current {
        State::Waiting { reason, message } => state.object("waiting", |waiting| {
            waiting.text("reason", reason);
            waiting.text_if("message", message);
        }),
        State::Running { since } => state.object("running", |running| running.time("startedAt", *since)),
        State::Terminated(terminated) => {
            state.object("terminated", |t| write_terminated(t, terminated));
        }
    }
}

fn write_terminated(t: &mut Object<'_>, terminated: &Terminated) {
    t.number("exitCode", i64::from(terminated.exit_code));
    t.text("reason", terminated.reason);
    t.text_if("message", terminated.message);
    match terminated.started {
        Some(started) => t.time("startedAt", started),
        None => t.null("startedAt"),
    }
    match terminated.finished {
        Some(finished) => t.time("finishedAt", finished),
        None => t.null("finishedAt"),
    }
    if let Some(id) = terminated.id {
        t.text("containerID", &runtime_id(&id));
    }
}

fn write_resources(c: &mut Object<'_>, spec: &ContainerSpec) {
    spec.write_allocated(c);
    c.object("resources", |resources| spec.write_resources(resources));
}

/// Sums over the containers, which pods show since they have resources of their own.
fn write_pod_resources(status: &mut Object<'_>, pod: &Pod) {
    let containers = &pod.template.containers;
    let sum = |get: fn(&ContainerSpec) -> i64| containers.iter().map(get).sum();
    let limit = |get: fn(&ContainerSpec) -> i64| {
        if containers.iter().all(|c| get(c) > 0) { containers.iter().map(get).sum() } else { 0 }
    };
    let Some(first) = containers.first() else { return };
    let total = ContainerSpec {
        cpu_request: sum(|c| c.cpu_request),
        memory_request: sum(|c| c.memory_request),
        cpu_limit: limit(|c| c.cpu_limit),
        memory_limit: limit(|c| c.memory_limit),
        ..first.clone()
    };
    write_resources(status, &total);
}

fn runtime_id(id: &[u8; 32]) -> String {
    format!("containerd://{}", dice::hex(id))
}
