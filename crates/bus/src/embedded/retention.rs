//! Removing what has been kept long enough, a segment at a time.

use fjall::PersistMode;
use sentinel_model::Topic;
use tracing::info;

use super::segment::{State, Stats};
use super::store::Store;
use super::topic_log::TopicLog;
use super::{maintenance, topic_log};
use crate::BusError;
use crate::config::Keep;

/// Removes what is beyond its time or the topic's bytes.
pub(super) fn expire(store: &Store, log: &TopicLog) -> Result<(), BusError> {
    let now = store.now();
    if let Some(open) = log.open_segment()
        && is_outdated(&open.stats(), log.keep, now)
    {
        maintenance::seal(store, log.topic)?;
    }
    let stats: Vec<Stats> = log.segments().iter().map(|segment| segment.stats()).collect();
    let n = n_expired(&stats, log.keep, now);
    if n > 0 {
        remove(store, log, n)?;
    }
    Ok(())
}

/// How many of the oldest segments can go.
fn n_expired(segments: &[Stats], keep: Keep, now: i64) -> usize {
    let Keep::Recent { bytes: limit, .. } = keep else { return 0 };
    let mut left: u64 = segments.iter().map(|stats| stats.bytes).sum();
    let mut n = 0;
    for stats in segments {
        if stats.state == State::Open || (left <= limit && !is_outdated(stats, keep, now)) {
            break;
        }
        left -= stats.bytes;
        n += 1;
    }
    n
}

fn is_outdated(stats: &Stats, keep: Keep, now: i64) -> bool {
    match keep {
        Keep::LastOfKey => false,
        Keep::Recent { time, .. } => {
            let age = now.saturating_sub(stats.last_append);
            u128::try_from(age).is_ok_and(|age| age > time.as_millis())
        }
    }
}

/// The catalog forgets the segments first: if the process dies in between, the next start removes the
/// keyspaces.
fn remove(store: &Store, log: &TopicLog, n: usize) -> Result<(), BusError> {
    let segments = log.segments();
    let mut batch = store.database.batch().durability(Some(PersistMode::SyncAll));
    store.catalog.put_heads(&mut batch, log.topic, &log.heads());
    for segment in &segments[..n] {
        store.catalog.remove(&mut batch, log.topic, segment);
    }
    batch.commit()?;
    let removed = log.replace_front(n, None);
    let n_records: u64 = removed.iter().map(|segment| segment.stats().n_records).sum();
    count(store, log.topic, n_records);
    topic_log::delete(store, removed)
}

fn count(store: &Store, topic: Topic, n_records: u64) {
    store.metrics.expired_records.get_or_create(&topic.into()).inc_by(n_records);
    info!(%topic, n_records, "removed expired messages");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn segment(last_append: i64, bytes: u64, state: State) -> Stats {
        Stats { last_append, bytes, state, ..Stats::default() }
    }

    const KEEP: Keep = Keep::Recent { time: Duration::from_millis(100), bytes: 1_000 };

    #[test]
    fn a_segment_goes_when_its_last_message_is_too_old() {
        let segments =
            [segment(10, 1, State::Sealed), segment(50, 1, State::Sealed), segment(90, 1, State::Open)];
        assert_eq!(n_expired(&segments, KEEP, 110), 0);
        assert_eq!(n_expired(&segments, KEEP, 111), 1);
        assert_eq!(n_expired(&segments, KEEP, 10_000), 2, "never the open one");
        assert_eq!(n_expired(&segments, KEEP, -50), 0, "nor any when the clock has gone back");
    }

    #[test]
    fn the_oldest_go_when_the_topic_is_too_large() {
        let segments = [400, 400, 400].map(|bytes| segment(0, bytes, State::Sealed));
        assert_eq!(n_expired(&segments, KEEP, 0), 1);
        assert_eq!(n_expired(&segments, Keep::LastOfKey, 0), 0);
    }
}
