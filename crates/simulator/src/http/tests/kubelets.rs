//! The kubelets' endpoints, compared with what a real one answers.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{StatusCode, header};

use super::Api;
use crate::testing::{Cluster, parse};
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
            assert_eq!(name, family, "a row outside its family");
            let series = line[..line.len() - value.len()].to_owned();
            assert!(seen.insert(series), "a series twice: {line}");
            let names: Vec<String> = labels.iter().map(|(name, _)| name.clone()).collect();
            let mut sorted = names.clone();
            sorted.sort();
            assert_eq!(names, sorted, "labels out of order: {line}");
            shape.get_mut(&name).expect("declared").1.insert(names);
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

#[tokio::test]
async fn the_families_are_those_of_a_real_kubelet() {
    let Some(real) = recorded() else {
        return;
    };
    let api = Api::new();
    for (target, path) in [("kubelet/cadvisor", "metrics/cadvisor"), ("kubelet/resource", "metrics/resource")]
    {
        let ours = shape(&api.get(&format!("/kubelet/node-1/{path}")).await.text);
        let theirs = shape(&real[target]);
        for (family, (kind, labels)) in &ours {
            let (real_kind, real_labels) =
                theirs.get(family).unwrap_or_else(|| panic!("{family} is not real"));
            assert_eq!(kind, real_kind, "{family}");
            assert!(labels.is_subset(real_labels), "{family}: {labels:?} but really {real_labels:?}");
        }
        let missing: Vec<_> = theirs.keys().filter(|family| !ours.contains_key(*family)).collect();
        let is_of_machine =
            |family: &&&String| family.starts_with("machine_") || family.ends_with("_scrape_error");
        assert!(missing.iter().all(|family| is_of_machine(&family)), "{missing:?}");
    }
    let (ours, theirs) = (api.json("/kubelet/node-1/stats/summary").await, parse(&real["kubelet/summary"]));
    let keys = |value: &serde_json::Value| {
        value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(keys(&ours["node"]), keys(&theirs["node"]));
    let container = |summary: &serde_json::Value| keys(&summary["pods"][0]["containers"][0]);
    assert_eq!(container(&ours), container(&theirs));
}

/// The first good answer of each kubelet target of the recorded real cluster.
fn recorded() -> Option<BTreeMap<String, String>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/recordings");
    let path = root.join("real-cluster-a/scrapes.jsonl.zst");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let mut decoder = zstd::Decoder::new(file).expect("a zstd file");
    decoder.window_log_max(27).expect("a window");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(decoder));
    let mut found = BTreeMap::new();
    for line in lines {
        let scrape = parse(&line.expect("a line"));
        let target = scrape["target"].as_str().expect("a target").to_owned();
        if let Some(body) = scrape["body"].as_str().filter(|_| target.starts_with("kubelet/")) {
            found.entry(target).or_insert_with(|| body.to_owned());
        }
        if found.len() == 5 {
            return Some(found);
        }
    }
    None
}
