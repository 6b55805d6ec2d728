//! `/metrics/resource`.

use sentinel_model::Timestamp;

use super::nanos;
use crate::exposition::{Page, Type, label};
use crate::world::NodeUse;

/// Labels, value and time of one sample.
type Row = (String, f64, Option<Timestamp>);

pub fn resource(node: &NodeUse) -> String {
    let mut page = Page::with_capacity(node.pods.len() * 1_200);
    let mut family = |name: &str, help: &str, kind: Type, mut rows: Vec<Row>| {
        page.family(name, help, kind);
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        for (labels, value, at) in rows {
            page.row(name, &[&labels], value, at);
        }
    };
    let cpu_help = "[STABLE] Cumulative cpu time consumed by the";
    let memory_help = "[STABLE] Current working set of the";
    family(
        "container_cpu_usage_seconds_total",
        &format!("{cpu_help} container in core-seconds"),
        Type::Counter,
        containers(node, |c| (nanos(c.reading.cpu_seconds), Some(c.at))),
    );
    family(
        "container_memory_working_set_bytes",
        &format!("{memory_help} container in bytes"),
        Type::Gauge,
        containers(node, |c| (c.memory.working_set, Some(c.at))),
    );
    family(
        "container_start_time_seconds",
        "[STABLE] Start time of the container since unix epoch in seconds",
        Type::Gauge,
        containers(node, |c| (c.started.as_millis() as f64 / 1_000.0, None)),
    );
    family(
        "container_swap_limit_bytes",
        "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems",
        Type::Gauge,
        containers(node, |c| (c.memory_limit as f64, Some(c.at))),
    );
    family(
        "container_swap_usage_bytes",
        "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems",
        Type::Gauge,
        containers(node, |c| (0.0, Some(c.at))),
    );
    let of_node = |value: f64| vec![(String::new(), value, Some(node.at))];
    family(
        "node_cpu_usage_seconds_total",
        &format!("{cpu_help} node in core-seconds"),
        Type::Counter,
        of_node(nanos(node.reading.cpu_seconds)),
    );
    family(
        "node_memory_working_set_bytes",
        &format!("{memory_help} node in bytes"),
        Type::Gauge,
        of_node(node.memory.working_set),
    );
    family(
        "node_swap_usage_bytes",
        "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
        Type::Gauge,
        of_node(0.0),
    );
    family(
        "pod_cpu_usage_seconds_total",
        &format!("{cpu_help} pod in core-seconds"),
        Type::Counter,
        pods(node, |pod| nanos(pod.reading.cpu_seconds)),
    );
    family(
        "pod_memory_working_set_bytes",
        &format!("{memory_help} pod in bytes"),
        Type::Gauge,
        pods(node, |pod| pod.memory.working_set),
    );
    family(
        "pod_swap_usage_bytes",
        "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
        Type::Gauge,
        pods(node, |_| 0.0),
    );
    family(
        "resource_scrape_error",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
        Type::Gauge,
        vec![(String::new(), 0.0, None)],
    );
    page.finish()
}

fn containers(
    node: &NodeUse,
    value: impl Fn(&crate::world::ContainerUse) -> (f64, Option<Timestamp>),
) -> Vec<Row> {
    let rows = node.pods.iter().flat_map(|pod| pod.containers.iter().map(move |c| (pod, c)));
    rows.map(|(pod, container)| {
        let labels = format!("{},{}", label("container", container.name), pod_labels(pod));
        let (value, at) = value(container);
        (labels, value, at)
    })
    .collect()
}

fn pods(node: &NodeUse, value: impl Fn(&crate::world::PodUse) -> f64) -> Vec<Row> {
    node.pods.iter().map(|pod| (pod_labels(pod), value(pod), Some(pod.at))).collect()
}

fn pod_labels(pod: &crate::world::PodUse) -> String {
    format!("{},{}", label("namespace", &pod.namespace), label("pod", &pod.name))
}
