//! Section `bus` of the configuration.

use std::time::Duration;

use sentinel_model::Topic;
use sentinel_runtime::config::{Problem, bytes, duration, tagged};
use serde::{Deserialize, Deserializer, Serialize};

/// Which bus, and how it is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Config {
    Embedded(EmbeddedConfig),
}

/// The log in the data folder of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Of each topic. Fixed when the data folder is created.
    pub partitions: u32,
    pub fsync: Fsync,
    /// Longest time between two fsyncs under `fsync = "interval"`: what a power cut may cost.
    #[serde(with = "duration")]
    pub fsync_interval: Duration,
    /// Key, value and headers of one message.
    #[serde(with = "bytes")]
    pub max_message_bytes: u64,
    /// Messages held in memory until they are written into sorted files.
    #[serde(with = "bytes")]
    pub write_buffer_bytes: u64,
    /// Blocks of files held in memory for readers that are behind.
    #[serde(with = "bytes")]
    pub cache_bytes: u64,
    /// Between two rounds of retention and compaction.
    #[serde(with = "duration")]
    pub maintenance_interval: Duration,
    /// How long a removed key of a compacted topic can still be seen to be removed.
    #[serde(with = "duration")]
    pub tombstone_retention: Duration,
    pub retention: Retention,
    pub max_bytes: MaxBytes,
}

/// When an acknowledged message is on the disk itself. A crash of the process loses nothing under any
/// of them; they differ in what a power cut or a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before it is acknowledged. Publishers that come at the same time share one fsync.
    Always,
    /// At most `fsync_interval` after it was acknowledged.
    Interval,
    /// When the operating system sees fit.
    Never,
}

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
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;

/// The one table of defaults. Hours are enough to restart a consumer; a day and more is for what is
/// rare and looked at by people.
const fn defaults(topic: Topic) -> Keep {
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

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl Config {
    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let Self::Embedded(embedded) = self;
        embedded.problems()
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase")]
        enum Tagged {
            Embedded(EmbeddedConfig),
        }
        let Tagged::Embedded(embedded) = tagged(deserializer, "embedded")?;
        Ok(Self::Embedded(embedded))
    }
}

// === impl EmbeddedConfig ===

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            partitions: 4,
            fsync: Fsync::Interval,
            fsync_interval: Duration::from_millis(100),
            max_message_bytes: 4 * MIB,
            write_buffer_bytes: 4 * MIB,
            cache_bytes: 4 * MIB,
            maintenance_interval: Duration::from_secs(10),
            tombstone_retention: HOUR,
            retention: Retention::default(),
            max_bytes: MaxBytes::default(),
        }
    }
}

impl EmbeddedConfig {
    pub(crate) const fn keep(&self, topic: Topic) -> Keep {
        let (time, bytes) = match topic {
            Topic::Objects | Topic::Settings => return Keep::LastOfKey,
            Topic::Metrics => (self.retention.metrics, self.max_bytes.metrics),
            Topic::Logs => (self.retention.logs, self.max_bytes.logs),
            Topic::Events => (self.retention.events, self.max_bytes.events),
            Topic::Rollups => (self.retention.rollups, self.max_bytes.rollups),
            Topic::Live => (self.retention.live, self.max_bytes.live),
            Topic::DeadLetters => (self.retention.dead_letters, self.max_bytes.dead_letters),
        };
        Keep::Recent { time, bytes }
    }

    /// Values that cannot work.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
            Problem::new(format!("bus.{key}"), fact, line).when(is_wrong, &mut problems);
        };
        let is_many = !(1..=1_024).contains(&self.partitions);
        refuse(is_many, "partitions", "must be 1 to 1024", "partitions = 4");
        let is_wide = !(1_024..=64 * MIB).contains(&self.max_message_bytes);
        refuse(is_wide, "max_message_bytes", "must be 1KiB to 64MiB", "max_message_bytes = \"4MiB\"");
        let is_small = self.write_buffer_bytes < 64 << 10;
        refuse(is_small, "write_buffer_bytes", "must be 64KiB at least", "write_buffer_bytes = \"4MiB\"");
        let is_zero = self.maintenance_interval.is_zero();
        refuse(is_zero, "maintenance_interval", "must not be 0", "maintenance_interval = \"10s\"");
        let is_zero = self.fsync == Fsync::Interval && self.fsync_interval.is_zero();
        refuse(
            is_zero,
            "fsync_interval",
            "must not be 0; fsync = \"always\" waits for the disk",
            "fsync_interval = \"100ms\"",
        );
        for topic in Topic::ALL {
            let Keep::Recent { time, bytes } = self.keep(topic) else { continue };
            let name = topic_key(topic);
            let (time_key, bytes_key) = (format!("retention.{name}"), format!("max_bytes.{name}"));
            let Keep::Recent { time: usual_time, bytes: usual_bytes } = defaults(topic) else { continue };
            let line = format!("{name} = \"{}\"", duration::print(usual_time));
            refuse(time.is_zero(), &time_key, "must not be 0", &line);
            let line = format!("{name} = \"{}\"", bytes::print(usual_bytes));
            refuse(bytes == 0, &bytes_key, "must not be 0", &line);
        }
        problems
    }
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

#[cfg(test)]
mod tests {
    use sentinel_runtime::config::{Sources, load};

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        bus: Config,
    }

    fn read(key: &str, value: &str) -> Result<EmbeddedConfig, String> {
        let env = vec![(format!("SENTINEL__BUS__{key}"), value.to_owned())];
        let whole: Whole = load(&Sources { env, ..Sources::default() }).map_err(|error| error.to_string())?;
        let Config::Embedded(embedded) = whole.bus;
        Ok(embedded)
    }

    #[test]
    fn one_key_can_be_set_alone() {
        let config = read("RETENTION__METRICS", "3h").expect("valid");
        assert_eq!(config.keep(Topic::Metrics), Keep::Recent { time: HOUR * 3, bytes: 1_024 * MIB });
        assert_eq!(config.keep(Topic::Logs), EmbeddedConfig::default().keep(Topic::Logs));
        assert_eq!(read("FSYNC", "always").expect("valid").fsync, Fsync::Always);
    }

    #[test]
    fn refuses_an_unknown_key_with_the_line_to_write() {
        let message = read("PARTITION", "3").expect_err("an unknown key");
        assert!(message.ends_with("write: partitions = 3"), "{message}");
        assert!(read("KIND", "kafkaesque").is_err());
    }

    #[test]
    fn what_it_prints_can_be_read() {
        let table = toml::Table::try_from(Whole::default()).expect("printable");
        assert_eq!(table["bus"]["kind"].as_str(), Some("embedded"));
        assert_eq!(Whole::deserialize(table).expect("valid"), Whole::default());
    }

    #[test]
    fn only_compacted_topics_keep_the_last_of_each_key() {
        for topic in Topic::ALL {
            let keep = EmbeddedConfig::default().keep(topic);
            assert_eq!(keep, defaults(topic));
            assert_eq!(keep == Keep::LastOfKey, topic.is_compacted());
        }
    }

    #[test]
    fn values_that_cannot_work_are_named() {
        assert_eq!(EmbeddedConfig::default().problems(), []);
        let mut wrong = EmbeddedConfig { partitions: 0, max_message_bytes: 10, ..EmbeddedConfig::default() };
        wrong.retention.live = Duration::ZERO;
        let told: Vec<String> = wrong.problems().iter().map(ToString::to_string).collect();
        assert_eq!(told[0], "bus.partitions: must be 1 to 1024; write: partitions = 4");
        assert!(told[1].ends_with("write: max_message_bytes = \"4MiB\""), "{told:?}");
        assert!(told[2].starts_with("bus.retention.live") && told[2].ends_with("live = \"15m\""), "{told:?}");
    }
}
