//! The canary: numbered beats that every collector sends all the time, as series and as log lines, so that
//! each hop can tell what is missing, what came twice and how long it took.

use std::fmt;

use crate::Timestamp;

mod track;
mod windows;

pub use track::{CanaryBeats, CanaryCount, CanaryTrack};
pub use windows::{CanarySeen, CanaryWindows};

/// Number of the beat; begins at 0 with each life of a collector.
pub const CANARY_SEQUENCE: &str = "sentinel_canary_sequence";
/// When the beat was sent, by the collector's clock.
pub const CANARY_SENT: &str = "sentinel_canary_sent_timestamp_seconds";
/// Which life of the collector it is of: grows with each start.
pub const CANARY_LIFE: &str = "sentinel_canary_started_timestamp_seconds";
/// What targets of canaries begin with.
pub const CANARY_TARGET: &str = "canary/";
/// Namespace of the canaries' log lines.
pub const CANARY_NAMESPACE: &str = "sentinel-canary";

/// One beat, as a log line tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryBeat {
    /// Start of the collector's life, in milliseconds since the epoch or later.
    pub life: u64,
    pub sequence: u64,
    pub sent: Timestamp,
}

/// `canary 17 started=1795255200000 sent=1795255370000`
impl fmt::Display for CanaryBeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "canary {} started={} sent={}", self.sequence, self.life, self.sent)
    }
}

impl CanaryBeat {
    /// What [`Self::to_string`] wrote; `None` for anything else.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("canary ")?;
        let (sequence, rest) = rest.split_once(" started=")?;
        let (life, sent) = rest.split_once(" sent=")?;
        let sent = Timestamp::from_millis(sent.parse().ok()?);
        Some(Self { life: life.parse().ok()?, sequence: sequence.parse().ok()?, sent })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_of_somebody_else_is_no_beat() {
        for line in ["", "canary", "canary 1", "canary x started=1 sent=1", "canary 1 started=1 sent="] {
            assert_eq!(CanaryBeat::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_beat_comes_back_from_its_line(life: u64, sequence: u64, sent: i64) {
            let beat = CanaryBeat { life, sequence, sent: Timestamp::from_millis(sent) };
            prop_assert_eq!(CanaryBeat::parse(&beat.to_string()), Some(beat));
        }
    }
}
