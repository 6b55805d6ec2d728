//! Speed of the bus on a real Kafka (`SENTINEL_STACK_KAFKA`): messages of 32 KiB published and consumed, with
//! the CPU time of this process. Prints one line for each compression (Linux only).

#![expect(clippy::print_stdout, reason = "prints its figures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sentinel_bus::{
    Bus, Compression, Config, KafkaConfig, Outgoing, PollLimit, Polled, Record, Route, Start,
};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::{Health, Registry};
use sentinel_testkit::stack;

const TOPIC: Topic = Topic::Metrics;
const MESSAGE: usize = 32 << 10;
/// As the collector's dispatcher publishes: 2 MiB a call.
const BATCH: usize = 64;
const BATCHES: usize = 150;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let Some(brokers) = stack::kafka() else { return };
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        for (content, is_dense) in [("dense", true), ("text", false)] {
            let prefix = format!("bench-{:08x}.", rand::rng().random::<u32>());
            let bus = open(&brokers, &prefix, compression);
            let messages = messages(is_dense);
            // The first contact makes the topics.
            bus.publish(messages.clone()).await.expect("publish");
            let publish = Measure::start();
            for _ in 0..BATCHES {
                bus.publish(messages.clone()).await.expect("publish");
            }
            publish.report(&format!("publish {compression:?} {content}"));
            let consume = Measure::start();
            consume_all(&*bus).await;
            consume.report(&format!("consume {compression:?} {content}"));
            remove(&brokers, &prefix).await;
        }
    }
}

fn open(brokers: &str, prefix: &str, compression: Compression) -> Arc<dyn Bus> {
    let config = Config::Kafka(KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        topic_prefix: prefix.to_owned(),
        compression,
        publish_timeout: Duration::from_secs(60),
        ..KafkaConfig::default()
    });
    sentinel_bus::open(&config, std::env::temp_dir().as_path(), &Health::default(), &mut Registry::default())
        .expect("open")
}

/// Dense ones are as frames are: coded already, and hardly to be made smaller.
fn messages(is_dense: bool) -> Vec<Outgoing> {
    let mut random = StdRng::seed_from_u64(1);
    let outgoing = |number: usize| {
        let value: Vec<u8> = if is_dense {
            (0..MESSAGE).map(|_| random.random()).collect()
        } else {
            (0..MESSAGE).map(|n| b"container_cpu_usage_seconds_total"[(n + n / 33 * 7) % 33]).collect()
        };
        let record = Record {
            key: Bytes::copy_from_slice(&number.to_le_bytes()),
            value: value.into(),
            headers: Vec::new(),
            timestamp: Timestamp::from_secs(1),
        };
        Outgoing { topic: TOPIC, route: Route::ByKey, record }
    };
    (0..BATCH).map(outgoing).collect()
}

async fn consume_all(bus: &dyn Bus) {
    let mut consumer = bus.join("bench", &[TOPIC], Start::Earliest).await.expect("join");
    let limit = PollLimit { max_records: 2_000, max_bytes: 8 << 20, wait: Duration::from_millis(500) };
    let mut n = 0;
    while n < BATCH * (BATCHES + 1) {
        if let Polled::Records(records) = consumer.poll(limit).await.expect("poll") {
            n += records.len();
        }
    }
}

struct Measure {
    started: Instant,
    cpu: f64,
}

impl Measure {
    fn start() -> Self {
        Self { started: Instant::now(), cpu: cpu_seconds() }
    }

    fn report(self, what: &str) {
        let (seconds, cpu) = (self.started.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        let n = (BATCH * BATCHES) as f64;
        let mib = n * MESSAGE as f64 / (1 << 20) as f64;
        println!(
            "{what:24} {:6.0} MiB/s, {:6.0} messages/s; per CPU second {:6.0} MiB, {:6.0} messages",
            mib / seconds,
            n / seconds,
            mib / cpu,
            n / cpu
        );
    }
}

/// User and system time of this process; clock ticks are 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

async fn remove(brokers: &str, prefix: &str) {
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
        client.create().expect("a client");
    let names: Vec<String> = Topic::ALL.iter().map(|topic| format!("{prefix}{topic}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let _ = admin.delete_topics(&names, &rdkafka::admin::AdminOptions::new()).await;
}
