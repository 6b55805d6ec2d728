//! Speed of the embedded bus: publishing with and without fsync, and the time from a publish to its
//! delivery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sentinel_bus::{Bus, Config, EmbeddedConfig, Fsync, MaxBytes, Outgoing, PollLimit, Record, Route, Start};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::{Health, Registry, spawn};
use tokio::runtime::Runtime;

const PUBLISHERS: u64 = 8;

fn open(fsync: Fsync) -> (Arc<dyn Bus>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config::Embedded(EmbeddedConfig {
        fsync,
        // What one benchmark writes need not stay.
        max_bytes: MaxBytes { metrics: 256 << 20, ..MaxBytes::default() },
        maintenance_interval: Duration::from_millis(200),
        ..EmbeddedConfig::default()
    });
    let bus = sentinel_bus::open(&config, folder.path(), &Health::default(), &mut Registry::default());
    (bus.expect("open the bus"), folder)
}

fn message(bytes: usize, number: u64) -> Outgoing {
    let record = Record {
        key: Bytes::copy_from_slice(&number.to_le_bytes()),
        value: Bytes::from(vec![number as u8; bytes - 8]),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(0),
    };
    Outgoing { topic: Topic::Metrics, route: Route::ByKey, record }
}

/// `n` messages by several publishers, `batch` a call.
async fn publish(bus: &Arc<dyn Bus>, n: u64, batch: u64, bytes: usize) {
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let bus = Arc::clone(bus);
            spawn("publisher", async move {
                for _ in 0..(n / PUBLISHERS / batch).max(1) {
                    let messages = (0..batch).map(|number| message(bytes, number + publisher)).collect();
                    bus.publish(messages).await.expect("publish");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await;
    }
}

fn throughput(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("publish");
    group.sample_size(10).measurement_time(Duration::from_secs(4)).warm_up_time(Duration::from_secs(1));
    for (name, fsync) in [("interval", Fsync::Interval), ("always", Fsync::Always)] {
        for (size, n, batch) in
            [(100usize, 80_000u64, 100u64), (100, 800, 1), (5 << 10, 8_000, 10), (5 << 10, 800, 1)]
        {
            let (bus, _folder) = open(fsync);
            group.throughput(Throughput::Elements(n));
            group.bench_function(format!("{size} bytes, {batch} a call, fsync {name}"), |bencher| {
                bencher.iter(|| runtime.block_on(publish(&bus, n, batch, size)));
            });
        }
    }
}

fn latency(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("publish to delivery");
    group.sample_size(20).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for (name, fsync) in [("interval", Fsync::Interval), ("always", Fsync::Always)] {
        let (bus, _folder) = open(fsync);
        group.bench_function(format!("5120 bytes, fsync {name}"), |bencher| {
            bencher.iter_custom(|n| runtime.block_on(deliver(&bus, n)));
        });
    }
}

/// Time of `n` messages, each published once the one before has arrived at a waiting follower.
async fn deliver(bus: &Arc<dyn Bus>, n: u64) -> Duration {
    let mut follower = bus.follow(Topic::Metrics, Start::Latest).await.expect("follow");
    let limit = PollLimit { max_records: 10, max_bytes: 1 << 20, wait: Duration::from_secs(10) };
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let publisher = {
        let bus = Arc::clone(bus);
        spawn("publisher", async move {
            while let Some(number) = receiver.recv().await {
                bus.publish(vec![message(5 << 10, number)]).await.expect("publish");
            }
        })
    };
    let started = Instant::now();
    for number in 0..n {
        sender.send(number).await.expect("the publisher runs");
        assert_eq!(follower.poll(limit).await.expect("poll").len(), 1);
    }
    let elapsed = started.elapsed();
    drop(sender);
    publisher.await;
    elapsed
}

criterion_group!(benches, throughput, latency);
criterion_main!(benches);
