//! Compaction by key: what is sealed of a topic is read twice (which row is the last of its key, then
//! the rows) and written anew as one segment, which takes the place of the others in one step.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use fjall::{Keyspace, PersistMode, UserKey, UserValue};
use tracing::{info, warn};

use super::segment::{Segment, State, Stats};
use super::store::Store;
use super::topic_log::TopicLog;
use super::{codec, maintenance, storage, topic_log};
use crate::BusError;

/// Fewer messages than this since the last time are not worth the work yet, unless they are old.
const MIN_DIRTY_RECORDS: u64 = 5_000;

/// What is to be done, as one run sees it.
struct Run<'a> {
    segments: &'a [Arc<Segment>],
    /// Offsets that the compacted segment ends before.
    ends: Vec<u64>,
    /// Tombstones appended before this have been there long enough.
    tombstones_until: i64,
    stats: Stats,
}

pub(super) fn compact(store: &Store, log: &TopicLog) -> Result<(), BusError> {
    let now = store.now();
    let tombstone_ms = i64::try_from(store.config.tombstone_retention.as_millis()).unwrap_or(i64::MAX);
    let stats: Vec<Stats> = log.segments().iter().map(|segment| segment.stats()).collect();
    if !is_due(&stats, now, tombstone_ms) {
        return Ok(());
    }
    maintenance::seal(store, log.topic)?;
    let segments = log.segments();
    let n = segments.iter().take_while(|segment| !segment.is_open()).count();
    let ends = segments.get(n).map_or_else(|| log.heads(), |open| open.bases.clone());
    let id = store.next_segment_id();
    let keyspace = store.database.keyspace(&Segment::keyspace_name(id), storage::segment_options)?;
    let mut run = Run {
        segments: &segments[..n],
        ends,
        tombstones_until: now.saturating_sub(tombstone_ms),
        stats: Stats { state: State::Compacted, first_append: now, last_append: now, ..Stats::default() },
    };
    run.write(&keyspace)?;
    let before: u64 = run.segments.iter().map(|segment| segment.stats().n_records).sum();
    let compacted = Arc::new(Segment::new(id, segments[0].bases.clone(), keyspace, run.stats));
    let n_removed = before.saturating_sub(run.stats.n_records);
    swap(store, log, n, compacted)?;
    store.metrics.compacted_records.get_or_create(&log.topic.into()).inc_by(n_removed);
    info!(topic = %log.topic, n_kept = run.stats.n_records, n_removed, "compacted");
    Ok(())
}

/// When there are half as many new messages as keys, or any for long enough, or tombstones that have
/// been kept for long enough.
fn is_due(segments: &[Stats], now: i64, tombstone_ms: i64) -> bool {
    let old = |stats: &Stats| now.saturating_sub(stats.first_append) >= tombstone_ms;
    let (clean, dirty): (Vec<Stats>, Vec<Stats>) =
        segments.iter().copied().partition(|stats| stats.state == State::Compacted);
    let count = |segments: &[Stats]| segments.iter().map(|stats| stats.n_records).sum::<u64>();
    count(&dirty) >= MIN_DIRTY_RECORDS.max(count(&clean) / 2)
        || dirty.iter().any(|stats| stats.n_records > 0 && old(stats))
        || clean.iter().any(|stats| stats.n_tombstones > 0 && old(stats))
}

/// The catalog changes in one step; if the process dies before, the new keyspace is a stray, if it dies
/// after, the old ones are.
fn swap(store: &Store, log: &TopicLog, n: usize, compacted: Arc<Segment>) -> Result<(), BusError> {
    let mut batch = store.database.batch().durability(Some(PersistMode::SyncAll));
    for segment in &log.segments()[..n] {
        store.catalog.remove(&mut batch, log.topic, segment);
    }
    store.catalog.put(&mut batch, log.topic, &compacted);
    batch.commit()?;
    topic_log::delete(store, log.replace_front(n, Some(compacted)))
}

impl Run<'_> {
    /// Partition by partition, so that only one's keys are in memory at a time.
    fn write(&mut self, keyspace: &Keyspace) -> Result<(), BusError> {
        let mut ingestion = keyspace.start_ingestion()?;
        for (partition, end) in (0..).zip(&self.ends) {
            let (last_of_key, last) = self.last_offsets(partition, *end)?;
            for row in rows(self.segments, partition, *end) {
                let (key, value) = row?;
                let offset = codec::offset_of(&key);
                // The last row of a partition always stays: it says which offset comes next.
                let is_last = offset == last;
                let is_tombstone = matches!(codec::key_of(&value), Ok((_, true)));
                let is_over = is_tombstone && self.is_old(&key, &value);
                if !is_last && (is_over || !last_of_key.contains(&offset)) {
                    continue;
                }
                self.stats.bytes += value.len() as u64;
                self.stats.n_records += 1;
                self.stats.n_tombstones += u64::from(is_tombstone && !is_last);
                ingestion.write(key, value)?;
            }
        }
        ingestion.finish()?;
        Ok(())
    }

    /// Offsets of the rows that are the last of their key, and the last of all.
    fn last_offsets(&self, partition: u32, end: u64) -> Result<(AHashSet<u64>, u64), BusError> {
        let mut by_key: AHashMap<Box<[u8]>, u64> = AHashMap::new();
        let mut last = 0;
        for row in rows(self.segments, partition, end) {
            let (key, value) = row?;
            let offset = codec::offset_of(&key);
            last = offset;
            match codec::check(&key, &value).and_then(|_| codec::key_of(&value)) {
                Ok((key, _)) => match by_key.get_mut(key) {
                    Some(known) => *known = offset,
                    None => {
                        by_key.insert(key.into(), offset);
                    }
                },
                Err(error) => warn!(partition, offset, %error, "compaction drops a corrupt message"),
            }
        }
        Ok((by_key.into_values().collect(), last))
    }

    fn is_old(&self, key: &[u8], value: &[u8]) -> bool {
        codec::check(key, value).is_ok_and(|header| header.appended <= self.tombstones_until)
    }
}

fn rows(
    segments: &[Arc<Segment>],
    partition: u32,
    end: u64,
) -> impl Iterator<Item = fjall::Result<(UserKey, UserValue)>> {
    segments.iter().flat_map(move |segment| segment.scan(partition, 0, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(state: State, n_records: u64, first_append: i64) -> Stats {
        Stats { state, n_records, first_append, ..Stats::default() }
    }

    #[test]
    fn is_due_by_amount_or_by_age() {
        let due = |segments: &[Stats]| is_due(segments, 1_000, 100);
        assert!(!due(&[]));
        assert!(!due(&[stats(State::Open, 10, 950)]));
        assert!(due(&[stats(State::Open, 10, 900)]), "old");
        assert!(due(&[stats(State::Open, MIN_DIRTY_RECORDS, 950)]), "many");
        let clean = stats(State::Compacted, 100 * MIN_DIRTY_RECORDS, 0);
        assert!(!due(&[clean, stats(State::Open, MIN_DIRTY_RECORDS, 950)]), "few against what is clean");
        assert!(!due(&[clean]));
        assert!(due(&[Stats { n_tombstones: 1, ..clean }]));
    }
}
