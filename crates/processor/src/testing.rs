//! Pipelines over fakes of the ports, and records to feed them with.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sentinel_bus::{Bus, Delivered, Position, Record, TopicPartition};
use sentinel_model::{DeadLetter, Timestamp, Topic};
use sentinel_proto::Wire as _;
use sentinel_runtime::{Health, Shutdown, ShutdownTrigger};
use sentinel_testkit::MemoryBus;

use crate::metrics::Metrics;
use crate::pipeline::Pipeline;

/// A pipeline on `bus` whose health and metrics only the test sees.
pub(crate) fn pipeline(name: &'static str, topic: Topic, bus: Arc<dyn Bus>) -> Pipeline {
    Pipeline {
        name,
        topic,
        bus,
        health: Health::default().component(name),
        metrics: Metrics::default(),
        labels: Arc::default(),
        commit_interval: Duration::from_secs(2),
    }
}

/// A shutdown that is not requested as long as the trigger is held.
pub(crate) fn running() -> (ShutdownTrigger, Shutdown) {
    Shutdown::new()
}

pub(crate) const fn place(topic: Topic) -> TopicPartition {
    TopicPartition { topic, partition: 0 }
}

pub(crate) fn record(value: Bytes, resolution: &'static str) -> Record {
    let headers = vec![("resolution".to_owned(), Bytes::from_static(resolution.as_bytes()))];
    Record { key: Bytes::new(), value, headers, timestamp: Timestamp::from_secs(0) }
}

/// Records as a consumer gets them from partition 0, from `offset` on.
pub(crate) fn delivered(topic: Topic, offset: u64, records: &[Record]) -> Vec<Delivered> {
    let position = |offset| Position { at: place(topic), offset };
    (offset..)
        .zip(records)
        .map(|(offset, record)| Delivered {
            position: position(offset),
            record: record.clone(),
            appended: None,
        })
        .collect()
}

/// In order of what they are about.
pub(crate) fn dead_letters(bus: &MemoryBus) -> Vec<DeadLetter> {
    let letters = bus.records(Topic::DeadLetters);
    let mut letters: Vec<DeadLetter> =
        letters.iter().map(|record| DeadLetter::decode(&record.value).expect("a dead letter")).collect();
    letters.sort_by_key(|letter| letter.offset);
    letters
}

/// Ends an outage once a pipeline has failed because of it.
pub(crate) async fn end_after_failure(
    metrics: &Metrics,
    name: &'static str,
    outage: &sentinel_testkit::Outage,
) {
    let failures =
        metrics.pipeline_errors.get_or_create(&crate::metrics::Pipeline { pipeline: name }).clone();
    while failures.get() == 0 {
        tokio::task::yield_now().await;
    }
    outage.end();
}
