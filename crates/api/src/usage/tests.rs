//! Tests of usage, with the rows that a kubelet really gives.

use sentinel_model::{Aggregate, MetricKind, Resolution, Rollup, RollupBatch, Series, SeriesRef, Window};

use super::*;

/// Puts series with one value every 10 s into an overlay.
fn live(rows: &[(&str, &[(&str, &str)], &[f64])]) -> Live {
    let live = Live::new(1_000);
    let defined: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(i, (name, labels, _))| {
            let pairs = labels.iter().copied().chain([("__name__", *name), ("cluster", "a"), ("node", "n1")]);
            let kind = if name.ends_with("_total") { MetricKind::Counter } else { MetricKind::Gauge };
            let labels = Labels::from_pairs(pairs).expect("unique names");
            (SeriesRef(i as u32), Series { labels, kind })
        })
        .collect();
    let n_windows = rows.iter().map(|(_, _, values)| values.len()).max().unwrap_or_default();
    for w in 0..n_windows {
        let start = Timestamp::from_secs(w as i64 * 10);
        let rollup = |(i, (_, _, values)): (usize, &(&str, &[(&str, &str)], &[f64]))| {
            let aggregate = Aggregate::Single(*values.get(w)?);
            Some(Rollup { series: SeriesRef(i as u32), aggregate })
        };
        let batch = RollupBatch {
            stream: "p0".into(),
            epoch: 1,
            sequence: w as u64,
            is_key: w == 0,
            window: Window { resolution: Resolution::TenSeconds, start },
            is_final: false,
            defined: if w == 0 { defined.clone() } else { Vec::new() },
            rollups: rows.iter().enumerate().filter_map(rollup).collect(),
        };
        live.apply(batch, start);
    }
    live
}

const CPU: &str = "container_cpu_usage_seconds_total";
const MEMORY: &str = "container_memory_working_set_bytes";

fn app<'a>() -> [(&'a str, &'a str); 3] {
    [("namespace", "shop"), ("pod", "web-1"), ("container", "app")]
}

fn cpu(table: &Table) -> Option<f64> {
    table.pod("a", "shop", "web-1")?.total.cpu.map(|measured| measured.value)
}

#[test]
fn a_pod_uses_the_sum_of_its_containers_without_cgroups_and_sandbox() {
    let sidecar = [("namespace", "shop"), ("pod", "web-1"), ("container", "proxy")];
    let whole = [("namespace", "shop"), ("pod", "web-1")];
    let sandbox = [("namespace", "shop"), ("pod", "web-1"), ("container", "POD")];
    let one_cpu = [("namespace", "shop"), ("pod", "web-1"), ("container", "app"), ("cpu", "cpu00")];
    let table = Table::compute(&live(&[
        (CPU, &app(), &[0.0, 5.0]),
        (CPU, &sidecar, &[0.0, 1.0]),
        (CPU, &whole, &[0.0, 60.0]),
        (CPU, &sandbox, &[0.0, 70.0]),
        (CPU, &one_cpu, &[0.0, 80.0]),
        (MEMORY, &app(), &[10.0, 30.0]),
        (MEMORY, &sidecar, &[1.0, 2.0]),
    ]));
    assert_eq!(cpu(&table), Some(0.6));
    let pod = table.pod("a", "shop", "web-1").expect("it is there");
    assert_eq!(pod.total.memory.map(|measured| measured.value), Some(32.0));
    assert_eq!(pod.of_container("proxy").memory.map(|measured| measured.value), Some(2.0));
    assert_eq!(pod.of_container("other"), Used::default());
}

#[test]
fn two_sources_of_one_container_count_once() {
    let again = [app()[0], app()[1], app()[2], ("id", "/kubepods/x")];
    let table = Table::compute(&live(&[(CPU, &app(), &[0.0, 5.0]), (CPU, &again, &[0.0, 5.0])]));
    assert_eq!(cpu(&table), Some(0.5));
}

#[test]
fn a_restarted_container_counts_by_its_newest_row() {
    let old = [app()[0], app()[1], app()[2], ("id", "/old")];
    let new = [app()[0], app()[1], app()[2], ("id", "/new")];
    let table = Table::compute(&live(&[
        (CPU, &old, &[0.0, 90.0]),
        (CPU, &new, &[0.0, 1.0, 2.0]),
        (MEMORY, &old, &[500.0]),
        (MEMORY, &new, &[1.0, 2.0, 3.0]),
    ]));
    assert_eq!(cpu(&table), Some(0.1));
    let pod = table.pod("a", "shop", "web-1").expect("it is there");
    assert_eq!(pod.total.memory.map(|measured| measured.value), Some(3.0));
}

#[test]
fn nodes_prefer_their_own_rows_to_the_machine() {
    let machine = Table::compute(&live(&[(CPU, &[("id", "/")], &[0.0, 20.0])]));
    let used = machine.node("a", "n1").expect("it is there");
    assert_eq!(used.cpu.map(|measured| measured.value), Some(2.0));
    let both = Table::compute(&live(&[
        (CPU, &[("id", "/")], &[0.0, 20.0]),
        ("node_cpu_usage_seconds_total", &[], &[0.0, 10.0]),
        ("node_memory_working_set_bytes", &[], &[7.0, 8.0]),
    ]));
    let used = both.node("a", "n1").expect("it is there");
    assert_eq!(used.cpu.map(|measured| measured.value), Some(1.0));
    assert_eq!(used.memory.map(|measured| measured.value), Some(8.0));
}

#[test]
fn rows_of_whole_pods_fill_in_where_containers_are_unknown() {
    let pod = [("namespace", "shop"), ("pod", "web-1")];
    let only = Table::compute(&live(&[("pod_cpu_usage_seconds_total", &pod, &[0.0, 3.0])]));
    assert_eq!(cpu(&only), Some(0.3));
    let both = Table::compute(&live(&[
        ("pod_cpu_usage_seconds_total", &pod, &[0.0, 3.0]),
        (CPU, &app(), &[0.0, 5.0]),
    ]));
    assert_eq!(cpu(&both), Some(0.5));
}

#[test]
fn a_table_is_computed_again_only_when_something_moved() {
    let live = live(&[(CPU, &app(), &[0.0, 5.0])]);
    let cached = Cached::default();
    let first = cached.table(&live, Timestamp::from_secs(1));
    assert!(Arc::ptr_eq(&first, &cached.table(&live, Timestamp::from_secs(100))));
}

fn container(kind: ContainerKind, request: Option<f64>, limit: Option<f64>) -> ContainerStatus {
    ContainerStatus {
        kind,
        requests: Resources { cpu_cores: request, ..Default::default() },
        limits: Resources { cpu_cores: limit, ..Default::default() },
        ..Default::default()
    }
}

#[test]
fn a_pod_asks_for_what_runs_at_once_or_for_its_largest_init_container() {
    let pod = |containers| asked(&PodDetail { containers, ..Default::default() }).cpu;
    use ContainerKind::{App, Init, Sidecar};
    let plain = pod(vec![container(App, Some(0.5), Some(1.0)), container(Sidecar, Some(0.1), Some(0.2))]);
    assert_eq!((plain.requested, plain.limit), (Some(0.6), Some(1.2)));
    let init = pod(vec![container(Init, Some(2.0), None), container(App, Some(0.5), None)]);
    assert_eq!((init.requested, init.limit), (Some(2.0), None));
    let half = pod(vec![container(App, Some(0.5), Some(1.0)), container(App, None, None)]);
    assert_eq!((half.requested, half.limit), (Some(0.5), None), "one without a limit: no limit at all");
    assert_eq!(pod(vec![container(App, None, None)]).requested, None);
}

#[test]
fn usages_add_up_by_what_is_known() {
    let mut sum = Usage::default();
    let one = asked(&PodDetail {
        containers: vec![container(ContainerKind::App, Some(0.5), None)],
        ..Default::default()
    });
    sum.add(&one);
    sum.add(&one);
    assert_eq!((sum.cpu.requested, sum.cpu.limit, sum.memory.requested), (Some(1.0), None, None));
}
