//! What happens when the disk refuses.

use std::time::Duration;

use sentinel_model::Topic;
use sentinel_runtime::{ComponentState, Health, Registry};

use super::super::{EmbeddedBus, storage, store::Store};
use super::Embedded;
use crate::contract::read_all;
use crate::{Bus, BusError, Commit, Outgoing, PollLimit, Polled, Record, Route, Start, TopicPartition};

fn message(topic: Topic) -> Outgoing {
    let record = Record {
        key: "k".into(),
        value: topic.as_str().into(),
        headers: Vec::new(),
        timestamp: sentinel_model::Timestamp::from_secs(1),
    };
    Outgoing { topic, route: Route::Partition(0), record }
}

fn state(health: &Health) -> ComponentState {
    health.report().components["bus"].clone()
}

#[tokio::test]
async fn a_failed_publish_leaves_nothing_behind_and_the_next_one_works() {
    let harness = Embedded::new();
    let health = Health::default();
    let open = || {
        let store =
            Store::open(harness.data_dir(), harness.config.clone(), &mut Registry::default()).expect("open");
        storage::wait_until_flushed(&store.database, store.catalog.keyspace());
        storage::wait_until_flushed(&store.database, store.commits.keyspace());
        EmbeddedBus::start(store, &health).expect("start")
    };
    let bus = open();
    bus.publish(vec![message(Topic::Logs)]).await.expect("publish");
    let (keyspaces, aside) = (harness.path().join("keyspaces"), harness.path().join("aside"));
    std::fs::rename(&keyspaces, &aside).expect("put the folder aside");
    std::fs::write(&keyspaces, "in the way").expect("a file in its place");

    let error = bus.publish(vec![message(Topic::Logs), message(Topic::Events)]).await;
    assert!(matches!(error, Err(BusError::Storage { .. })), "{error:?}");
    assert!(matches!(state(&health), ComponentState::Failed(reason) if reason.contains("disk")));
    assert_eq!(read_all(&bus, Topic::Logs).await.len(), 1);

    std::fs::remove_file(&keyspaces).expect("clear the way");
    std::fs::rename(&aside, &keyspaces).expect("put the folder back");
    let positions = bus.publish(vec![message(Topic::Logs), message(Topic::Events)]).await.expect("publish");
    assert_eq!(positions.iter().map(|position| position.offset).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(state(&health), ComponentState::Ready);
    drop(bus);
    let bus = open();
    assert_eq!(read_all(&bus, Topic::Logs).await.len(), 2);
    assert_eq!(read_all(&bus, Topic::Events).await.len(), 1);
}

#[tokio::test]
async fn leaves_the_rest_of_the_disk_alone_but_lets_go_of_what_was_read() {
    let mut harness = Embedded::new();
    let bus = harness.open_embedded();
    bus.publish(vec![message(Topic::Logs)]).await.expect("publish");
    drop(bus);
    harness.min_free = u64::MAX;
    let bus = harness.open_embedded();
    let error = bus.publish(vec![message(Topic::Logs)]).await.expect_err("no disk has that much room");
    assert!(error.is_retryable() && error.to_string().contains("min_free_disk"), "{error}");
    let state = state(&harness.health);
    assert!(matches!(&state, ComponentState::Degraded(_)), "{state:?}");
    let at = TopicPartition { topic: Topic::Logs, partition: 0 };
    let mut consumer = bus.join("group", &[Topic::Logs], Start::Earliest).await.expect("join");
    let commit = Commit { offset: 1, metadata: String::new() };
    let limit = PollLimit { max_records: 1, max_bytes: 1 << 20, wait: Duration::from_secs(20) };
    while !matches!(consumer.poll(limit).await.expect("poll"), Polled::Records(_)) {}
    consumer.commit(&[(at, commit)]).await.expect("what was read can be let go of");
}

#[tokio::test]
async fn a_spoilt_message_is_passed_over() {
    let mut harness = Embedded::new();
    let bus = harness.open_embedded();
    bus.publish(vec![message(Topic::Logs), message(Topic::Logs), message(Topic::Logs)])
        .await
        .expect("publish");
    let store = &bus.handle.store;
    let log = store.topic(Topic::Logs);
    let segment = log.open_segment().expect("an open segment");
    let key = super::super::codec::row_key(0, 1);
    let mut row = segment.keyspace().get(key).expect("read").expect("a row").to_vec();
    *row.last_mut().expect("a byte") ^= 1;
    segment.keyspace().insert(key, row).expect("write");
    let offsets: Vec<u64> =
        read_all(&bus, Topic::Logs).await.iter().map(|delivered| delivered.position.offset).collect();
    assert_eq!(offsets, [0, 2]);
    assert_eq!(store.metrics.corrupt_records.get_or_create(&Topic::Logs.into()).get(), 1);
}
