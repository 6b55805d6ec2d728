//! `/metrics/resource`.

use sentinel_model::Timestamp;

use super::nanos;
use crate::exposition::{Page, Type, label};
use crate::world::{ContainerUse, NodeUse, PodUse};

/// Labels, value and time of one sample.
type Row = (String, f64, Option<Timestamp>);

/// Name, help and type of a family, and where its rows come from.
type Family = (&'static str, &'static str, Type, Rows);

enum Rows {
    Container(fn(&ContainerUse) -> f64),
    /// Without the time of measurement.
    Start,
    Pod(fn(&PodUse) -> f64),
    Node(fn(&NodeUse) -> f64),
    /// One row without time or labels.
    Error,
}

const FAMILIES: [Family; 12] = [
    (
        "container_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
        Type::Counter,
        Rows::Container(|c| nanos(c.reading.cpu_seconds)),
    ),
    (
        "container_memory_working_set_bytes",
        "[STABLE] Current working set of the container in bytes",
        Type::Gauge,
        Rows::Container(|c| c.memory.working_set),
    ),
    (
        "container_start_time_seconds",
        "[STABLE] Start time of the container since unix epoch in seconds",
        Type::Gauge,
        Rows::Start,
    ),
    (
        "container_swap_limit_bytes",
        "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems",
        Type::Gauge,
        Rows::Container(|c| c.memory_limit as f64),
    ),
    (
        "container_swap_usage_bytes",
        "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems",
        Type::Gauge,
        Rows::Container(|_| 0.0),
    ),
    (
        "node_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
        Type::Counter,
        Rows::Node(|n| nanos(n.reading.cpu_seconds)),
    ),
    (
        "node_memory_working_set_bytes",
        "[STABLE] Current working set of the node in bytes",
        Type::Gauge,
        Rows::Node(|n| n.memory.working_set),
    ),
    (
        "node_swap_usage_bytes",
        "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
        Type::Gauge,
        Rows::Node(|_| 0.0),
    ),
    (
        "pod_cpu_usage_seconds_total",
        "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
        Type::Counter,
        Rows::Pod(|p| nanos(p.reading.cpu_seconds)),
    ),
    (
        "pod_memory_working_set_bytes",
        "[STABLE] Current working set of the pod in bytes",
        Type::Gauge,
        Rows::Pod(|p| p.memory.working_set),
    ),
    (
        "pod_swap_usage_bytes",
        "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
        Type::Gauge,
        Rows::Pod(|_| 0.0),
    ),
    (
        "resource_scrape_error",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
        Type::Gauge,
        Rows::Error,
    ),
];

pub fn resource(node: &NodeUse) -> String {
    let mut page = Page::with_capacity(node.pods.len() * 1_200);
    for (name, help, kind, rows) in &FAMILIES {
        page.family(name, help, *kind);
        let mut rows = rows.of(node);
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        for (labels, value, at) in rows {
            page.row(name, &[&labels], value, at);
        }
    }
    page.finish()
}

impl Rows {
    fn of(&self, node: &NodeUse) -> Vec<Row> {
        match self {
            Self::Container(value) => containers(node, |c| (value(c), Some(c.at))),
            Self::Start => containers(node, |c| (c.started.as_millis() as f64 / 1_000.0, None)),
            Self::Pod(value) => {
                node.pods.iter().map(|pod| (pod_labels(pod), value(pod), Some(pod.at))).collect()
            }
            Self::Node(value) => vec![(String::new(), value(node), Some(node.at))],
            Self::Error => vec![(String::new(), 0.0, None)],
        }
    }
}

fn containers(node: &NodeUse, value: impl Fn(&ContainerUse) -> (f64, Option<Timestamp>)) -> Vec<Row> {
    let rows = node.pods.iter().flat_map(|pod| pod.containers.iter().map(move |c| (pod, c)));
    rows.map(|(pod, container)| {
        let labels = format!("{},{}", label("container", container.name), pod_labels(pod));
        let (value, at) = value(container);
        (labels, value, at)
    })
    .collect()
}

fn pod_labels(pod: &PodUse) -> String {
    format!("{},{}", label("namespace", &pod.namespace), label("pod", &pod.name))
}
