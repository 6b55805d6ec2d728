//! The service as a whole, and the settings it refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sentinel_model::{MetricBatch, Topic};
use sentinel_testkit::wait_until;

use super::*;
use crate::exposition::{Format, parse};
use crate::sources::kubernetes::testing::{Reply, Server};
use crate::testing::{FakeBus, Mode, N_PARTITIONS};
use crate::{KubernetesConfig, OutletConfig, OutletPolicy, ScrapeTarget};

/// No cluster, so that what the machine has configured is left alone.
fn config() -> Config {
    Config {
        id: "c1".to_owned(),
        canary: false,
        kubernetes: KubernetesConfig { enabled: Enabled::Never, ..KubernetesConfig::default() },
        ..Config::default()
    }
}

fn target(url: &str) -> ScrapeTarget {
    ScrapeTarget {
        url: url.to_owned(),
        name: None,
        labels: BTreeMap::new(),
        interval: None,
        openmetrics: None,
        token_file: None,
    }
}

fn build(config: &Config, bus: &Arc<FakeBus>, folder: &Path) -> Result<Collector, BuildError> {
    let mut registry = Registry::default();
    let health = Health::default();
    let handles = CollectorHandles {
        bus: Arc::clone(bus) as Arc<dyn Bus>,
        cluster: "test".to_owned(),
        data_dir: folder.into(),
        health: health.clone(),
        admin: None,
    };
    Collector::build(config, handles, &mut registry)
}

fn refusal(config: &Config) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    build(config, &bus, folder.path()).err().expect("a refusal").to_string()
}

#[test]
fn a_collector_with_nothing_to_collect_says_so() {
    let auto = || Config { kubernetes: KubernetesConfig::default(), ..config() };
    let why = nothing_to_collect(&auto(), false).expect("neither cluster nor target");
    assert!(why.contains("no target is configured; set KUBECONFIG"), "{why}");
    assert_eq!(nothing_to_collect(&auto(), true), None);
    assert_eq!(nothing_to_collect(&config(), false), None, "nobody wants a cluster");
    let scraping = Config { scrape: vec![target("http://127.0.0.1:1/metrics")], ..auto() };
    assert_eq!(nothing_to_collect(&scraping, false), None);
}

#[test]
fn lists_everything_that_cannot_work() {
    let mut wrong = Config { scrape_interval: Duration::ZERO, scrape: vec![target("notaurl")], ..config() };
    wrong.limits.body_bytes = 0;
    wrong.kubernetes.kinds = vec!["Foo".to_owned()];
    let problems = wrong.problems();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let expected = ["scrape_interval", "limits.body_bytes", "kubernetes.kinds", "scrape[0].url"];
    assert_eq!(keys, expected.map(|key| format!("collector.{key}")));
    assert!(problems.iter().all(|problem| problem.write.is_some()));
    assert_eq!(config().problems(), []);
}

fn labels(frame: &MetricBatch, name: &str) -> String {
    let series = frame.defined.iter().map(|(_, series)| &series.labels);
    series.filter(|labels| labels.metric_name() == name).map(ToString::to_string).collect()
}

#[tokio::test]
async fn publishes_its_own_metrics_and_ends_with_punctuation() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let admin = Admin::new(Health::default(), Registry::default());
    let handles = CollectorHandles {
        bus: Arc::clone(&bus) as Arc<dyn Bus>,
        cluster: "test".to_owned(),
        data_dir: folder.path().into(),
        health: Health::default(),
        admin: Some(admin.clone()),
    };
    let collector = admin.register(|registry| Collector::build(&config(), handles, registry)).expect("built");
    let (trigger, shutdown) = Shutdown::new();
    let running = spawn("collector", collector.run(shutdown));
    bus.called(1).await;
    trigger.trigger();
    running.await.expect("a clean stop");
    let (frames, n_lost) = bus.frames();
    let own = frames.iter().find(|frame| &*frame.stream.target == "own/c1").expect("own metrics");
    assert_eq!(n_lost, 0);
    assert_eq!(
        labels(own, "sentinel_collector_samples_total"),
        r#"sentinel_collector_samples_total{cluster="test",instance="c1",role="collector"}"#
    );
    let last: Vec<_> = bus.taken_of(Topic::Metrics).into_iter().rev().take(N_PARTITIONS as usize).collect();
    assert!(last.iter().all(|message| message.record.key.is_empty()), "punctuation comes last");
}

/// A collector that scrapes one target every 10 ms; the n-th answer is `n N`.
struct Running {
    bus: Arc<FakeBus>,
    admin: Admin,
    server: Server,
    trigger: sentinel_runtime::ShutdownTrigger,
    task: Option<sentinel_runtime::Task<Result<(), ServiceError>>>,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start(mode: Mode, outlet: OutletConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(|_, n_before| Reply::ok(format!("n {n_before}\n"))).await;
        let target = ScrapeTarget { interval: Some(Duration::from_millis(10)), ..target(&server.url) };
        let config = Config { scrape: vec![target], self_metrics: false, outlet, ..config() };
        let bus = FakeBus::new(mode);
        let admin = Admin::new(Health::default(), Registry::default());
        let handles = CollectorHandles {
            bus: Arc::clone(&bus) as Arc<dyn Bus>,
            cluster: "test".to_owned(),
            data_dir: folder.path().into(),
            health: Health::default(),
            admin: None,
        };
        let collector = admin.register(|registry| Collector::build(&config, handles, registry));
        let (trigger, shutdown) = Shutdown::new();
        let task = Some(spawn("collector", collector.expect("built").run(shutdown)));
        Self { bus, admin, server, trigger, task, _folder: folder }
    }

    async fn scraped(&self, n: usize) {
        wait_until("so many scrapes", || self.server.asked().len() >= n).await;
    }

    async fn stop(&mut self) {
        self.trigger.trigger();
        self.task.take().expect("it runs").await.expect("a clean stop");
    }

    /// Sum of an own metric over its labels.
    fn own(&self, name: &str) -> f64 {
        let text = self.admin.openmetrics();
        let mut sum = 0.0;
        parse(&text, Format::OpenMetrics, |sample| {
            sum += if sample.name() == name { sample.value } else { 0.0 }
        })
        .expect("own metrics");
        sum
    }

    /// On a busy machine an answer may come too late for its scrape: it is counted as failed, and its value missing.
    /// Gives the number of those.
    fn check_once_in_order(&self, values: &[usize]) -> f64 {
        assert!(values.is_sorted_by(|one, next| one < next), "each scrape once, in order: {values:?}");
        let text = self.admin.openmetrics();
        let mut n_failed = 0.0;
        parse(&text, Format::OpenMetrics, |sample| {
            let is_failure = sample.name() == "sentinel_collector_scrapes_total"
                && sample.series.contains("outcome=\"failed\"");
            n_failed += if is_failure { sample.value } else { 0.0 };
        })
        .expect("own metrics");
        let n_missing = values.last().map_or(0, |last| last + 1) - values.len();
        assert!(n_missing as f64 <= n_failed, "{n_missing} missing, {n_failed} failed: {values:?}");
        n_failed
    }

    /// Values of `n` as a reader of the bus gets them, and frames that it cannot read.
    fn values(&self) -> (Vec<usize>, usize) {
        let (frames, n_lost) = self.bus.frames();
        // A series of a stream keeps its number.
        let mut defined = frames.iter().flat_map(|frame| &frame.defined);
        let n = defined.find(|(_, series)| series.labels.metric_name() == "n").map(|(n, _)| *n);
        let of_n = frames.iter().filter_map(|frame| {
            let point = frame.points.iter().find(|point| Some(point.series) == n)?;
            Some(point.value as usize)
        });
        (of_n.collect(), n_lost)
    }
}

#[tokio::test]
async fn a_bus_that_refuses_for_a_while_costs_nothing_and_doubles_nothing() {
    let mut running = Running::start(Mode::Fails, OutletConfig::default()).await;
    running.scraped(20).await;
    // Part of what is offered is taken, and nobody is told which.
    running.bus.set(Mode::TakesOneAndFails);
    running.scraped(40).await;
    running.bus.set(Mode::Works);
    running.scraped(60).await;
    running.stop().await;
    let (values, n_lost) = running.values();
    assert_eq!((n_lost, running.own("sentinel_collector_dropped_samples_total")), (0, 0.0));
    let n_failed = running.check_once_in_order(&values);
    assert!(
        values.len() as f64 + n_failed >= 59.0,
        "{} of {} scrapes",
        values.len(),
        running.server.asked().len()
    );
    let waiting =
        running.own("sentinel_collector_queue_bytes") + running.own("sentinel_collector_spool_bytes");
    assert_eq!(waiting, 0.0);
}

#[tokio::test]
async fn what_neither_memory_nor_disk_can_hold_is_dropped_by_policy_and_each_drop_is_counted() {
    let outlet = OutletConfig { queue_bytes: 2_000, spool_bytes: 4_000, policy: OutletPolicy::DropOldest };
    let mut running = Running::start(Mode::Fails, outlet).await;
    wait_until("60 dropped samples", || {
        assert!(running.own("sentinel_collector_queue_bytes") <= 2_000.0);
        assert!(running.own("sentinel_collector_spool_bytes") <= 4_000.0);
        running.own("sentinel_collector_dropped_samples_total") >= 60.0
    })
    .await;
    running.bus.set(Mode::Works);
    let n_before = running.server.asked().len();
    running.scraped(n_before + 3).await;
    running.stop().await;
    let n_taken =
        running.bus.taken_of(Topic::Metrics).iter().filter(|message| !message.record.key.is_empty()).count();
    // `n`, `up` and its four companions in each frame.
    let n_dropped = running.own("sentinel_collector_dropped_samples_total");
    assert_eq!(n_taken as f64 * 6.0 + n_dropped, running.own("sentinel_collector_samples_total"));
    assert_eq!(n_dropped / 6.0 + n_taken as f64, running.own("sentinel_collector_frames_total"));
    let (values, _) = running.values();
    assert!(values.is_sorted() && values.last().is_some_and(|last| *last >= n_before), "{values:?}");
}

#[tokio::test]
async fn sources_wait_for_a_full_outlet_that_may_not_drop() {
    let outlet = OutletConfig { queue_bytes: 2_000, spool_bytes: 4_000, policy: OutletPolicy::Block };
    let mut running = Running::start(Mode::Fails, outlet).await;
    wait_until("a full spool", || running.own("sentinel_collector_spool_bytes") >= 3_000.0).await;
    running.bus.set(Mode::Works);
    let n_before = running.server.asked().len();
    running.scraped(n_before + 3).await;
    running.stop().await;
    let (values, n_lost) = running.values();
    assert_eq!((n_lost, running.own("sentinel_collector_dropped_entries_total")), (0, 0.0));
    running.check_once_in_order(&values);
}

#[test]
fn names_targets_after_their_addresses_unless_told_otherwise() {
    let own = BTreeMap::from([("team".to_owned(), "a".to_owned()), ("instance".to_owned(), "db".to_owned())]);
    let named = ScrapeTarget {
        name: Some("node".to_owned()),
        labels: own,
        interval: Some(Duration::from_secs(2)),
        ..target("https://h/metrics")
    };
    let endpoint_of = |target: &ScrapeTarget| endpoint(target, &config(), "test").expect("an endpoint");
    let plain = endpoint_of(&target("http://127.0.0.1:9100/metrics"));
    assert_eq!(plain.target, "scrape/127.0.0.1:9100/127.0.0.1:9100/metrics");
    assert_eq!(
        plain.labels.own_series("up").labels.to_string(),
        r#"up{cluster="test",instance="127.0.0.1:9100",job="127.0.0.1:9100"}"#
    );
    let named = endpoint_of(&named);
    assert_eq!((named.interval, named.timeout), (Duration::from_secs(2), Duration::from_secs(2)));
    assert_eq!(
        named.labels.own_series("up").labels.to_string(),
        r#"up{cluster="test",instance="db",job="node",team="a"}"#
    );
}

#[test]
fn refuses_settings_that_cannot_work_and_says_what_to_write() {
    let seconds = Duration::from_secs;
    let scraping =
        |urls: &[&str]| Config { scrape: urls.iter().map(|url| target(url)).collect(), ..config() };
    let mut empty_queue = config();
    empty_queue.outlet.queue_bytes = 0;
    let never = ScrapeTarget { interval: Some(Duration::ZERO), ..target("http://h/") };
    for (config, hint) in [
        (Config { scrape_interval: Duration::ZERO, ..config() }, "scrape_interval"),
        (Config { scrape_timeout: seconds(11), ..config() }, "at most scrape_interval"),
        (Config { id: "a/b".to_owned(), ..config() }, "without '/'"),
        (empty_queue, "more than 0"),
        (scraping(&["localhost:9100/metrics"]), "http://"),
        (scraping(&["http://169.254.169.254/"]), "link-local"),
        (scraping(&["http://a:b@h/"]), "password"),
        (scraping(&["http://h/metrics", "http://h/metrics"]), "another name"),
        (Config { scrape: vec![never], ..config() }, "at least"),
    ] {
        let message = refusal(&config);
        assert!(message.contains("collector.") && message.contains(hint), "{message}");
    }
}

#[test]
fn reads_its_section_and_refuses_unknown_keys() {
    let text = r#"
        scrape_interval = "30s"
        [outlet]
        policy = "drop_oldest"
        spool_bytes = "1GiB"
        [[scrape]]
        url = "http://127.0.0.1:9100/metrics"
        interval = "5s"
        [scrape.labels]
        team = "a"
    "#;
    let config: Config = toml::from_str(text).expect("a section");
    assert_eq!(config.outlet.policy, OutletPolicy::DropOldest);
    assert_eq!((config.outlet.spool_bytes, config.scrape_interval), (1 << 30, Duration::from_secs(30)));
    assert_eq!(config.scrape[0].interval, Some(Duration::from_secs(5)));
    let again: Config = toml::from_str(&toml::to_string(&config).expect("text")).expect("a section");
    assert_eq!(again, config);
    for wrong in
        ["scrape_intervall = \"30s\"", "[[scrape]]\nurl = \"x\"\nlable = 1", "[[scrape]]\nname = \"x\""]
    {
        assert!(toml::from_str::<Config>(wrong).is_err(), "{wrong}");
    }
}
