//! The log of one topic: its segments, how far readers may read, and whom to wake when there is more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use sentinel_model::{Timestamp, Topic};
use tokio::sync::Notify;
use tracing::error;

use super::codec;
use super::metrics::{Metrics, TopicLabel};
use super::segment::{Segment, Stats};
use super::store::Store;
use crate::config::Keep;
use crate::{BusError, Delivered, Offsets, PollLimit, Position, TopicPartition};

/// Segments that a topic's retained time or bytes are cut into: what is kept beyond the limit is at
/// most one of them.
const SEGMENTS: u32 = 4;

pub(super) struct TopicLog {
    pub topic: Topic,
    pub keep: Keep,
    /// Offset of the next message of each partition; everything below can be read.
    heads: Vec<AtomicU64>,
    /// Oldest first; only the last can be open.
    segments: RwLock<Arc<[Arc<Segment>]>>,
    readers: Mutex<Vec<Arc<Notify>>>,
}

/// What is left of a [`PollLimit`] while records are collected.
pub(super) struct Budget {
    records: usize,
    bytes: usize,
    is_first: bool,
}

/// A reader that is woken when the topic grows, until this is dropped.
pub(super) struct Subscription {
    log: Arc<TopicLog>,
    reader: Arc<Notify>,
}

impl TopicLog {
    pub fn new(topic: Topic, keep: Keep, heads: Vec<u64>, segments: Vec<Arc<Segment>>) -> Self {
        Self {
            topic,
            keep,
            heads: heads.into_iter().map(AtomicU64::new).collect(),
            segments: RwLock::new(segments.into()),
            readers: Mutex::default(),
        }
    }

    pub fn n_partitions(&self) -> u32 {
        self.heads.len() as u32
    }

    pub fn head(&self, partition: u32) -> u64 {
        self.heads[partition as usize].load(Ordering::Acquire)
    }

    pub fn heads(&self) -> Vec<u64> {
        (0..self.n_partitions()).map(|partition| self.head(partition)).collect()
    }

    pub fn advance(&self, partition: u32, next: u64) {
        self.heads[partition as usize].store(next, Ordering::Release);
    }

    pub fn segments(&self) -> Arc<[Arc<Segment>]> {
        Arc::clone(&self.segments.read())
    }

    pub fn open_segment(&self) -> Option<Arc<Segment>> {
        self.segments().last().filter(|segment| segment.is_open()).cloned()
    }

    pub fn push(&self, segment: Arc<Segment>) {
        let mut segments = self.segments.write();
        *segments = segments.iter().cloned().chain([segment]).collect();
    }

    /// Puts `replacement` in the place of the `n` oldest segments and returns those.
    pub fn replace_front(&self, n: usize, replacement: Option<Arc<Segment>>) -> Vec<Arc<Segment>> {
        let mut segments = self.segments.write();
        let removed = segments[..n].to_vec();
        *segments = replacement.into_iter().chain(segments[n..].iter().cloned()).collect();
        removed
    }

    pub fn bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.stats().bytes).sum()
    }

    /// Whether an open segment should take no more rows.
    pub fn is_full(&self, stats: &Stats, now: i64) -> bool {
        match self.keep {
            // Compaction seals what it works on.
            Keep::LastOfKey => false,
            Keep::Recent { time, bytes } => {
                let span = i64::try_from((time / SEGMENTS).as_millis()).unwrap_or(i64::MAX);
                stats.bytes >= bytes / u64::from(SEGMENTS) || now.saturating_sub(stats.first_append) > span
            }
        }
    }

    pub fn offsets(&self, partition: u32) -> Result<Offsets, BusError> {
        let next = self.head(partition);
        for segment in self.segments().iter() {
            if let Some(row) = segment.scan(partition, 0, next).next() {
                return Ok(Offsets { earliest: codec::offset_of(&row?.0), next });
            }
        }
        Ok(Offsets { earliest: next, next })
    }

    /// Collects records of a partition from offset `from` on and returns the offset to go on from.
    pub fn read(
        &self,
        (partition, from): (u32, u64),
        budget: &mut Budget,
        metrics: &Metrics,
        records: &mut Vec<Delivered>,
    ) -> Result<u64, BusError> {
        let head = self.head(partition);
        let segments = self.segments();
        let earliest = segments.first().map_or(head, |segment| segment.bases[partition as usize]);
        let mut position = from.max(earliest);
        self.count_skipped(position - from, metrics);
        for (index, segment) in segments.iter().enumerate() {
            let end = segments.get(index + 1).map_or(head, |next| next.bases[partition as usize]).min(head);
            if end <= position {
                continue;
            }
            for row in segment.scan(partition, position, end) {
                let (key, value) = row?;
                let offset = codec::offset_of(&key);
                match codec::decode(&key, &value) {
                    Ok((header, record)) => {
                        if !budget.take(record.size()) {
                            return Ok(offset);
                        }
                        let at = TopicPartition { topic: self.topic, partition };
                        let appended = Some(Timestamp::from_millis(header.appended));
                        records.push(Delivered { position: Position { at, offset }, record, appended });
                    }
                    Err(corrupt) => self.report_corrupt(partition, offset, &corrupt, metrics),
                }
            }
            position = end;
        }
        Ok(position)
    }

    pub fn subscribe(self: &Arc<Self>, reader: &Arc<Notify>) -> Subscription {
        self.readers.lock().push(Arc::clone(reader));
        Subscription { log: Arc::clone(self), reader: Arc::clone(reader) }
    }

    /// Each reader has a signal of its own that keeps one wake-up, so none is lost between a reader's
    /// look at the heads and its wait.
    pub fn wake_readers(&self) {
        for reader in self.readers.lock().iter() {
            reader.notify_one();
        }
    }

    fn count_skipped(&self, n: u64, metrics: &Metrics) {
        if n > 0 && self.keep != Keep::LastOfKey {
            metrics.skipped_records.get_or_create(&TopicLabel::from(self.topic)).inc_by(n);
        }
    }

    /// A row that the disk has spoilt is passed over: a reader that stops at it would never go on.
    fn report_corrupt(&self, partition: u32, offset: u64, corrupt: &codec::Corrupt, metrics: &Metrics) {
        metrics.corrupt_records.get_or_create(&TopicLabel::from(self.topic)).inc();
        error!(topic = %self.topic, partition, offset, error = %corrupt, "passed over a corrupt message");
    }
}

/// Gives up segments that no topic has any more. Their files go once no reader is in them.
pub(super) fn delete(store: &Store, segments: Vec<Arc<Segment>>) -> Result<(), BusError> {
    for segment in segments {
        store.database.delete_keyspace(segment.keyspace().clone())?;
    }
    Ok(())
}

impl Budget {
    pub const fn new(limit: PollLimit) -> Self {
        Self { records: limit.max_records, bytes: limit.max_bytes, is_first: true }
    }

    pub const fn is_spent(&self) -> bool {
        !self.is_first && (self.records == 0 || self.bytes == 0)
    }

    /// Whether one more record of this size may be taken. The first always may, however large.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = self.records > 0 && bytes <= self.bytes;
        if !fits && !self.is_first {
            self.bytes = 0;
            return false;
        }
        self.is_first = false;
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.log.readers.lock().retain(|reader| !Arc::ptr_eq(reader, &self.reader));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_budget_gives_one_record_at_least() {
        let limit = PollLimit { max_records: 3, max_bytes: 10, wait: Duration::ZERO };
        let mut budget = Budget::new(limit);
        assert!(!budget.is_spent() && budget.take(11) && budget.is_spent());
        let mut budget = Budget::new(limit);
        assert!(budget.take(4) && budget.take(4) && !budget.take(4) && budget.is_spent());
        let mut budget = Budget::new(PollLimit { max_records: 0, ..limit });
        assert!(budget.take(1) && !budget.take(1));
    }
}
