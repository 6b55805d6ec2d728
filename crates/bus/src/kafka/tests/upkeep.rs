//! Waiting for what brokers do in the background.

use std::collections::BTreeSet;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use sentinel_runtime::spawn_blocking;
use tokio::time::Instant;

use super::*;

/// Brokers look every 5 s for what is too old, and every second for what can be compacted.
const PATIENCE: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(5);
const COMPACTED: Topic = Topic::Objects;
const EXPIRING: Topic = Topic::Logs;

/// Returns when the brokers have removed what is too old or has a later message of its key, or will not.
pub(super) async fn wait(real: &Real) {
    let end = Instant::now() + PATIENCE;
    loop {
        let config = real.config.clone();
        let is_done = spawn_blocking("look", move || Look::new(&config).is_done()).await;
        if is_done || Instant::now() > end {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

struct Look {
    consumer: BaseConsumer,
    config: KafkaConfig,
}

/// One message, as the broker has it.
struct Row {
    key: Vec<u8>,
    is_tombstone: bool,
    age: Duration,
}

impl Look {
    fn new(config: &KafkaConfig) -> Self {
        let mut client = rdkafka::ClientConfig::new();
        client
            .set("bootstrap.servers", config.brokers.join(","))
            .set("group.id", format!("{}look", config.topic_prefix))
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest");
        Self { consumer: client.create().expect("a client"), config: config.clone() }
    }

    fn is_done(&self) -> bool {
        (0..self.config.partitions).all(|partition| {
            let expiring = self.rows(EXPIRING, partition);
            expiring.iter().all(|row| row.age < RETENTION) && self.is_compacted(partition)
        })
    }

    /// The last message is in the segment that is written to, which is left alone.
    fn is_compacted(&self, partition: u32) -> bool {
        let mut rows = self.rows(COMPACTED, partition);
        rows.pop();
        let has_old_tombstone = rows.iter().any(|row| row.is_tombstone && row.age > 2 * RETENTION);
        if has_old_tombstone {
            // It goes when the partition is cleaned once more, for which there must be something new.
            self.close(partition);
        }
        let keys: BTreeSet<_> = rows.iter().map(|row| &row.key).collect();
        keys.len() == rows.len() && !has_old_tombstone
    }

    /// One more of the messages that the suite closes segments with.
    fn close(&self, partition: u32) {
        let mut client = rdkafka::ClientConfig::new();
        client.set("bootstrap.servers", self.config.brokers.join(","));
        let producer: FutureProducer = client.create().expect("a client");
        let name = format!("{}{COMPACTED}", self.config.topic_prefix);
        let record: FutureRecord<'_, str, [u8]> =
            FutureRecord::to(&name).partition(partition.cast_signed()).key("last");
        futures::executor::block_on(producer.send(record, TIMEOUT)).expect("published");
    }

    fn rows(&self, topic: Topic, partition: u32) -> Vec<Row> {
        let name = format!("{}{topic}", self.config.topic_prefix);
        let partition = partition.cast_signed();
        let (low, high) = self.consumer.fetch_watermarks(&name, partition, TIMEOUT).expect("watermarks");
        let mut rows = Vec::new();
        if low == high {
            return rows;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&name, partition, Offset::Offset(low)).expect("an offset");
        self.consumer.assign(&list).expect("assign");
        let now = sentinel_runtime::clock::now_millis();
        while let Some(Ok(message)) = self.consumer.poll(TIMEOUT) {
            let appended = message.timestamp().to_millis().expect("a time");
            let age = Duration::from_millis(now.saturating_sub(appended).max(0).cast_unsigned());
            let key = message.key().unwrap_or_default().to_vec();
            rows.push(Row { key, is_tombstone: message.payload().is_none(), age });
        }
        rows
    }
}
