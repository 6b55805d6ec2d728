//! The whole pipeline in processes of its own over the real servers, and what can happen to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand::rngs::StdRng;
use sentinel_bus::{Bus, Outgoing, PollLimit, Route, Start};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::{Health, Registry, Task, clock};
use sentinel_testkit::stack;
use serde::Deserialize;

use crate::lines;
use crate::oracle::{self, Ledger};
use crate::processes::{Role, server};
use crate::proxy::{Mode, Proxy};
use crate::source::{N_TARGETS, Source};

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// SIGKILL to so many roles, one after another, at random.
    KillRoles(u64),
    /// All of them at once.
    KillBrokers,
    /// The first, which leads and controls, and then the second.
    KillOneBroker,
    /// SIGSTOP for so many seconds.
    StopBroker(u64),
    KillInfluxdb,
    StopInfluxdb(u64),
    InfluxdbRefuses,
    InfluxdbLosesAnswers,
    InfluxdbFlaky,
    SlowInfluxdb,
    KillElasticsearch,
    StopElasticsearch(u64),
    ReadOnlyIndexes,
    ElasticsearchRefuses,
    HalfBulks,
    KillRedis,
    /// A third processor comes and goes so many times.
    RebalanceStorm(u64),
    StopProcessor(u64),
    /// Frames of the past once more, in disorder.
    Repeats,
    KillEverything,
}

/// How long a fault of a proxy lasts.
const FAULTY: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(180);

pub struct World {
    began: Instant,
    began_ms: i64,
    source: Source,
    simulator: Role,
    collector: Role,
    processors: Vec<Role>,
    api: Role,
    ledger: Ledger,
    bus: Arc<dyn Bus>,
    metrics: sentinel_metric_store::Handles,
    logs: sentinel_log_store::Handles,
    influxdb: Proxy,
    elasticsearch: Proxy,
    elasticsearch_url: String,
    index_prefix: String,
    n_collector_kills: u64,
    config: String,
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
        "[collector]\nid = \"chaos\"\nscrape_interval = \"250ms\"\nscrape_timeout = \"250ms\"\nself_metrics = false\n\
         [collector.kubernetes]\nenabled = \"always\"\nurl = \"{cluster_url}\"\nlog_namespaces = [\"*\"]\n\
         kinds = [\"Pod\", \"Node\"]\n\
         [collector.kubernetes.kubelet]\nenabled = false\n[collector.kubernetes.discovery]\nenabled = false\n\
         [collector.kubernetes.logs]\nlines_per_second = 1000000\nburst_lines = 1000000\njoin_lines = 1\nbackfill = \"10s\"\n\
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
        let source = Source::start();
        let cluster = folder.path().join("cluster.toml");
        std::fs::write(&cluster, "[simulator]\npods = 60\nlog_rate = 2.0\n")
            .expect("write its configuration");
        let cluster = cluster.display().to_string();
        let simulator = Role::start("simulator", &["simulate", "--config", &cluster], folder.path());
        let (to_influxdb, influxdb_url, first) = Proxy::start(&influxdb.url).await;
        let (to_elasticsearch, proxied, second) = Proxy::start(&elasticsearch_url).await;
        let mut addresses = Addresses {
            kafka: &kafka,
            influxdb: &influxdb,
            influxdb_url: &influxdb_url,
            elasticsearch_url: &proxied,
            redis: &redis,
        };
        let config = write(folder.path(), &(stores(&prefix, &addresses) + &roles(&source, &simulator.url)));
        // The oracle goes past the proxies.
        addresses.influxdb_url = &influxdb.url;
        addresses.elasticsearch_url = &elasticsearch_url;
        let (bus, metrics, logs) = open(&stores(&prefix, &addresses), folder.path());
        let role = |name: &str, role: &str| {
            Role::start(name, &["run", "--config", &config, "--role", role], folder.path())
        };
        Some(Self {
            began: Instant::now(),
            began_ms: clock::now_millis(),
            collector: role("collector", "collector"),
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
            index_prefix: prefix,
            n_collector_kills: 0,
            config,
            _proxies: [first, second],
            folder,
        })
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

    /// Everything until now is where it belongs. Gives the windows and lines that were compared.
    pub async fn settle(&mut self) -> (usize, usize) {
        let now = clock::now_millis();
        let span = oracle::span(self.began_ms, now);
        let n_windows = oracle::settle(&self.ledger, &*self.metrics.reader, span, PATIENCE).await;
        let api = self.simulator.url.trim_end_matches('/');
        let lines_from = Timestamp::from_millis(self.began_ms + 10_000);
        let n_lines =
            lines::settle(api, &*self.logs.reader, (lines_from, Timestamp::from_millis(now)), PATIENCE).await;
        self.ledger.check(self.n_collector_kills);
        let late = self.dead_letters().await;
        assert_eq!(late, 0, "dead letters");
        assert!(self.n_samples() as u64 <= self.source.n_issued(), "more than was ever issued");
        println!(
            "{:>6.1} s  settled: {} samples, {n_windows} windows, {n_lines} lines",
            self.elapsed().as_secs_f64(),
            self.n_samples()
        );
        (n_windows, n_lines)
    }

    async fn dead_letters(&self) -> u64 {
        let mut n_letters = 0;
        for partition in 0..self.bus.n_partitions(Topic::DeadLetters) {
            let at = sentinel_bus::TopicPartition { topic: Topic::DeadLetters, partition };
            let offsets = self.bus.offsets(at).await.expect("the broker answers");
            n_letters += offsets.next - offsets.earliest;
        }
        n_letters
    }

    /// Lets it happen and heals it. Gives how often it happened.
    pub async fn play(&mut self, fault: Fault, dice: &mut StdRng) -> u64 {
        match fault {
            Fault::KillRoles(n) => self.kill_roles(n, dice).await,
            Fault::KillBrokers => kill("kafka").await,
            Fault::KillOneBroker => kill("kafka1").await + self.kill_the_second_broker().await,
            Fault::StopBroker(seconds) => stop("kafka", seconds).await,
            Fault::KillInfluxdb => kill("influxdb").await,
            Fault::StopInfluxdb(seconds) => stop("influxdb", seconds).await,
            Fault::KillElasticsearch => kill("elasticsearch").await,
            Fault::StopElasticsearch(seconds) => stop("elasticsearch", seconds).await,
            Fault::KillRedis => kill("redis").await,
            Fault::InfluxdbRefuses => {
                misbehave(&self.influxdb, Mode::Refuse { status: 429, retry_after: Some(2) }).await
                    + misbehave(&self.influxdb, Mode::Refuse { status: 503, retry_after: None }).await
            }
            Fault::InfluxdbLosesAnswers => misbehave(&self.influxdb, Mode::LoseAnswers).await,
            Fault::InfluxdbFlaky => misbehave(&self.influxdb, Mode::Flaky { status: 500 }).await,
            Fault::SlowInfluxdb => misbehave(&self.influxdb, Mode::Slow(Duration::from_secs(3))).await,
            Fault::ElasticsearchRefuses => {
                misbehave(&self.elasticsearch, Mode::Refuse { status: 429, retry_after: Some(1) }).await
                    + misbehave(&self.elasticsearch, Mode::Flaky { status: 503 }).await
                    + misbehave(&self.elasticsearch, Mode::LoseAnswers).await
            }
            Fault::HalfBulks => misbehave(&self.elasticsearch, Mode::HalfBulks).await,
            Fault::ReadOnlyIndexes => self.read_only_indexes().await,
            Fault::RebalanceStorm(n) => self.rebalance_storm(n).await,
            Fault::StopProcessor(seconds) => self.stop_processor(seconds).await,
            Fault::Repeats => self.repeat_frames().await,
            Fault::KillEverything => self.kill_everything().await,
        }
    }

    /// With three brokers nothing stands still for long when one is gone.
    async fn kill_the_second_broker(&self) -> u64 {
        if !stack::kafka().is_some_and(|brokers| brokers.contains(',')) {
            println!("skipped: there is one broker only (up.sh --brokers 3)");
            return 0;
        }
        kill("kafka2").await
    }

    async fn kill_roles(&mut self, n: u64, dice: &mut StdRng) -> u64 {
        for _ in 0..n {
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..3_000))).await;
            match dice.random_range(0..4) {
                0 => {
                    self.n_collector_kills += 1;
                    self.collector.kill_and_run();
                }
                1 => self.api.kill_and_run(),
                role => self.processors[role - 2].kill_and_run(),
            }
        }
        n
    }

    async fn rebalance_storm(&self, n: u64) -> u64 {
        for _ in 0..n {
            let mut third = Role::start(
                "processor3",
                &["run", "--config", &self.config, "--role", "processor"],
                self.folder.path(),
            );
            tokio::time::sleep(Duration::from_secs(2)).await;
            third.kill();
        }
        n
    }

    /// Longer than its session: another one has its partitions when it comes back.
    async fn stop_processor(&self, seconds: u64) -> u64 {
        self.processors[0].signal("-STOP");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.processors[0].signal("-CONT");
        1
    }

    async fn read_only_indexes(&self) -> u64 {
        let url =
            format!("{}/*{}*/_settings?expand_wildcards=all", self.elasticsearch_url, self.index_prefix);
        let client = reqwest::Client::new();
        for block in [serde_json::json!(true), serde_json::Value::Null] {
            let body = serde_json::json!({ "index.blocks.read_only_allow_delete": block });
            let answer = client.put(&url).json(&body).send().await.expect("Elasticsearch answers");
            assert!(answer.status().is_success(), "{:?}", answer.text().await);
            tokio::time::sleep(FAULTY).await;
        }
        1
    }

    /// The newest frames of each partition again, the newest first.
    async fn repeat_frames(&self) -> u64 {
        let mut follower = self.bus.follow(Topic::Metrics, Start::Earliest).await.expect("follow");
        let limit = PollLimit { max_records: 2_000, max_bytes: 16 << 20, wait: Duration::from_secs(2) };
        let mut records = Vec::new();
        while !follower.is_caught_up() {
            records.extend(follower.poll(limit).await.expect("read"));
            let n_old = records.len().saturating_sub(2_000);
            records.drain(..n_old);
        }
        let again: Vec<Outgoing> = records
            .into_iter()
            .rev()
            .map(|delivered| Outgoing {
                topic: Topic::Metrics,
                route: Route::Partition(delivered.position.at.partition),
                record: delivered.record,
            })
            .collect();
        let n_repeated = again.len() as u64;
        self.bus.publish(again).await.expect("published");
        n_repeated
    }

    async fn kill_everything(&mut self) -> u64 {
        self.collector.kill();
        self.n_collector_kills += 1;
        self.processors.iter_mut().for_each(Role::kill);
        self.api.kill();
        for verb in ["kill", "start"] {
            for name in ["kafka", "influxdb", "elasticsearch", "redis"] {
                server(verb, name);
            }
        }
        self.collector.run();
        self.processors.iter_mut().for_each(Role::run);
        self.api.run();
        8
    }
}

async fn kill(name: &str) -> u64 {
    server("kill", name);
    tokio::time::sleep(Duration::from_secs(5)).await;
    server("start", name);
    1
}

async fn stop(name: &str, seconds: u64) -> u64 {
    server("stop", name);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    server("cont", name);
    1
}

async fn misbehave(proxy: &Proxy, mode: Mode) -> u64 {
    let n_before = proxy.n_faults();
    proxy.set(mode);
    tokio::time::sleep(FAULTY).await;
    proxy.set(Mode::Pass);
    proxy.n_faults() - n_before
}

fn write(folder: &Path, config: &str) -> String {
    let path = folder.join("sentinel.toml");
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
