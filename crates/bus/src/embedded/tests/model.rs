//! The log against a simple model of itself, under random operations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use sentinel_model::{Timestamp, Topic};

use super::Embedded;
use crate::{
    Bus, Commit, Consumer, EmbeddedConfig, Fsync, MaxBytes, Outgoing, PollLimit, Polled, Record, Retention,
    Route, Start, TopicPartition,
};

const PARTITIONS: u32 = 2;
const RETENTION: Duration = Duration::from_secs(8);
const MAX_BYTES: u64 = 6_000;
const TOMBSTONES: Duration = Duration::from_secs(5);
const GROUP: &str = "model";

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<Message>),
    Advance(u64),
    Maintain,
    Reopen,
    Join,
    Poll { records: usize, bytes: usize },
    Commit { partition: u32, note: String },
    Check,
}

#[derive(Clone, Debug)]
struct Message {
    topic: Topic,
    partition: u32,
    key: u8,
    /// 0 is a tombstone.
    n_value: usize,
}

/// A message as it was acknowledged.
#[derive(Clone, Debug)]
struct Known {
    offset: u64,
    appended: i64,
    record: Record,
}

#[derive(Default)]
struct Model {
    logs: BTreeMap<TopicPartition, Vec<Known>>,
    commits: BTreeMap<TopicPartition, Commit>,
    serial: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let topic = prop_oneof![Just(Topic::Logs), Just(Topic::Objects)];
    let n_value = prop_oneof![1 => Just(0usize), 6 => 1..300usize];
    let message = (topic, 0..PARTITIONS, 0..6u8, n_value)
        .prop_map(|(topic, partition, key, n_value)| Message { topic, partition, key, n_value });
    let step = prop_oneof![
        8 => prop::collection::vec(message, 1..12).prop_map(Step::Publish),
        3 => (1..4_000u64).prop_map(Step::Advance),
        3 => Just(Step::Maintain),
        2 => Just(Step::Reopen),
        1 => Just(Step::Join),
        4 => (1..20usize, 1..2_000usize).prop_map(|(records, bytes)| Step::Poll { records, bytes }),
        2 => (0..PARTITIONS, "[a-z]{0,8}").prop_map(|(partition, note)| Step::Commit { partition, note }),
        2 => Just(Step::Check),
    ];
    prop::collection::vec(step, 1..40)
}

fn harness() -> Embedded {
    Embedded::with(EmbeddedConfig {
        partitions: PARTITIONS,
        fsync: Fsync::Never,
        maintenance_interval: Duration::from_secs(3_600),
        // Small, so that segments roll and buffers are flushed within a few steps.
        write_buffer_bytes: 64 << 10,
        tombstone_retention: TOMBSTONES,
        retention: Retention { logs: RETENTION, ..Retention::default() },
        max_bytes: MaxBytes { logs: MAX_BYTES, ..MaxBytes::default() },
        ..EmbeddedConfig::default()
    })
}

/// Each opens and closes a database a few times.
fn cases() -> u32 {
    sentinel_runtime::config::variable("PROPTEST_CASES").map_or(24, |n| n.parse().expect("a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn behaves_as_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(Run::start().all(steps));
    }
}

struct Run {
    harness: Embedded,
    model: Model,
    bus: Option<super::EmbeddedBus>,
    consumer: Option<Box<dyn Consumer>>,
    /// Next offset that the consumer must not be before, by partition it owns.
    positions: BTreeMap<TopicPartition, u64>,
}

impl Run {
    fn start() -> Self {
        let mut harness = harness();
        let bus = harness.open_embedded();
        let (model, positions) = (Model::default(), BTreeMap::new());
        Self { harness, model, bus: Some(bus), consumer: None, positions }
    }

    async fn all(mut self, steps: Vec<Step>) {
        for step in steps.into_iter().chain([Step::Check, Step::Reopen, Step::Check]) {
            self.step(step).await;
        }
    }

    fn bus(&self) -> &super::EmbeddedBus {
        self.bus.as_ref().expect("an open bus")
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Publish(messages) => self.publish(messages).await,
            Step::Advance(millis) => self.harness.advance(Duration::from_millis(millis)),
            Step::Maintain => self.harness.maintain().await,
            Step::Reopen => {
                (self.bus, self.consumer) = (None, None);
                self.bus = Some(self.harness.open_embedded());
            }
            Step::Join => {
                self.consumer = None;
                self.positions.clear();
                let topics = [Topic::Logs, Topic::Objects];
                self.consumer = Some(self.bus().join(GROUP, &topics, Start::Earliest).await.expect("join"));
            }
            Step::Poll { records, bytes } => self.poll(records, bytes).await,
            Step::Commit { partition, note } => self.commit(partition, note).await,
            Step::Check => self.check().await,
        }
    }

    async fn publish(&mut self, messages: Vec<Message>) {
        let appended = self.harness.now.load(std::sync::atomic::Ordering::Relaxed);
        let outgoing: Vec<Outgoing> =
            messages.into_iter().map(|message| self.model.outgoing(&message)).collect();
        let positions = self.bus().publish(outgoing.clone()).await.expect("publish");
        assert_eq!(positions.len(), outgoing.len());
        for (position, Outgoing { topic, route, record }) in positions.into_iter().zip(outgoing) {
            assert_eq!((position.at.topic, Route::Partition(position.at.partition)), (topic, route));
            let log = self.model.logs.entry(position.at).or_default();
            assert_eq!(position.offset, log.last().map_or(0, |last| last.offset + 1));
            log.push(Known { offset: position.offset, appended, record });
        }
    }

    async fn poll(&mut self, max_records: usize, max_bytes: usize) {
        let Some(consumer) = &mut self.consumer else { return };
        let limit = PollLimit { max_records, max_bytes, wait: Duration::ZERO };
        match consumer.poll(limit).await.expect("poll") {
            Polled::Assigned(assigned) => {
                for (at, commit) in assigned {
                    assert_eq!(commit.as_ref(), self.model.commits.get(&at));
                    self.positions.insert(at, commit.map_or(0, |commit| commit.offset));
                }
            }
            Polled::Records(records) => {
                assert!(records.len() <= max_records);
                let bytes: usize = records
                    .iter()
                    .map(|delivered| delivered.record.key.len() + delivered.record.value.len())
                    .sum();
                assert!(bytes <= max_bytes || records.len() == 1);
                for delivered in records {
                    let position =
                        self.positions.get_mut(&delivered.position.at).expect("an owned partition");
                    assert!(delivered.position.offset >= *position);
                    *position = delivered.position.offset + 1;
                    let known = self.model.known(delivered.position.at, delivered.position.offset);
                    assert_eq!(known.record, delivered.record);
                }
            }
            Polled::Idle => {}
            Polled::Revoked(revoked) | Polled::Lost(revoked) => {
                panic!("{revoked:?} revoked from the only member")
            }
        }
    }

    async fn commit(&mut self, partition: u32, note: String) {
        let at = TopicPartition { topic: Topic::Logs, partition };
        let (Some(consumer), Some(offset)) = (&mut self.consumer, self.positions.get(&at)) else { return };
        let commit = Commit { offset: *offset, metadata: note };
        consumer.commit(&[(at, commit.clone())]).await.expect("commit");
        self.model.commits.insert(at, commit);
    }

    async fn check(&self) {
        let now = self.harness.now.load(std::sync::atomic::Ordering::Relaxed);
        for topic in [Topic::Logs, Topic::Objects] {
            let mut found: BTreeMap<TopicPartition, Vec<u64>> = BTreeMap::new();
            for delivered in crate::contract::read_all(self.bus(), topic).await {
                let position = delivered.position;
                assert_eq!(self.model.known(position.at, position.offset).record, delivered.record);
                found.entry(position.at).or_default().push(position.offset);
            }
            for partition in 0..PARTITIONS {
                let at = TopicPartition { topic, partition };
                let found = found.remove(&at).unwrap_or_default();
                let known = self.model.logs.get(&at).map_or(&[][..], Vec::as_slice);
                assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
                let offsets = self.bus().offsets(at).await.expect("offsets");
                assert_eq!(offsets.next, known.len() as u64);
                assert_eq!(offsets.earliest, found.first().copied().unwrap_or(offsets.next));
                if topic.is_compacted() {
                    check_compacted(known, &found, now);
                } else {
                    check_recent(known, &found, self.model.bytes(topic) < MAX_BYTES, now);
                }
            }
            let committed = self.bus().committed(GROUP, topic).await.expect("committed");
            for (partition, commit) in (0..).zip(committed) {
                let at = TopicPartition { topic, partition };
                assert_eq!(commit.as_ref(), self.model.commits.get(&at));
            }
        }
    }
}

impl Model {
    fn outgoing(&mut self, message: &Message) -> Outgoing {
        self.serial += 1;
        let mut value = vec![0; message.n_value];
        let serial = self.serial.to_le_bytes();
        let n = serial.len().min(value.len());
        value[..n].copy_from_slice(&serial[..n]);
        Outgoing {
            topic: message.topic,
            route: Route::Partition(message.partition),
            record: Record {
                key: Bytes::from(vec![message.key; 3]),
                value: value.into(),
                headers: Vec::new(),
                timestamp: Timestamp::from_millis(self.serial.cast_signed()),
            },
        }
    }

    /// An upper bound of what was ever stored of a topic.
    fn bytes(&self, topic: Topic) -> u64 {
        let logs = self.logs.iter().filter(|(at, _)| at.topic == topic);
        logs.flat_map(|(_, log)| log).map(|known| known.record.value.len() as u64 + 64).sum()
    }

    fn known(&self, at: TopicPartition, offset: u64) -> &Known {
        &self.logs[&at][usize::try_from(offset).expect("a small offset")]
    }
}

/// What is there is the end of what was published, and holds all that is young unless there is too much.
fn check_recent(known: &[Known], found: &[u64], is_small: bool, now: i64) {
    let first = found.first().copied().unwrap_or(known.len() as u64);
    assert!(found.iter().copied().eq(first..known.len() as u64), "{found:?}");
    if is_small {
        let is_young = |known: &&Known| now - known.appended <= RETENTION.as_millis() as i64;
        let oldest = known.iter().find(is_young).map_or(known.len() as u64, |known| known.offset);
        assert!(first <= oldest, "{first} is after {oldest}");
    }
}

/// The last message of each key is there, unless it is a tombstone that has been there long enough.
fn check_compacted(known: &[Known], found: &[u64], now: i64) {
    let found: BTreeSet<u64> = found.iter().copied().collect();
    let mut last: BTreeMap<&Bytes, &Known> = BTreeMap::new();
    last.extend(known.iter().map(|known| (&known.record.key, known)));
    for known in last.values() {
        let may_be_gone =
            known.record.value.is_empty() && now - known.appended >= TOMBSTONES.as_millis() as i64;
        assert!(may_be_gone || found.contains(&known.offset), "offset {} is missing", known.offset);
    }
}
