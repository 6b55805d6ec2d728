//! The service as a whole, and the settings it refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sentinel_model::{MetricBatch, Topic};

use super::*;
use crate::testing::{FakeBus, Mode, N_PARTITIONS};
use crate::{Enabled, KubernetesConfig, OutletPolicy};

/// No cluster, so that what the machine has configured is left alone.
fn config() -> Config {
    Config {
        id: "c1".to_owned(),
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
    }
}

fn build(config: &Config, bus: &Arc<FakeBus>, folder: &Path) -> Result<Collector, BuildError> {
    let mut registry = Registry::default();
    let health = Health::default();
    let handles = CollectorHandles {
        bus: Arc::clone(bus) as Arc<dyn Bus>,
        cluster: "test".to_owned(),
        data_dir: folder.to_owned(),
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
        data_dir: folder.path().to_owned(),
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
        (empty_queue, "at least"),
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
