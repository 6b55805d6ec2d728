//! Publishing and following.

use std::time::Instant;

use super::*;
use crate::{BusError, Offsets};

const TOPIC: Topic = Topic::Logs;

pub async fn keeps_the_order_within_a_partition(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    for batch in 0..20 {
        let values: Vec<String> = (0..10).map(|n| format!("{}", batch * 10 + n)).collect();
        publish(&*bus, at(TOPIC, batch % 2), &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let delivered = read_all(&*bus, TOPIC).await;
    for partition in 0..2 {
        let numbers: Vec<u64> = delivered
            .iter()
            .filter(|delivered| delivered.position.at.partition == partition)
            .map(|delivered| text(&delivered.record.value).parse().expect("a number"))
            .collect();
        assert_eq!(numbers.len(), 100);
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

pub async fn gives_each_message_the_next_offset_of_its_partition(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    assert_eq!(bus.offsets(at(TOPIC, 0)).await.expect("offsets"), Offsets { earliest: 0, next: 0 });
    assert_eq!(bus.publish(Vec::new()).await.expect("nothing to do"), []);
    let messages = vec![
        message(at(TOPIC, 0), "", "a"),
        message(at(TOPIC, 1), "", "b"),
        message(at(TOPIC, 0), "", "c"),
        message(at(Topic::Events, 0), "", "d"),
    ];
    let positions = bus.publish(messages).await.expect("publish");
    let expected = [(TOPIC, 0, 0), (TOPIC, 1, 0), (TOPIC, 0, 1), (Topic::Events, 0, 0)];
    let expected = expected.map(|(topic, partition, offset)| Position { at: at(topic, partition), offset });
    assert_eq!(positions, expected);
    assert_eq!(bus.offsets(at(TOPIC, 0)).await.expect("offsets"), Offsets { earliest: 0, next: 2 });
}

pub async fn gives_messages_back_as_they_were(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let full = Record {
        key: Bytes::from_static(&[0, 255, 1]),
        value: Bytes::from(vec![7; 5_000]),
        headers: vec![
            ("trace".to_owned(), Bytes::from_static(b"\x00\x01")),
            ("trace".to_owned(), Bytes::new()),
        ],
        timestamp: Timestamp::from_millis(1_700_000_000_123),
    };
    let empty = Record { key: Bytes::new(), value: Bytes::new(), headers: Vec::new(), ..full.clone() };
    for record in [&full, &empty] {
        let message = Outgoing { topic: TOPIC, route: Route::Partition(1), record: record.clone() };
        bus.publish(vec![message]).await.expect("publish");
    }
    let delivered: Vec<Record> =
        read_all(&*bus, TOPIC).await.into_iter().map(|delivered| delivered.record).collect();
    assert_eq!(delivered, [full, empty]);
}

pub async fn messages_survive_a_reopen(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 0), &["a", "b"]).await;
    let before = read_all(&*bus, TOPIC).await;
    drop(bus);
    let bus = harness.open().await;
    assert_eq!(read_all(&*bus, TOPIC).await, before);
    assert_eq!(values(&before), ["a", "b"]);
}

pub async fn offsets_go_on_after_a_reopen(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 1), &["a", "b", "c"]).await;
    drop(bus);
    let bus = harness.open().await;
    assert_eq!(bus.offsets(at(TOPIC, 1)).await.expect("offsets"), Offsets { earliest: 0, next: 3 });
    assert_eq!(publish(&*bus, at(TOPIC, 1), &["d"]).await, [3]);
    assert_eq!(publish(&*bus, at(TOPIC, 0), &["e"]).await, [0]);
}

pub async fn concurrent_publishers_lose_nothing(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let publishers = (0..8u32).map(|publisher| {
        let bus = Arc::clone(&bus);
        async move {
            let mut acknowledged = Vec::new();
            for n in 0..50 {
                let value = format!("{publisher}/{n}");
                acknowledged.push((publish(&*bus, at(TOPIC, publisher % 2), &[&value]).await[0], value));
            }
            assert!(acknowledged.is_sorted_by_key(|(offset, _)| *offset));
            acknowledged
        }
    });
    let tasks: Vec<_> = publishers.map(|publisher| sentinel_runtime::spawn("publisher", publisher)).collect();
    let mut acknowledged = 0;
    for (publisher, task) in tasks.into_iter().enumerate() {
        let partition = at(TOPIC, publisher as u32 % 2);
        let delivered = read_all(&*bus, TOPIC).await;
        for (offset, value) in task.await {
            let found =
                delivered.iter().find(|delivered| delivered.position == Position { at: partition, offset });
            // What was acknowledged after the read began is looked for in the end.
            assert!(found.is_none_or(|delivered| text(&delivered.record.value) == value));
            acknowledged += 1;
        }
    }
    let mut delivered = values(&read_all(&*bus, TOPIC).await);
    delivered.sort_unstable();
    delivered.dedup();
    assert_eq!((delivered.len(), acknowledged), (400, 400));
}

pub async fn one_key_stays_in_one_partition(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let keyed = |key: &str| Outgoing { topic: TOPIC, route: Route::ByKey, record: record(key, "") };
    let positions = bus.publish(vec![keyed("21"), keyed("foobar"), keyed("21")]).await.expect("publish");
    assert_eq!(positions[0].at, positions[2].at);
    // As Kafka's clients would choose it: murmur2("21") is -973932308.
    let expected = (0x7fff_ffff & (-973_932_308i32).cast_unsigned()) % bus.n_partitions(TOPIC);
    assert_eq!(positions[0].at.partition, expected);
}

pub async fn refuses_what_is_too_large(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let max = harness.max_message_bytes();
    let sized = |bytes| {
        // Nothing that compression could make smaller.
        let noise = |n: usize| ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u8;
        let record = Record { value: (0..bytes - 1).map(noise).collect(), ..record("k", "") };
        Outgoing { topic: TOPIC, route: Route::Partition(0), record }
    };
    let error = bus.publish(vec![sized(max + 1)]).await.expect_err("too large");
    assert!(matches!(error, BusError::TooLarge { bytes, limit } if (bytes, limit) == (max + 1, max)));
    assert!(!error.is_retryable());
    bus.publish(vec![sized(max)]).await.expect("as large as can be");
    let delivered = read_all(&*bus, TOPIC).await;
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].record == sized(max).record, "it comes back as it was");
}

pub async fn refuses_a_partition_that_does_not_exist(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let n = bus.n_partitions(TOPIC);
    let good = message(at(TOPIC, 0), "", "a");
    let error = bus.publish(vec![good, message(at(TOPIC, n), "", "b")]).await.expect_err("no such partition");
    assert!(matches!(error, BusError::UnknownPartition { partition, n_partitions, .. }
        if (partition, n_partitions) == (n, n)));
    assert!(matches!(bus.offsets(at(TOPIC, n)).await, Err(BusError::UnknownPartition { .. })));
}

pub async fn a_follower_that_comes_late_gets_everything_and_then_has_caught_up(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    assert!(bus.follow(TOPIC, Start::Earliest).await.expect("follow").is_caught_up(), "nothing to catch up");
    publish(&*bus, at(TOPIC, 0), &["a", "b"]).await;
    publish(&*bus, at(TOPIC, 1), &["c"]).await;
    let mut follower = bus.follow(TOPIC, Start::Earliest).await.expect("follow");
    assert!(!follower.is_caught_up());
    let mut caught_up = values(&catch_up(&mut *follower).await);
    caught_up.sort_unstable();
    assert_eq!(caught_up, ["a", "b", "c"]);
    publish(&*bus, at(TOPIC, 1), &["d"]).await;
    assert!(follower.is_caught_up(), "what came later does not count");
    assert_eq!(values(&follower.poll(limit(LONG)).await.expect("poll")), ["d"]);
    assert_eq!(follower.poll(limit(SHORT)).await.expect("poll"), []);
}

pub async fn a_follower_from_the_latest_gets_only_what_comes(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 0), &["a"]).await;
    let mut follower = bus.follow(TOPIC, Start::Latest).await.expect("follow");
    assert!(follower.is_caught_up());
    publish(&*bus, at(TOPIC, 0), &["b"]).await;
    assert_eq!(values(&follower.poll(limit(LONG)).await.expect("poll")), ["b"]);
}

pub async fn a_poll_keeps_to_its_limits_but_gives_one_message_at_least(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 0), &["aaaa", "bbbb", "cccc", "dddd"]).await;
    let mut follower = bus.follow(TOPIC, Start::Earliest).await.expect("follow");
    let mut poll = async |max_records, max_bytes| {
        let delivered = follower.poll(PollLimit { max_records, max_bytes, wait: LONG }).await;
        values(&delivered.expect("poll"))
    };
    assert_eq!(poll(10, 9).await, ["aaaa", "bbbb"]);
    assert_eq!(poll(10, 1).await, ["cccc"]);
    publish(&*bus, at(TOPIC, 0), &["eeee"]).await;
    assert_eq!(poll(1, 100).await, ["dddd"]);
    assert_eq!(poll(1, 100).await, ["eeee"]);
}

pub async fn a_waiting_reader_is_woken_by_a_publish(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let mut follower = bus.follow(TOPIC, Start::Earliest).await.expect("follow");
    let mut consumer = bus.join("woken", &[TOPIC, Topic::Events], Start::Earliest).await.expect("join");
    while !matches!(consumer.poll(limit(LONG)).await.expect("poll"), crate::Polled::Assigned(_)) {}
    let started = Instant::now();
    let (followed, consumed, _) = tokio::join!(
        follower.poll(limit(LONG)),
        consumer.poll(limit(LONG)),
        publish(&*bus, at(TOPIC, 1), &["a"]),
    );
    assert_eq!(values(&followed.expect("poll")), ["a"]);
    assert!(matches!(consumed.expect("poll"), crate::Polled::Records(records) if values(&records) == ["a"]));
    assert!(started.elapsed() < LONG / 4, "woken after {:?} only", started.elapsed());
}

pub async fn the_bytes_that_are_stored_grow(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let Some(0) = bus.stored_bytes(TOPIC).await.expect("bytes") else { return };
    publish(&*bus, at(TOPIC, 0), &["a"; 100]).await;
    let stored = bus.stored_bytes(TOPIC).await.expect("bytes");
    assert!(stored >= Some(100));
    drop(bus);
    assert_eq!(harness.open().await.stored_bytes(TOPIC).await.expect("bytes"), stored);
}
