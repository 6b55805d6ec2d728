//! The truth about each fault agrees with what watchers and scrapes see, and when they see it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kubelet;
use crate::store::Kind;
use crate::testing::{Cluster, condition, name_of, text};
use crate::world::{FaultKind, Health, LogRequest, Truth};

/// A fault, how long it lasts, whom it befalls, and within how many seconds each of its signals shows, in
/// the order in which the truth names them.
type Case = (FaultKind, i64, &'static str, &'static [f64]);

const CASES: [Case; 10] = [
    (FaultKind::CrashLoop, 90, "shop/cart", &[2.0, 4.0, 6.0]),
    (FaultKind::OomKill, 90, "payments/settler", &[24.0, 26.0, 1.0]),
    (FaultKind::ImagePull, 90, "payments/gateway", &[20.0, 40.0, 20.0, 20.0]),
    (FaultKind::MemoryLeak, 120, "shop/catalog", &[1.0, 118.0]),
    (FaultKind::CpuThrottling, 60, "media/resizer", &[1.0, 1.0]),
    (FaultKind::Unschedulable, 60, "analytics/ingest", &[2.0, 2.0]),
    (FaultKind::NodeNotReady, 90, "node-2", &[50.0, 50.0, 1.0]),
    (FaultKind::BadRollout, 150, "shop/search", &[80.0, 2.0]),
    (FaultKind::VolumeFilling, 90, "shop/orders-db", &[1.0, 60.0]),
    (FaultKind::NoisyNeighbour, 60, "media/thumbs", &[1.0, 1.0]),
];

/// The truth concerns an object of this name, by itself or through its owner.
fn concerns(truth: &Truth, name: &str) -> bool {
    let names = truth.also_affected.iter().chain([&truth.root]).map(|object| object.name.as_str());
    names.into_iter().any(|n| name == n || name.strip_prefix(n).is_some_and(|rest| rest.starts_with('-')))
}

fn restarts(cluster: &Cluster) -> BTreeMap<String, i64> {
    let pods = cluster.list(Kind::Pod);
    let count = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0);
    pods.iter().map(|pod| (name_of(pod), count(pod))).collect()
}

fn has_condition(cluster: &Cluster, truth: &Truth, (kind, wanted): (Kind, &str)) -> bool {
    let (name, status) = wanted.split_once('=').expect("a condition and its status");
    let changes = cluster.changes(kind);
    let mut objects = changes.iter().map(|seen| &seen.object).filter(|o| concerns(truth, &name_of(o)));
    objects.any(|object| condition(object, name) == status)
}

fn has_reason(cluster: &Cluster, truth: &Truth, (state, reason): (&str, &str)) -> bool {
    let changes = cluster.changes(Kind::Pod);
    let mut pods = changes.iter().map(|seen| &seen.object).filter(|pod| concerns(truth, &name_of(pod)));
    pods.any(|pod| {
        let containers = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        containers
            .iter()
            .any(|c| c["state"][state]["reason"] == reason || c["lastState"][state]["reason"] == reason)
    })
}

fn has_row(cluster: &Cluster, truth: &Truth, name: &str) -> bool {
    let pages = cluster.world.nodes.iter().flat_map(|node| {
        let usage = cluster.world.node_use(node.id).expect("a node");
        let is_own = truth.also_affected.iter().any(|object| object.name == *node.name);
        let pages = [kubelet::cadvisor(&usage), kubelet::resource(&usage), kubelet::kubelet(&usage)];
        pages.map(|page| (is_own, page))
    });
    pages.into_iter().any(|(is_own, page)| {
        let mut rows = page.lines().filter(|line| line.starts_with(name));
        rows.any(|row| is_own || row.contains(&format!("\"{}\"", truth.root.name)))
    })
}

fn has_line(cluster: &Cluster, truth: &Truth, wanted: &str) -> bool {
    let pods = cluster.world.pods.values().filter(|pod| concerns(truth, &pod.key.name));
    let request = |pod: &crate::world::Pod| LogRequest {
        container: Some(pod.template.containers[0].name.to_owned()),
        ..LogRequest::default()
    };
    let mut sources = pods.filter_map(|pod| cluster.world.log_source(pod.id, &request(pod)).ok());
    let now = cluster.world.now();
    sources.any(|source| {
        let since = now.saturating_sub_millis(2_000);
        source.lines(since, now).iter().any(|line| line.text.contains(wanted))
    })
}

fn shows(cluster: &Cluster, truth: &Truth, (signal, before): (&str, &BTreeMap<String, i64>)) -> bool {
    match signal.split_once(':') {
        Some(("event", reason)) => cluster.changes(Kind::Event).iter().any(|seen| {
            let name = text(&seen.object["involvedObject"]["name"]);
            seen.object["reason"] == reason && concerns(truth, &name)
        }),
        Some(("pod.waiting", reason)) => has_reason(cluster, truth, ("waiting", reason)),
        Some(("pod.terminated", reason)) => has_reason(cluster, truth, ("terminated", reason)),
        Some(("pod.condition", wanted)) => has_condition(cluster, truth, (Kind::Pod, wanted)),
        Some(("node.condition", wanted)) => has_condition(cluster, truth, (Kind::Node, wanted)),
        Some(("deployment.condition", wanted)) => has_condition(cluster, truth, (Kind::Deployment, wanted)),
        Some(("metric", name)) => has_row(cluster, truth, name),
        Some(("log", wanted)) => has_line(cluster, truth, wanted),
        Some(("scrape.error", _)) => {
            let mut nodes = cluster.world.nodes.iter();
            nodes.any(|node| *node.name == *truth.root.name && node.health != Health::Ready)
        }
        None if signal == "pod.restarts" => {
            let root = restarts(cluster).get(&truth.root.name).copied();
            root > before.get(&truth.root.name).copied()
        }
        _ => panic!("{signal} is not a signal"),
    }
}

/// Seconds after the start at which each signal first shows, and the truth after all is over.
fn play((kind, seconds, target, limits): Case) -> (BTreeMap<&'static str, f64>, Truth) {
    let mut cluster = Cluster::with_fault(kind, seconds, Some(target));
    let before = restarts(&cluster);
    cluster.advance(1.001);
    let truth = cluster.truth();
    assert_eq!(truth.expected_signals.len(), limits.len(), "{kind:?}: {:?}", truth.expected_signals);
    let mut found = BTreeMap::new();
    for _ in 0..seconds {
        for signal in &truth.expected_signals {
            if !found.contains_key(signal) && shows(&cluster, &truth, (signal, &before)) {
                found.insert(*signal, (cluster.world.now().as_millis() - truth.start_ms) as f64 / 1_000.0);
            }
        }
        cluster.advance(1.0);
    }
    cluster.advance(150.0);
    (found, cluster.truth())
}

#[test]
fn every_signal_that_the_truth_names_shows_in_time() {
    for case in CASES {
        let (kind, seconds, _, limits) = case;
        let (found, truth) = play(case);
        for (signal, limit) in truth.expected_signals.iter().zip(limits) {
            let seen = found.get(signal);
            assert!(seen.is_some_and(|at| at <= limit), "{kind:?}: {signal} after {seen:?}, not {limit} s");
        }
        let (end, recovered) = (truth.end_ms.expect("an end"), truth.recovered_ms.expect("a recovery"));
        assert_eq!(end - truth.start_ms, seconds * 1_000, "{kind:?}");
        assert!(
            (end..end + 120_000).contains(&recovered),
            "{kind:?}: recovered after {} ms",
            recovered - end
        );
    }
}

#[test]
fn no_signal_shows_without_the_fault() {
    for (kind, seconds, target, _) in CASES {
        let mut faulty = Cluster::with_fault(kind, seconds, Some(target));
        let before = restarts(&faulty);
        faulty.advance(1.001);
        let truth = faulty.truth();
        let mut quiet = Cluster::new();
        quiet.advance(60.0);
        for signal in &truth.expected_signals {
            // A metric is always there; releases scale ReplicaSets every day.
            if signal.starts_with("metric:") || *signal == "event:ScalingReplicaSet" {
                continue;
            }
            assert!(!shows(&quiet, &truth, (signal, &before)), "{kind:?}: {signal} in a healthy cluster");
        }
    }
}
