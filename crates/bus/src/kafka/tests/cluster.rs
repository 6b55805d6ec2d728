//! What only a real cluster shows: topics as declared, groups under load, an encrypted listener.

use std::collections::BTreeMap;

use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use sentinel_model::Timestamp;
use sentinel_runtime::ComponentState;

use super::super::client::KafkaConsumer;
use super::super::condition::Part;
use super::super::follower::{FollowerThread, TopicFollower};
use super::super::mailbox::Mailbox;
use super::super::threads::Threads;
use super::*;
use crate::{
    BusError, Commit, Delivered, Follower as _, Outgoing, PollLimit, Polled, Record, Route, Start,
    TopicPartition,
};

pub(super) const TOPIC: Topic = Topic::Metrics;
const LONG: Duration = Duration::from_secs(30);

fn at(partition: u32) -> TopicPartition {
    TopicPartition { topic: TOPIC, partition }
}

pub(super) fn message(partition: u32, value: impl Into<Bytes>) -> Outgoing {
    let record = Record {
        key: Bytes::new(),
        value: value.into(),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(1),
    };
    Outgoing { topic: TOPIC, route: Route::Partition(partition), record }
}

pub(super) fn limit(max_records: usize) -> PollLimit {
    PollLimit { max_records, max_bytes: 1 << 20, wait: Duration::from_secs(1) }
}

pub(super) async fn read_all(bus: &dyn Bus) -> Vec<Delivered> {
    crate::contract::read_all(bus, TOPIC).await
}

pub(super) fn degraded(health: &Health) -> Option<String> {
    match &health.report().components["bus"] {
        ComponentState::Degraded(reason) => Some(reason.clone()),
        _ => None,
    }
}

#[tokio::test]
async fn another_number_of_partitions_is_refused_with_the_line_to_write() {
    let Some(mut real) = Real::new() else { return };
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "a")]).await.expect("publish");
    drop(bus);
    real.config.partitions = 5;
    let bus = real.open_kafka();
    let error = bus.publish(vec![message(0, "b")]).await.expect_err("another number").to_string();
    assert!(error.contains("write: partitions = 3"), "{error}");
    assert!(is_refused(bus.follow(TOPIC, Start::Earliest).await) && is_refused(bus.offsets(at(0)).await));
    assert!(degraded(&real.health).is_some_and(|reason| reason.contains("partitions = 3")));
}

pub(super) fn is_refused<T>(result: Result<T, BusError>) -> bool {
    matches!(result, Err(BusError::Unavailable { .. }))
}

#[tokio::test]
async fn topics_become_what_is_declared_and_keep_what_others_have_set() {
    let Some(mut real) = Real::new() else { return };
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "a")]).await.expect("publish");
    drop(bus);
    real.config.retention.metrics = Duration::from_secs(77_000);
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "b")]).await.expect("publish");
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", real.config.brokers.join(","));
    let admin: AdminClient<DefaultClientContext> = client.create().expect("a client");
    let name = format!("{}{TOPIC}", real.config.topic_prefix);
    let topic = rdkafka::admin::ResourceSpecifier::Topic(&name);
    let found = admin.describe_configs([&topic], &AdminOptions::new()).await.expect("an answer");
    let found = found.into_iter().next().expect("the topic").expect("its settings");
    let value = |key| found.get(key).and_then(|entry| entry.value.clone()).unwrap_or_default();
    assert_eq!((&*value("retention.ms"), &*value("message.timestamp.type")), ("77000000", "LogAppendTime"));
    assert_eq!(real.health.report().components["bus"], ComponentState::Ready);
}

/// A client that fetches nothing any more and says nothing about it, as they have done in many ways over the years.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_is_found_and_replaced() {
    let Some(mut real) = Real::new() else { return };
    real.config.stall_timeout = Duration::from_secs(5);
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "a")]).await.expect("publish");
    // As `follow` does, with its client in hand.
    let prefix = real.config.topic_prefix.clone();
    let consumer: KafkaConsumer = bus.clients.create(&bus.clients.follower(&prefix)).expect("a client");
    let mailbox = Arc::new(Mailbox::new(1 << 20));
    let reader = bus.reader(consumer, &mailbox, Part::Group("that stalls".to_owned()));
    let client = Arc::clone(&reader.consumer);
    let mut follower = TopicFollower::new(mailbox, &[(at(0), 0)], &BTreeMap::new());
    let thread = FollowerThread { reader, prefix: prefix.clone(), metrics: Arc::clone(&bus.metrics) };
    Threads::start("stalls", move || thread.run(&[(at(0), Offset::Offset(0))])).expect("a thread");
    let mut read = Vec::new();
    let mut poll = async |n: usize| {
        while read.len() < n {
            read.extend(follower.poll(limit(10)).await.expect("poll"));
        }
        read.iter().map(|delivered| delivered.record.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(poll(1).await, ["a"]);
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition(&format!("{prefix}{TOPIC}"), 0);
    assert_eq!(bus.metrics.consumer_rebuilds.get(), 0, "else the client is another one by now");
    client.pause(&partitions).expect("a pause behind the reader's back");
    bus.publish(vec![message(0, "b")]).await.expect("publish");
    let read = tokio::time::timeout(LONG, poll(2)).await.expect("it is replaced in time");
    assert_eq!((read, bus.metrics.consumer_rebuilds.get()), (vec![Bytes::from("a"), Bytes::from("b")], 1));
}

/// In a topic whose segments would be smaller by what it keeps.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_by_default_comes_back() {
    let Some(mut real) = Real::new() else { return };
    real.config.max_message_bytes = KafkaConfig::default().max_message_bytes;
    real.config.max_bytes.logs = 128 << 20;
    real.config.retention.logs = KafkaConfig::default().retention.logs;
    crate::contract::log::refuses_what_is_too_large(&mut real).await;
}

/// What no client of ours would send: unpacked, it is larger than any message may be.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_cannot_be_unpacked_is_told_of_and_holds_up_its_partition_alone() {
    let Some(real) = Real::new() else { return };
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "a")]).await.expect("publish");
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", &real.unencrypted).set("compression.codec", "zstd");
    client.set("message.max.bytes", "200000000");
    let foreign: FutureProducer = client.create().expect("a client");
    let (topic, bomb) = (format!("{}{TOPIC}", real.config.topic_prefix), vec![0; 100 << 20]);
    let record = FutureRecord::<(), _>::to(&topic).partition(0).payload(&bomb);
    foreign.send(record, LONG).await.expect("a broker sees that it is small");
    bus.publish(vec![message(0, "b"), message(1, "c")]).await.expect("publish");

    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    let mut read = Vec::new();
    let is_told = || {
        let told = degraded(&real.health).unwrap_or_default();
        told.contains(".g cannot be unpacked") && told.contains("kafka-delete-records.sh")
    };
    let waiting = async {
        while !is_told() || read.len() < 2 {
            if let Polled::Records(records) = consumer.poll(limit(10)).await.expect("poll") {
                read.extend(records.into_iter().map(|delivered| delivered.record.value));
            }
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("it is told, and the other partition is read");
    read.sort();
    assert_eq!(read, ["a", "c"]);
    assert!(bus.metrics.unreadable_batches.get() > 0);
}

/// A store that is away holds the application for longer than the session, and for much more than fits into
/// the buffers; meanwhile the member stays in its group and loses nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_held_up_keeps_its_partitions_and_loses_nothing() {
    let Some(mut real) = Real::new() else { return };
    real.config.read_buffer_bytes = 1 << 20;
    let bus = real.open_kafka();
    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    let mut n_owned = 0;
    while n_owned < 3 {
        if let Polled::Assigned(list) = consumer.poll(limit(1)).await.expect("poll") {
            n_owned += list.len();
        }
    }
    const N: u32 = 600;
    for batch in 0..N / 20 {
        let value = |n: u32| [&n.to_be_bytes()[..], &vec![7; 32_000]].concat();
        let messages = (0..20).map(|n| message((batch * 20 + n) % 3, value(batch * 20 + n))).collect();
        bus.publish(messages).await.expect("publish");
    }
    // Longer than the session of 6 s, and than it takes to pause.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let mut delivered = Vec::new();
    while delivered.len() < N as usize {
        match consumer.poll(limit(100)).await.expect("poll") {
            Polled::Records(records) => delivered.extend(records),
            Polled::Idle => {}
            other => panic!("the partitions must not move: {other:?}"),
        }
    }
    for partition in 0..3 {
        let offsets: Vec<u64> = delivered
            .iter()
            .filter(|delivered| delivered.position.at.partition == partition)
            .map(|delivered| delivered.position.offset)
            .collect();
        assert_eq!(offsets, (0..u64::from(N) / 3).collect::<Vec<_>>());
    }
    let commit = Commit { offset: u64::from(N) / 3, metadata: String::new() };
    consumer.commit(&[(at(0), commit)]).await.expect("commit");
}

/// A publish that is dropped half-way leaves nothing behind that could come later, in another order.
#[tokio::test(flavor = "multi_thread")]
async fn publishes_that_are_dropped_half_way_keep_the_order() {
    let Some(real) = Real::new() else { return };
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "0")]).await.expect("publish");
    let mut next = 1u32;
    for attempt in 0..60u64 {
        let batch = |next: u32| (next..next + 50).map(|n| message(0, n.to_string())).collect::<Vec<_>>();
        let patience = Duration::from_micros(attempt * 300);
        if tokio::time::timeout(patience, bus.publish(batch(next))).await.is_err() {
            bus.publish(batch(next)).await.expect("publish");
        }
        next += 50;
    }
    let numbers = first_occurrences(&read_all(&bus).await);
    assert_eq!(numbers, (0..next).collect::<Vec<_>>());
}

/// Numbers in the order in which each came first.
fn first_occurrences(delivered: &[Delivered]) -> Vec<u32> {
    let mut seen = std::collections::BTreeSet::new();
    let number = |delivered: &Delivered| -> u32 {
        std::str::from_utf8(&delivered.record.value).expect("text").parse().expect("a number")
    };
    delivered.iter().map(number).filter(|number| seen.insert(*number)).collect()
}

/// What others write into our topics must not end the thread that reads.
#[tokio::test]
async fn foreign_messages_are_read_as_they_are() {
    let Some(real) = Real::new() else { return };
    let bus = real.open_kafka();
    bus.publish(vec![message(0, "ours")]).await.expect("publish");
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", real.config.brokers.join(","));
    let producer: FutureProducer = client.create().expect("a client");
    let name = format!("{}{TOPIC}", real.config.topic_prefix);
    let bare: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&name).partition(0);
    producer.send(bare, LONG).await.expect("published");
    let delivered = read_all(&bus).await;
    assert_eq!(delivered.len(), 2);
    let foreign = &delivered[1].record;
    assert!(foreign.key.is_empty() && foreign.value.is_empty() && foreign.headers.is_empty());
    let age = sentinel_runtime::clock::now_millis() - foreign.timestamp.as_millis();
    assert!((-60_000..60_000).contains(&age), "the broker's time: {age} ms ago");
}

/// The groups of a prefix are another installation's.
#[tokio::test]
async fn names_on_the_cluster_carry_the_prefix() {
    let Some(real) = Real::new() else { return };
    let bus = real.open_kafka();
    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    while !matches!(consumer.poll(limit(1)).await.expect("poll"), Polled::Assigned(_)) {}
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", real.config.brokers.join(","));
    let client: BaseConsumer = client.create().expect("a client");
    let groups = client.fetch_group_list(None, LONG).expect("groups");
    assert!(groups.groups().iter().any(|group| group.name() == format!("{}g", real.config.topic_prefix)));
}
