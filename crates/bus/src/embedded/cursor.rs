//! Where a reader is in its partitions.

use std::sync::Arc;

use sentinel_runtime::spawn_blocking;

use super::store::Store;
use super::topic_log::Budget;
use crate::{BusError, Delivered, PollLimit, TopicPartition};

/// Readers further behind than this read on a thread of their own kind: what they want may have to come
/// from the disk. What is nearer lies in memory, and handing it over would cost more than reading it.
const INLINE_RECORDS: u64 = 256;

#[derive(Clone, Default)]
pub(super) struct Cursor {
    /// The next offset of each partition.
    positions: Vec<(TopicPartition, u64)>,
    /// The partition to begin with, so that a busy one does not starve the others.
    turn: usize,
}

/// Records, and the cursor after them. A poll that is given up leaves the reader's cursor as it was.
pub(super) type Step = (Cursor, Vec<Delivered>);

impl Cursor {
    pub fn add(&mut self, at: TopicPartition, offset: u64) {
        self.positions.push((at, offset));
    }

    pub fn remove(&mut self, at: TopicPartition) {
        self.positions.retain(|(held, _)| *held != at);
    }

    pub fn positions(&self) -> &[(TopicPartition, u64)] {
        &self.positions
    }

    /// What is there, within the limit; nothing if there is nothing.
    pub async fn read(&self, store: &Arc<Store>, limit: PollLimit) -> Result<Step, BusError> {
        match self.n_waiting(store) {
            0 => Ok((self.clone(), Vec::new())),
            1..=INLINE_RECORDS => self.clone().step(store, limit),
            _ => {
                let (cursor, store) = (self.clone(), Arc::clone(store));
                spawn_blocking("bus-read", move || cursor.step(&store, limit)).await
            }
        }
    }

    fn n_waiting(&self, store: &Store) -> u64 {
        let waiting = |(at, position): &(TopicPartition, u64)| {
            store.topic(at.topic).head(at.partition).saturating_sub(*position)
        };
        self.positions.iter().map(waiting).sum()
    }

    fn step(mut self, store: &Store, limit: PollLimit) -> Result<Step, BusError> {
        let mut budget = Budget::new(limit);
        let mut records = Vec::new();
        let n = self.positions.len();
        for index in (0..n).map(|step| (self.turn + step) % n) {
            if budget.is_spent() {
                break;
            }
            let (at, from) = self.positions[index];
            let log = store.topic(at.topic);
            let next = log.read((at.partition, from), &mut budget, &store.metrics, &mut records)?;
            self.positions[index].1 = next;
        }
        self.turn = (self.turn + 1) % n.max(1);
        Ok((self, records))
    }
}
