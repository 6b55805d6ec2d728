//! Readers against a scripted API server, up to what arrives on the bus.

use std::time::Duration;

use parking_lot::Mutex;
use sentinel_model::{LogBatch, LogRecord, LogSeverity, Timestamp, Topic};
use sentinel_proto::Wire as _;
use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::*;
use crate::outlet::RunningOutlet;
use crate::sources::kubernetes::KubernetesConfig;
use crate::sources::kubernetes::client::Location;
use crate::sources::kubernetes::kind::Kind;
use crate::sources::kubernetes::testing::{Asked, Reply, Server};
use crate::sources::kubernetes::watch::{Change, Delta};
use crate::testing::{Bench, FakeBus, Mode};
use crate::{Clock, OutletConfig};

const BEGIN: &str = "2026-11-21T08:52:18";

/// A line of that second, with a fraction.
fn line(fraction: u32, text: &str) -> String {
    format!("{BEGIN}.{fraction:09}Z {text}\n")
}

fn lines(texts: &[(u32, &str)]) -> String {
    texts.iter().map(|(fraction, text)| line(*fraction, text)).collect()
}

struct Scene {
    server: Server,
    bench: Bench,
    view: Arc<View>,
    config: KubernetesConfig,
    folder: tempfile::TempDir,
    _outlet: RunningOutlet,
}

/// A run of the log readers.
struct Run {
    trigger: ShutdownTrigger,
    task: Task<()>,
}

impl Scene {
    async fn new(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let server = Server::start(script).await;
        let folder = tempfile::tempdir().expect("a folder");
        let bus = FakeBus::new(Mode::Works);
        let mut bench =
            Bench::with_clock(&bus, &folder.path().join("spool"), OutletConfig::default(), Clock::Wall);
        let outlet = bench.service.take().expect("not started").start();
        let mut config = KubernetesConfig {
            url: server.url.clone(),
            log_namespaces: vec!["shop".to_owned()],
            ..KubernetesConfig::default()
        };
        config.logs.join_wait = Duration::from_millis(20);
        config.logs.backfill = Duration::from_secs(20 * 365 * 86_400);
        let view = Arc::new(View::new("test".into()));
        Self { server, bench, view, config, folder, _outlet: outlet }
    }

    fn pod(&self, namespace: &str, restart_count: u32, state: &Value) {
        self.named("web-1", namespace, restart_count, state);
    }

    fn named(&self, name: &str, namespace: &str, restart_count: u32, state: &Value) {
        let uid = if name == "web-1" { "u" } else { name };
        let pod = json!({
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "ownerReferences":
                [{"kind": "StatefulSet", "name": "web", "uid": "s", "controller": true}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "app"}]},
            "status": {"containerStatuses": [{"name": "app", "restartCount": restart_count, "state": state}]},
        });
        self.take(Change::Seen(pod));
    }

    fn running(&self, restart_count: u32) {
        self.pod("shop", restart_count, &json!({"running": {}}));
    }

    fn ended(&self, restart_count: u32) {
        self.pod("shop", restart_count, &json!({"terminated": {"exitCode": 1}}));
    }

    fn take(&self, change: Change) {
        let delta = Delta { kind: Kind::Pod, change };
        self.view.take(delta, Timestamp::default(), &mut Vec::new()).expect("a pod");
    }

    async fn start(&self) -> Run {
        let location = Location::Url(self.server.url.clone());
        let connection = Arc::new(Connection::load(&self.config, location).expect("a connection"));
        let (view, context) = (Arc::clone(&self.view), self.bench.context());
        let logs = Logs::open(&self.config, connection, view, context, self.folder.path()).await;
        let (trigger, shutdown) = Shutdown::new();
        Run { trigger, task: spawn("logs", logs.expect("a folder").run(shutdown)) }
    }

    fn records(&self) -> Vec<LogRecord> {
        let messages = self.bench.bus.taken_of(Topic::Logs);
        let batches =
            messages.iter().map(|message| LogBatch::decode(&message.record.value).expect("a batch"));
        batches.flat_map(|batch| batch.records).collect()
    }

    fn bodies(&self) -> Vec<String> {
        self.records().into_iter().map(|record| record.body).collect()
    }

    /// Waits until that many records have arrived.
    async fn arrived(&self, n: usize) -> Vec<String> {
        wait_until("so many lines", || self.bodies().len() >= n).await;
        self.bodies()
    }

    fn n_asked(&self) -> usize {
        self.server.asked().len()
    }
}

impl Run {
    async fn stop(self) {
        self.trigger.trigger();
        self.task.await;
    }
}

#[tokio::test]
async fn follows_a_running_container_and_tells_where_its_lines_come_from() {
    let scene = Scene::new(|_, _| Reply::ok(line(1, "level=error msg=boom")).then_hang()).await;
    scene.running(0);
    let run = scene.start().await;
    scene.arrived(1).await;
    let record = scene.records().remove(0);
    assert_eq!((&*record.namespace, &*record.pod, &*record.container), ("shop", "web-1", "app"));
    assert_eq!((&*record.workload_kind, &*record.workload, &*record.node), ("StatefulSet", "web", "n1"));
    assert_eq!((record.severity, record.body.as_str()), (LogSeverity::Error, "level=error msg=boom"));
    assert_eq!(record.timestamp_ns, 1_795_251_138_000_000_001);
    let asked = scene.server.asked().remove(0);
    assert!(
        asked.starts_with(
            "/api/v1/namespaces/shop/pods/web-1/log?container=app&timestamps=true&sinceSeconds="
        )
    );
    assert!(asked.ends_with("&follow=true"), "{asked}");
    run.stop().await;
}

#[tokio::test]
async fn a_container_that_starts_under_its_eyes_is_read_from_its_first_line() {
    let scene = Scene::new(|_, _| Reply::ok(line(1, "hello")).then_hang()).await;
    scene.running(0);
    let run = scene.start().await;
    scene.arrived(1).await;
    scene.named("web-2", "shop", 0, &json!({"running": {}}));
    scene.arrived(2).await;
    let asked = scene.server.asked();
    assert!(asked[0].contains("/web-1/") && asked[0].contains("&sinceSeconds="), "{asked:?}");
    assert!(asked[1].contains("/web-2/") && !asked[1].contains("since"), "{asked:?}");
    run.stop().await;
}

#[tokio::test]
async fn reads_only_namespaces_that_opted_in_and_containers_that_started() {
    let scene = Scene::new(|_, _| Reply::ok("").then_hang()).await;
    scene.pod("other", 0, &json!({"running": {}}));
    let run = scene.start().await;
    scene.pod("shop", 0, &json!({"waiting": {"reason": "ContainerCreating"}}));
    tokio::task::yield_now().await;
    scene.running(0);
    wait_until("the first request", || scene.n_asked() == 1).await;
    assert!(scene.server.asked()[0].contains("/namespaces/shop/"));
    run.stop().await;
}

#[tokio::test]
async fn takes_no_line_twice_and_loses_none_when_the_stream_breaks() {
    let first = lines(&[(1, "a"), (2, "b")]);
    // The same second is read again; one more line was written in its last instant.
    let again = lines(&[(1, "a"), (2, "b"), (2, "b"), (3, "c")]);
    let scene = Scene::new(move |_, n| match n {
        0 => Reply::ok(first.clone()).then_cut(),
        _ => Reply::ok(again.clone()).then_hang(),
    })
    .await;
    scene.running(0);
    let run = scene.start().await;
    assert_eq!(scene.arrived(4).await, ["a", "b", "b", "c"]);
    run.stop().await;
}

#[tokio::test]
async fn continues_after_a_restart_of_the_collector() {
    let more = Arc::new(Mutex::new(lines(&[(1, "a"), (2, "b")])));
    let served = Arc::clone(&more);
    let scene = Scene::new(move |_, _| Reply::ok(served.lock().clone()).then_hang()).await;
    scene.running(0);
    let run = scene.start().await;
    scene.arrived(2).await;
    run.stop().await;
    *more.lock() = lines(&[(1, "a"), (2, "b"), (5, "c")]);
    let run = scene.start().await;
    assert_eq!(scene.arrived(3).await, ["a", "b", "c"]);
    run.stop().await;
}

#[tokio::test]
async fn reads_an_ended_container_to_its_end_once() {
    let scene = Scene::new(|_, _| Reply::ok(lines(&[(1, "a"), (2, "last words")]))).await;
    scene.ended(0);
    let run = scene.start().await;
    assert_eq!(scene.arrived(2).await, ["a", "last words"]);
    wait_until("the first request", || scene.n_asked() == 1).await;
    run.stop().await;
    let run = scene.start().await;
    // Something else has to happen before it is asked for again.
    scene.running(1);
    wait_until("the second request", || scene.n_asked() == 2).await;
    run.stop().await;
}

#[tokio::test]
async fn reads_the_tail_of_the_instance_before() {
    let scene = Scene::new(|asked, n| {
        if asked.target.contains("previous=true") {
            Reply::ok(lines(&[(1, "a"), (2, "b"), (3, "last words")]))
        } else if n == 0 {
            Reply::ok(lines(&[(1, "a"), (2, "b")])).then_hang()
        } else {
            Reply::ok(line(9, "hello again")).then_hang()
        }
    })
    .await;
    scene.running(0);
    let run = scene.start().await;
    scene.arrived(2).await;
    // The collector is away while the container ends and starts again.
    run.stop().await;
    scene.running(1);
    let run = scene.start().await;
    assert_eq!(scene.arrived(4).await, ["a", "b", "last words", "hello again"]);
    run.stop().await;
}

#[tokio::test]
async fn joins_stack_traces_and_masks_secrets() {
    let trace = lines(&[
        (1, "Exception in thread \"main\" java.lang.IllegalStateException"),
        (2, "\tat com.example.Main.main(Main.java:19)"),
        (3, "INFO login password=hunter2"),
    ]);
    let scene = Scene::new(move |_, _| Reply::ok(trace.clone()).then_hang()).await;
    scene.running(0);
    let run = scene.start().await;
    let bodies = scene.arrived(2).await;
    assert!(bodies[0].ends_with("IllegalStateException\n\tat com.example.Main.main(Main.java:19)"));
    assert_eq!(bodies[1], "INFO login password=[redacted]");
    assert_eq!(scene.bench.metrics.log_records_redacted.get(), 1);
    run.stop().await;
}

#[tokio::test]
async fn drops_and_counts_a_flood_and_cuts_long_lines() {
    let flood: String = (0..50).map(|i| line(i, &format!("line {i}"))).collect();
    let long = line(900_000_000, &"x".repeat(500));
    let body = format!("{flood}{long}failed to watch file\n");
    let mut scene = Scene::new(move |_, _| Reply::ok(body.clone()).then_hang()).await;
    scene.config.logs.lines_per_second = 1;
    scene.config.logs.burst_lines = 10;
    scene.config.logs.line_bytes = 100;
    scene.running(0);
    let run = scene.start().await;
    let rejected = |reason| {
        let door = crate::metrics::Rejection { door: "log", reason };
        scene.bench.metrics.rejected.get_or_create(&door).get()
    };
    wait_until("the refused line", || rejected("no_timestamp") == 1).await;
    assert_eq!(scene.arrived(10).await.len(), 10);
    assert_eq!((rejected("rate_limited"), rejected("line_cut")), (41, 1));
    run.stop().await;
}

#[tokio::test]
async fn waits_while_the_log_cannot_be_read() {
    let scene = Scene::new(|_, n| match n {
        0 => Reply::status(400, "container is waiting to start"),
        1 => Reply::status(500, "kubelet is away"),
        _ => Reply::ok(line(1, "a")).then_hang(),
    })
    .await;
    scene.running(0);
    let run = scene.start().await;
    assert_eq!(scene.arrived(1).await, ["a"]);
    run.stop().await;
}

#[tokio::test]
async fn ends_with_the_pod_and_forgets_it() {
    let scene = Scene::new(|_, _| Reply::ok(line(1, "a")).then_cut()).await;
    scene.running(0);
    let run = scene.start().await;
    scene.arrived(1).await;
    let gone = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u"}});
    scene.take(Change::Gone(gone));
    let path = scene.folder.path().join("log-positions.jsonl");
    wait_until("the written position", || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.contains("null"))
    })
    .await;
    run.stop().await;
}
