//! The pipeline's hot path on real servers, each figure beside a reference of the same run: the producer into
//! Kafka; Kafka to the socket of a store that takes everything; the processor as it is run, beside Telegraf; and
//! Kafka into a real InfluxDB, beside a bare writer of the same lines. `make bench-stack` runs it.

#![expect(clippy::print_stdout, reason = "prints its figures")]

mod null;
mod process;
mod real;
#[expect(dead_code, reason = "the processor's own benchmarks use the rest")]
#[path = "../../../processor/benches/support/mod.rs"]
mod support;
mod telegraf;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sentinel_bus::{
    Bus, Config, KafkaConfig, Outgoing, PollLimit, Polled, Record, Route, Start, TopicPartition,
};
use sentinel_metric_store::InfluxdbConfig;
use sentinel_model::{Timestamp, Topic};
use sentinel_processor::bench::{Part, Stages};
use sentinel_runtime::{Health, Registry, clock};
use sentinel_testkit::stack;

use null::Null;
use process::cpu_seconds;
use support::bus::HandOver;
use support::recording::Target;
use support::scrapes::{Frame, Node};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Frames of one publish.
const BATCH: usize = 64;
/// Enough that what a program needs to start is little beside them.
const LAPS: i64 = 6;
/// As the processor polls.
const POLL: PollLimit =
    PollLimit { max_records: 2_000, max_bytes: 8 << 20, wait: Duration::from_millis(500) };

/// Samples on the bus, under names that nobody else has.
pub struct Load {
    pub brokers: String,
    pub prefix: String,
    pub n_samples: usize,
    pub n_frames: usize,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(null::ARGUMENT) {
        return null::serve(arguments.next());
    }
    let Some(brokers) = stack::kafka() else { return };
    let Some(targets) = support::recording::recorded(usize::MAX) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let load = produce(&brokers, &targets, LAPS).await;
        socket(&load).await;
        telegraf::compare(&load, &targets).await;
        load.remove().await;
        real::compare(&brokers, &targets).await;
    });
}

const GROUPS: [&str; 5] =
    ["sentinel-windows", "sentinel-stage2", "sentinel-metric-store", "sentinel-logs", "sentinel-events"];

pub fn bus_config(brokers: &str, prefix: &str) -> Config {
    Config::Kafka(KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        topic_prefix: prefix.to_owned(),
        publish_timeout: Duration::from_secs(60),
        ..KafkaConfig::default()
    })
}

pub fn open(brokers: &str, prefix: &str) -> Arc<dyn Bus> {
    let config = bus_config(brokers, prefix);
    sentinel_bus::open(&config, std::env::temp_dir().as_path(), &Health::default(), &mut Registry::default())
        .expect("open the bus")
}

/// Nobody else has it.
pub fn new_prefix() -> String {
    format!("bench-{:08x}.", rand::random::<u32>())
}

pub fn outgoing(topic: Topic, value: Bytes, timestamp: Timestamp) -> Outgoing {
    let record = Record { key: Bytes::new(), value, headers: Vec::new(), timestamp };
    Outgoing { topic, route: Route::Partition(0), record }
}

impl Load {
    pub async fn remove(self) {
        sentinel_bus::remove(&bus_config(&self.brokers, &self.prefix), &GROUPS).await.expect("removed");
    }
}

/// Scrapes → frames → acknowledged by Kafka. The recording in laps, the last of which ends now, to the minute: so
/// there are as many windows each time.
pub async fn produce(brokers: &str, targets: &BTreeMap<String, Target>, laps: i64) -> Load {
    let prefix = new_prefix();
    let bus = open(brokers, &prefix);
    // The first contact makes the topics.
    bus.offsets(TopicPartition { topic: Topic::Metrics, partition: 0 }).await.expect("topics");
    let last = targets.values().flat_map(|target| &target.scrapes).map(|scrape| scrape.scraped).max();
    let last = last.expect("a recording has scrapes");
    let to_now = (clock::now_millis() - last.as_millis()) / 60_000 * 60_000 - laps * support::LAP_MS;
    let mut node = Node::new(targets, "node-1");
    let (began, before) = (Instant::now(), cpu_seconds("self"));
    let (mut n_samples, mut n_frames, mut n_bytes) = (0, 0, 0);
    for lap in 1..=laps {
        let frames = node.frames(to_now + lap * support::LAP_MS);
        for batch in frames.chunks(BATCH) {
            let message = |frame: &Frame| outgoing(Topic::Metrics, frame.bytes.clone(), frame.scraped);
            bus.publish(batch.iter().map(message).collect()).await.expect("publish");
        }
        n_samples += frames.iter().map(|frame| frame.n_samples).sum::<usize>();
        n_bytes += frames.iter().map(|frame| frame.bytes.len()).sum::<usize>();
        n_frames += frames.len();
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds("self") - before);
    let n = n_samples as f64;
    println!(
        "{n_samples} samples in {n_frames} frames, {:.3} bytes a sample; prefix {prefix}",
        n_bytes as f64 / n
    );
    print("producer: encode, publish, acknowledged", n, cpu, seconds);
    Load { brokers: brokers.to_owned(), prefix, n_samples, n_frames }
}

pub fn print(what: &str, n: f64, cpu: f64, seconds: f64) {
    println!("{what:58} {:10.0} samples per CPU second ({cpu:.2} s of {seconds:.1} s)", n / cpu);
}

/// Kafka → decode → windows → rollups → lines → socket, all in this process; the server's time is its own.
async fn socket(load: &Load) {
    for gzip in [false, true] {
        let null = Null::start(None);
        let config = InfluxdbConfig {
            url: null.url.clone(),
            version: sentinel_metric_store::InfluxdbVersion::V1,
            gzip,
            ..InfluxdbConfig::default()
        };
        let config = sentinel_metric_store::Config::Influxdb(Box::new(config));
        let store = sentinel_metric_store::open(
            &config,
            std::env::temp_dir().as_path(),
            &Health::default(),
            &mut Registry::default(),
        )
        .expect("open the store");
        let held = Arc::new(HandOver::default());
        let mut stages = Stages::new(&(Arc::clone(&held) as Arc<dyn Bus>), store.writer);
        let bus = open(&load.brokers, &load.prefix);
        let group = format!("bench-socket-{gzip}");
        let mut consumer = bus.join(&group, &[Topic::Metrics], Start::Earliest).await.expect("join");
        let (mut began, mut before, mut n_read) = (Instant::now(), 0.0, 0);
        while n_read < load.n_frames {
            let Polled::Records(records) = consumer.poll(POLL).await.expect("poll") else { continue };
            if n_read == 0 {
                (began, before) = (Instant::now(), cpu_seconds("self"));
            }
            n_read += records.len();
            stages.handle(Part::Windows, records).await;
            drop(held.take(Topic::Live));
            stages.handle(Part::MetricStore, held.take(Topic::Rollups)).await;
        }
        let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds("self") - before);
        let what = if gzip { "Kafka to socket, lines packed" } else { "Kafka to socket" };
        print(what, load.n_samples as f64, cpu, seconds);
        println!("  {} lines, {} samples in windows", null.n_lines().await, stages.n_samples());
    }
}
