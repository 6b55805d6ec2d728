//! The way in.
//!
//! Readers drop repeats by the publishers' sequence numbers, so that a publish may be repeated, but message
//! 2 of a publisher must never come into the log before 1 has been in it: 1 would be dropped as a repeat.
//! Hence:
//!
//! - All messages of a publish are handed to one producer at once, under its lock. An idempotent producer
//!   writes a partition in that order; the broker refuses a batch whose predecessor is missing.
//! - librdkafka gives up on nothing by itself (`message.timeout.ms=0`), and a batch that the broker refuses
//!   for good stops the producer (`enable.gapless.guarantee`), so that nothing behind it goes out.
//! - A publish that has not been acknowledged in time, was dropped half-way or has failed in part retires
//!   the producer with all that it holds before anybody publishes again. What it had sent already may still
//!   arrive, late: a run of messages from where the acknowledged ones end, in order. Whatever comes through
//!   the next producer is in order too, from the same place. However the two runs are mixed, each message's
//!   first occurrence comes after that of those before it.
//! - Publishers that shared the retired producer have failed as well, and repeat.

use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;
use parking_lot::Mutex;
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::Semaphore;
use tracing::debug;

use super::client::{Clients, Context};
use super::condition::Part;
use super::metrics::Metrics;
use super::names::Names;
use super::record;
use crate::{BusError, Position, Record, TopicPartition};

/// Room is counted in units of this size.
const ROOM_UNIT: u64 = 1 << 10;

pub(super) struct Producer {
    clients: Arc<Clients>,
    names: Arc<Names>,
    metrics: Arc<Metrics>,
    current: Mutex<Option<Arc<Generation>>>,
    room: Semaphore,
    n_units: u32,
}

/// One native producer, from its creation until it is retired.
struct Generation {
    /// None once it is retired. Locked while messages are handed over: all of a publish, or none.
    producer: Mutex<Option<FutureProducer<Context>>>,
}

/// A message and its partition, known to exist.
pub(super) struct Addressed {
    pub at: TopicPartition,
    pub record: Record,
}

/// A publish whose outcome is not known. Dropped, it retires its producer.
struct InDoubt<'a> {
    owner: &'a Producer,
    generation: Arc<Generation>,
    is_settled: bool,
}

impl Producer {
    pub fn new(clients: Arc<Clients>, names: Arc<Names>, metrics: Arc<Metrics>) -> Self {
        let n_units = u32::try_from(clients.config.publish_buffer_bytes / ROOM_UNIT).unwrap_or(u32::MAX);
        let room = Semaphore::new(n_units as usize);
        Self { clients, names, metrics, current: Mutex::default(), room, n_units }
    }

    /// In the order given within a partition.
    pub async fn publish(&self, messages: &[Addressed]) -> Result<Vec<Position>, BusError> {
        let started = Instant::now();
        let timeout = self.clients.config.publish_timeout;
        let published = tokio::time::timeout(timeout, self.publish_all(messages)).await;
        let condition = &self.clients.condition;
        let outcome = published.unwrap_or_else(|_| {
            self.metrics.publish_timeouts.inc();
            condition.alarm.notify_one();
            let reason = condition.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
            Err(BusError::Unavailable { message: format!("no acknowledgement within {timeout:?}{reason}") })
        });
        match &outcome {
            Ok(_) => {
                self.metrics.publish_seconds.observe(started.elapsed().as_secs_f64());
                condition.clear(&Part::Publish);
            }
            Err(error) if error.is_retryable() => condition.raise(Part::Publish, error.to_string()),
            Err(_) => {}
        }
        outcome
    }

    async fn publish_all(&self, messages: &[Addressed]) -> Result<Vec<Position>, BusError> {
        let bytes: u64 = messages.iter().map(|message| message.record.size() as u64).sum();
        let n_units = u32::try_from(bytes / ROOM_UNIT + 1).unwrap_or(u32::MAX).min(self.n_units);
        let _room = self.room.acquire_many(n_units).await.map_err(|_| BusError::Closed)?;
        let mut in_doubt = InDoubt { owner: self, generation: self.generation()?, is_settled: false };
        let deliveries = self.hand_over(&in_doubt.generation, messages)?;
        let results = join_all(deliveries).await;
        let mut positions = Vec::with_capacity(messages.len());
        for (message, result) in messages.iter().zip(results) {
            match result {
                // A repeat that the broker recognised may have no offset.
                Ok(Ok(delivery)) => positions.push(Position {
                    at: message.at,
                    offset: u64::try_from(delivery.offset).unwrap_or(u64::MAX),
                }),
                Ok(Err((error, _))) => return Err(self.refused(message, &error)),
                Err(_) => return Err(retired()),
            }
        }
        in_doubt.is_settled = true;
        Ok(positions)
    }

    fn generation(&self) -> Result<Arc<Generation>, BusError> {
        let mut current = self.current.lock();
        if let Some(generation) = &*current {
            return Ok(Arc::clone(generation));
        }
        let producer = self.clients.create(&self.clients.producer())?;
        let generation = Arc::new(Generation { producer: Mutex::new(Some(producer)) });
        *current = Some(Arc::clone(&generation));
        Ok(generation)
    }

    fn hand_over(
        &self,
        generation: &Generation,
        messages: &[Addressed],
    ) -> Result<Vec<DeliveryFuture>, BusError> {
        let producer = generation.producer.lock();
        let producer = producer.as_ref().ok_or_else(retired)?;
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            let Addressed { at, record } = message;
            let outgoing = FutureRecord {
                topic: self.names.topic(at.topic),
                partition: Some(at.partition.cast_signed()),
                payload: record::value(at.topic, record),
                key: Some(&record.key[..]),
                // Shown where a topic is not ours and keeps publishers' stamps.
                timestamp: Some(record.timestamp.as_millis().max(0)),
                headers: Some(record::headers(record)),
            };
            match producer.send_result(outgoing) {
                Ok(delivery) => deliveries.push(delivery),
                Err((error, _)) => return Err(self.refused(message, &error)),
            }
        }
        Ok(deliveries)
    }

    fn refused(&self, message: &Addressed, error: &KafkaError) -> BusError {
        let name = self.names.topic(message.at.topic);
        let code = error.rdkafka_error_code();
        match code {
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
                let limit = usize::try_from(self.clients.config.max_message_bytes).unwrap_or(usize::MAX);
                return BusError::TooLarge { bytes: message.record.size(), limit };
            }
            Some(Code::PurgeQueue | Code::PurgeInflight) => return retired(),
            // It has gone since it was looked at.
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                self.clients.condition.alarm.notify_one();
            }
            _ => {}
        }
        BusError::Unavailable { message: format!("{name} takes no message: {error}") }
    }

    /// Gives up a producer and all that it holds, unless somebody has done so before.
    fn retire(&self, generation: &Arc<Generation>) {
        let mut current = self.current.lock();
        current.take_if(|current| Arc::ptr_eq(current, generation));
        let Some(producer) = generation.producer.lock().take() else { return };
        producer.purge(PurgeConfig::default().queue().inflight());
        drop(current);
        self.metrics.producer_replacements.inc();
        debug!("the producer was given up");
        drop_elsewhere(producer);
    }
}

/// Dropping a producer takes a moment, which async threads do not have.
fn drop_elsewhere(producer: FutureProducer<Context>) {
    let dropping = std::thread::Builder::new().name("kafka-retired".to_owned()).spawn(move || drop(producer));
    if let Err(error) = dropping {
        debug!(%error, "no thread to drop a producer on");
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let generation = self.current.lock().take();
        if let Some(producer) = generation.and_then(|generation| generation.producer.lock().take()) {
            drop_elsewhere(producer);
        }
    }
}

impl Drop for InDoubt<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.owner.retire(&self.generation);
        }
    }
}

fn retired() -> BusError {
    BusError::Unavailable { message: "another publish has failed meanwhile; it is to be repeated".to_owned() }
}
