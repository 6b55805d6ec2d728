//! The kubelets' endpoints, compared with what a real one answers.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{StatusCode, header};

use super::Api;
use crate::testing::Cluster;
use crate::testing::paths::paths;
use crate::world::FaultKind;

/// Families with their type and label names.
type Shape = BTreeMap<String, (String, BTreeSet<Vec<String>>)>;

/// A strict reader of the text format: what it does not expect, it refuses.
fn shape(page: &str) -> Shape {
    let mut shape = Shape::new();
    let mut family = String::new();
    let mut seen = BTreeSet::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().expect("a name").to_owned();
            assert!(rest.len() > family.len() + 1, "no help: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, family, "type without help");
            assert!(
                shape.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new())).is_none(),
                "{name} twice"
            );
        } else {
            let (name, labels, value) = sample(line);
            let parts = ["_bucket", "_sum", "_count"];
            let is_part = shape[&family].0 == "histogram"
                && parts.iter().any(|part| name.strip_suffix(part) == Some(&family));
            assert!(is_part || name == family, "a row outside its family: {line}");
            let series = line[..line.len() - value.len()].to_owned();
            assert!(seen.insert(series), "a series twice: {line}");
            let names: Vec<String> = labels.iter().map(|(name, _)| name.clone()).collect();
            let mut sorted = names.clone();
            sorted.sort();
            // As everywhere, the bound of a bucket comes last.
            sorted.sort_by_key(|label| label == "le");
            assert_eq!(names, sorted, "labels out of order: {line}");
            shape.get_mut(&family).expect("declared").1.insert(names);
        }
    }
    shape
}

/// Name, labels, and the rest with value and time.
fn sample(line: &str) -> (String, Vec<(String, String)>, String) {
    let end = line.find(['{', ' ']).expect("a value");
    let name = line[..end].to_owned();
    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':'), "{name}");
    let (labels, rest) = match line[end..].strip_prefix('{') {
        None => (Vec::new(), &line[end..]),
        Some(text) => {
            let close = text.rfind("} ").expect("labels end");
            let pairs = text[..close].split("\",").map(|pair| {
                let (key, value) = pair.split_once("=\"").expect("a pair");
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            });
            (pairs.collect(), &text[close + 1..])
        }
    };
    let mut fields = rest.trim_start().split(' ');
    fields.next().expect("a value").parse::<f64>().expect("a number");
    if let Some(at) = fields.next() {
        at.parse::<i64>().expect("a timestamp");
    }
    assert_eq!(fields.next(), None, "{line}");
    (name, labels, rest.to_owned())
}

#[tokio::test]
async fn every_page_is_well_formed() {
    let api = Api::new();
    for path in ["metrics/cadvisor", "metrics/resource", "metrics/probes", "metrics"] {
        let answer = api.get(&format!("/kubelet/node-1/{path}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(
            answer.headers[header::CONTENT_TYPE]
                .to_str()
                .expect("text")
                .starts_with("text/plain; version=0.0.4")
        );
        assert!(!shape(&answer.text).is_empty(), "{path}");
    }
}

#[tokio::test]
async fn the_api_server_proxies_to_the_kubelets() {
    let api = Api::new();
    let direct = api.get("/kubelet/node-2/metrics/resource").await.text;
    let proxied = api.get("/api/v1/nodes/node-2/proxy/metrics/resource").await.text;
    assert_eq!(direct, proxied);
    assert_eq!(api.get("/kubelet/node-9/metrics").await.status, StatusCode::NOT_FOUND);
    assert_eq!(api.get("/kubelet/node-1/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_kubelet_that_is_cut_off_does_not_answer() {
    let mut cluster = Cluster::new();
    cluster.add_fault(FaultKind::NodeNotReady, 60, Some("node-1"));
    let api = Api::over(cluster);
    api.step(5.0);
    let answer = api.get("/kubelet/node-1/metrics/cadvisor").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.text.contains("no route to host"), "{}", answer.text);
    assert_eq!(api.get("/kubelet/node-2/metrics/cadvisor").await.status, StatusCode::OK);
    api.step(90.0);
    assert_eq!(api.get("/kubelet/node-1/metrics/cadvisor").await.status, StatusCode::OK);
}

#[tokio::test]
async fn network_is_counted_on_the_sandbox_and_pods_have_rows_of_their_own() {
    let api = Api::new();
    let page = api.get("/kubelet/node-1/metrics/cadvisor").await.text;
    let rows: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
    let label = |labels: &[(String, String)], name: &str| {
        labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let network = rows.iter().filter(|(name, _, _)| name == "container_network_receive_bytes_total");
    for (_, labels, _) in network.filter(|(_, labels, _)| !label(labels, "pod").is_empty()) {
        assert_eq!(label(labels, "container"), "");
        assert!(label(labels, "image").contains("pause"));
        assert_eq!(label(labels, "interface"), "eth0");
    }
    let cpu: Vec<_> =
        rows.iter().filter(|(name, _, _)| name == "container_cpu_usage_seconds_total").collect();
    let of_kind = |is: fn(&str, &str, &str) -> bool| {
        cpu.iter()
            .filter(|(_, labels, _)| {
                is(&label(labels, "pod"), &label(labels, "container"), &label(labels, "image"))
            })
            .count()
    };
    let n_pods = of_kind(|pod, container, image| !pod.is_empty() && container.is_empty() && image.is_empty());
    let n_sandboxes =
        of_kind(|pod, container, image| !pod.is_empty() && container.is_empty() && !image.is_empty());
    let n_containers = of_kind(|_, container, _| !container.is_empty());
    let n_slices = of_kind(|pod, _, _| pod.is_empty());
    assert_eq!(n_pods, n_sandboxes);
    assert!(n_containers >= n_pods);
    assert_eq!(n_slices, 4);
}

#[tokio::test]
async fn the_summary_tells_of_node_pods_containers_and_volumes() {
    let api = Api::new();
    let summary = api.json("/kubelet/node-1/stats/summary").await;
    assert_eq!(summary["node"]["nodeName"], "node-1");
    let pods = summary["pods"].as_array().expect("pods");
    assert!(pods.len() > 5);
    for pod in pods {
        assert!(pod["podRef"]["uid"].is_string());
        assert!(pod["cpu"]["usageCoreNanoSeconds"].as_u64() > Some(0));
        assert!(pod["containers"][0]["memory"]["workingSetBytes"].as_u64() > Some(1_000_000));
        assert!(pod["volume"].as_array().is_some_and(|volumes| volumes.len() >= 2));
    }
    let with_claim = pods.iter().flat_map(|pod| pod["volume"].as_array().expect("volumes"));
    assert!(with_claim.filter(|volume| volume["pvcRef"]["name"].is_string()).count() > 0);
    api.step(1.0);
    let order = |summary: &serde_json::Value| {
        let pods = summary["pods"].as_array().expect("pods");
        pods.iter().map(|pod| pod["podRef"]["name"].to_string()).collect::<Vec<_>>()
    };
    assert_ne!(order(&summary), order(&api.json("/kubelet/node-1/stats/summary").await));
}

/// Each series as `tests/real/metrics.txt` writes it: page, name, type, kind of control group, label names,
/// whether it has a timestamp.
fn series(page: &str, text: &str) -> BTreeSet<String> {
    let types = shape(text);
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let describe = |line: &str| {
        let (name, labels, rest) = sample(line);
        let value = |key: &str| labels.iter().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str());
        let group = match (page, value("container"), value("image"), value("pod"), value("id")) {
            ("cadvisor", "", "", "", "") => "-",
            ("cadvisor", "", "", "", "/") => "root",
            ("cadvisor", "", "", "", _) => "slice",
            ("cadvisor", "", "", ..) => "pod",
            ("cadvisor", "", ..) => "sandbox",
            ("cadvisor", ..) => "container",
            _ => "-",
        };
        let parts = ["_bucket", "_sum", "_count"];
        let family = parts.iter().find_map(|part| types.get(name.strip_suffix(part)?));
        let kind = &types.get(&name).or(family).expect("a declared family").0;
        let names: Vec<_> = labels.iter().map(|(key, _)| key.as_str()).collect();
        let names = if names.is_empty() { "-".to_owned() } else { names.join(",") };
        let time = if rest.trim().contains(' ') { "timed" } else { "untimed" };
        format!("{page} {name} {kind} {group} {names} {time}")
    };
    rows.map(describe).collect()
}

#[tokio::test]
async fn the_series_are_those_of_a_real_kubelet() {
    let real: BTreeSet<&str> = include_str!("../../../tests/real/metrics.txt").lines().collect();
    let api = Api::new();
    for page in ["cadvisor", "resource", "probes"] {
        let ours = series(page, &api.get(&format!("/kubelet/node-1/metrics/{page}")).await.text);
        let theirs: BTreeSet<&str> =
            real.iter().copied().filter(|line| line.split(' ').next() == Some(page)).collect();
        let extra: Vec<_> = ours.iter().filter(|line| !theirs.contains(line.as_str())).collect();
        let missing: Vec<_> = theirs.iter().filter(|line| !ours.contains(**line)).collect();
        assert!(extra.is_empty() && missing.is_empty(), "extra {extra:#?} missing {missing:#?}");
    }
}

#[tokio::test]
async fn the_summary_has_the_fields_of_a_real_one() {
    let real: BTreeSet<&str> = include_str!("../../../tests/real/summary.txt").lines().collect();
    let ours = paths(&Api::new().json("/kubelet/node-1/stats/summary").await);
    // The real one had no claims.
    let is_of_claim = |path: &str| path.starts_with("pods[].volume[].pvcRef.");
    let extra: Vec<_> =
        ours.iter().filter(|path| !real.contains(path.as_str()) && !is_of_claim(path)).collect();
    let missing: Vec<_> = real.iter().filter(|path| !ours.contains(**path)).collect();
    assert!(extra.is_empty() && missing.is_empty(), "extra {extra:#?} missing {missing:#?}");
}
