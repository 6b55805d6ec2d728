//! Which part of a partition a restart must read again, and what it must know beforehand.

use std::collections::VecDeque;

use sentinel_model::Timestamp;

/// A frame of one stream, as far as a replay and rival streams of the same target ask for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Heard {
    pub(crate) offset: u64,
    pub(crate) is_key: bool,
    /// Time of its newest sample.
    pub(crate) newest: Timestamp,
    pub(crate) scraped: Timestamp,
    /// Its samples went into windows; else a rival's did in their place.
    pub(crate) is_accepted: bool,
}

/// What bounds a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Samples at or after this go into open windows, or are what a counter in them grows from.
    pub(crate) horizon: Timestamp,
    /// Frames scraped at or after this are weighed against those of rivals once more.
    pub(crate) weighed: Timestamp,
}

impl Heard {
    /// Of a stream that has no rivals.
    pub(crate) const fn unrivalled(offset: u64, is_key: bool, newest: Timestamp) -> Self {
        Self { offset, is_key, newest, scraped: newest, is_accepted: true }
    }
}

impl Needs {
    /// Of streams that have no rivals.
    pub(crate) const fn since(horizon: Timestamp) -> Self {
        Self { horizon, weighed: Timestamp::MAX }
    }
}

/// Messages of one stream that a replay may still need, oldest first.
#[derive(Debug, Default)]
pub(crate) struct StreamHistory {
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    offset: u64,
    newest: Timestamp,
    scraped: Timestamp,
    /// How long after it the stream is taken to be alive.
    hold_ms: u32,
    is_key: bool,
    is_accepted: bool,
}

/// A stream is taken to be alive for three of its intervals, at least for so long.
pub(crate) const LEAST_HOLD_MS: u32 = 30_000;

impl StreamHistory {
    /// Notes a message. However long its intervals are, the stream holds its target for `most_hold_ms` at most.
    pub(crate) fn push(&mut self, heard: Heard, most_hold_ms: i64) {
        let Heard { offset, is_key, newest, scraped, is_accepted } = heard;
        let before = self.entries.back().map_or(scraped, |last| last.scraped);
        let interval_ms = scraped.as_millis().saturating_sub(before.as_millis());
        let hold_ms = interval_ms.saturating_mul(3).min(most_hold_ms).max(i64::from(LEAST_HOLD_MS));
        let hold_ms = u32::try_from(hold_ms).unwrap_or(u32::MAX);
        // What rivals ask for is when it was scraped, so that it is kept by that as well.
        let newest = newest.max(scraped);
        self.entries.push_back(Entry { offset, newest, scraped, hold_ms, is_key, is_accepted });
    }

    /// Smallest offset from which a reader can decode every message that is needed, and every message to
    /// come: that of the key frame at or before the first such message. Forgets what lies before it. `None`
    /// before the first key frame.
    pub(crate) fn needed(&mut self, needs: Needs) -> Option<u64> {
        let last = self.entries.len().checked_sub(1)?;
        let first_needed = self.first_needed(needs).unwrap_or(last);
        let key = self.entries.range(..=first_needed).rposition(|entry| entry.is_key);
        self.entries.drain(..key.unwrap_or(0));
        self.entries.front().map(|entry| entry.offset)
    }

    /// Whether any of its messages is needed, apart from those that messages to come would build on.
    pub(crate) fn is_needed(&self, needs: Needs) -> bool {
        self.first_needed(needs).is_some()
    }

    /// Time of the newest message.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.entries.back().map(|entry| entry.newest)
    }

    /// When the first message was scraped that has a sample at or after `horizon`.
    pub(crate) fn first_scraped(&self, horizon: Timestamp) -> Option<Timestamp> {
        self.entries.iter().filter(|entry| entry.newest >= horizon).map(|entry| entry.scraped).min()
    }

    /// Whether the stream was alive at `at`: it was scraped then, or not long before.
    pub(crate) fn is_alive(&self, at: Timestamp) -> bool {
        self.entries.iter().rev().any(|entry| entry.scraped <= at && entry.alive_until() >= at)
    }

    /// Whether samples of this stream were accepted that were scraped at `at` or shortly after.
    pub(crate) fn is_accepted_from(&self, at: Timestamp) -> bool {
        let until = at.saturating_add_millis(i64::from(LEAST_HOLD_MS));
        let is_between = |entry: &Entry| (at..=until).contains(&entry.scraped);
        self.entries.iter().rev().any(|entry| entry.is_accepted && is_between(entry))
    }

    fn first_needed(&self, needs: Needs) -> Option<usize> {
        let is_needed = |entry: &Entry| entry.newest >= needs.horizon || entry.alive_until() >= needs.weighed;
        let first = self.entries.iter().position(is_needed)?;
        // How long it holds follows from the one before it.
        let is_long = self.entries[first].hold_ms > LEAST_HOLD_MS;
        Some(first.saturating_sub(usize::from(is_long)))
    }
}

impl Entry {
    fn alive_until(&self) -> Timestamp {
        self.scraped.saturating_add_millis(i64::from(self.hold_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn history(entries: &[(u64, bool, i64)]) -> StreamHistory {
        let mut history = StreamHistory::default();
        for (offset, is_key, newest) in entries {
            history.push(Heard::unrivalled(*offset, *is_key, at(*newest)), 300_000);
        }
        history
    }

    fn since(horizon: i64) -> Needs {
        Needs::since(at(horizon))
    }

    #[test]
    fn goes_back_to_the_key_frame_before_the_first_needed_message() {
        let mut history =
            history(&[(1, true, 10), (2, false, 20), (3, true, 30), (4, false, 40), (5, false, 50)]);
        assert_eq!(history.needed(since(20)), Some(1));
        assert_eq!(history.needed(since(35)), Some(3));
        assert_eq!(history.entries.len(), 3, "what lies before is forgotten");
    }

    #[test]
    fn keeps_the_last_key_frame_for_messages_to_come() {
        let mut history = history(&[(1, true, 10), (2, false, 20)]);
        assert_eq!(history.needed(since(1_000)), Some(1));
        assert_eq!(history.newest(), Some(at(20)));
        assert!(!history.is_needed(since(1_000)));
    }

    #[test]
    fn an_empty_stream_needs_nothing() {
        assert_eq!(StreamHistory::default().needed(since(i64::MIN / 1_000)), None);
    }

    #[test]
    fn is_alive_for_three_of_its_intervals() {
        let quick = history(&[(1, true, 10), (2, false, 20)]);
        assert!(!quick.is_alive(at(9)) && quick.is_alive(at(10)) && quick.is_alive(at(50)));
        assert!(!quick.is_alive(at(51)));
        let slow = history(&[(1, true, 0), (2, false, 60)]);
        assert!(slow.is_alive(at(240)) && !slow.is_alive(at(241)));
        let slowest = history(&[(1, true, 0), (2, false, 3_600)]);
        assert!(slowest.is_alive(at(3_900)) && !slowest.is_alive(at(3_901)), "no longer than the limit");
    }

    #[test]
    fn keeps_what_rivals_are_weighed_against_and_what_tells_its_interval() {
        let entries = [(1, true, 0), (2, true, 10), (3, true, 20), (4, true, 30), (5, true, 130)];
        let weighed = |secs| Needs { horizon: at(1_000), weighed: at(secs) };
        assert_eq!(history(&entries).needed(weighed(45)), Some(3), "alive until 50");
        assert_eq!(
            history(&entries).needed(weighed(400)),
            Some(4),
            "alive until 430, for the 100 s before it"
        );
    }
}
