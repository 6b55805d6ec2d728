//! The process that is killed: it publishes and commits until then, and tells what was acknowledged.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sentinel_bus::{
    Bus, Commit, Config, EmbeddedConfig, Fsync, MaxBytes, Outgoing, PollLimit, Polled, Record, Retention,
    Route, Start, TopicPartition,
};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::{Health, Registry, spawn};

/// One keeps everything, two lose their oldest segments all the time, one is compacted all the time.
pub const TOPICS: [Topic; 4] = [Topic::Metrics, Topic::Live, Topic::Events, Topic::Objects];
pub const PARTITIONS: u32 = 2;
pub const GROUP: &str = "crash";
/// No maintenance while the parent looks.
pub const IDLE: Duration = Duration::from_secs(3_600);

const PUBLISHERS: u64 = 3;
const KEYS: u64 = 7;
/// More than a round can publish.
const NUMBERS_A_ROUND: u64 = 1 << 24;

/// A message says who published it and as which of its messages; the rest follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    pub publisher: u64,
    pub number: u64,
}

impl Id {
    pub fn of(record: &Record) -> Self {
        let word = |at: usize| {
            let bytes = record.value.get(at..at + 8).expect("an id");
            u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
        };
        Self { publisher: word(0), number: word(8) }
    }

    /// Publishers share no keys, so the last value of a key is its publisher's last.
    pub const fn key(self) -> u64 {
        self.publisher * KEYS + self.number % KEYS
    }
}

/// Sizes from a few bytes to more than a block of the disk.
pub fn record(id: Id) -> Record {
    let mixed = (id.publisher << 56 ^ id.number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut value = [id.publisher.to_le_bytes(), id.number.to_le_bytes()].concat();
    let length = if mixed >> 60 == 0 { mixed >> 44 & 0xffff } else { mixed >> 48 & 0x1ff };
    value.extend((0..length).map(|n| (mixed >> (n % 57)) as u8));
    Record {
        key: Bytes::copy_from_slice(&id.key().to_le_bytes()),
        value: value.into(),
        headers: vec![("length".to_owned(), Bytes::from(length.to_string()))],
        timestamp: Timestamp::from_millis(id.number.cast_signed()),
    }
}

/// Everything small: segments roll, buffers are written and keys compacted all the time.
pub fn open(folder: &Path, maintenance_interval: Duration) -> Arc<dyn Bus> {
    open_with(folder, maintenance_interval, Fsync::Never)
}

fn open_with(folder: &Path, maintenance_interval: Duration, fsync: Fsync) -> Arc<dyn Bus> {
    let config = Config::Embedded(EmbeddedConfig {
        partitions: PARTITIONS,
        fsync,
        fsync_interval: Duration::from_millis(5),
        write_buffer_bytes: 512 << 10,
        maintenance_interval,
        tombstone_retention: Duration::from_millis(50),
        retention: Retention { events: Duration::from_secs(1), ..Retention::default() },
        max_bytes: MaxBytes { live: 256 << 10, ..MaxBytes::default() },
        ..EmbeddedConfig::default()
    });
    sentinel_bus::open(&config, folder, &Health::default(), &mut Registry::default()).expect("open the bus")
}

pub fn run(folder: &Path, round: u64) {
    let fsync = [Fsync::Always, Fsync::Interval, Fsync::Never][(round % 3) as usize];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let bus = open_with(folder, Duration::from_millis(20), fsync);
        // Ends the line that the test harness has begun.
        tell("");
        let consumer = spawn("consumer", consume(Arc::clone(&bus)));
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| spawn("publisher", publish(Arc::clone(&bus), publisher, round)))
            .collect();
        for publisher in publishers {
            publisher.await;
        }
        consumer.await;
    });
}

/// Batches of one to four messages, over topics and partitions.
async fn publish(bus: Arc<dyn Bus>, publisher: u64, round: u64) {
    let mut numbers = round * NUMBERS_A_ROUND..;
    loop {
        let n = numbers.start % 4 + 1;
        let ids: Vec<Id> = numbers.by_ref().take(n as usize).map(|number| Id { publisher, number }).collect();
        let positions = bus.publish(ids.iter().map(|id| message(*id)).collect()).await.expect("publish");
        for (position, Id { publisher, number }) in positions.into_iter().zip(ids) {
            let TopicPartition { topic, partition } = position.at;
            tell(&format!("ack {topic} {partition} {} {publisher} {number} .", position.offset));
        }
    }
}

fn message(id: Id) -> Outgoing {
    let topic = TOPICS[(id.number / 3 % TOPICS.len() as u64) as usize];
    // A key must stay in its partition.
    let route = Route::Partition((id.key() % u64::from(PARTITIONS)) as u32);
    Outgoing { topic, route, record: record(id) }
}

/// Reads and commits; a commit is told only after it was acknowledged.
async fn consume(bus: Arc<dyn Bus>) {
    let limit = PollLimit { max_records: 20, max_bytes: 1 << 20, wait: Duration::from_secs(1) };
    let mut consumer = bus.join(GROUP, &[Topic::Metrics], Start::Earliest).await.expect("join");
    loop {
        if let Polled::Records(records) = consumer.poll(limit).await.expect("poll") {
            let last = records.last().expect("a record").position;
            let offset = last.offset + 1;
            let commit = Commit { offset, metadata: format!("up to {offset}") };
            consumer.commit(&[(last.at, commit)]).await.expect("commit");
            tell(&format!("commit {} {} {offset} .", last.at.topic, last.at.partition));
        }
    }
}

/// One write each, so that a kill cuts at most the last line.
fn tell(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).expect("a reader");
}
