//! Counters over time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::kubelet;
use crate::scenario::Scenario;
use crate::store::Kind;
use crate::testing::Cluster;
use crate::world::FaultKind;

/// Value and timestamp by series.
type Counters = BTreeMap<String, (f64, i64)>;

/// Each counter of all nodes, and when containers started.
fn counters(cluster: &Cluster) -> Counters {
    let mut all = BTreeMap::new();
    for node in 0..cluster.world.nodes.len() {
        let usage = cluster.node_use(node as u16);
        for page in [kubelet::cadvisor(&usage), kubelet::resource(&usage)] {
            let mut is_counter = false;
            for line in page.lines() {
                if let Some(declared) = line.strip_prefix("# TYPE ") {
                    is_counter =
                        declared.ends_with(" counter") || declared.starts_with("container_start_time");
                } else if is_counter && !line.starts_with('#') {
                    let (series, rest) =
                        line.rsplit_once("} ").unwrap_or_else(|| line.split_once(' ').expect("a value"));
                    let mut fields = rest.split(' ');
                    let value = fields.next().and_then(|v| v.parse().ok()).expect("a number");
                    let at = fields.next().and_then(|v| v.parse().ok()).unwrap_or_default();
                    all.insert(format!("{node} {series}"), (value, at));
                }
            }
        }
    }
    all
}

#[test]
fn cpu_of_a_pod_is_that_of_its_containers_and_a_little_more() {
    let mut cluster = Cluster::new();
    cluster.advance(100.0);
    for pod in &cluster.node_use(0).pods {
        let containers: f64 = pod.containers.iter().map(|c| c.reading.cpu_seconds).sum();
        let slack = pod.containers.iter().map(|c| c.cores).sum::<f64>() * 20.0 + 0.1;
        assert!((pod.reading.cpu_seconds - containers).abs() < slack, "{}", pod.name);
    }
}

#[test]
fn a_restart_begins_new_series_for_the_container_but_not_for_the_pod() {
    let mut cluster = Cluster::with_fault(FaultKind::OomKill, 60, Some("shop/cart"));
    cluster.advance(5.0);
    let pod = cluster.truth().root.name;
    let find = |cluster: &Cluster| {
        let pods = (0..4).flat_map(|node| cluster.node_use(node).pods);
        pods.into_iter().find(|p| *p.name == *pod).expect("the pod")
    };
    let before = find(&cluster);
    cluster.advance(25.0);
    let after = find(&cluster);
    assert_ne!(before.containers[0].id, after.containers[0].id);
    assert!(after.containers[0].reading.cpu_seconds < before.containers[0].reading.cpu_seconds);
    assert!(after.reading.cpu_seconds >= before.reading.cpu_seconds);
    assert!(after.received >= before.received);
    assert_eq!(before.sandbox, after.sandbox);
}

/// A counter that falls is read as begun anew: all of its value as used just then.
#[test]
fn a_cluster_founded_again_seems_to_use_no_more_than_it_does() {
    let mut before = Cluster::new();
    before.advance(100.0);
    let (before, after) = (counters(&before), counters(&Cluster::new()));
    let is_cpu = |series: &str| series.contains("_cpu_usage_seconds_total");
    let in_both = after.iter().filter(|(series, _)| is_cpu(series) && before.contains_key(*series));
    let mut n_series = 0;
    for (series, (value, _)) in in_both {
        assert!(*value <= before[series].0, "{series} does not begin anew");
        assert!(*value < 16.0 * 4.0, "{series}: {value} seconds of four cores at once");
        n_series += 1;
    }
    assert!(n_series > 100, "{n_series}");
}

#[test]
fn usage_is_near_what_the_catalogue_says() {
    let cluster = Cluster::new();
    let usage: Vec<_> = (0..4).flat_map(|node| cluster.node_use(node).pods).collect();
    let frontend = usage.iter().filter(|pod| pod.name.starts_with("frontend-"));
    for pod in frontend {
        assert!((0.02..0.15).contains(&pod.cores), "{}: {} cores", pod.name, pod.cores);
        let mib = pod.memory.working_set / 1_048_576.0;
        assert!((40.0..130.0).contains(&mib), "{}: {mib} MiB", pod.name);
    }
    let nodes: Vec<_> = (0..4).map(|node| cluster.node_use(node)).collect();
    for node in &nodes {
        let share = node.cores / (node.cpu as f64 / 1_000.0);
        assert!((0.05..0.8).contains(&share), "{}: {share}", node.name);
    }
    assert_eq!(
        usage.len(),
        cluster.list(Kind::Pod).iter().filter(|pod| pod["status"]["phase"] == "Running").count()
    );
}

/// `/metrics/resource` does not name the instance of a container: its counters begin again with it.
fn is_restarted(series: &str, last: &Counters, now: &Counters) -> bool {
    let start = series.replace("container_cpu_usage_seconds_total", "container_start_time_seconds");
    start != series && last.get(&start).zip(now.get(&start)).is_some_and(|(before, after)| before.0 < after.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn no_counter_falls_and_no_sample_goes_back(seed: u64, steps in prop::collection::vec(1.0..45.0_f64, 10..25)) {
        let mut cluster = Cluster::sized(40, 3, seed);
        cluster.world.play(&Scenario::load(None).expect("built in")).expect("no targets");
        let mut last = counters(&cluster);
        prop_assert!(last.len() > 1_000);
        for step in steps {
            cluster.advance(step);
            let now = counters(&cluster);
            for (series, (value, at)) in now.iter().filter(|(series, _)| !series.contains("_start_time_")) {
                if let Some((before, before_at)) = last.get(series).filter(|_| !is_restarted(series, &last, &now)) {
                    prop_assert!(value >= before, "{series}: {before} to {value}");
                    prop_assert!(at >= before_at, "{series}: sampled at {before_at}, then at {at}");
                    prop_assert!(at > before_at || value == before, "{series}: at {at} both {before} and {value}");
                }
            }
            last = now;
        }
    }
}
