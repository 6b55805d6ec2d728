//! Readers that get nothing although there is something.
//!
//! Clients of Kafka have stalled in many ways over the years. A reader whose application asks, and that has
//! had nothing for a long time, is compared with the ends of its partitions; if it is behind, it is built
//! anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::TopicPartition;

/// An application that has not asked for so long is busy.
const ASKS_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Watchdog {
    patience: Duration,
    /// When something came last, or the ends were looked at last.
    quiet_since: Instant,
    /// Ends that building anew did not reach: what lies before them is nothing that is delivered (markers of
    /// transactions, say).
    known: BTreeMap<TopicPartition, u64>,
}

/// A partition, the next offset wanted, and where it ends.
pub(super) struct Progress {
    pub at: TopicPartition,
    pub next: u64,
    pub end: u64,
}

impl Watchdog {
    pub fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, quiet_since: now, known: BTreeMap::new() }
    }

    /// Something came, or there is a reason why nothing can.
    pub fn pat(&mut self, now: Instant) {
        self.quiet_since = now;
    }

    /// Whether the ends are to be looked at. `last_hungry` is when the application asked last with nothing
    /// left to take.
    pub fn is_due(&mut self, last_hungry: Option<Instant>, now: Instant) -> bool {
        let asks = last_hungry.is_some_and(|asked| now.duration_since(asked) < ASKS_WITHIN);
        if !asks {
            self.quiet_since = now;
        }
        now.duration_since(self.quiet_since) >= self.patience
    }

    /// Whether the reader is stalled.
    pub fn judge(&mut self, progress: &[Progress], now: Instant) -> bool {
        self.quiet_since = now;
        let mut is_stalled = false;
        for Progress { at, next, end } in progress {
            if next < end && self.known.insert(*at, *end) != Some(*end) {
                is_stalled = true;
            }
        }
        is_stalled
    }
}

#[cfg(test)]
mod tests {
    use sentinel_model::Topic;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn at(partition: u32) -> TopicPartition {
        TopicPartition { topic: Topic::Logs, partition }
    }

    fn progress(next: u64, end: u64) -> [Progress; 1] {
        [Progress { at: at(0), next, end }]
    }

    #[test]
    fn looks_at_the_ends_when_a_hungry_application_has_had_nothing_for_long() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(PATIENCE, start);
        let later = |seconds| start + Duration::from_secs(seconds);
        for seconds in 1..30 {
            assert!(!watchdog.is_due(Some(later(seconds)), later(seconds)));
        }
        assert!(watchdog.is_due(Some(later(30)), later(30)));
        watchdog.pat(later(30));
        assert!(!watchdog.is_due(Some(later(59)), later(59)), "something came in between");
        assert!(watchdog.is_due(Some(later(60)), later(60)));
    }

    #[test]
    fn an_application_that_is_busy_is_left_alone() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(PATIENCE, start);
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(!watchdog.is_due(Some(start), later(100)), "it asked long ago");
        assert!(!watchdog.is_due(None, later(200)), "it has something to take");
        assert!(!watchdog.is_due(Some(later(201)), later(201)), "its hunger is counted from here");
    }

    #[test]
    fn is_stalled_only_behind_the_end() {
        let now = Instant::now();
        let mut watchdog = Watchdog::new(PATIENCE, now);
        assert!(!watchdog.judge(&progress(5, 5), now));
        assert!(watchdog.judge(&progress(4, 5), now));
    }

    #[test]
    fn what_building_anew_did_not_mend_is_not_tried_again() {
        let now = Instant::now();
        let mut watchdog = Watchdog::new(PATIENCE, now);
        assert!(watchdog.judge(&progress(4, 5), now));
        assert!(!watchdog.judge(&progress(4, 5), now));
        assert!(watchdog.judge(&progress(4, 6), now), "there is more now");
    }
}
