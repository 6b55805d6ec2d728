//! The official-style client library against the simulated cluster over a real socket: no special path.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{Api, ListParams, LogParams, WatchParams};
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Client, Config as ClientConfig};
use sentinel_model::Timestamp;
use sentinel_runtime::{Service as _, Shutdown, ShutdownTrigger, Task};
use sentinel_simulator::{Clock, Config, Simulator};

/// Noon on a Saturday.
const START: Timestamp = Timestamp::from_secs(1_795_262_400);

struct Served {
    client: Client,
    clock: Clock,
    trigger: ShutdownTrigger,
    task: Task<Result<(), sentinel_runtime::ServiceError>>,
}

async fn serve(scenario: &str) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scenario.toml");
    std::fs::write(&path, scenario).expect("written");
    let config = Config { scenario: Some(path), ..Config::default() };
    let clock = Clock::stepped(START);
    let simulator = Simulator::build_with(&config, clock.clone(), None).await.expect("a cluster");
    let url = simulator.api_url().parse().expect("a URL");
    assert!(simulator.kubelet_url("node-1").ends_with("/kubelet/node-1"));
    let (trigger, shutdown) = Shutdown::new();
    let task = sentinel_runtime::spawn("simulator", simulator.run(shutdown));
    let client = Client::try_from(ClientConfig::new(url)).expect("a client");
    Served { client, clock, trigger, task }
}

impl Served {
    async fn stop(self) {
        self.trigger.trigger();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .expect("in time")
            .expect("a clean stop");
    }
}

const CRASH: &str = "[[fault]]\nkind = \"crash_loop\"\nat = \"5s\"\nfor = \"2m\"\ntarget = \"shop/cart\"\n";

#[tokio::test]
async fn lists_gets_and_asks_for_the_version() {
    let served = serve("").await;
    let version = served.client.apiserver_version().await.expect("a version");
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "37"));
    let nodes: Api<Node> = Api::all(served.client.clone());
    assert_eq!(nodes.list(&ListParams::default()).await.expect("nodes").items.len(), 4);
    let pods: Api<Pod> = Api::all(served.client.clone());
    let mut names = Vec::new();
    let mut params = ListParams::default().limit(11);
    loop {
        let page = pods.list(&params).await.expect("a page");
        names.extend(page.items.iter().filter_map(|pod| pod.metadata.name.clone()));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    let all = pods.list(&ListParams::default()).await.expect("pods");
    assert_eq!(names.len(), all.items.len());
    let cart: Api<Deployment> = Api::namespaced(served.client.clone(), "shop");
    assert_eq!(cart.get("cart").await.expect("cart").spec.and_then(|spec| spec.replicas), Some(2));
    let missing = cart.get("none").await.expect_err("no such deployment");
    assert!(matches!(missing, kube::Error::Api(ref status) if status.code == 404), "{missing}");
    served.stop().await;
}

/// Watches pods in `shop` until one restarted twice; returns what it saw of each container state.
async fn watch_until_restarted(served: &Served, config: watcher::Config) -> BTreeMap<String, i32> {
    let pods: Api<Pod> = Api::namespaced(served.client.clone(), "shop");
    let mut stream = pin!(watcher(pods, config));
    let mut restarts = BTreeMap::new();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("in time");
        match event.expect("no end").expect("no error") {
            watcher::Event::Apply(pod) | watcher::Event::InitApply(pod) => {
                let name = pod.metadata.name.clone().expect("a name");
                let status = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
                let count = status.first().map_or(0, |container| container.restart_count);
                restarts.insert(name, count);
                if count >= 2 && status[0].last_state.as_ref().is_some_and(|last| last.terminated.is_some()) {
                    return restarts;
                }
            }
            watcher::Event::InitDone => served.clock.step(Duration::from_secs(40)),
            watcher::Event::Init | watcher::Event::Delete(_) => {}
        }
    }
}

#[tokio::test]
async fn a_watcher_sees_a_crash_loop() {
    let served = serve(CRASH).await;
    let restarts = watch_until_restarted(&served, watcher::Config::default()).await;
    assert!(restarts.values().any(|count| *count >= 2));
    served.stop().await;
}

#[tokio::test]
async fn a_watcher_with_streaming_lists_sees_the_same() {
    let served = serve(CRASH).await;
    let restarts = watch_until_restarted(&served, watcher::Config::default().streaming_lists()).await;
    assert!(restarts.values().any(|count| *count >= 2));
    served.stop().await;
}

/// Name and version of each pod in `shop`, asked for on a path that ordered failures do not hit.
async fn listed(client: &Client) -> BTreeMap<String, String> {
    let params = ListParams::default().fields("metadata.namespace=shop");
    let pods = Api::<Pod>::all(client.clone()).list(&params).await.expect("pods");
    pods.items.iter().map(identity).collect()
}

fn identity(pod: &Pod) -> (String, String) {
    let meta = &pod.metadata;
    (meta.name.clone().expect("a name"), meta.resource_version.clone().expect("a version"))
}

async fn order(served: &Served, path: &str, body: &'static str) {
    let request = axum::http::Request::post(path).header("content-type", "application/json");
    let request = request.body(body.as_bytes().to_vec()).expect("a request");
    served.client.request_text(request).await.expect("an answer");
}

#[tokio::test]
async fn a_reflector_has_what_the_server_has_after_closed_watches_and_forgotten_versions() {
    let served = serve(CRASH).await;
    let pods: Api<Pod> = Api::namespaced(served.client.clone(), "shop");
    let (reader, writer) = reflector::store();
    let stream = reflector(writer, watcher(pods.clone(), watcher::Config::default()));
    let mut stream = pin!(stream.default_backoff());
    for (path, body) in [
        ("/simulator/watches", "\"close\""),
        ("/simulator/compact", ""),
        ("/simulator/failures", r#"{"status": 410, "path_prefix": "/api/v1/namespaces/shop/pods"}"#),
        ("/simulator/failures", r#"{"status": 500, "path_prefix": "/api/v1/namespaces/shop/pods"}"#),
        ("/simulator/failures", r#"{"status": 429, "path_prefix": "/api/v1/namespaces/shop/pods"}"#),
    ] {
        order(&served, path, body).await;
        order(&served, "/simulator/watches", "\"close\"").await;
        served.clock.step(Duration::from_secs(25));
        let expected = listed(&served.client).await;
        let reached = async {
            while reader.state().iter().map(|pod| identity(pod)).collect::<BTreeMap<_, _>>() != expected {
                // Errors are what the server was told to give; the watcher goes on after them.
                let _ = stream.next().await.expect("no end");
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect(path);
    }
    served.stop().await;
}

#[tokio::test]
async fn an_open_watch_ends_when_the_server_stops() {
    let served = serve("").await;
    let pods: Api<Pod> = Api::all(served.client.clone());
    let version = pods.list(&ListParams::default()).await.expect("pods").metadata.resource_version;
    let params = WatchParams::default();
    let watch = pods.watch(&params, &version.expect("a version")).await.expect("a watch");
    let begun = tokio::time::Instant::now();
    served.stop().await;
    let rest: Vec<_> = tokio::time::timeout(Duration::from_secs(10), watch.collect()).await.expect("an end");
    assert!(rest.iter().all(Result::is_ok), "a clean end: {rest:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn logs_are_read_and_followed() {
    let served = serve(CRASH).await;
    let pods: Api<Pod> = Api::namespaced(served.client.clone(), "shop");
    let carts = pods.list(&ListParams::default().labels("app=frontend")).await.expect("pods");
    let name = carts.items[0].metadata.name.clone().expect("a name");
    let tail = LogParams { tail_lines: Some(7), ..LogParams::default() };
    let text = pods.logs(&name, &tail).await.expect("a log");
    assert_eq!(text.lines().count(), 7);
    let follow = LogParams { follow: true, tail_lines: Some(1), timestamps: true, ..LogParams::default() };
    let mut lines = pods.log_stream(&name, &follow).await.expect("a stream").lines();
    let first = lines.try_next().await.expect("no error").expect("a line");
    served.clock.step(Duration::from_secs(30));
    let second = tokio::time::timeout(Duration::from_secs(20), lines.try_next()).await.expect("in time");
    let second = second.expect("no error").expect("a line");
    assert!(first.as_str() < second.as_str(), "{first} {second}");
    served.stop().await;
}

#[tokio::test]
async fn events_of_a_fault_arrive() {
    let served = serve(CRASH).await;
    let events: Api<Event> = Api::namespaced(served.client.clone(), "shop");
    served.clock.step(Duration::from_secs(60));
    let found = events.list(&ListParams::default().fields("reason=BackOff")).await.expect("events");
    assert_eq!(found.items.len(), 1);
    assert!(found.items[0].count > Some(2));
    served.stop().await;
}

#[tokio::test]
async fn a_scenario_with_an_unknown_target_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scenario.toml");
    std::fs::write(&path, CRASH.replace("shop/cart", "shop/kart")).expect("written");
    let config = Config { scenario: Some(path), ..Config::default() };
    let error = Simulator::build(&config, None).await.expect_err("no such target");
    assert!(error.to_string().contains("shop/kart"), "{error}");
}
