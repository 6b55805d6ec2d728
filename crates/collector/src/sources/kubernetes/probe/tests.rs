//! A scripted cluster with single things wrong.

use serde_json::json;

use super::*;
use crate::KubernetesConfig;
use crate::probe::Verdict;
use crate::sources::kubernetes::testing::{Asked, Reply, Server};

/// One node, one running pod; everything may be read.
fn cluster(asked: &Asked) -> Reply {
    let path = asked.target.split('?').next().unwrap_or_default();
    if asked.target.contains("watch=true") {
        return Reply::ok("").then_hang();
    }
    let meta = |name: &str| json!({"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"});
    let list = |items: Value| {
        let meta = json!({"resourceVersion": "1", "remainingItemCount": 5});
        Reply::ok(json!({"metadata": meta, "items": items}).to_string())
    };
    match path {
        "/version" => Reply::ok(r#"{"major": "1", "minor": "33+", "gitVersion": "v1.33.1"}"#),
        "/api/v1/nodes" => {
            let addresses = json!([{"type": "InternalIP", "address": "127.0.0.1"}]);
            let ports = json!({"kubeletEndpoint": {"Port": 1}});
            list(
                json!([{"metadata": meta("n1"), "status": {"addresses": addresses, "daemonEndpoints": ports}}]),
            )
        }
        "/api/v1/namespaces/shop/pods" => {
            list(json!([{"metadata": meta("web"), "spec": {"containers": [{"name": "app"}]}}]))
        }
        "/api/v1/namespaces/shop/pods/web/log" => Reply::ok("2025-01-01T00:00:00Z hello\n"),
        path if path.ends_with("/stats/summary") => Reply::ok(r#"{"node": {"fs": {"usedBytes": 7}}}"#),
        path if path.contains("/metrics/") => Reply::ok("a 1\nb 2\n"),
        _ => list(json!([])),
    }
}

fn config(server: &Server) -> Config {
    let mut kubernetes = KubernetesConfig { url: server.url.clone(), ..KubernetesConfig::default() };
    kubernetes.log_namespaces = vec!["shop".to_owned()];
    kubernetes.kubelet.url = format!("{}/kubelet/{{node}}", server.url);
    Config { kubernetes, ..Config::default() }
}

async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    probe(config, &mut |finding| findings.push(finding)).await;
    findings
}

fn problems(findings: &[Finding]) -> Vec<String> {
    let bad = findings.iter().filter(|finding| finding.verdict != Verdict::Ok);
    bad.map(|bad| format!("{}: {} -> {}", bad.subject, bad.fact, bad.next.as_deref().unwrap_or("?")))
        .collect()
}

/// What is found wrong when `wrong` answers in the cluster's place.
async fn wrong(wrong: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Vec<String> {
    let server = Server::start(move |asked, _| wrong(asked).unwrap_or_else(|| cluster(asked))).await;
    problems(&findings(&config(&server)).await)
}

#[tokio::test]
async fn finds_nothing_wrong_with_a_whole_cluster() {
    let server = Server::start(|asked, _| cluster(asked)).await;
    let findings = findings(&config(&server)).await;
    assert_eq!(problems(&findings), Vec::<String>::new());
    let facts: Vec<_> = findings.iter().map(|found| format!("{}: {}", found.subject, found.fact)).collect();
    for fact in [
        "API server: answers, v1.33.1",
        "rights: may list and watch 16 of 16 kinds",
        "pod logs: those of shop can be read (web)",
        "kubelet of n1: samples by endpoint: cadvisor 2, resource 2, summary 1; reached under kubelet.url",
        "kubelets: 5 more nodes were not asked",
    ] {
        assert!(facts.iter().any(|found| found == fact), "{fact} in {facts:#?}");
    }
    let asked = server.asked();
    for kind in Kind::ALL {
        let n_asked = asked.iter().filter(|asked| asked.starts_with(&format!("{}?", kind.path()))).count();
        assert!(n_asked >= 2, "{kind:?} is listed and watched");
    }
}

#[tokio::test]
async fn names_what_may_not_be_read_and_the_role_that_grants_it() {
    let found = wrong(|asked| {
        let is_watch = asked.target.contains("watch=true");
        match asked.target.split('?').next() {
            Some("/apis/batch/v1/jobs" | "/apis/batch/v1/cronjobs") => {
                Some(Reply::status(403, r#"{"message": "no jobs"}"#))
            }
            Some("/api/v1/events") if is_watch => Some(Reply::status(403, r#"{"message": "no events"}"#)),
            Some("/apis/policy/v1/poddisruptionbudgets") => Some(Reply::status(404, "404")),
            Some(path) if path.ends_with("/log") => Some(Reply::status(403, r#"{"message": "no logs"}"#)),
            Some(path) if path.ends_with("/cadvisor") => Some(Reply::status(403, "no metrics")),
            _ => None,
        }
    })
    .await;
    assert_eq!(found.len(), 5, "{found:#?}");
    for (i, parts) in [
        ["cannot list jobs, cronjobs: ", "no jobs", "docs/rbac.yaml"],
        ["cannot list poddisruptionbudgets", "404", "collector.kubernetes.kinds"],
        ["cannot watch events", "no events", "docs/rbac.yaml"],
        ["shop/web", "no logs", "sentinel-mesh-logs"],
        ["/metrics/cadvisor", "no metrics", "nodes/metrics"],
    ]
    .iter()
    .enumerate()
    {
        assert!(parts.iter().all(|part| found[i].contains(part)), "{parts:?} in {found:#?}");
    }
}

#[tokio::test]
async fn says_why_an_api_server_is_of_no_use_and_asks_it_no_further() {
    for (reply, fact, next) in [
        (Reply::status(401, r#"{"message": "Unauthorized"}"#), "Unauthorized", "renew"),
        (Reply::status(500, "etcd is away"), "etcd is away", "log"),
        (Reply::ok("<html>"), "broke off", "kubectl cluster-info"),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let found = problems(&findings(&config(&server)).await);
        assert!(found.len() == 1 && found[0].contains(fact) && found[0].contains(next), "{found:?}");
        assert_eq!(server.asked(), ["/version"]);
    }
    let old = wrong(|asked| {
        let old = || Reply::ok(r#"{"major": "1", "minor": "20", "gitVersion": "v1.20.0"}"#);
        (asked.target == "/version").then(old)
    });
    let old = old.await;
    assert!(old.len() == 1 && old[0].contains("v1.20.0, too old"), "{old:?}");
    let silent = wrong(|asked| (asked.target == "/version").then(|| Reply::status(403, "{}"))).await;
    assert_eq!(silent, Vec::<String>::new());
}

#[tokio::test]
async fn tells_a_kubelet_that_is_only_reached_through_the_api_server() {
    let server = Server::start(|asked, _| cluster(asked)).await;
    let mut config = config(&server);
    config.kubernetes.kubelet.url = String::new();
    let found = problems(&findings(&config).await);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("reached through the API server, as directly: ")
            && found[0].contains("mode = \"proxy\"")
    );
    config.kubernetes.kubelet.mode = crate::KubeletMode::Direct;
    let found = problems(&findings(&config).await);
    assert!(found.len() == 1 && found[0].contains("port 10250"), "{found:?}");
}

#[tokio::test]
async fn tells_a_cluster_that_cannot_be_found_or_used() {
    let mut config = Config::default();
    config.kubernetes.kubeconfig = Some("/nonexistent/kubeconfig".into());
    let found = problems(&findings(&config).await);
    assert!(found.len() == 1 && found[0].contains("/nonexistent/kubeconfig"), "{found:?}");
    config.kubernetes.url = "http://10.0.0.1".to_owned();
    let found = problems(&findings(&config).await);
    assert!(found.len() == 1 && found[0].contains("use https://"), "{found:?}");
    config.kubernetes.enabled = Enabled::Never;
    assert_eq!(problems(&findings(&config).await), Vec::<String>::new());
}

#[tokio::test]
async fn warns_of_logs_that_could_not_be_tried() {
    let found = wrong(|asked| {
        asked.target.starts_with("/api/v1/namespaces/shop/pods?").then(|| Reply::ok(r#"{"items": []}"#))
    });
    let found = found.await;
    assert!(found.len() == 1 && found[0].contains("no pod runs in \"shop\""), "{found:?}");
}
