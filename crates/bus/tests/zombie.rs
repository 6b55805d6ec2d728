//! A member of a group that was stopped (SIGSTOP) for longer than its session and goes on: its partitions
//! have moved, and what it commits then is refused.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use sentinel_bus::{
    Bus, BusError, Commit, Config, Consumer, KafkaConfig, Outgoing, PollLimit, Polled, Record, Route, Start,
    TopicPartition,
};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::config::variable;
use sentinel_runtime::{Health, Registry};
use sentinel_testkit::{Victim, stack};
use std::sync::Arc;

const TOPIC: Topic = Topic::Metrics;
const AT: TopicPartition = TopicPartition { topic: TOPIC, partition: 0 };
const BROKERS: &str = "SENTINEL_ZOMBIE_BROKERS";
const PREFIX: &str = "SENTINEL_ZOMBIE_PREFIX";

fn open(brokers: &str, prefix: &str) -> Arc<dyn Bus> {
    let config = Config::Kafka(KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        topic_prefix: prefix.to_owned(),
        partitions: 1,
        ..KafkaConfig::default()
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    sentinel_bus::open(&config, folder.path(), &Health::default(), &mut Registry::default()).expect("open")
}

async fn own(consumer: &mut dyn Consumer) {
    let limit = PollLimit { max_records: 1, max_bytes: 1, wait: Duration::from_secs(1) };
    while !matches!(consumer.poll(limit).await.expect("poll"), Polled::Assigned(_)) {}
}

fn commit(offset: u64) -> [(TopicPartition, Commit); 1] {
    [(AT, Commit { offset, metadata: String::new() })]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_cannot_commit() {
    let Some(brokers) = stack::kafka() else { return };
    let prefix = format!("test-{:08x}.", rand::rng().random::<u32>());
    let bus = open(&brokers, &prefix);
    let record = Record {
        key: Bytes::new(),
        value: Bytes::from_static(b"a"),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(1),
    };
    let message = Outgoing { topic: TOPIC, route: Route::Partition(0), record };
    bus.publish(vec![message; 9]).await.expect("publish");

    let mut zombie = Victim::start(&[(BROKERS, &brokers), (PREFIX, &prefix)]);
    // It commits 1, again and again.
    while !zombie.line().starts_with("committed") {}
    zombie.pause();
    let mut successor = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    own(&mut *successor).await;
    successor.commit(&commit(9)).await.expect("commit");
    zombie.resume();
    while !zombie.line().starts_with("refused") {}
    let commits = bus.committed("g", TOPIC).await.expect("committed");
    assert_eq!(commits, [Some(Commit { offset: 9, metadata: String::new() })]);
    zombie.kill();
    drop((successor, bus));
    remove(&brokers, &format!("{prefix}{TOPIC}")).await;
}

async fn remove(brokers: &str, topic: &str) {
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    let admin: AdminClient<DefaultClientContext> = client.create().expect("a client");
    let names: Vec<String> =
        Topic::ALL.iter().map(|other| topic.replace(TOPIC.as_str(), other.as_str())).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    admin.delete_topics(&names, &AdminOptions::new()).await.expect("removed");
}

/// The other process: it owns the partition and is busy committing, without looking at what the group does.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "its parent reads")]
async fn victim() {
    let (Some(brokers), Some(prefix)) = (variable(BROKERS), variable(PREFIX)) else { return };
    let bus = open(&brokers, &prefix);
    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    own(&mut *consumer).await;
    loop {
        match consumer.commit(&commit(1)).await {
            Ok(()) => println!("committed"),
            Err(BusError::NotOwner { .. }) => println!("refused"),
            Err(error) => println!("failed: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
