use std::collections::BTreeMap;
use std::io::Read as _;

use sentinel_model::MetricBatch;
use serde_json::{Value, json};

use super::*;
use crate::outlet::RunningOutlet;
use crate::sources::kubernetes::kind::Kind;
use crate::sources::kubernetes::testing::{folders, shared_data};
use crate::sources::kubernetes::watch::{Change, Delta};
use crate::testing::{Bench, FakeBus, Mode};
use crate::{Clock, OutletConfig};

struct Scene {
    bench: Bench,
    view: Arc<View>,
    _folder: tempfile::TempDir,
    _outlet: RunningOutlet,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bus = FakeBus::new(Mode::Works);
        let mut bench = Bench::with_clock(&bus, folder.path(), OutletConfig::default(), Clock::Wall);
        let outlet = bench.service.take().expect("not started").start();
        Self { bench, view: Arc::new(View::new("test".into())), _folder: folder, _outlet: outlet }
    }

    fn reading(&self, endpoint: Endpoint) -> KubeletReading {
        KubeletReading::new(endpoint, &"n1".into(), &self.view, &self.bench.outlet, Limits::default())
    }

    fn pod(&self, pod: Value) {
        let delta = Delta { kind: Kind::Pod, change: Change::Seen(pod) };
        self.view.take(delta, Timestamp::default(), &mut Vec::new()).expect("a pod");
    }

    /// Reads, publishes, and gives what a reader of the bus sees.
    async fn read(&self, reading: &mut KubeletReading, body: &[u8]) -> (Vec<(String, i64, f64)>, Counts) {
        self.read_at(reading, body, at(100_000)).await
    }

    async fn read_at(
        &self,
        reading: &mut KubeletReading,
        body: &[u8],
        scraped: Timestamp,
    ) -> (Vec<(String, i64, f64)>, Counts) {
        let (frame, counts) = reading.read(body, scraped, &[]).expect("a good body");
        frame.publish().await.expect("published");
        (rows(&self.bench.bus.frames().0), counts)
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Samples of the last frame.
fn rows(frames: &[MetricBatch]) -> Vec<(String, i64, f64)> {
    let mut names = BTreeMap::new();
    for (number, series) in frames.iter().flat_map(|frame| &frame.defined) {
        names.insert(*number, series.labels.to_string());
    }
    let last = frames.last().expect("a frame");
    let row = |point: &sentinel_model::Point| {
        (names[&point.series].clone(), point.timestamp.as_millis(), point.value)
    };
    last.points.iter().map(row).collect()
}

const ROW: &str = r#"container_memory_rss{container="app",id="/k/p/c",namespace="shop",pod="web-1"}"#;

#[tokio::test]
async fn sends_what_was_measured_once_only_once() {
    let scene = Scene::new();
    let mut reading = scene.reading(Endpoint::Cadvisor);
    let (rows, counts) = scene.read(&mut reading, format!("{ROW} 5 90000\n").as_bytes()).await;
    assert_eq!(rows.iter().map(|(_, time, value)| (*time, *value)).collect::<Vec<_>>(), [(90_000, 5.0)]);
    assert_eq!((counts.parsed, counts.taken), (1, 1));
    let (_, counts) = scene.read(&mut reading, format!("{ROW} 5 90000\n").as_bytes()).await;
    assert_eq!((counts.parsed, counts.taken), (1, 0));
    assert_eq!(counts.left_out, LeftOut { measured_before: 1, ..LeftOut::default() });
    let (_, counts) = scene.read(&mut reading, format!("{ROW} 5 95000\n").as_bytes()).await;
    assert_eq!(counts.taken, 1);
}

#[tokio::test]
async fn counts_what_it_leaves_out_on_purpose_at_every_scrape() {
    let scene = Scene::new();
    let mut reading = scene.reading(Endpoint::Cadvisor);
    let pods = "container_memory_rss{container=\"\",id=\"/kubepods\",namespace=\"\",pod=\"\"} 9\n";
    for n_scrapes in 1..=2 {
        let (_, counts) = scene.read(&mut reading, format!("{ROW} 5\n{pods}").as_bytes()).await;
        assert_eq!((counts.parsed, counts.taken), (2, 1));
        assert_eq!(counts.left_out, LeftOut { rows: 1, ..LeftOut::default() });
        counts.note(Endpoint::Cadvisor, &scene.bench.metrics);
        let aggregate = crate::metrics::Reason { reason: "aggregate" };
        assert_eq!(scene.bench.metrics.left_out_samples.get_or_create(&aggregate).get(), n_scrapes);
    }
}

#[tokio::test]
async fn goes_on_in_one_series_when_a_container_starts_again() {
    let scene = Scene::new();
    let mut reading = scene.reading(Endpoint::Cadvisor);
    let start = |id: &str, time: u32| {
        format!(
            "container_start_time_seconds{{container=\"app\",id=\"{id}\",namespace=\"shop\",pod=\"web-1\"}} {time}\n"
        )
    };
    let memory = |id: &str, value: u32| {
        format!(
            "container_memory_rss{{container=\"app\",id=\"{id}\",namespace=\"shop\",pod=\"web-1\"}} {value}\n"
        )
    };
    let first = format!("{}{}", memory("/1", 10), start("/1", 50));
    let (before, _) = scene.read(&mut reading, first.as_bytes()).await;
    let both = format!("{}{}{}{}", memory("/1", 10), memory("/2", 3), start("/1", 50), start("/2", 60));
    let (after, counts) = scene.read(&mut reading, both.as_bytes()).await;
    assert_eq!((counts.parsed, counts.taken), (4, 2));
    assert_eq!(counts.left_out, LeftOut { outlived: 2, ..LeftOut::default() });
    assert_eq!(before[0].0, after[0].0);
    assert_eq!(after[0].2, 3.0);
}

#[tokio::test]
async fn names_the_workload_as_soon_as_the_pod_is_known() {
    let scene = Scene::new();
    let mut reading = scene.reading(Endpoint::Cadvisor);
    let (rows, _) = scene.read(&mut reading, format!("{ROW} 5\n").as_bytes()).await;
    assert!(!rows[0].0.contains("workload"), "{rows:?}");
    scene.pod(json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u", "ownerReferences":
        [{"kind": "StatefulSet", "name": "web", "uid": "s", "controller": true}]}}));
    let (rows, _) = scene.read(&mut reading, format!("{ROW} 6\n").as_bytes()).await;
    assert!(rows[0].0.contains(r#"workload="web",workload_kind="StatefulSet""#), "{rows:?}");
}

#[tokio::test]
async fn takes_containers_from_the_resource_endpoint_while_cadvisor_is_away() {
    let scene = Scene::new();
    let mut reading = scene.reading(Endpoint::Resource);
    let body =
        b"container_memory_working_set_bytes{container=\"app\",namespace=\"s\",pod=\"p\"} 5\nnode_x 1\n";
    for (has_cadvisor, taken) in [(true, 1), (false, 2), (true, 1)] {
        reading.set_has_cadvisor(has_cadvisor);
        assert_eq!(scene.read(&mut reading, body).await.1.taken, taken);
    }
}

#[tokio::test]
async fn takes_from_the_summary_what_nobody_else_gives() {
    let scene = Scene::new();
    scene.pod(json!({"metadata": {"name": "db-0", "namespace": "shop", "uid": "u", "ownerReferences":
        [{"kind": "StatefulSet", "name": "db", "uid": "s", "controller": true}]}}));
    let summary = json!({
        "node": {"fs": {"time": "x", "usedBytes": 7}, "cpu": {"usageNanoCores": 9}},
        "pods": [{"podRef": {"name": "db-0", "namespace": "shop", "uid": "u"},
            "ephemeral-storage": {"usedBytes": 5},
            "volume": [{"name": "data", "usedBytes": 3, "pvcRef": {"name": "claim", "namespace": "shop"}},
                {"name": "kube-api-access", "usedBytes": 1}]}],
    });
    let mut reading = scene.reading(Endpoint::Summary);
    let (mut rows, counts) = scene.read(&mut reading, summary.to_string().as_bytes()).await;
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        (r#"kubelet_node_fs_used_bytes{cluster="test",node="n1"}"#, 7.0),
        (
            r#"kubelet_pod_ephemeral_storage_used_bytes{cluster="test",namespace="shop",node="n1",pod="db-0",workload="db",workload_kind="StatefulSet"}"#,
            5.0,
        ),
        (
            r#"kubelet_volume_stats_used_bytes{cluster="test",namespace="shop",node="n1",persistentvolumeclaim="claim",workload="db",workload_kind="StatefulSet"}"#,
            3.0,
        ),
    ];
    let rows: Vec<_> = rows.iter().map(|(series, _, value)| (series.as_str(), *value)).collect();
    assert_eq!(rows, expected);
    assert_eq!((counts.parsed, counts.taken), (5, 3));
}

#[tokio::test]
async fn refuses_bodies_that_are_not_what_they_should_be() {
    let scene = Scene::new();
    let reason = |endpoint, body: &[u8]| {
        let mut reading = scene.reading(endpoint);
        reading.read(body, at(1), &[]).map(|_| ()).expect_err("a bad body").reason()
    };
    assert_eq!(reason(Endpoint::Cadvisor, b"a 1\nb{\n"), "labels");
    assert_eq!(reason(Endpoint::Resource, b"a \xff\n"), "utf8");
    assert_eq!(reason(Endpoint::Summary, b"{"), "not_json");
    assert_eq!(reason(Endpoint::Summary, b"{}"), "not_a_summary");
    let mut reading = scene.reading(Endpoint::Cadvisor);
    reading.limits.samples_per_scrape = 1;
    let error = reading.read(b"a 1\nb 1\n", at(1), &[]).map(|_| ()).expect_err("too many");
    assert_eq!(error.reason(), "too_many_samples");
    assert!(scene.bench.bus.frames().0.is_empty());
}

#[tokio::test]
async fn says_that_a_scrape_failed_or_lies_in_the_future() {
    let scene = Scene::new();
    let mut reading = scene.reading(Endpoint::Cadvisor);
    let health = [Health { name: "up", value: 0.0 }];
    reading.failed(at(1), &health).publish().await.expect("published");
    let up = r#"up{cluster="test",instance="n1",job="kubelet",metrics_path="/metrics/cadvisor",node="n1"}"#;
    assert_eq!(rows(&scene.bench.bus.frames().0), [(up.to_owned(), 1, 0.0)]);
    let (_, counts) = scene.read(&mut reading, b"a 1 99999999999\n").await;
    assert_eq!((counts.taken, counts.from_future), (0, 1));
}

fn gunzip(path: &std::path::Path) -> Vec<u8> {
    let packed = std::fs::File::open(path).expect("a recording");
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut body).expect("gzip");
    body
}

#[tokio::test]
async fn gives_each_container_of_a_live_cluster_exactly_one_series_a_family() {
    let (Some(texts), Some(kubelets)) =
        (shared_data("conformance/prometheus-text"), shared_data("conformance/kubelet"))
    else {
        return;
    };
    for folder in folders(&kubelets) {
        let recorded = texts.join(folder.file_name().expect("a name")).join("kubelet-cadvisor.txt.gz");
        let Ok(pods) = std::fs::read_to_string(folder.join("pods.json")) else { continue };
        if !recorded.exists() {
            continue;
        }
        let scene = Scene::new();
        let pods: Value = serde_json::from_str(&pods).expect("pods");
        for pod in pods["items"].as_array().expect("a list") {
            scene.pod(pod.clone());
        }
        let mut reading = scene.reading(Endpoint::Cadvisor);
        // The outlet of tests holds a thousand series.
        let body = String::from_utf8(gunzip(&recorded)).expect("text");
        let is_wanted =
            |line: &&str| line.contains("container_memory_working_set") || line.contains("machine_");
        let body: String = body.lines().filter(is_wanted).map(|line| format!("{line}\n")).collect();
        let (rows, _) = scene.read_at(&mut reading, body.as_bytes(), at(1_800_000_000_000)).await;
        let memory: Vec<_> = rows
            .iter()
            .map(|(series, _, _)| series)
            .filter(|series| {
                series.starts_with("container_memory_working_set_bytes{") && series.contains("container=")
            })
            .collect();
        let mut once = memory.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), memory.len(), "a container counts twice");
        let running = pods["items"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|pod| pod["status"]["containerStatuses"].as_array().into_iter().flatten());
        let n_running = running.filter(|status| status["state"]["running"].is_object()).count();
        assert!(memory.len() >= n_running && n_running > 10, "{} of {n_running}", memory.len());
        let n_machines = rows.iter().filter(|(series, _, _)| series.contains(r#"id="/""#)).count();
        assert!(n_machines > 0 && rows.iter().all(|(series, _, _)| series.contains(r#"node="n1""#)));
    }
}
