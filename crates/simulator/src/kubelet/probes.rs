//! `/metrics/probes` and the part of `/metrics` that tells of the node's pods and volumes.

use crate::exposition::{Page, Type, label};
use crate::world::{NodeUse, PodUse, VolumeUse};

/// Kinds of probes with the seconds between two, and how long an answer takes.
const KINDS: [(&str, f64); 2] = [("Liveness", 10.0), ("Readiness", 5.0)];
const ANSWER_SECONDS: f64 = 0.001_17;

pub fn probes(node: &NodeUse) -> String {
    let mut page = Page::default();
    let duration = "prober_probe_duration_seconds";
    page.family(duration, "[ALPHA] Duration in seconds for a probe response.", Type::Histogram);
    each_prober(node, |[container, namespace, pod, _, kind], count| {
        let whose = [container, namespace, pod, kind];
        let bucket = [container, namespace, pod, kind, "le=\"+Inf\""];
        page.row(&format!("{duration}_bucket"), &bucket, count, None);
        page.row(&format!("{duration}_sum"), &whose, count * ANSWER_SECONDS, None);
        page.row(&format!("{duration}_count"), &whose, count, None);
    });
    let total = "prober_probe_total";
    let help =
        "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.";
    page.family(total, help, Type::Counter);
    each_prober(node, |[container, namespace, pod, uid, kind], count| {
        page.row(total, &[container, namespace, pod, uid, kind, "result=\"successful\""], count, None);
    });
    let start = "process_start_time_seconds";
    page.family(start, "[ALPHA] Start time of the process since unix epoch in seconds.", Type::Gauge);
    page.row(start, &[], node.booted.as_millis() as f64 / 1_000.0, None);
    page.finish()
}

/// Labels and number of probes of each container and kind: container, namespace, pod, pod's uid, kind.
fn each_prober(node: &NodeUse, mut write: impl FnMut([&str; 5], f64)) {
    for pod in &node.pods {
        for container in &pod.containers {
            let seconds = node.now.millis_since(container.started.max(node.counted_from)) as f64 / 1_000.0;
            for (kind, period) in KINDS {
                let labels = [
                    label("container", container.name),
                    label("namespace", &pod.namespace),
                    label("pod", &pod.name),
                    label("pod_uid", &pod.uid.to_string()),
                    label("probe_type", kind),
                ];
                write(labels.each_ref().map(String::as_str), (seconds / period).floor());
            }
        }
    }
}

pub fn kubelet(node: &NodeUse) -> String {
    let mut page = Page::default();
    let mut gauge = |name: &str, help: &str, labels: &[&str], value: f64| {
        page.family(name, help, Type::Gauge);
        page.row(name, labels, value, None);
    };
    let running: usize = node.pods.iter().map(|pod| pod.containers.len()).sum();
    gauge(
        "kubelet_node_name",
        "[ALPHA] The node's name. The count is always 1.",
        &[&label("node", &node.name)],
        1.0,
    );
    gauge(
        "kubelet_running_containers",
        "[ALPHA] Number of containers currently running",
        &[&label("container_state", "running")],
        running as f64,
    );
    gauge(
        "kubelet_running_pods",
        "[ALPHA] Number of pods that have a running pod sandbox",
        &[],
        node.pods.len() as f64,
    );
    write_volumes(&mut page, node);
    page.finish()
}

/// One number about a volume.
type Value = fn(&VolumeUse) -> f64;

fn write_volumes(page: &mut Page, node: &NodeUse) {
    let values: [(&str, &str, Value); 6] = [
        ("available_bytes", "Number of available bytes in the volume", |v| v.capacity - v.used),
        ("capacity_bytes", "Capacity in bytes of the volume", |v| v.capacity),
        ("inodes", "Maximum number of inodes in the volume", |v| (v.capacity / 16_384.0).floor()),
        ("inodes_free", "Number of free inodes in the volume", |v| (v.capacity / 16_384.0).floor() - 212.0),
        ("inodes_used", "Number of used inodes in the volume", |_| 212.0),
        ("used_bytes", "Number of used bytes in the volume", |v| v.used),
    ];
    for (name, help, value) in values {
        let name = format!("kubelet_volume_stats_{name}");
        page.family(&name, &format!("[ALPHA] {help}"), Type::Gauge);
        for (pod, volume) in claims(node) {
            let Some(claim) = &volume.claim else { continue };
            let labels = [label("namespace", &pod.namespace), label("persistentvolumeclaim", claim)];
            page.row(&name, &[&labels[0], &labels[1]], value(volume), None);
        }
    }
}

fn claims(node: &NodeUse) -> impl Iterator<Item = (&PodUse, &VolumeUse)> {
    node.pods
        .iter()
        .flat_map(|pod| pod.volumes.iter().map(move |volume| (pod, volume)))
        .filter(|(_, volume)| volume.claim.is_some())
}
