//! `sentinel demo`, from its start to after a crash.

use std::collections::BTreeMap;

use sentinel_e2e::{Live, Sentinel, Start, until};
use serde_json::{Value, json};

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().unwrap_or_default()
}

async fn until_items(sentinel: &Sentinel, path: &str, at_least: usize) -> Vec<Value> {
    until(&format!("{at_least} items of {path}"), async || {
        let items = items(&sentinel.get(path).await);
        (items.len() >= at_least).then_some(items)
    })
    .await
}

const MEMORY: &str = "/api/v1/query_range?match=container_memory_working_set_bytes&from=-5m&limit=100";

/// Points of each series, by its labels.
fn points(answer: &Value) -> BTreeMap<String, Vec<(i64, Value)>> {
    let series = answer["series"].as_array().cloned().unwrap_or_default();
    let of = |series: &Value| {
        let points = series["points"].as_array().cloned().unwrap_or_default();
        points
            .iter()
            .filter(|point| !point[1].is_null())
            .map(|point| (point[0].as_i64().unwrap_or_default(), point[1].clone()))
            .collect()
    };
    series.iter().map(|series| (series["labels"].to_string(), of(series))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_a_living_cluster() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sentinel = Start::new("demo", folder.path()).with(&["--pods", "40"]).start().await;

    let clusters = until_items(&sentinel, "/api/v1/clusters", 1).await;
    assert_eq!(clusters[0]["name"], "demo");
    assert_eq!(clusters[0]["is_simulated"], true);
    let pods = until_items(&sentinel, "/api/v1/pods?limit=1000", 30).await;
    assert!(pods.iter().any(|pod| pod["phase"] == "Running"));
    until_items(&sentinel, "/api/v1/nodes", 2).await;
    until_items(&sentinel, "/api/v1/workloads", 5).await;
    until_items(&sentinel, "/api/v1/namespaces", 3).await;
    until_items(&sentinel, "/api/v1/events", 1).await;
    until_items(&sentinel, "/api/v1/logs", 1).await;
    until("memory of containers", async || (!points(&sentinel.get(MEMORY).await).is_empty()).then_some(()))
        .await;
    until("usage in the table of pods", async || {
        let pods = items(&sentinel.get("/api/v1/pods?limit=1000").await);
        pods.iter()
            .any(|pod| pod["usage"]["cpu"]["used"].as_f64().is_some_and(|used| used > 0.0))
            .then_some(())
    })
    .await;
    until("own metrics on the pipeline", async || {
        let pipeline = sentinel.get("/api/v1/pipeline").await;
        let stages = pipeline["stages"].as_array().cloned().unwrap_or_default();
        stages
            .iter()
            .any(|stage| stage["id"] == "collector" && stage["rate_per_s"].as_f64() > Some(0.0))
            .then_some(())
    })
    .await;
    let page = sentinel.ask("/").await;
    assert_eq!(page.0, 200, "the dashboard is served");
    sentinel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_values_arrive_over_the_websocket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sentinel = Start::new("demo", folder.path()).with(&["--pods", "20"]).start().await;
    let (mut live, hello) = Live::connect(&sentinel).await;
    assert_eq!(hello["protocol"], "sentinel.v1");
    let subscribe = |id: &str, topic: &str, filter: Value| json!({ "type": "subscribe", "id": id, "topic": topic, "filter": filter, "max_rate": 10 });
    live.send(&subscribe("m", "metrics", json!({ "match": "container_memory_working_set_bytes" }))).await;
    assert_eq!(live.receive("subscribed").await["id"], "m");
    let data = live.receive("data").await;
    assert_eq!(data["id"], "m");
    let item = &data["items"][0];
    assert!(item["v"].as_f64().is_some_and(|bytes| bytes > 0.0), "{item}");
    assert_eq!(item["labels"]["cluster"], "demo", "a series is named the first time: {item}");
    sentinel.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_survives_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = Start::new("demo", folder.path()).with(&["--pods", "10", "--speed", "1"]);
    let sentinel = start.start().await;
    let is_final =
        |answer: &Value, at: i64| answer["provisional_from_ms"].as_i64().is_none_or(|from| at < from);
    let before = until("closed windows in the store", async || {
        let answer = sentinel.get(MEMORY).await;
        let mut points = points(&answer);
        points.values_mut().for_each(|points| points.retain(|(at, _)| is_final(&answer, *at)));
        points.values().any(|points| !points.is_empty()).then_some(points)
    })
    .await;
    sentinel.kill().await;

    let sentinel = start.start().await;
    let after = points(&sentinel.get(MEMORY).await);
    for (series, points) in &before {
        for point in points {
            let kept = after.get(series).is_some_and(|points| points.contains(point));
            assert!(kept, "{point:?} of {series} is gone or different after the crash");
        }
    }
    sentinel.stop().await;
}
