//! What can be seen without a cluster, or with one that is played.

use std::time::Instant;

use bytes::Bytes;
use sentinel_model::Timestamp;
use sentinel_runtime::ComponentState;
use sentinel_testkit::wait_until;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::{BusError, Outgoing, Record, Route, Start, TopicPartition};

/// A cluster of which nothing answers.
fn away() -> Lonely {
    on("127.0.0.1:1")
}

fn on(address: &str) -> Lonely {
    let config = KafkaConfig {
        brokers: vec![address.to_owned()],
        publish_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(1),
        ..KafkaConfig::default()
    };
    let health = Health::default();
    let bus = KafkaBus::open(config, &health, &mut Registry::default()).expect("open");
    Lonely { bus, health }
}

struct Lonely {
    bus: KafkaBus,
    health: Health,
}

fn message(key: &'static str, bytes: usize) -> Outgoing {
    let record = Record {
        key: Bytes::from_static(key.as_bytes()),
        value: Bytes::from(vec![0; bytes]),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(1),
    };
    Outgoing { topic: Topic::Metrics, route: Route::ByKey, record }
}

fn is_unavailable<T>(result: Result<T, BusError>) -> bool {
    matches!(result, Err(error @ BusError::Unavailable { .. }) if error.is_retryable())
}

#[tokio::test]
async fn a_cluster_that_is_away_is_said_to_be_and_nothing_hangs() {
    let Lonely { bus, health } = away();
    let started = Instant::now();
    assert!(is_unavailable(bus.publish(vec![message("a", 1)]).await));
    assert!(is_unavailable(bus.offsets(TopicPartition { topic: Topic::Logs, partition: 0 }).await));
    assert!(is_unavailable(bus.committed("g", Topic::Logs).await));
    assert!(is_unavailable(bus.join("g", &[Topic::Logs], Start::Earliest).await));
    assert!(is_unavailable(bus.follow(Topic::Logs, Start::Earliest).await));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let is_told = || match &health.report().components["bus"] {
        ComponentState::Degraded(reason) => reason.contains("bus.brokers"),
        _ => false,
    };
    wait_until("it is told what to do", is_told).await;
    assert_eq!(bus.n_partitions(Topic::Logs), 4, "as configured");
    assert_eq!(bus.stored_bytes(Topic::Logs).await.expect("unknown"), None);
}

/// A listener that takes connections and never answers, as a broker under SIGSTOP.
#[tokio::test]
async fn a_broker_that_is_mute_does_not_hold_anybody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let _mute = sentinel_runtime::spawn("mute", async move {
        let mut connections = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            connections.push(sentinel_runtime::spawn("read", async move {
                let mut buffer = [0; 1_024];
                while connection.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
            }));
        }
    });
    let Lonely { bus, .. } = on(&address);
    let started = Instant::now();
    assert!(is_unavailable(bus.publish(vec![message("a", 1)]).await));
    assert!(is_unavailable(bus.follow(Topic::Logs, Start::Earliest).await));
    drop(bus);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_can_never_be_taken_is_refused_without_asking() {
    let Lonely { bus, .. } = away();
    let limit = KafkaConfig::default().max_message_bytes as usize;
    let error = bus.publish(vec![message("a", 1), message("b", limit)]).await.expect_err("too large");
    assert!(matches!(error, BusError::TooLarge { bytes, limit: max } if (bytes, max) == (limit + 1, limit)));
    let outgoing = Outgoing { route: Route::Partition(4), ..message("a", 1) };
    let error = bus.publish(vec![outgoing]).await.expect_err("no such partition");
    assert!(matches!(error, BusError::UnknownPartition { partition: 4, n_partitions: 4, .. }));
    let at = TopicPartition { topic: Topic::Logs, partition: 4 };
    assert!(matches!(bus.offsets(at).await, Err(BusError::UnknownPartition { .. })));
}

#[tokio::test]
async fn a_key_falls_into_the_partition_that_kafkas_clients_choose() {
    let Lonely { bus, .. } = away();
    let addressed = bus.address(message("21", 1)).expect("an address");
    assert_eq!(addressed.at.partition, (0x7fff_ffff & (-973_932_308i32).cast_unsigned()) % 4);
}
