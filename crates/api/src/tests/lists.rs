//! Lists and details of objects.

use sentinel_model::{MetricKind, ObjectDetail, ObjectState, OwnerRef};
use sentinel_testkit::build::{
    CLUSTER, deployment, node, object, pod, running, series, terminated, waiting, with_container,
};
use serde_json::{Value, json};

use super::harness::{Harness, ago};

fn shop() -> Harness {
    let harness = Harness::new();
    let crashed = with_container(pod("web-2", "web", terminated("OOMKilled", 137)), |container| {
        container.restart_count = 4;
        container.last_state = terminated("OOMKilled", 137);
    });
    harness.objects(vec![
        node("node-1"),
        deployment("web", 2, 1),
        pod("web-1", "web", running()),
        crashed,
        pod("pull-1", "pull", waiting("ImagePullBackOff")),
        object("Namespace", "", "shop"),
        object("Service", "shop", "web"),
    ]);
    harness
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["name"].as_str().expect("a name")).collect()
}

async fn listed(harness: &Harness, path: &str) -> Vec<String> {
    let answer = harness.json(path).await;
    let items = answer["items"].as_array().expect("a list");
    names(items).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn pods_are_filtered_by_what_the_address_says() {
    let shop = shop();
    for (query, expected) in [
        ("", vec!["pull-1", "web-1", "web-2"]),
        ("?q=WEB", vec!["web-1", "web-2"]),
        ("?workload=pull", vec!["pull-1"]),
        ("?workload_kind=StatefulSet", vec![]),
        ("?node=node-1&is_healthy=true", vec!["web-1"]),
        ("?status=CrashLoopBackOff&status=Pending", vec!["web-2"]),
        ("?namespace=shop&namespace=media", vec!["pull-1", "web-1", "web-2"]),
        ("?namespace=media", vec![]),
        ("?cluster=other", vec![]),
        ("?limit=1", vec!["pull-1"]),
    ] {
        assert_eq!(listed(&shop, &format!("/api/v1/pods{query}")).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_of_pods_neither_repeat_nor_miss() {
    let harness = Harness::new();
    harness.objects((0..57).map(|i| pod(&format!("web-{i:02}"), "web", running())).collect());
    let items = harness.pages("/api/v1/pods?namespace=shop", 10).await;
    let expected: Vec<String> = (0..57).map(|i| format!("web-{i:02}")).collect();
    assert_eq!(names(&items), expected);
}

#[tokio::test]
async fn a_pod_that_comes_between_two_pages_moves_nothing() {
    let harness = Harness::new();
    harness.objects(["a", "c", "d"].map(|name| pod(name, "web", running())).to_vec());
    let first = harness.json("/api/v1/pods?limit=2").await;
    harness.objects(vec![pod("b", "web", running())]);
    let token = first["next_page_token"].as_str().expect("a token");
    assert_eq!(listed(&harness, &format!("/api/v1/pods?limit=2&page_token={token}")).await, ["d"]);
}

#[tokio::test]
async fn a_pod_shows_its_containers_with_what_they_use() {
    let shop = shop();
    let of_app = |name, kind| {
        let labels = [
            ("cluster", CLUSTER),
            ("namespace", "shop"),
            ("pod", "web-1"),
            ("container", "app"),
            ("node", "node-1"),
        ];
        series(kind, name, &labels)
    };
    shop.live(
        30,
        &[
            (of_app("container_cpu_usage_seconds_total", MetricKind::Counter), &[1.0, 3.0, 5.0]),
            (of_app("container_memory_working_set_bytes", MetricKind::Gauge), &[1e6, 2e6, 3e6]),
        ],
    );
    let pod = shop.json("/api/v1/pods/shop/web-1").await;
    assert_eq!(
        pod["usage"]["cpu"],
        json!({"used": 0.2, "requested": 0.1, "limit": 0.5, "allocatable": null})
    );
    assert_eq!(pod["containers"][0]["usage"]["memory"]["used"], 3e6);
    assert_eq!(pod["containers"][0]["state"]["type"], "running");
    assert_eq!(pod["manifest"]["metadata"]["name"], "web-1");
    let namespace = &shop.json("/api/v1/namespaces").await["items"][0];
    assert_eq!(namespace["usage"]["cpu"]["used"], 0.2);
    let workload = &shop.json("/api/v1/workloads").await["items"][0];
    assert_eq!(workload["usage"]["memory"]["used"], 3e6);
    let node = &shop.json("/api/v1/nodes").await["items"][0];
    assert!(node["usage"]["cpu"]["requested"].as_f64().is_some_and(|cpu| (cpu - 0.3).abs() < 1e-9));
    assert_eq!(node["usage"]["cpu"]["allocatable"], 4.0);
}

#[tokio::test]
async fn a_finished_pod_uses_nothing_whatever_was_measured_before_its_end() {
    let harness = Harness::new();
    let done = |phase: &str, exit_code| {
        let mut done = pod(&format!("backup-{phase}"), "backup", terminated("Completed", exit_code));
        if let ObjectDetail::Pod(detail) = &mut done.detail {
            detail.phase = phase.to_owned();
        }
        done
    };
    harness.objects(vec![done("Succeeded", 0), done("Failed", 1)]);
    let memory = |name: &str| {
        let labels = [("cluster", CLUSTER), ("namespace", "shop"), ("pod", name), ("container", "app")];
        series(MetricKind::Gauge, "container_memory_working_set_bytes", &labels)
    };
    harness.live(20, &[(memory("backup-Succeeded"), &[1e6]), (memory("backup-Failed"), &[1e6])]);
    for name in ["backup-Succeeded", "backup-Failed"] {
        let pod = harness.json(&format!("/api/v1/pods/shop/{name}")).await;
        assert_eq!(
            pod["usage"]["memory"],
            json!({"used": null, "requested": 67_108_864.0, "limit": 134_217_728.0, "allocatable": null})
        );
        assert_eq!(pod["containers"][0]["usage"]["memory"]["used"], Value::Null);
    }
    let listed = harness.json("/api/v1/pods").await;
    assert!(
        listed["items"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|pod| pod["usage"]["memory"]["used"].is_null())
    );
}

#[tokio::test]
async fn changes_of_one_object_go_back_further_than_the_overview() {
    let harness = Harness::new();
    let at = |state: ObjectState, seconds: i64| ObjectState {
        created: Some(ago(9_500)),
        observed: ago(seconds),
        ..state
    };
    for (state, seconds) in [
        (deployment("web", 1, 1), 9_000),
        (deployment("web", 2, 1), 7_200),
        (deployment("db", 1, 1), 7_000),
        (deployment("db", 5, 1), 6_000),
        (deployment("web", 3, 1), 60),
    ] {
        harness.app.objects.apply(at(state, seconds), true);
    }
    let asked = async |filter: &str| {
        let changes = harness.json(&format!("/api/v1/changes?{filter}")).await;
        let items = changes["items"].as_array().expect("a list").clone();
        items.iter().map(|change| change["what"].as_str().expect("words").to_owned()).collect::<Vec<_>>()
    };
    let of_web = "kind=Deployment&namespace=shop&name=web";
    assert_eq!(asked(&format!("{of_web}&from=-3h")).await[..2], ["2 → 3 replicas", "1 → 2 replicas"]);
    assert_eq!(asked(of_web).await, ["2 → 3 replicas"], "the last hour, unless something else is asked for");
    assert_eq!(asked("name=db&from=-3h&to=-110m").await, ["created"], "it was scaled after that");
    assert_eq!(asked("from=-3h&limit=1").await.len(), 1);
    assert_eq!(asked("kind=Node&from=-3h").await, Vec::<String>::new());
    let changes = harness.json("/api/v1/changes").await;
    assert_eq!(changes["known_from"], json!(harness.json("/api/v1/status").await["started"]));
}

#[tokio::test]
async fn a_crash_loop_shows_status_reason_and_exit_code() {
    let pod = shop().json("/api/v1/pods/shop/web-2").await;
    assert_eq!(pod["status"], "CrashLoopBackOff");
    assert_eq!(pod["reason"], "OOMKilled");
    assert_eq!(pod["is_healthy"], false);
    assert_eq!(pod["last_termination"]["exit_code"], 137);
    assert_eq!(pod["n_restarts"], 4);
}

#[tokio::test]
async fn only_top_level_workloads_are_listed_and_others_can_be_read() {
    let shop = shop();
    let mut replicas = deployment("web-5d9", 2, 1);
    replicas.key.kind = "ReplicaSet".into();
    replicas.key.uid = "replicaset-web".into();
    replicas.owners = vec![OwnerRef {
        kind: "Deployment".into(),
        name: "web".into(),
        uid: "deployment-shop-web".into(),
        is_controller: true,
    }];
    shop.objects(vec![replicas]);
    assert_eq!(listed(&shop, "/api/v1/workloads").await, ["web"]);
    assert_eq!(listed(&shop, "/api/v1/workloads?kind=StatefulSet").await, [""; 0]);
    let workload = shop.json("/api/v1/workloads/Deployment/shop/web").await;
    assert_eq!(workload["status"], "Degraded");
    assert_eq!(workload["reason"], "OOMKilled");
    assert_eq!(names(workload["pods"].as_array().expect("pods")), ["web-1", "web-2"]);
    let replicas = shop.json("/api/v1/workloads/ReplicaSet/shop/web-5d9").await;
    assert_eq!(replicas["pods"].as_array().expect("pods").len(), 2, "by direct owner");
}

#[tokio::test]
async fn a_name_in_two_clusters_needs_the_cluster() {
    let shop = shop();
    let mut twin = pod("web-1", "web", running());
    twin.key.cluster = "second".into();
    shop.objects(vec![twin]);
    let answer = shop.get("/api/v1/pods/shop/web-1").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("ambiguous")));
    let pod = shop.json("/api/v1/pods/shop/web-1?cluster=second").await;
    assert_eq!(pod["cluster"], "second");
    assert_eq!(listed(&shop, "/api/v1/clusters").await, ["second", CLUSTER]);
}

#[tokio::test]
async fn objects_of_any_kind_are_found_also_without_a_namespace() {
    let shop = shop();
    assert_eq!(listed(&shop, "/api/v1/objects/Service").await, ["web"]);
    assert_eq!(listed(&shop, "/api/v1/objects/Ingress").await, [""; 0], "there is none");
    let misspelt = shop.get("/api/v1/objects/Services").await;
    assert_eq!((misspelt.status.as_u16(), &misspelt.json()["code"]), (404, &json!("unknown_kind")));
    assert!(misspelt.json()["hint"].as_str().is_some_and(|hint| hint.contains("Service, StatefulSet")));
    assert_eq!(shop.get("/api/v1/objects/Pods/shop/web-1").await.json()["code"], "unknown_kind");
    let namespace = shop.json("/api/v1/objects/Namespace/_/shop").await;
    assert_eq!(namespace["manifest"]["kind"], "Namespace");
    assert_eq!(shop.json("/api/v1/nodes/node-1").await["manifest"]["kind"], "Node");
}

#[tokio::test]
async fn an_overview_of_a_namespace_counts_what_is_used_and_told_there() {
    let shop = shop();
    let memory = |name: &str, labels: &[(&str, &str)], value: f64| {
        let labels: Vec<_> = [("cluster", CLUSTER)].iter().chain(labels).copied().collect();
        (series(MetricKind::Gauge, name, &labels), value)
    };
    let of = |namespace: &'static str, pod: &'static str| [("namespace", namespace), ("pod", pod)];
    let rows = [
        memory("node_memory_working_set_bytes", &[("node", "node-1")], 900.0),
        memory("pod_memory_working_set_bytes", &of("shop", "web-1"), 100.0),
        memory("pod_memory_working_set_bytes", &of("media", "other"), 200.0),
    ];
    let rows: Vec<_> =
        rows.iter().map(|(series, value)| (series.clone(), std::slice::from_ref(value))).collect();
    shop.live(10, &rows);
    let used = async |query: &str| {
        let overview = shop.json(&format!("/api/v1/overview{query}")).await;
        (overview["capacity"]["memory"]["used"].as_f64(), overview["counts"]["n_series"].as_u64())
    };
    assert_eq!(used("").await, (Some(900.0), Some(3)), "all of the nodes");
    assert_eq!(used("?namespace=shop").await, (Some(100.0), Some(1)));
    assert_eq!(used("?namespace=nope").await, (None, Some(0)));
}

#[tokio::test]
async fn a_deleted_pod_is_gone() {
    let shop = shop();
    let mut farewell = pod("web-1", "web", running());
    farewell.is_deleted = true;
    shop.objects(vec![farewell]);
    assert_eq!(shop.get("/api/v1/pods/shop/web-1").await.status.as_u16(), 404);
    assert_eq!(listed(&shop, "/api/v1/pods").await, ["pull-1", "web-2"]);
}

#[tokio::test]
async fn a_scraped_cluster_without_objects_is_one_too() {
    let harness = Harness::new();
    harness.live(10, &[(series(MetricKind::Gauge, "up", &[("cluster", "edge")]), &[1.0])]);
    let clusters = harness.json("/api/v1/clusters").await;
    assert_eq!(clusters["items"][0]["name"], "edge");
    assert_eq!(clusters["items"][0]["source"], "scrape");
}

#[tokio::test]
async fn a_node_that_stopped_reporting_is_unknown() {
    let harness = Harness::new();
    let mut lost = node("node-1");
    if let ObjectDetail::Node(detail) = &mut lost.detail {
        detail.conditions[0].status = "Unknown".into();
        detail.conditions[0].reason = "NodeStatusUnknown".into();
    }
    harness.objects(vec![lost]);
    let node = &harness.json("/api/v1/nodes").await["items"][0];
    assert_eq!((&node["status"], &node["reason"]), (&json!("Unknown"), &json!("NodeStatusUnknown")));
}
