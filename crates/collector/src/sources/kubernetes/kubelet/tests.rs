//! Nodes scraped from a scripted server.

use std::time::Duration;

use parking_lot::Mutex;
use sentinel_model::MetricBatch;
use sentinel_runtime::ComponentState;
use sentinel_testkit::wait_until;
use serde_json::json;

use super::route::Route;
use super::*;
use crate::outlet::RunningOutlet;
use crate::sources::kubernetes::KubernetesConfig;
use crate::sources::kubernetes::client::{Bounds, Location};
use crate::sources::kubernetes::config::KubeletMode;
use crate::sources::kubernetes::kind::Kind;
use crate::sources::kubernetes::testing::{Asked, Reply, Server};
use crate::sources::kubernetes::watch::{Change, Delta};
use crate::testing::{Bench, FakeBus, Mode};
use crate::{Clock, OutletConfig};

const SUMMARY: &str = r#"{"node": {"fs": {"usedBytes": 7}}}"#;

fn answer(asked: &Asked) -> Reply {
    match asked.target.rsplit('/').next() {
        Some("cadvisor") => Reply::ok("machine_cpu_cores 4\n"),
        Some("resource") => Reply::ok("node_cpu_usage_seconds_total 9\n"),
        Some("summary") => Reply::ok(SUMMARY),
        _ => Reply::status(404, "404 page not found"),
    }
}

struct Scene {
    server: Server,
    bench: Bench,
    view: Arc<View>,
    _folder: tempfile::TempDir,
    _outlet: RunningOutlet,
}

impl Scene {
    async fn new(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let server = Server::start(script).await;
        let folder = tempfile::tempdir().expect("a folder");
        let bus = FakeBus::new(Mode::Works);
        let mut bench = Bench::with_clock(&bus, folder.path(), OutletConfig::default(), Clock::Wall);
        let outlet = bench.service.take().expect("not started").start();
        let view = Arc::new(View::new("test".into()));
        Self { server, bench, view, _folder: folder, _outlet: outlet }
    }

    fn node(&self, name: &str, is_there: bool) {
        let node = json!({
            "metadata": {"name": name, "uid": name},
            "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}},
        });
        let change = if is_there { Change::Seen(node) } else { Change::Gone(node) };
        let delta = Delta { kind: Kind::Node, change };
        self.view.take(delta, Default::default(), &mut Vec::new()).expect("a node");
    }

    fn connection(&self) -> Arc<Connection> {
        let config = KubernetesConfig { url: self.server.url.clone(), ..KubernetesConfig::default() };
        let location = Location::Url(self.server.url.clone());
        Arc::new(Connection::load(&config, location).expect("a connection"))
    }

    fn start(&self) -> (ShutdownTrigger, Task<()>) {
        let kubelets = Kubelets {
            connection: self.connection(),
            config: KubeletConfig {
                url: format!("{}/kubelet/{{node}}", self.server.url),
                interval: Duration::from_millis(50),
                ..KubeletConfig::default()
            },
            view: Arc::clone(&self.view),
            context: self.bench.context(),
            board: KubeletBoard::new(self.bench.health.component("collector/kubelets")),
        };
        let (trigger, shutdown) = Shutdown::new();
        (trigger, spawn("kubelets", kubelets.run(shutdown)))
    }

    fn frames(&self, target: &str) -> Vec<MetricBatch> {
        let frames = self.bench.bus.frames().0;
        frames.into_iter().filter(|frame| &*frame.stream.target == target).collect()
    }

    fn state(&self) -> ComponentState {
        self.bench.health.report().components["collector/kubelets"].clone()
    }
}

/// Value of a series that a frame of a fresh stream defines.
fn value(frame: &MetricBatch, name: &str) -> Option<f64> {
    let (number, _) = frame.defined.iter().find(|(_, series)| series.labels.metric_name() == name)?;
    frame.points.iter().find(|point| point.series == *number).map(|point| point.value)
}

#[tokio::test]
async fn scrapes_every_endpoint_of_every_node_while_it_is_there() {
    let scene = Scene::new(|asked, _| answer(asked)).await;
    scene.node("n1", true);
    let (trigger, task) = scene.start();
    let targets = ["kubelet/cadvisor/n1", "kubelet/resource/n1", "kubelet/summary/n1"];
    wait_until("a frame of each target", || targets.iter().all(|target| !scene.frames(target).is_empty()))
        .await;
    let first = |target| scene.frames(target).remove(0);
    assert_eq!(value(&first(targets[0]), "machine_cpu_cores"), Some(4.0));
    assert_eq!(value(&first(targets[1]), "node_cpu_usage_seconds_total"), Some(9.0));
    assert_eq!(value(&first(targets[2]), "kubelet_node_fs_used_bytes"), Some(7.0));
    assert_eq!(value(&first(targets[0]), "up"), Some(1.0));
    assert_eq!(scene.server.asked()[0], "/kubelet/n1/metrics/cadvisor");
    scene.node("n2", true);
    wait_until("a frame of the new node", || !scene.frames("kubelet/cadvisor/n2").is_empty()).await;
    scene.node("n2", false);
    wait_until("the view without the node", || scene.view.nodes().len() == 1).await;
    trigger.trigger();
    task.await;
}

#[tokio::test]
async fn says_why_a_kubelet_does_not_answer_and_recovers() {
    let is_well = Arc::new(Mutex::new(false));
    let well = Arc::clone(&is_well);
    let scene = Scene::new(move |asked, _| match (*well.lock(), asked.target.ends_with("/cadvisor")) {
        (false, true) => Reply::status(500, "cadvisor is away"),
        (false, false) => Reply::ok("{broken"),
        (true, _) => answer(asked),
    })
    .await;
    scene.node("n1", true);
    let (trigger, task) = scene.start();
    wait_until("the degraded state", || matches!(scene.state(), ComponentState::Degraded(_))).await;
    let ComponentState::Degraded(why) = scene.state() else { panic!("degraded") };
    assert!(why.contains("that of n1: /metrics/cadvisor") && why.contains("cadvisor is away"), "{why}");
    assert_eq!(value(&scene.frames("kubelet/cadvisor/n1")[0], "up"), Some(0.0));
    let rejected = |reason| {
        let door = crate::metrics::Rejection { door: "kubelet", reason };
        scene.bench.metrics.rejected.get_or_create(&door).get()
    };
    assert!(rejected("server_error") > 0 && rejected("not_json") > 0);
    *is_well.lock() = true;
    wait_until("the ready state", || scene.state() == ComponentState::Ready).await;
    trigger.trigger();
    task.await;
}

fn facts(ip: &str) -> Arc<NodeFacts> {
    Arc::new(NodeFacts { name: "n1".into(), internal_ip: ip.to_owned(), kubelet_port: 1 })
}

fn route(scene: &Scene, mode: KubeletMode, ip: &str) -> Route {
    let config = KubeletConfig { mode, ..KubeletConfig::default() };
    let bounds = Bounds { timeout: Duration::from_secs(5), bytes: 1_000 };
    Route::new(scene.connection(), &config, facts(ip), bounds)
}

#[tokio::test]
async fn takes_the_way_through_the_api_server_when_the_direct_one_fails() {
    let scene = Scene::new(|asked, _| answer(asked)).await;
    let mut either = route(&scene, KubeletMode::Auto, "127.0.0.1");
    for _ in 0..2 {
        let body = either.fetch(Endpoint::Resource).await.expect("an answer");
        assert_eq!(body, "node_cpu_usage_seconds_total 9\n");
    }
    assert_eq!(scene.server.asked(), ["/api/v1/nodes/n1/proxy/metrics/resource"; 2]);
    let mut direct = route(&scene, KubeletMode::Direct, "127.0.0.1");
    assert_eq!(direct.fetch(Endpoint::Resource).await.expect_err("nobody there").reason(), "unreachable");
    let mut proxy = route(&scene, KubeletMode::Proxy, "127.0.0.1");
    assert_eq!(proxy.fetch(Endpoint::Summary).await.expect("an answer"), SUMMARY);
}

#[tokio::test]
async fn sends_its_token_to_no_address_that_a_node_cannot_have() {
    let scene = Scene::new(|asked, _| answer(asked)).await;
    for ip in ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "224.0.0.1", "", "kubelet.example"] {
        let mut direct = route(&scene, KubeletMode::Direct, ip);
        assert_eq!(direct.fetch(Endpoint::Summary).await.expect_err(ip).reason(), "bad_url", "{ip}");
    }
}
