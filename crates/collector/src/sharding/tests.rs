//! Collectors that share one bus, as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sentinel_bus::{Outgoing, PollLimit, Record, Route, Start};
use sentinel_model::{FrameKind, LogBatch, MetricBatch, ObjectState, SeriesRef, StreamKey, Topic};
use sentinel_proto::{MetricDecoder, Wire as _};
use sentinel_runtime::{
    Health, Registry, Service as _, ServiceError, Shutdown, ShutdownTrigger, Task, spawn,
};
use sentinel_simulator::Simulator;
use sentinel_testkit::wait_until;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::outlet::{Clock, OutletSettings};
use crate::sources::kubernetes::testing::{Reply, Server};
use crate::{
    Collector, CollectorHandles, Config, Enabled, KubeletMode, KubernetesConfig, Outlet, OutletConfig,
    ScrapeTarget, Source as _, SourceContext,
};

struct Running {
    trigger: ShutdownTrigger,
    task: Task<Result<(), ServiceError>>,
    _folder: tempfile::TempDir,
}

struct Scene {
    bus: Arc<dyn Bus>,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = sentinel_bus::Config::default();
        let bus = sentinel_bus::open(&config, folder.path(), &Health::default(), &mut Registry::default());
        Self { bus: bus.expect("a bus"), _folder: folder }
    }

    fn start(&self, id: &str, config: Config) -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let handles = CollectorHandles {
            bus: Arc::clone(&self.bus),
            cluster: "test".to_owned(),
            data_dir: folder.path().into(),
            health: Health::default(),
            admin: None,
        };
        let config = Config { id: id.to_owned(), ..config };
        let collector = Collector::build(&config, handles, &mut Registry::default()).expect("built");
        let (trigger, shutdown) = Shutdown::new();
        Running { trigger, task: spawn("collector", collector.run(shutdown)), _folder: folder }
    }

    /// Everything that lies on the bus.
    async fn read(&self, topic: Topic) -> Vec<bytes::Bytes> {
        let limit = PollLimit { max_records: 10_000, max_bytes: 64 << 20, wait: Duration::from_millis(1) };
        let mut follower = self.bus.follow(topic, Start::Earliest).await.expect("a follower");
        let mut values = Vec::new();
        while !follower.is_caught_up() {
            let delivered = follower.poll(limit).await.expect("records");
            values.extend(delivered.into_iter().map(|delivered| delivered.record.value));
        }
        values
    }

    async fn frames(&self) -> Vec<MetricBatch> {
        let mut decoder = MetricDecoder::new();
        let values = self.read(Topic::Metrics).await;
        values.iter().map(|value| decoder.decode(value).expect("nothing is lost")).collect()
    }

    /// Pods of which lines were read, by collector.
    async fn pods_with_logs(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut pods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for value in self.read(Topic::Logs).await {
            let batch = LogBatch::decode(&value).expect("a batch");
            let known = pods.entry(batch.collector.to_string()).or_default();
            known.extend(batch.records.iter().map(|record| record.pod.to_string()));
        }
        pods
    }

    /// Who has sent frames of each target since `since`.
    async fn collectors_since(&self, since: i64) -> BTreeMap<String, BTreeSet<String>> {
        let mut collectors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for frame in self.frames().await {
            if frame.frame.has_samples() && frame.scraped.as_millis() >= since {
                let known = collectors.entry(frame.stream.target.to_string()).or_default();
                known.insert(frame.stream.collector.to_string());
            }
        }
        collectors
    }

    /// Waits until what was sent in the last second, and since then, satisfies; gives how long it took.
    async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&BTreeMap<String, BTreeSet<String>>) -> bool,
    ) -> Duration {
        let (began, since) = (Instant::now(), sentinel_runtime::clock::now_millis());
        loop {
            let last_second = sentinel_runtime::clock::now_millis() - 1_000;
            let collectors = self.collectors_since(since.max(last_second)).await;
            if is_so(&collectors) {
                return began.elapsed();
            }
            assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}: {collectors:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Running {
    async fn stop(self) {
        self.trigger.trigger();
        self.task.await.expect("a clean stop");
    }

    /// As by a signal: nothing is said, nothing is finished.
    fn kill(self) {
        drop(self.task);
    }
}

const N_TARGETS: usize = 16;

/// Targets whose counter grows by one with each scrape.
fn scraping(server: &Server, sharding: ShardingConfig) -> Config {
    let target = |i| ScrapeTarget {
        url: format!("{}/t{i}", server.url),
        name: Some(format!("t{i}")),
        labels: BTreeMap::new(),
        interval: Some(Duration::from_millis(100)),
        openmetrics: None,
        token_file: None,
    };
    Config {
        kubernetes: KubernetesConfig { enabled: Enabled::Never, ..KubernetesConfig::default() },
        self_metrics: false,
        canary: false,
        scrape: (0..N_TARGETS).map(target).collect(),
        sharding,
        ..Config::default()
    }
}

fn is_all_of(collectors: &BTreeMap<String, BTreeSet<String>>, names: &[&str]) -> bool {
    let are_single = collectors.values().all(|names| names.len() == 1);
    let names_seen: BTreeSet<&String> = collectors.values().flatten().collect();
    collectors.len() == N_TARGETS
        && are_single
        && names_seen.iter().map(|name| name.as_str()).eq(names.iter().copied())
}

/// Scrapes that were answered with the same count, or whose counts do not grow with time.
fn n_doubled(frames: &[MetricBatch]) -> usize {
    let mut counters: BTreeMap<&StreamKey, SeriesRef> = BTreeMap::new();
    let mut counts: BTreeMap<&str, Vec<(i64, f64)>> = BTreeMap::new();
    for frame in frames {
        let of_counter = frame.defined.iter().find(|(_, series)| series.labels.metric_name() == "n");
        counters.extend(of_counter.map(|(series, _)| (&frame.stream, *series)));
        let Some(counter) = counters.get(&frame.stream) else { continue };
        let points = frame.points.iter().filter(|point| point.series == *counter);
        let points = points.map(|point| (frame.scraped.as_millis(), point.value));
        counts.entry(&*frame.stream.target).or_default().extend(points);
    }
    let of_target = |mut counts: Vec<(i64, f64)>| {
        counts.sort_by_key(|(at, _)| *at);
        counts.windows(2).filter(|pair| pair[0].0 >= pair[1].0 || pair[0].1 >= pair[1].1).count()
    };
    counts.into_values().map(of_target).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_of_a_group_share_targets_and_take_over_from_one_that_is_killed() {
    let server = Server::start(|_, n_before| Reply::ok(format!("# TYPE n counter\nn {n_before}\n"))).await;
    let scene = Scene::new();
    let config = scraping(&server, ShardingConfig::Group(GroupConfig::default()));
    let first = scene.start("a", config.clone());
    scene.until("all targets are the first one's", |seen| is_all_of(seen, &["a"])).await;
    let second = scene.start("b", config.clone());
    let shared = scene.until("both have some", |seen| is_all_of(seen, &["a", "b"])).await;
    second.kill();
    let taken = scene.until("all targets are the first one's", |seen| is_all_of(seen, &["a"])).await;
    assert!(shared.max(taken) < Duration::from_secs(10), "{shared:?}, {taken:?}");
    let third = scene.start("c", config);
    scene.until("both have some", |seen| is_all_of(seen, &["a", "c"])).await;
    first.stop().await;
    scene.until("all targets are the third one's", |seen| is_all_of(seen, &["c"])).await;
    third.stop().await;
    let frames = scene.frames().await;
    assert_eq!(n_doubled(&frames), 0);
    let farewells = frames.iter().filter(|frame| frame.frame == FrameKind::Farewell);
    let farewells: BTreeSet<&str> = farewells.map(|frame| &*frame.stream.collector).collect();
    assert_eq!(farewells, BTreeSet::from(["a", "c"]), "one that is killed says nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn collectors_of_a_ring_keep_to_their_own_targets() {
    let server = Server::start(|_, n_before| Reply::ok(format!("# TYPE n counter\nn {n_before}\n"))).await;
    let scene = Scene::new();
    let members = vec!["a".to_owned(), "b".to_owned()];
    let config = scraping(&server, ShardingConfig::Ring(RingConfig { members }));
    let running = [scene.start("a", config.clone()), scene.start("b", config)];
    scene.until("both have theirs", |seen| is_all_of(seen, &["a", "b"])).await;
    for running in running {
        running.stop().await;
    }
    assert_eq!(n_doubled(&scene.frames().await), 0);
    assert!(is_all_of(&scene.collectors_since(0).await, &["a", "b"]), "from the first scrape on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_kubelets_and_logs_move_with_their_collector() {
    let config = sentinel_simulator::Config { pods: 12, nodes: 3, ..sentinel_simulator::Config::default() };
    let simulator = Simulator::build(&config, None).await.expect("a simulated cluster");
    let mut kubernetes = KubernetesConfig {
        url: simulator.api_url(),
        enabled: Enabled::Always,
        ..KubernetesConfig::default()
    };
    kubernetes.kubelet.mode = KubeletMode::Url;
    kubernetes.kubelet.url = simulator.kubelet_url("{node}");
    kubernetes.kubelet.interval = Duration::from_millis(300);
    kubernetes.log_namespaces = vec!["*".to_owned()];
    let (stop_simulator, shutdown) = Shutdown::new();
    let simulator = spawn("simulator", simulator.run(shutdown));
    let config = Config {
        kubernetes,
        self_metrics: false,
        canary: false,
        scrape_interval: Duration::from_millis(300),
        scrape_timeout: Duration::from_millis(300),
        sharding: ShardingConfig::Group(GroupConfig::default()),
        ..Config::default()
    };
    let scene = Scene::new();
    let kinds = |seen: &BTreeMap<String, BTreeSet<String>>| {
        let count = |prefix: &str| seen.keys().filter(|target| target.starts_with(prefix)).count();
        (count("state/"), count("kubelet/cadvisor/"))
    };
    let is_complete = |seen: &BTreeMap<String, BTreeSet<String>>, n_collectors: usize| {
        let names: BTreeSet<&String> = seen.values().flatten().collect();
        let is_single = seen.values().all(|names| names.len() == 1);
        kinds(seen) == (15, 3) && is_single && names.len() == n_collectors
    };
    let first = scene.start("a", config.clone());
    scene.until("the first has all", |seen| is_complete(seen, 1)).await;
    let second = scene.start("b", config);
    scene.until("both have some", |seen| is_complete(seen, 2)).await;
    let n_objects = |values: Vec<bytes::Bytes>| {
        let states = values.iter().filter_map(|value| ObjectState::decode(value).ok());
        states.filter(|state| !state.is_deleted).map(|state| state.key).collect::<BTreeSet<_>>().len()
    };
    let before = n_objects(scene.read(Topic::Objects).await);
    first.kill();
    scene.until("the second has all", |seen| is_complete(seen, 1)).await;
    let n_told = scene.read(Topic::Objects).await.len();
    assert!(n_objects(scene.read(Topic::Objects).await) >= before && n_told > before, "{n_told} of {before}");
    let began = Instant::now();
    loop {
        let logs = scene.pods_with_logs().await;
        let (of_first, of_second) = (&logs["a"], logs.get("b"));
        if of_second.is_some_and(|of_second| of_second.is_superset(of_first)) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{logs:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    second.stop().await;
    stop_simulator.trigger();
    simulator.await.expect("a clean stop");
}

/// The API of a cluster that has one pod, and nothing else; watches are silent.
async fn cluster_of_one_pod() -> Server {
    Server::start(|asked, _| {
        if asked.target.contains("watch=true") {
            return Reply::ok("").then_hang();
        }
        let is_pods = asked.target.starts_with("/api/v1/pods");
        let pod = json!({"metadata": {"name": "alive", "namespace": "shop", "uid": "alive"}});
        let items = if is_pods { vec![pod] } else { Vec::new() };
        Reply::ok(json!({"metadata": {"resourceVersion": "1"}, "items": items}).to_string())
    })
    .await
}

fn ghost(name: &str) -> Outgoing {
    let key = sentinel_model::ObjectKey { cluster: "test".into(), kind: "Pod".into(), uid: name.into() };
    let state = ObjectState {
        key,
        namespace: "shop".into(),
        name: name.into(),
        resource_version: "1".into(),
        created: None,
        labels: BTreeMap::new(),
        owners: Vec::new(),
        observed: sentinel_model::Timestamp::from_millis(1),
        is_deleted: false,
        workload: None,
        manifest: "{}".into(),
        detail: sentinel_model::ObjectDetail::Other,
    };
    let record = Record {
        key: state.key(),
        value: state.encode(),
        headers: Vec::new(),
        timestamp: sentinel_model::Timestamp::from_millis(1),
    };
    Outgoing { topic: Topic::Objects, route: Route::ByKey, record }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_is_taken_over_is_told_in_whole_and_its_dead_are_buried() {
    let server = cluster_of_one_pod().await;
    let (scene, folder) = (Scene::new(), tempfile::tempdir().expect("a folder"));
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let health = Health::default();
    let settings = OutletSettings {
        cluster: "test".into(),
        collector: "b".into(),
        config: OutletConfig::default(),
        series_per_target: 1_000,
        clock: Clock::Wall,
    };
    let component = health.component("outlet");
    let bus = Arc::clone(&scene.bus);
    let (outlet, service) =
        Outlet::build(settings, bus, folder.path().into(), Arc::clone(&metrics), component).expect("a spool");
    let (sender, share) = watch::channel(Arc::new(Share::Nothing));
    let context = SourceContext {
        ownership: Ownership {
            share,
            fence: Fence::default(),
            is_shared: true,
            metrics: Arc::clone(&metrics),
        },
        outlet,
        cluster: "test".into(),
        collector: "b".into(),
        limits: crate::Limits::default(),
        scrape_interval: Duration::from_millis(100),
        scrape_timeout: Duration::from_millis(100),
        openmetrics: crate::OpenMetricsRules::Strict,
        metrics: Arc::clone(&metrics),
        health,
    };
    let config = KubernetesConfig { url: server.url.clone(), ..KubernetesConfig::default() };
    let source = crate::sources::kubernetes::Kubernetes::build(
        &config,
        context,
        Arc::clone(&scene.bus),
        folder.path().to_owned(),
    );
    scene.bus.publish(vec![ghost("early")]).await.expect("published");
    let running = service.start();
    let (trigger, shutdown) = Shutdown::new();
    let source = source.expect("good settings").expect("a cluster");
    let task = spawn("kubernetes", Box::new(source).run(shutdown));
    let asked = |what: &str| server.asked().iter().filter(|target| target.contains(what)).count();
    wait_until("all kinds are watched", || asked("watch=true") >= 16).await;
    assert_eq!(scene.read(Topic::Objects).await.len(), 1, "nothing is this collector's");
    // The one before publishes a pod that is gone before anybody else is asked to tell.
    scene.bus.publish(vec![ghost("late")]).await.expect("published");
    sender.send_replace(Arc::new(Share::Everything));
    let told = || async {
        let values = scene.read(Topic::Objects).await;
        let states = values.iter().filter_map(|value| ObjectState::decode(value).ok());
        states.map(|state| (state.name, state.is_deleted)).collect::<BTreeSet<_>>()
    };
    let expected = [("alive", false), ("early", false), ("early", true), ("late", false), ("late", true)];
    let expected: BTreeSet<_> = expected.map(|(name, is_deleted)| (name.to_owned(), is_deleted)).into();
    let began = Instant::now();
    while told().await != expected {
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", told().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let owned = OwnedUnits { kind: "objects" };
    assert_eq!(metrics.owned_units.get_or_create(&owned).get(), 16);
    sender.send_replace(Arc::new(Share::Nothing));
    wait_until("nothing is owned", || metrics.owned_units.get_or_create(&owned).get() == 0).await;
    trigger.trigger();
    task.await;
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_renews_is_not_owned_any_more_and_comes_back_when_somebody_does() {
    let metrics = Arc::new(Metrics::default());
    let sharding = Sharding::new(Share::Nothing, Membership::Fixed, None, metrics);
    let ownership = sharding.ownership();
    let Sharding { sender, fence, health, metrics, .. } = sharding;
    let verdicts = Verdicts { sender, fence, health, metrics };
    let runs = Arc::new(Mutex::new((0, false)));
    let (trigger, shutdown) = Shutdown::new();
    let (worker, seen) = (ownership.clone(), Arc::clone(&runs));
    let task = spawn("work", async move {
        let work = |stop: Shutdown| {
            let seen = Arc::clone(&seen);
            async move {
                let n_before = seen.lock().0;
                *seen.lock() = (n_before + 1, true);
                stop.requested().await;
                seen.lock().1 = false;
            }
        };
        worker.while_owned(("scrape", "unit"), &shutdown, work).await;
    });
    let second = Duration::from_secs(1);
    verdicts.hold_until(Instant::now() + second);
    verdicts.set(Share::Everything);
    wait_until("it runs", || *runs.lock() == (1, true)).await;
    tokio::time::advance(second).await;
    assert!(!ownership.owns("unit"), "as soon as somebody asks, whoever else sleeps");
    verdicts.set(Share::Nothing);
    wait_until("it has stopped", || *runs.lock() == (1, false)).await;
    verdicts.set(Share::Everything);
    verdicts.hold_until(Instant::now() + 1_000 * second);
    wait_until("it runs again", || *runs.lock() == (2, true)).await;
    verdicts.lose("for a test".to_owned());
    verdicts.set(Share::Everything);
    wait_until("it runs once more, or still", || runs.lock().1).await;
    trigger.trigger();
    task.await;
    assert!(!runs.lock().1);
}
