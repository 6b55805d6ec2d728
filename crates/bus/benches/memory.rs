//! Memory and disk that the embedded bus takes with every topic in use: idle, at the rate of a large
//! cluster, and as fast as it can. Prints one line each (Linux only).

#![expect(clippy::print_stdout, reason = "prints its figures")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sentinel_bus::{
    Bus, Config, EmbeddedConfig, MaxBytes, Outgoing, PollLimit, Polled, Record, Retention, Route, Start,
};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::{Health, Registry, spawn};

/// One scrape of a hundred series or so.
const FRAME_BYTES: usize = 500;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    report("start", None);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bus = open(folder.path());
    report("opened", Some(folder.path()));
    publish(&bus, 1).await;
    report("idle, 7 topics x 4 partitions", Some(folder.path()));
    let mut consumers = Vec::new();
    for group in ["windows", "metric-store", "logs", "events", "stage2"] {
        let bus = Arc::clone(&bus);
        consumers.push(spawn("consumer", async move { consume(&*bus, group).await }));
    }
    paced(&bus, Duration::from_secs(15)).await;
    report("50 KB/s a topic for 15 s, 5 groups", Some(folder.path()));
    for seconds in [10, 20, 30] {
        let started = Instant::now();
        let mut n = 0;
        while started.elapsed() < Duration::from_secs(10) {
            publish(&bus, 100).await;
            n += 100 * Topic::ALL.len();
        }
        report(&format!("full load for {seconds} s, {} messages/s", n / 10), Some(folder.path()));
    }
    drop(consumers);
    drop(bus);
    let started = Instant::now();
    let bus = open(folder.path());
    report(&format!("reopened in {:?}", started.elapsed()), Some(folder.path()));
    drop(bus);
}

fn open(folder: &Path) -> Arc<dyn Bus> {
    let (small, short) = (64 << 20, Duration::from_secs(20));
    let config = Config::Embedded(EmbeddedConfig {
        // So that hours of retention and rolling go by within a minute.
        maintenance_interval: Duration::from_millis(500),
        retention: Retention { live: short, metrics: short, ..Retention::default() },
        max_bytes: MaxBytes {
            metrics: small,
            logs: small,
            events: small,
            rollups: small,
            live: small,
            dead_letters: small,
        },
        ..EmbeddedConfig::default()
    });
    sentinel_bus::open(&config, folder, &Health::default(), &mut Registry::default()).expect("open the bus")
}

/// The rate of 50,000 samples a second at a byte each, on every topic.
async fn paced(bus: &Arc<dyn Bus>, span: Duration) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let end = Instant::now() + span;
    while Instant::now() < end {
        ticks.tick().await;
        publish(bus, 10).await;
    }
}

async fn publish(bus: &Arc<dyn Bus>, n: u64) {
    let messages = Topic::ALL.into_iter().flat_map(|topic| (0..n).map(move |number| message(topic, number)));
    bus.publish(messages.collect()).await.expect("publish");
}

fn message(topic: Topic, number: u64) -> Outgoing {
    let record = Record {
        key: Bytes::from(format!("demo/pod-{number}")),
        value: Bytes::from(vec![number as u8; FRAME_BYTES]),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(0),
    };
    Outgoing { topic, route: Route::ByKey, record }
}

async fn consume(bus: &dyn Bus, group: &str) {
    let limit = PollLimit { max_records: 500, max_bytes: 1 << 20, wait: Duration::from_secs(1) };
    let mut consumer = bus.join(group, &Topic::ALL, Start::Latest).await.expect("join");
    let mut n_records = 0;
    loop {
        if let Polled::Records(records) = consumer.poll(limit).await.expect("poll") {
            n_records += records.len();
        }
        std::hint::black_box(n_records);
    }
}

fn report(what: &str, folder: Option<&Path>) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or_default()
    };
    let disk = folder.map_or(0, size_of_folder);
    println!(
        "{what}: RSS {:.1} MiB (anonymous {:.1}, peak {:.1}), disk {:.1} MiB",
        line("VmRSS") / 1_024.0,
        line("RssAnon") / 1_024.0,
        line("VmHWM") / 1_024.0,
        disk as f64 / f64::from(1 << 20),
    );
}

/// Blocks that are taken: journals are longer than what is written of them.
fn size_of_folder(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of_folder(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
