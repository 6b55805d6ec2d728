//! The whole pipeline in processes of its own over the real servers, and what can happen to it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sentinel_bus::{Bus, BusError, PollLimit, Start};
use sentinel_model::{DeadLetter, Timestamp, Topic};
use sentinel_proto::Wire as _;
use sentinel_runtime::{Health, Registry, Task, clock};
use sentinel_testkit::stack;
use serde::Deserialize;

use crate::clock::FakeClock;
use crate::disk::Disk;
use crate::lines;
use crate::oracle::{self, Ledger};
use crate::processes::Role;
use crate::proxy::Proxy;
use crate::source::{N_TARGETS, Source};

const PATIENCE: Duration = Duration::from_secs(180);

pub struct World {
    began: Instant,
    began_ms: i64,
    /// Lines until then were found in the store.
    settled_ms: i64,
    source: Source,
    simulator: Role,
    pub collector: Role,
    pub processors: Vec<Role>,
    pub api: Role,
    ledger: Ledger,
    pub bus: Arc<dyn Bus>,
    metrics: sentinel_metric_store::Handles,
    logs: sentinel_log_store::Handles,
    pub influxdb: Proxy,
    pub elasticsearch: Proxy,
    pub elasticsearch_url: String,
    /// Of topics, groups, buckets and indices.
    pub prefix: String,
    n_collector_kills: u64,
    /// Scrapes that ended collectors had given up: a busy machine may not answer in time.
    n_failed_scrapes: u64,
    pub n_poisoned: u64,
    /// What could not be played.
    pub skipped: BTreeSet<String>,
    /// That of the collector's machine.
    pub clock: FakeClock,
    pub config: String,
    /// For a second collector of the same.
    pub rival_config: String,
    _proxies: [Task<()>; 2],
    folder: tempfile::TempDir,
}

/// The sections that the oracle opens by itself.
#[derive(Deserialize)]
struct Stores {
    bus: sentinel_bus::Config,
    metric_store: sentinel_metric_store::Config,
    log_store: sentinel_log_store::Config,
}

/// Addresses of what the configuration names.
struct Addresses<'a> {
    kafka: &'a str,
    influxdb: &'a stack::Influxdb,
    influxdb_url: &'a str,
    elasticsearch_url: &'a str,
    redis: &'a str,
}

fn stores(prefix: &str, addresses: &Addresses<'_>) -> String {
    let Addresses { kafka, influxdb, influxdb_url, elasticsearch_url, redis } = addresses;
    let stack::Influxdb { org, token, .. } = influxdb;
    let brokers = kafka.replace(',', "\", \"");
    format!(
        "[bus]\nkind = \"kafka\"\nbrokers = [\"{brokers}\"]\ntopic_prefix = \"{prefix}.\"\npartitions = 4\n\
         [metric_store]\nkind = \"influxdb\"\nurl = \"{influxdb_url}\"\norg = \"{org}\"\ntoken = \"{token}\"\n\
         bucket_prefix = \"{prefix}\"\ntimeout = \"5s\"\n\
         [log_store]\nkind = \"elasticsearch\"\nurl = \"{elasticsearch_url}\"\nindex_prefix = \"{prefix}\"\n\
         replicas = 0\ncompress = false\ntimeout = \"5s\"\n\
         [cache]\nkind = \"redis\"\nurl = \"{redis}\"\nkey_prefix = \"{prefix}:\"\n"
    )
}

fn roles(source: &Source, cluster_url: &str) -> String {
    let mut text = format!(
        "[collector]\nid = \"chaos\"\nscrape_interval = \"500ms\"\nscrape_timeout = \"500ms\"\nself_metrics = false\n\
         [collector.kubernetes]\nenabled = \"always\"\nurl = \"{cluster_url}\"\nlog_namespaces = [\"*\"]\n\
         kinds = [\"Pod\", \"Node\"]\n\
         [collector.kubernetes.kubelet]\nenabled = false\n[collector.kubernetes.discovery]\nenabled = false\n\
         [collector.kubernetes.logs]\nlines_per_second = 1000000\nburst_lines = 1000000\njoin_lines = 1\n\
         [processor]\nallowed_lateness = \"5s\"\nidle_limit = \"10m\"\ncommit_interval = \"500ms\"\n"
    );
    for target in 0..N_TARGETS {
        text.push_str(&format!("[[collector.scrape]]\nurl = \"{}\"\n", source.url(target)));
    }
    text
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("logs and data of the roles are in {}", self.folder.path().display());
            self.folder.disable_cleanup(true);
        }
    }
}

impl World {
    /// `None` without the servers.
    pub async fn start() -> Option<Self> {
        let (kafka, influxdb, redis) = (stack::kafka()?, stack::influxdb()?, stack::redis()?);
        let elasticsearch_url = stack::searches().into_iter().find(|(name, _)| *name == "ELASTICSEARCH")?.1;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let prefix = format!("chaos{:x}", rand::random::<u32>());
        if let Some(disk) = Disk::of_server("collector") {
            std::os::unix::fs::symlink(disk.path, folder.path().join("collector")).expect("a link");
        }
        let source = Source::start();
        let cluster = folder.path().join("cluster.toml");
        std::fs::write(&cluster, "[simulator]\npods = 60\nlog_rate = 3.0\n")
            .expect("write its configuration");
        let cluster = cluster.display().to_string();
        let simulator =
            Role::start("simulator", &["simulate", "--config", &cluster], folder.path(), Vec::new());
        let (to_influxdb, influxdb_url, first) = Proxy::start(&influxdb.url).await;
        let (to_elasticsearch, proxied, second) = Proxy::start(&elasticsearch_url).await;
        let mut addresses = Addresses {
            kafka: &kafka,
            influxdb: &influxdb,
            influxdb_url: &influxdb_url,
            elasticsearch_url: &proxied,
            redis: &redis,
        };
        let both = stores(&prefix, &addresses) + &roles(&source, &simulator.url);
        let config = write(folder.path(), "sentinel.toml", &both);
        let sharding = "[collector.sharding]\nkind = \"ring\"\nmembers = [\"rival\"]\n";
        let rival = both.replace("id = \"chaos\"", "id = \"rival\"") + sharding;
        let rival_config = write(folder.path(), "rival.toml", &rival);
        // The oracle goes past the proxies.
        addresses.influxdb_url = &influxdb.url;
        addresses.elasticsearch_url = &elasticsearch_url;
        // It reads a hundred thousand lines at once, and has time.
        let patient = stores(&prefix, &addresses).replace("timeout = \"5s\"", "timeout = \"1m\"");
        let (bus, metrics, logs) = open(&patient, folder.path());
        let role = |name: &str, role: &str| start(name, role, &config, folder.path(), Vec::new());
        let clock = FakeClock::new(folder.path());
        let environment = clock.environment();
        Some(Self {
            began: Instant::now(),
            began_ms: clock::now_millis(),
            settled_ms: clock::now_millis() + 10_000,
            collector: start("collector", "collector", &config, folder.path(), environment),
            processors: vec![role("processor1", "processor"), role("processor2", "processor")],
            api: role("api", "api"),
            ledger: Ledger::follow(Arc::clone(&bus)).await,
            source,
            simulator,
            bus,
            metrics,
            logs,
            influxdb: to_influxdb,
            elasticsearch: to_elasticsearch,
            elasticsearch_url,
            prefix,
            n_collector_kills: 0,
            n_failed_scrapes: 0,
            n_poisoned: 0,
            skipped: BTreeSet::new(),
            clock,
            config,
            rival_config,
            _proxies: [first, second],
            folder,
        })
    }

    /// A collector ends that had given up so many scrapes.
    pub fn note_end(&mut self, n_failed_scrapes: u64) {
        self.n_collector_kills += 1;
        self.n_failed_scrapes += n_failed_scrapes;
    }

    pub async fn end_collector(&mut self) {
        let n_failed_scrapes = failed_scrapes(&self.collector).await;
        self.note_end(n_failed_scrapes);
        self.collector.kill();
    }

    /// Starts one more.
    pub fn role(&self, name: &str, role: &str, config: &str) -> Role {
        start(name, role, config, self.folder.path(), Vec::new())
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub fn n_samples(&self) -> usize {
        self.ledger.n_samples()
    }

    /// Until data flow.
    pub async fn wait_for_load(&self) {
        let began = Instant::now();
        while self.n_samples() < 10_000 {
            assert!(
                began.elapsed() < PATIENCE,
                "no samples reach the bus, see {}",
                self.folder.path().display()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// All that was written so far is there, once: lines are compared from the beginning.
    pub async fn settle_all(&mut self) -> (usize, usize) {
        self.settled_ms = self.began_ms + 10_000;
        self.settle().await
    }

    /// Windows until now and lines since the last time are where they belong. Gives how many were compared.
    pub async fn settle(&mut self) -> (usize, usize) {
        let now = clock::now_millis();
        let span = oracle::span(self.began_ms, now);
        let n_windows = oracle::settle(&self.ledger, &*self.metrics.reader, span, PATIENCE).await;
        let api = self.simulator.url.trim_end_matches('/');
        let lines_from = Timestamp::from_millis(self.settled_ms);
        let n_lines =
            lines::settle(api, &*self.logs.reader, (lines_from, Timestamp::from_millis(now)), PATIENCE).await;
        // Once more what came last: a fault may yet have doubled it.
        self.settled_ms = self.settled_ms.max(now - 60_000);
        let n_failed_scrapes = self.n_failed_scrapes + failed_scrapes(&self.collector).await;
        self.ledger.check(self.n_collector_kills, n_failed_scrapes);
        assert_eq!(self.dead_letters().await, self.n_poisoned, "dead letters");
        assert!(self.n_samples() as u64 <= self.source.n_issued(), "more than was ever issued");
        println!(
            "{:>6.1} s  settled: {} samples, {n_windows} windows, {n_lines} lines",
            self.elapsed().as_secs_f64(),
            self.n_samples()
        );
        (n_windows, n_lines)
    }

    /// Each record once, however often it was read and given up. Brokers may just be coming back.
    async fn dead_letters(&self) -> u64 {
        let began = Instant::now();
        loop {
            match self.read_dead_letters().await {
                Ok(n_letters) => return n_letters,
                Err(error) => assert!(began.elapsed() < PATIENCE, "dead letters: {error}"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn read_dead_letters(&self) -> Result<u64, BusError> {
        let mut follower = self.bus.follow(Topic::DeadLetters, Start::Earliest).await?;
        let limit = PollLimit { max_records: 2_000, max_bytes: 16 << 20, wait: Duration::from_secs(2) };
        let mut letters = BTreeSet::new();
        while !follower.is_caught_up() {
            for delivered in follower.poll(limit).await? {
                let letter = DeadLetter::decode(&delivered.record.value).expect("a dead letter");
                letters.insert((letter.topic, letter.partition, letter.offset));
            }
        }
        Ok(letters.len() as u64)
    }
}

/// By its own metrics.
pub async fn failed_scrapes(collector: &Role) -> u64 {
    let url = format!("{}/metrics", collector.url.trim_end_matches('/'));
    let answer = reqwest::Client::new().get(url).send().await.expect("the collector answers");
    let text = answer.text().await.expect("metrics");
    let scrapes = "sentinel_collector_scrapes_total{target_kind=\"scrape\"";
    let failed = text.lines().filter(|line| line.starts_with(scrapes) && !line.contains("outcome=\"ok\""));
    failed.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn start(name: &str, role: &str, config: &str, folder: &Path, environment: Vec<(String, String)>) -> Role {
    Role::start(name, &["run", "--config", config, "--role", role], folder, environment)
}

fn write(folder: &Path, name: &str, config: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, config).expect("write the configuration");
    path.display().to_string()
}

fn open(
    config: &str,
    folder: &Path,
) -> (Arc<dyn Bus>, sentinel_metric_store::Handles, sentinel_log_store::Handles) {
    let stores: Stores = toml::from_str(config).expect("the sections can be read");
    let (health, mut registry) = (Health::default(), Registry::default());
    let bus = sentinel_bus::open(&stores.bus, folder, &health, &mut registry).expect("open the bus");
    let metrics = sentinel_metric_store::open(&stores.metric_store, folder, &health, &mut registry);
    let logs = sentinel_log_store::open(&stores.log_store, folder, &health, &mut registry);
    (bus, metrics.expect("open the metric store"), logs.expect("open the log store"))
}
