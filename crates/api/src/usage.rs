//! What pods and nodes use, from the live overlay, and what they asked for, from their states.

use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::Mutex;
use sentinel_model::{
    ContainerKind, ContainerStatus, Labels, NodeDetail, PodDetail, Resources, Selector, Timestamp,
};

use crate::dto::{ResourceUsage, Usage};
use crate::live::{Live, LiveWindow, rate_of_last_minute};

#[cfg(test)]
mod tests;

/// A measured number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub value: f64,
    /// Start of the newest window it comes from.
    pub at: Timestamp,
    /// Version of the overlay that brought it.
    pub version: u64,
}

/// CPU in cores and memory in bytes, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub cpu: Option<Measured>,
    pub memory: Option<Measured>,
}

#[derive(Clone, Debug, Default)]
pub struct PodUsed {
    /// Sum of its containers, or what the kubelet says of the pod as a whole.
    pub total: Used,
    pub containers: Vec<(Box<str>, Used)>,
}

/// Usage of everything at one version of the overlay.
#[derive(Debug, Default)]
pub struct Table {
    pub version: u64,
    pods: AHashMap<Box<str>, PodUsed>,
    nodes: AHashMap<Box<str>, Used>,
}

/// The newest table, computed again when the overlay moved and somebody asks.
#[derive(Debug, Default)]
pub struct Cached(Mutex<Option<(i64, Arc<Table>)>>);

/// A table younger than this is not computed again.
const FRESH_MS: i64 = 500;

/// Usage with the names of whose it is.
#[derive(Clone, Copy, Debug)]
pub struct UsedBy<'a> {
    /// `Pod` or `Node`.
    pub kind: &'static str,
    pub cluster: &'a str,
    /// Empty for nodes.
    pub namespace: &'a str,
    pub name: &'a str,
    pub used: Used,
}

/// Which number a series gives.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Cpu,
    Memory,
}

// === impl Cached ===

impl Cached {
    pub fn table(&self, live: &Live, now: Timestamp) -> Arc<Table> {
        let mut cached = self.0.lock();
        if let Some((computed_ms, table)) = &*cached {
            let age_ms = now.as_millis() - computed_ms;
            if table.version == live.version() || (0..FRESH_MS).contains(&age_ms) {
                return Arc::clone(table);
            }
        }
        let table = Arc::new(Table::compute(live));
        *cached = Some((now.as_millis(), Arc::clone(&table)));
        table
    }
}

// === impl Table ===

impl Table {
    pub fn compute(live: &Live) -> Self {
        let mut table = Self { version: live.version(), ..Self::default() };
        table.read(live, "container_cpu_usage_seconds_total", Kind::Cpu);
        table.read(live, "container_memory_working_set_bytes", Kind::Memory);
        for pod in table.pods.values_mut() {
            pod.total = sum_of(&pod.containers);
        }
        table.read_wholes(live);
        table
    }

    pub fn pod(&self, cluster: &str, namespace: &str, name: &str) -> Option<&PodUsed> {
        self.pods.get(&*pod_key(cluster, namespace, name))
    }

    pub fn node(&self, cluster: &str, name: &str) -> Option<Used> {
        self.nodes.get(&*node_key(cluster, name)).copied()
    }

    /// What moved after a version of the overlay.
    pub fn changed(&self, version: u64) -> impl Iterator<Item = UsedBy<'_>> {
        let pods = self.pods.iter().map(|(key, pod)| UsedBy::of("Pod", key, pod.total));
        let nodes = self.nodes.iter().map(|(key, used)| UsedBy::of("Node", key, *used));
        pods.chain(nodes).filter(move |row| row.used.version() > version)
    }

    /// cAdvisor's and the kubelet's rows of containers; the one of `/` is the machine.
    fn read(&mut self, live: &Live, metric: &str, kind: Kind) {
        live.each(&Selector::metric(metric), |labels, windows, version| {
            let Some(measured) = measure(windows, version, kind) else { return };
            let label = |name| labels.get(name).unwrap_or_default();
            if label("id") == "/" && !label("node").is_empty() {
                let node = self.nodes.entry(node_key(label("cluster"), label("node"))).or_default();
                node.take(kind, measured);
            } else if is_container(labels) {
                let key = pod_key(label("cluster"), label("namespace"), label("pod"));
                let pod = self.pods.entry(key).or_default();
                pod.container(label("container")).take(kind, measured);
            }
        });
    }

    /// Rows of whole pods fill in for pods without containers; rows of nodes are better than cAdvisor's
    /// row of the machine, which may carry more than the node.
    fn read_wholes(&mut self, live: &Live) {
        let wholes =
            [("pod_cpu_usage_seconds_total", Kind::Cpu), ("pod_memory_working_set_bytes", Kind::Memory)];
        for (metric, kind) in wholes {
            live.each(&Selector::metric(metric), |labels, windows, version| {
                let Some(measured) = measure(windows, version, kind) else { return };
                let label = |name| labels.get(name).unwrap_or_default();
                let key = pod_key(label("cluster"), label("namespace"), label("pod"));
                let total = &mut self.pods.entry(key).or_default().total;
                let known = if kind == Kind::Cpu { &mut total.cpu } else { &mut total.memory };
                known.get_or_insert(measured);
            });
        }
        let nodes =
            [("node_cpu_usage_seconds_total", Kind::Cpu), ("node_memory_working_set_bytes", Kind::Memory)];
        for (metric, kind) in nodes {
            live.each(&Selector::metric(metric), |labels, windows, version| {
                let Some(measured) = measure(windows, version, kind) else { return };
                let label = |name| labels.get(name).unwrap_or_default();
                let node = self.nodes.entry(node_key(label("cluster"), label("node"))).or_default();
                match kind {
                    Kind::Cpu => node.cpu = Some(measured),
                    Kind::Memory => node.memory = Some(measured),
                }
            });
        }
    }
}

fn measure(windows: &[LiveWindow], version: u64, kind: Kind) -> Option<Measured> {
    let newest = windows.last()?;
    let value = match kind {
        Kind::Cpu => rate_of_last_minute(windows)?,
        Kind::Memory => newest.aggregate.last(),
    };
    value.is_finite().then_some(Measured { value, at: newest.start, version })
}

/// A row of a container, not of a cgroup above it or of the pod's sandbox.
fn is_container(labels: &Labels) -> bool {
    let label = |name| labels.get(name).unwrap_or_default();
    let is_sandbox = matches!(label("container"), "" | "POD");
    // Kernels with per-CPU accounting give a row for each processor besides the total.
    let is_total = matches!(label("cpu"), "" | "total");
    !is_sandbox && is_total && !label("pod").is_empty()
}

fn sum_of(containers: &[(Box<str>, Used)]) -> Used {
    let mut total = Used::default();
    for (_, used) in containers {
        total.cpu = add(total.cpu, used.cpu);
        total.memory = add(total.memory, used.memory);
    }
    total
}

fn add(a: Option<Measured>, b: Option<Measured>) -> Option<Measured> {
    match (a, b) {
        (Some(a), Some(b)) => {
            Some(Measured { value: a.value + b.value, at: a.at.max(b.at), version: a.version.max(b.version) })
        }
        (one, other) => one.or(other),
    }
}

impl<'a> UsedBy<'a> {
    /// Takes the key of the table apart; only the cluster's name may hold a slash.
    fn of(kind: &'static str, key: &'a str, used: Used) -> Self {
        let (rest, name) = key.rsplit_once('/').unwrap_or(("", key));
        let (cluster, namespace) =
            if kind == "Pod" { rest.rsplit_once('/').unwrap_or(("", rest)) } else { (rest, "") };
        Self { kind, cluster, namespace, name, used }
    }
}

fn pod_key(cluster: &str, namespace: &str, name: &str) -> Box<str> {
    format!("{cluster}/{namespace}/{name}").into()
}

fn node_key(cluster: &str, name: &str) -> Box<str> {
    format!("{cluster}/{name}").into()
}

// === impl Used ===

impl Used {
    /// cAdvisor and `/metrics/resource` tell the same; so do a container and the one before its restart.
    /// The newer row wins, and of two of one age the larger, whatever their order.
    fn take(&mut self, kind: Kind, measured: Measured) {
        let known = match kind {
            Kind::Cpu => &mut self.cpu,
            Kind::Memory => &mut self.memory,
        };
        let is_better = known
            .is_none_or(|known| (measured.at, measured.value.to_bits()) > (known.at, known.value.to_bits()));
        if is_better {
            *known = Some(measured);
        }
    }

    pub fn version(&self) -> u64 {
        [self.cpu, self.memory]
            .into_iter()
            .flatten()
            .map(|measured| measured.version)
            .max()
            .unwrap_or_default()
    }

    pub fn at(&self) -> Option<Timestamp> {
        [self.cpu, self.memory].into_iter().flatten().map(|measured| measured.at).max()
    }
}

impl PodUsed {
    fn container(&mut self, name: &str) -> &mut Used {
        let at = self.containers.iter().position(|(known, _)| &**known == name).unwrap_or_else(|| {
            self.containers.push((name.into(), Used::default()));
            self.containers.len() - 1
        });
        &mut self.containers[at].1
    }

    pub fn of_container(&self, name: &str) -> Used {
        let known = self.containers.iter().find(|(known, _)| &**known == name);
        known.map(|(_, used)| *used).unwrap_or_default()
    }
}

// === Requests and limits ===

/// What a pod asks the scheduler for: the sum over what runs at once, or its largest init container.
pub fn asked(pod: &PodDetail) -> Usage {
    let of = |kinds: &'static [ContainerKind]| {
        pod.containers.iter().filter(move |container| kinds.contains(&container.kind))
    };
    let lasting = || of(&[ContainerKind::App, ContainerKind::Sidecar]);
    let starting = || of(&[ContainerKind::Init]);
    let resource = |pick: fn(&Resources) -> Option<f64>| {
        let request = |container: &ContainerStatus| pick(&container.requests);
        let limit = |container: &ContainerStatus| pick(&container.limits);
        let running = lasting().filter_map(request).reduce(|a, b| a + b);
        let first = starting().filter_map(request).reduce(f64::max);
        // A pod is limited only if all of it is.
        let is_limited = lasting().all(|container| limit(container).is_some());
        ResourceUsage {
            used: None,
            requested: running.into_iter().chain(first).reduce(f64::max),
            limit: if is_limited { lasting().filter_map(limit).reduce(|a, b| a + b) } else { None },
            allocatable: None,
        }
    };
    Usage {
        cpu: resource(|resources| resources.cpu_cores),
        memory: resource(|resources| resources.memory_bytes),
    }
}

pub fn asked_by_container(container: &ContainerStatus) -> Usage {
    let resource = |requested, limit| ResourceUsage { used: None, requested, limit, allocatable: None };
    Usage {
        cpu: resource(container.requests.cpu_cores, container.limits.cpu_cores),
        memory: resource(container.requests.memory_bytes, container.limits.memory_bytes),
    }
}

pub fn offered(node: &NodeDetail) -> Usage {
    let resource = |allocatable| ResourceUsage { allocatable, ..ResourceUsage::default() };
    Usage { cpu: resource(node.allocatable.cpu_cores), memory: resource(node.allocatable.memory_bytes) }
}

impl Usage {
    #[must_use]
    pub fn with_used(mut self, used: Used) -> Self {
        self.cpu.used = used.cpu.map(|measured| measured.value);
        self.memory.used = used.memory.map(|measured| measured.value);
        self
    }

    /// Adds another's numbers; what only one side knows counts as it is.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.cpu, &other.cpu), (&mut self.memory, &other.memory)] {
            plus(&mut mine.used, theirs.used);
            plus(&mut mine.requested, theirs.requested);
            plus(&mut mine.limit, theirs.limit);
            plus(&mut mine.allocatable, theirs.allocatable);
        }
    }
}

fn plus(sum: &mut Option<f64>, more: Option<f64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or_default() + more);
    }
}
