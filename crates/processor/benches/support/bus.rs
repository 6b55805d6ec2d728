//! A bus that holds what was published until it is taken, and a store that only counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sentinel_bus::{
    Bus, BusError, Commit, Consumer, Delivered, Follower, Offsets, Outgoing, Position, Route, Start,
    TopicPartition,
};
use sentinel_metric_store::{MetricStoreError, MetricWriter, WindowRows, WriteReport};
use sentinel_model::{RetentionSetting, Topic};

/// As the embedded bus has by default.
const PARTITIONS: u32 = 4;

#[derive(Default)]
pub struct HandOver {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: BTreeMap<TopicPartition, u64>,
    records: BTreeMap<Topic, Vec<Delivered>>,
}

impl HandOver {
    /// Removes and gives what was published on a topic since the last time.
    pub fn take(&self, topic: Topic) -> Vec<Delivered> {
        self.lock().records.remove(&topic).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Bus for HandOver {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        let mut held = self.lock();
        let mut positions = Vec::with_capacity(messages.len());
        for Outgoing { topic, route, record } in messages {
            let partition = if let Route::Partition(partition) = route { partition } else { 0 };
            let at = TopicPartition { topic, partition };
            let next = held.next.entry(at).or_default();
            let position = Position { at, offset: *next };
            *next += 1;
            held.records.entry(topic).or_default().push(Delivered { position, record, appended: None });
            positions.push(position);
        }
        Ok(positions)
    }

    fn n_partitions(&self, _: Topic) -> u32 {
        PARTITIONS
    }

    async fn offsets(&self, _: TopicPartition) -> Result<Offsets, BusError> {
        Ok(Offsets::default())
    }

    async fn committed(&self, _: &str, _: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        Ok(vec![None; PARTITIONS as usize])
    }

    async fn join(&self, _: &str, _: &[Topic], _: Start) -> Result<Box<dyn Consumer>, BusError> {
        Err(BusError::Closed)
    }

    async fn follow(&self, _: Topic, _: Start) -> Result<Box<dyn Follower>, BusError> {
        Err(BusError::Closed)
    }

    async fn stored_bytes(&self, _: Topic) -> Result<Option<u64>, BusError> {
        Ok(Some(0))
    }
}

#[derive(Default)]
pub struct Counting {
    n_rows: AtomicUsize,
}

#[async_trait]
impl MetricWriter for Counting {
    async fn write(&self, windows: Arc<[WindowRows]>) -> Result<WriteReport, MetricStoreError> {
        let n_written = windows.iter().map(|one| one.rows.len()).sum();
        self.n_rows.fetch_add(n_written, Ordering::Relaxed);
        Ok(WriteReport { n_written, ..WriteReport::default() })
    }

    async fn keep(&self, _: &RetentionSetting) -> Result<(), MetricStoreError> {
        Ok(())
    }
}
