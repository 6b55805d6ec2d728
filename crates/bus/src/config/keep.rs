//! What is kept of each topic: the same sections and defaults for every kind of bus.

use std::time::Duration;

use sentinel_model::Topic;
use sentinel_runtime::config::{Problem, bytes, duration};
use serde::{Deserialize, Serialize};

/// How long messages are kept at least, by topic, as long as the topic stays within [`MaxBytes`].
/// Compacted topics are not listed: they keep the last message of each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    #[serde(with = "duration")]
    pub metrics: Duration,
    #[serde(with = "duration")]
    pub logs: Duration,
    #[serde(with = "duration")]
    pub events: Duration,
    #[serde(with = "duration")]
    pub rollups: Duration,
    #[serde(with = "duration")]
    pub live: Duration,
    #[serde(with = "duration")]
    pub dead_letters: Duration,
}

/// How much of a topic is kept at most: beyond it, the oldest messages go before their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaxBytes {
    #[serde(with = "bytes")]
    pub metrics: u64,
    #[serde(with = "bytes")]
    pub logs: u64,
    #[serde(with = "bytes")]
    pub events: u64,
    #[serde(with = "bytes")]
    pub rollups: u64,
    #[serde(with = "bytes")]
    pub live: u64,
    #[serde(with = "bytes")]
    pub dead_letters: u64,
}

/// What is kept of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The last message of each key.
    LastOfKey,
    Recent {
        time: Duration,
        bytes: u64,
    },
}

const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
pub(super) const MIB: u64 = 1 << 20;
/// The largest message by default: the key frame of as many series as a stream may have is about 20 MiB.
pub(super) const MAX_MESSAGE_BYTES: u64 = 24 * MIB;

/// The one table of defaults. Hours are enough to restart a consumer; a day and more is for what is
/// rare and looked at by people.
pub(super) const fn defaults(topic: Topic) -> Keep {
    match topic {
        Topic::Metrics => Keep::Recent { time: HOUR.saturating_mul(2), bytes: 1_024 * MIB },
        Topic::Logs => Keep::Recent { time: HOUR.saturating_mul(2), bytes: 512 * MIB },
        Topic::Events => Keep::Recent { time: DAY.saturating_mul(7), bytes: 256 * MIB },
        Topic::Objects | Topic::Settings => Keep::LastOfKey,
        Topic::Rollups => Keep::Recent { time: HOUR.saturating_mul(2), bytes: 1_024 * MIB },
        Topic::Live => Keep::Recent { time: MINUTE.saturating_mul(15), bytes: 256 * MIB },
        Topic::DeadLetters => Keep::Recent { time: DAY.saturating_mul(7), bytes: 256 * MIB },
    }
}

/// What `retention` and `max_bytes` say of a topic.
pub(super) const fn keep(topic: Topic, retention: &Retention, max_bytes: &MaxBytes) -> Keep {
    let (time, bytes) = match topic {
        Topic::Objects | Topic::Settings => return Keep::LastOfKey,
        Topic::Metrics => (retention.metrics, max_bytes.metrics),
        Topic::Logs => (retention.logs, max_bytes.logs),
        Topic::Events => (retention.events, max_bytes.events),
        Topic::Rollups => (retention.rollups, max_bytes.rollups),
        Topic::Live => (retention.live, max_bytes.live),
        Topic::DeadLetters => (retention.dead_letters, max_bytes.dead_letters),
    };
    Keep::Recent { time, bytes }
}

/// Values of `retention` and `max_bytes` that cannot work.
pub(super) fn problems(retention: &Retention, max_bytes: &MaxBytes) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |is_zero: bool, key: String, line: String| {
        Problem::new(key, "must not be 0", line).when(is_zero, &mut problems);
    };
    for topic in Topic::ALL {
        let Keep::Recent { time, bytes } = keep(topic, retention, max_bytes) else { continue };
        let Keep::Recent { time: usual_time, bytes: usual_bytes } = defaults(topic) else { continue };
        let name = topic_key(topic);
        let line = format!("{name} = \"{}\"", duration::print(usual_time));
        refuse(time.is_zero(), format!("bus.retention.{name}"), line);
        let line = format!("{name} = \"{}\"", bytes::print(usual_bytes));
        refuse(bytes == 0, format!("bus.max_bytes.{name}"), line);
    }
    problems
}

/// Its key in `retention` and `max_bytes`.
const fn topic_key(topic: Topic) -> &'static str {
    match topic {
        Topic::Metrics => "metrics",
        Topic::Logs => "logs",
        Topic::Events => "events",
        Topic::Objects => "objects",
        Topic::Rollups => "rollups",
        Topic::Live => "live",
        Topic::DeadLetters => "dead_letters",
        Topic::Settings => "settings",
    }
}

// === impl Retention, MaxBytes ===

impl Default for Retention {
    fn default() -> Self {
        let time = |topic| match defaults(topic) {
            Keep::Recent { time, .. } => time,
            Keep::LastOfKey => Duration::MAX,
        };
        Self {
            metrics: time(Topic::Metrics),
            logs: time(Topic::Logs),
            events: time(Topic::Events),
            rollups: time(Topic::Rollups),
            live: time(Topic::Live),
            dead_letters: time(Topic::DeadLetters),
        }
    }
}

impl Default for MaxBytes {
    fn default() -> Self {
        let size = |topic| match defaults(topic) {
            Keep::Recent { bytes, .. } => bytes,
            Keep::LastOfKey => u64::MAX,
        };
        Self {
            metrics: size(Topic::Metrics),
            logs: size(Topic::Logs),
            events: size(Topic::Events),
            rollups: size(Topic::Rollups),
            live: size(Topic::Live),
            dead_letters: size(Topic::DeadLetters),
        }
    }
}
