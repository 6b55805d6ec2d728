//! From a row of a kubelet to a series: which rows are kept, and what labels they get.
//!
//! cAdvisor gives a row to every cgroup: of the machine (`id="/"`), of groups of pods (`/kubepods/…`), of
//! pods, of their sandboxes and of their containers. All but the last add up what the next level gives
//! again, so that sums would count everything several times. Kept are
//!
//! - rows of containers;
//! - rows of the machine;
//! - network rows of a pod's sandbox, where all of its containers' traffic is counted, unless the pod
//!   uses the node's own network, which the machine's rows give already;
//! - rows without `id`, which are about cAdvisor itself.
//!
//! `id`, `name` and `image` tell instances of a container apart; they are left out, so that a container
//! that starts again goes on in the same series, its counters reset.

use std::borrow::Cow;
use std::sync::Arc;

use sentinel_model::{Labels, Series};

use super::Endpoint;
use crate::exposition::Sample;
use crate::sources::kubernetes::view::{PodFacts, View};

/// Families that `/metrics/resource` gives a second time, under the same names.
const GIVEN_BY_CADVISOR: [&str; 3] = [
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_start_time_seconds",
];

/// What decides on a row besides the row.
pub(super) struct Surroundings<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) cluster: &'a str,
    pub(super) node: &'a str,
    pub(super) view: &'a View,
    /// cAdvisor's rows of this node are being read.
    pub(super) has_cadvisor: bool,
}

/// What a row becomes.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Kept(Series),
    /// Kept, but its pod is not known (yet): the labels may change.
    KeptUnknown(Series),
    LeftOut,
}

pub(super) fn judge(sample: &Sample<'_>, around: &Surroundings<'_>) -> Verdict {
    let Ok(labels) = sample.labels() else { return Verdict::LeftOut };
    let label = |name: &str| labels.get(name).unwrap_or_default();
    let (namespace, pod) = (label("namespace"), label("pod"));
    let facts = (!pod.is_empty()).then(|| around.view.pod(namespace, pod));
    let is_kept = match around.endpoint {
        Endpoint::Cadvisor => keeps_cadvisor(&labels, facts.as_ref().and_then(Option::as_ref)),
        Endpoint::Resource => !(around.has_cadvisor && GIVEN_BY_CADVISOR.contains(&labels.metric_name())),
        Endpoint::Probes | Endpoint::Summary => true,
    };
    if !is_kept {
        return Verdict::LeftOut;
    }
    let is_of_pod = facts.is_some();
    let facts = facts.flatten();
    let mut extra = vec![("cluster", around.cluster), ("node", around.node)];
    if is_of_pod {
        extra.extend([("id", ""), ("name", ""), ("image", "")]);
        if label("container") == "POD" {
            extra.push(("container", ""));
        }
    }
    let workload = facts.as_ref().and_then(|facts| facts.workload.as_ref());
    // A row cannot name its workload itself.
    extra.push(("workload", workload.map_or("", |workload| &workload.name)));
    extra.push(("workload_kind", workload.map_or("", |workload| &workload.kind)));
    let series = Series { labels: labels.with(&extra), kind: sample.kind };
    if is_of_pod && facts.is_none() { Verdict::KeptUnknown(series) } else { Verdict::Kept(series) }
}

fn keeps_cadvisor(labels: &Labels, pod: Option<&Arc<PodFacts>>) -> bool {
    let label = |name: &str| labels.get(name).unwrap_or_default();
    match (label("id"), label("pod"), label("container")) {
        ("" | "/", "", _) => true,
        (_, "", _) => false,
        (_, _, "" | "POD") => {
            let is_on_host_network = pod.is_some_and(|pod| pod.is_on_host_network);
            labels.metric_name().starts_with("container_network_") && !is_on_host_network
        }
        _ => true,
    }
}

/// Instances of containers that ended and whose rows are still given beside those of their successors:
/// the `id`s of all but the latest instance of each container.
pub(super) fn outlived(samples: &[Sample<'_>]) -> Vec<String> {
    use std::collections::HashMap;

    type Name<'a> = (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);
    let mut latest: HashMap<Name<'_>, (f64, Cow<'_, str>)> = HashMap::new();
    let mut outlived = Vec::new();
    for sample in samples.iter().filter(|sample| sample.series.starts_with("container_start_time_seconds{")) {
        let (mut namespace, mut pod, mut container, mut id) = Default::default();
        for (name, value) in sample.pairs() {
            match &*name {
                "namespace" => namespace = value,
                "pod" => pod = value,
                "container" => container = value,
                "id" => id = value,
                _ => {}
            }
        }
        let container: Cow<'_, str> = container;
        if container.is_empty() {
            continue;
        }
        match latest.entry((namespace, pod, container)) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert((sample.value, id));
            }
            std::collections::hash_map::Entry::Occupied(mut entry) => {
                let is_later = sample.value > entry.get().0;
                let older = if is_later { entry.insert((sample.value, id)).1 } else { id };
                outlived.push(older.into_owned());
            }
        }
    }
    outlived
}

#[cfg(test)]
mod tests;
