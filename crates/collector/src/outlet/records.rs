//! Objects, events and log lines on their way out.

use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;
use parking_lot::Mutex;
use sentinel_model::{EventBatch, EventRecord, LogBatch, LogRecord, ObjectState, Topic};
use sentinel_proto::Wire;

use super::entry::Entry;
use super::{Outlet, OutletError};

/// Log text in one message at most; the bus takes 4 MiB by default.
const LOG_BYTES: usize = 1 << 20;
const LOG_RECORDS: usize = 4_096;
const EVENT_RECORDS: usize = 500;
/// Keys whose sequence is remembered; beyond it, all begin anew in a larger epoch.
const MAX_KEYS: usize = 65_536;

/// Numbers batches so that their readers can tell loss and repeats: by topic and key, without holes
/// within an epoch.
#[derive(Debug, Default)]
pub(super) struct Sequences(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    next: AHashMap<(Topic, Bytes), u64>,
}

impl Sequences {
    /// Epoch and sequence of the next batch of `key`.
    fn next(&self, topic: Topic, key: Bytes, new_epoch: impl FnOnce() -> u64) -> (u64, u64) {
        let mut state = self.0.lock();
        if state.epoch == 0 || state.next.len() >= MAX_KEYS {
            state.epoch = new_epoch();
            state.next.clear();
        }
        let epoch = state.epoch;
        let next = state.next.entry((topic, key)).or_default();
        let sequence = *next;
        *next += 1;
        (epoch, sequence)
    }
}

impl Outlet {
    /// Waits until the states survive a crash. A deleted object's tombstone is added here.
    ///
    /// # Errors
    /// The outlet is closed, or its policy dropped them.
    pub async fn publish_objects(&self, objects: Vec<ObjectState>) -> Result<(), OutletError> {
        if objects.is_empty() {
            return Ok(());
        }
        self.metrics().objects.inc_by(objects.len() as u64);
        let mut entries = Vec::with_capacity(objects.len());
        for object in &objects {
            let key = object.key();
            entries.push(Entry::record(Topic::Objects, key.clone(), object.encode(), object.observed));
            if object.is_deleted {
                // Compaction removes the key; followers have seen who was deleted and when.
                entries.push(Entry::record(Topic::Objects, key, Bytes::new(), object.observed));
            }
        }
        self.send(entries).await
    }

    /// # Errors
    /// As [`Self::publish_objects`].
    pub async fn publish_events(&self, events: Vec<EventRecord>) -> Result<(), OutletError> {
        if events.is_empty() {
            return Ok(());
        }
        self.metrics().events.inc_by(events.len() as u64);
        let (cluster, collector) = self.identity();
        let observed = self.now();
        let mut groups: Vec<(Bytes, Vec<EventRecord>)> = Vec::new();
        for event in events {
            // Events of one workload go to one partition, so a batch holds one workload's.
            let probe = EventBatch {
                cluster: Arc::clone(&cluster),
                collector: Arc::clone(&collector),
                epoch: 0,
                sequence: 0,
                observed,
                records: vec![event],
            };
            let key = probe.key();
            let group = groups.iter_mut().find(|(k, records)| *k == key && records.len() < EVENT_RECORDS);
            match group {
                Some((_, records)) => records.extend(probe.records),
                None => groups.push((key, probe.records)),
            }
        }
        let entries = groups.into_iter().map(|(key, records)| {
            let (epoch, sequence) = self.next_sequence(Topic::Events, key.clone());
            let (cluster, collector) = (Arc::clone(&cluster), Arc::clone(&collector));
            let batch = EventBatch { cluster, collector, epoch, sequence, observed, records };
            Entry::record(Topic::Events, key, batch.encode(), observed)
        });
        let entries = entries.collect();
        self.send(entries).await
    }

    /// Lines of one container, in order.
    ///
    /// # Errors
    /// As [`Self::publish_objects`].
    pub async fn publish_logs(&self, records: Vec<LogRecord>) -> Result<(), OutletError> {
        if records.is_empty() {
            return Ok(());
        }
        self.metrics().log_records.inc_by(records.len() as u64);
        let (cluster, collector) = self.identity();
        let observed = self.now();
        let mut entries = Vec::new();
        for records in in_parts(records) {
            let (cluster, collector) = (Arc::clone(&cluster), Arc::clone(&collector));
            let mut batch = LogBatch { cluster, collector, epoch: 0, sequence: 0, observed, records };
            let key = batch.key();
            (batch.epoch, batch.sequence) = self.next_sequence(Topic::Logs, key.clone());
            entries.push(Entry::record(Topic::Logs, key, batch.encode(), observed));
        }
        self.send(entries).await
    }

    fn next_sequence(&self, topic: Topic, key: Bytes) -> (u64, u64) {
        self.sequences().next(topic, key, || self.next_epoch())
    }
}

/// Parts that one message can hold.
fn in_parts(records: Vec<LogRecord>) -> Vec<Vec<LogRecord>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for record in records {
        let is_full = parts.last().is_some_and(|part: &Vec<LogRecord>| part.len() >= LOG_RECORDS);
        if (bytes > 0 && bytes + record.body.len() > LOG_BYTES) || is_full {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += record.body.len();
        if let Some(part) = parts.last_mut() {
            part.push(record);
        }
    }
    parts
}
