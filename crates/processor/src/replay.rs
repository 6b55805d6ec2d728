//! Which part of a partition a restart must read again, and what it must know beforehand.

use std::collections::VecDeque;

use sentinel_model::Timestamp;

/// Messages of one stream that a replay may still need, oldest first.
#[derive(Debug, Default)]
pub(crate) struct StreamHistory {
    entries: VecDeque<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    offset: u64,
    is_key: bool,
    newest: Timestamp,
}

impl StreamHistory {
    /// Notes a message; `newest` is the time of its newest sample.
    pub(crate) fn push(&mut self, offset: u64, is_key: bool, newest: Timestamp) {
        self.entries.push_back(Entry { offset, is_key, newest });
    }

    /// Smallest offset from which a reader can decode every message that holds something at or after
    /// `horizon`, and every message to come: that of the key frame at or before the first such message.
    /// Forgets what lies before it. `None` before the first key frame.
    pub(crate) fn needed(&mut self, horizon: Timestamp) -> Option<u64> {
        let last = self.entries.len().checked_sub(1)?;
        let first_needed = self.entries.iter().position(|entry| entry.newest >= horizon).unwrap_or(last);
        let key = self.entries.range(..=first_needed).rposition(|entry| entry.is_key);
        self.entries.drain(..key.unwrap_or(0));
        self.entries.front().map(|entry| entry.offset)
    }

    /// Time of the newest message.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.entries.back().map(|entry| entry.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(entries: &[(u64, bool, i64)]) -> StreamHistory {
        let mut history = StreamHistory::default();
        for (offset, is_key, newest) in entries {
            history.push(*offset, *is_key, Timestamp::from_secs(*newest));
        }
        history
    }

    #[test]
    fn goes_back_to_the_key_frame_before_the_first_needed_message() {
        let mut history =
            history(&[(1, true, 10), (2, false, 20), (3, true, 30), (4, false, 40), (5, false, 50)]);
        assert_eq!(history.needed(Timestamp::from_secs(20)), Some(1));
        assert_eq!(history.needed(Timestamp::from_secs(35)), Some(3));
        assert_eq!(history.entries.len(), 3, "what lies before is forgotten");
    }

    #[test]
    fn keeps_the_last_key_frame_for_messages_to_come() {
        let mut history = history(&[(1, true, 10), (2, false, 20)]);
        assert_eq!(history.needed(Timestamp::from_secs(1_000)), Some(1));
        assert_eq!(history.newest(), Some(Timestamp::from_secs(20)));
    }

    #[test]
    fn an_empty_stream_needs_nothing() {
        assert_eq!(StreamHistory::default().needed(Timestamp::MIN), None);
    }
}
