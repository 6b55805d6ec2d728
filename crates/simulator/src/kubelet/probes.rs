//! `/metrics/probes` and the part of `/metrics` that tells of the node's pods and volumes.

use crate::exposition::{Page, Type, label};
use crate::world::{NodeUse, PodUse, VolumeUse};

pub fn probes(node: &NodeUse) -> String {
    let mut page = Page::default();
    let name = "prober_probe_total";
    page.family(
        name,
        "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.",
        Type::Counter,
    );
    for pod in &node.pods {
        for container in &pod.containers {
            let seconds = node.now.millis_since(container.started) as f64 / 1_000.0;
            for (kind, period) in [("Liveness", 10.0), ("Readiness", 5.0)] {
                let labels = [
                    label("container", container.name),
                    label("namespace", &pod.namespace),
                    label("pod", &pod.name),
                    label("pod_uid", &pod.uid.to_string()),
                    label("probe_type", kind),
                    label("result", "successful"),
                ];
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                page.row(name, &labels, (seconds / period).floor(), None);
            }
        }
    }
    page.finish()
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
