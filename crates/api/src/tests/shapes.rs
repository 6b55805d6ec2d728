//! Snapshots of the main answers: whoever changes one changes the contract.

use sentinel_log_store::{Document, DocumentId, DocumentKind, LogWriter as _};
use sentinel_model::{MetricKind, Resolution};
use sentinel_testkit::build::{
    CLUSTER, NAMESPACE, deployment, node, object, pod, running, series, terminated, with_container,
};

use super::harness::{Harness, ago};

async fn shop() -> Harness {
    let harness = Harness::new();
    let crashed = with_container(pod("web-2", "web", terminated("Error", 1)), |container| {
        container.restart_count = 2;
        container.last_state = terminated("Error", 1);
    });
    harness.objects(vec![
        node("node-1"),
        object("Namespace", "", NAMESPACE),
        deployment("web", 2, 1),
        pod("web-1", "web", running()),
        crashed,
    ]);
    let labels = [
        ("cluster", CLUSTER),
        ("namespace", NAMESPACE),
        ("pod", "web-1"),
        ("container", "app"),
        ("node", "node-1"),
    ];
    let cpu = series(MetricKind::Counter, "container_cpu_usage_seconds_total", &labels);
    let memory = series(MetricKind::Gauge, "container_memory_working_set_bytes", &labels);
    harness.stored(&memory, Resolution::TenSeconds, 40, &[1e6, 1e6]).await;
    harness.live(20, &[(cpu, &[1.0, 2.0]), (memory, &[2e6, 2e6])]);
    harness
}

fn event() -> Document {
    Document {
        id: DocumentId(1),
        kind: DocumentKind::Event,
        timestamp_ns: ago(30).as_millis() * 1_000_000,
        origin_ns: ago(30).as_millis() * 1_000_000,
        cluster: CLUSTER.into(),
        namespace: NAMESPACE.into(),
        workload_kind: "Deployment".into(),
        workload: "web".into(),
        pod: "web-2".into(),
        container: "".into(),
        node: "node-1".into(),
        severity: "warning".into(),
        reason: "BackOff".into(),
        object_kind: "Pod".into(),
        object_name: "web-2".into(),
        body: "Back-off restarting failed container app".into(),
        extra: r#"{"type":"Warning","count":4,"reporter":"kubelet","first_seen_ms":1795255000000}"#.into(),
    }
}

macro_rules! shape {
    ($test:ident, $path:literal) => {
        #[tokio::test]
        async fn $test() {
            let harness = shop().await;
            harness.logs.write(vec![event()]).await.expect("the fake takes everything");
            insta::assert_json_snapshot!(harness.json($path).await);
        }
    };
}

shape!(clusters, "/api/v1/clusters");
shape!(namespaces, "/api/v1/namespaces");
shape!(nodes, "/api/v1/nodes");
shape!(node_detail, "/api/v1/nodes/node-1");
shape!(workloads, "/api/v1/workloads");
shape!(workload_detail, "/api/v1/workloads/Deployment/shop/web");
shape!(pods, "/api/v1/pods");
shape!(pod_detail, "/api/v1/pods/shop/web-2");
shape!(object_list, "/api/v1/objects/Namespace");
shape!(events, "/api/v1/events");
shape!(event_histogram, "/api/v1/events/histogram");
shape!(query_range, "/api/v1/query_range?match=container_memory_working_set_bytes&from=-1m&step=20s");
shape!(query_instant, "/api/v1/query?match=container_cpu_usage_seconds_total&by=namespace");
shape!(overview, "/api/v1/overview");
shape!(status, "/api/v1/status");

#[tokio::test]
async fn problem() {
    let mut problem = Harness::new().get("/api/v1/pods?limit=0").await.json();
    problem["instance"] = "urn:sentinel:request:0123456789abcdef".into();
    insta::assert_json_snapshot!(problem);
}
