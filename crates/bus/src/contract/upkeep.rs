//! Compaction and retention.

use super::*;
use crate::{Commit, Offsets, Polled};

const COMPACTED: Topic = Topic::Objects;
const TOPIC: Topic = Topic::Logs;

/// Ages what there is; false, with a line that says so, where that cannot be done.
async fn age(harness: &mut dyn Harness, by: Duration) -> bool {
    let aged = harness.age(by).await;
    if !aged {
        eprintln!("SKIPPED: this adapter cannot let time pass");
    }
    aged
}

async fn put(bus: &dyn Bus, key: &str, value: &str) {
    bus.publish(vec![message(at(COMPACTED, 0), key, value)]).await.expect("publish");
}

/// Key and value of what is left, without the closing message that keeps the last place.
async fn contents(bus: &dyn Bus) -> Vec<(String, String)> {
    let delivered = read_all(bus, COMPACTED).await;
    assert!(offsets(&delivered, at(COMPACTED, 0)).is_sorted());
    let pair = |delivered: &Delivered| (text(&delivered.record.key), text(&delivered.record.value));
    delivered.iter().map(pair).filter(|(key, _)| key != "last").collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn compaction_keeps_the_last_message_of_each_key(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    for (key, value) in [("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", "2"), ("last", "")] {
        put(&*bus, key, value).await;
    }
    let span = harness.retention(COMPACTED);
    if !age(harness, 2 * span).await {
        return;
    }
    assert_eq!(contents(&*bus).await, pairs(&[("a", "2"), ("c", "1"), ("b", "2")]));
    let offsets = bus.offsets(at(COMPACTED, 0)).await.expect("offsets");
    assert!(offsets.earliest <= 2 && offsets.next == 6, "{offsets:?}");
    put(&*bus, "a", "3").await;
    put(&*bus, "last", "").await;
    age(harness, 2 * span).await;
    assert_eq!(contents(&*bus).await, pairs(&[("c", "1"), ("b", "2"), ("a", "3")]));
}

pub async fn compaction_survives_a_reopen(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    for (key, value) in [("a", "1"), ("a", "2"), ("last", "")] {
        put(&*bus, key, value).await;
    }
    let span = harness.retention(COMPACTED);
    if !age(harness, 2 * span).await {
        return;
    }
    let before = contents(&*bus).await;
    drop(bus);
    let bus = harness.open().await;
    assert_eq!(contents(&*bus).await, before);
    put(&*bus, "a", "3").await;
    put(&*bus, "last", "").await;
    assert_eq!(bus.offsets(at(COMPACTED, 0)).await.expect("offsets").next, 5);
    drop(bus);
    let bus = harness.open().await;
    age(harness, 2 * span).await;
    assert_eq!(contents(&*bus).await, pairs(&[("a", "3")]));
}

pub async fn a_tombstone_removes_its_key_and_then_itself(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    for (key, value) in [("a", "1"), ("b", "1"), ("last", "")] {
        put(&*bus, key, value).await;
    }
    let span = harness.retention(COMPACTED);
    if !age(harness, span - Duration::from_millis(1)).await {
        return;
    }
    put(&*bus, "a", "").await;
    put(&*bus, "last", "").await;
    // The first messages are old enough for compaction now, the tombstone is not old enough to go.
    age(harness, Duration::from_millis(1)).await;
    assert_eq!(contents(&*bus).await, pairs(&[("b", "1"), ("a", "")]));
    age(harness, 2 * span).await;
    assert_eq!(contents(&*bus).await, pairs(&[("b", "1")]));
}

pub async fn messages_go_after_their_time_and_not_before(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let span = harness.retention(TOPIC);
    publish(&*bus, at(TOPIC, 0), &["old", "old"]).await;
    if !age(harness, span * 3 / 4).await {
        return;
    }
    publish(&*bus, at(TOPIC, 0), &["young"]).await;
    publish(&*bus, at(TOPIC, 1), &["young"]).await;
    assert_eq!(values(&read_all(&*bus, TOPIC).await).len(), 4);
    age(harness, span / 2).await;
    assert_eq!(values(&read_all(&*bus, TOPIC).await), ["young", "young"]);
    assert_eq!(bus.offsets(at(TOPIC, 0)).await.expect("offsets"), Offsets { earliest: 2, next: 3 });
    drop(bus);
    let bus = harness.open().await;
    assert_eq!(values(&read_all(&*bus, TOPIC).await), ["young", "young"]);
}

pub async fn a_reader_whose_offset_is_gone_continues_at_the_earliest(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let span = harness.retention(TOPIC);
    publish(&*bus, at(TOPIC, 0), &["a", "b", "c"]).await;
    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    while !matches!(consumer.poll(limit(LONG)).await.expect("poll"), Polled::Records(_)) {}
    let commit = Commit { offset: 1, metadata: String::new() };
    consumer.commit(&[(at(TOPIC, 0), commit)]).await.expect("commit");
    let mut follower = bus.follow(TOPIC, Start::Earliest).await.expect("follow");
    drop(consumer);
    if !age(harness, 2 * span).await {
        return;
    }
    assert_eq!(publish(&*bus, at(TOPIC, 0), &["d"]).await, [3]);
    // It may have read ahead before they were removed.
    let mut followed = Vec::new();
    while followed.last().is_none_or(|last| last != "d") {
        followed.extend(values(&follower.poll(limit(LONG)).await.expect("poll")));
    }
    assert!(["a", "b", "c", "d"].ends_with(&followed.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    loop {
        if let Polled::Records(records) = consumer.poll(limit(LONG)).await.expect("poll") {
            assert_eq!(values(&records), ["d"]);
            break;
        }
    }
}

pub async fn offsets_are_not_given_twice_after_everything_is_gone(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let span = harness.retention(TOPIC);
    publish(&*bus, at(TOPIC, 0), &["a", "b"]).await;
    if !age(harness, 2 * span).await {
        return;
    }
    assert_eq!(read_all(&*bus, TOPIC).await, []);
    assert!(matches!(bus.stored_bytes(TOPIC).await.expect("bytes"), Some(0) | None));
    drop(bus);
    let bus = harness.open().await;
    assert_eq!(bus.offsets(at(TOPIC, 0)).await.expect("offsets"), Offsets { earliest: 2, next: 2 });
    assert_eq!(publish(&*bus, at(TOPIC, 0), &["c"]).await, [2]);
    drop(bus);
    assert_eq!(values(&read_all(&*harness.open().await, TOPIC).await), ["c"]);
}
