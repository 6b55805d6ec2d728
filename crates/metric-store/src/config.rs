//! Section `metric_store` of the configuration.

mod influxdb;

use std::time::Duration;

use sentinel_model::Resolution;
use sentinel_runtime::config::{Problem, bytes, duration, tagged};
use serde::{Deserialize, Deserializer, Serialize};

pub use influxdb::{InfluxdbConfig, InfluxdbVersion};

/// Which metric store, and how it is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Config {
    Embedded(EmbeddedConfig),
    /// Boxed: it is much larger.
    Influxdb(Box<InfluxdbConfig>),
}

/// The store in the data folder of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// Values of series beyond this many are refused and counted.
    pub series_limit: usize,
    pub retention: Retention,
    pub fsync: Fsync,
    /// Longest time between two fsyncs under `fsync = "interval"`: what a power cut may cost.
    #[serde(with = "duration")]
    pub fsync_interval: Duration,
    /// Windows of one chunk: with 360, chunks of 10 s windows span an hour. Fixed when the data folder
    /// is created.
    pub chunk_windows: u32,
    /// Windows of one resolution that are held in memory before they go into chunks.
    pub head_windows: u32,
    /// Memory above which windows go into chunks earlier.
    #[serde(with = "bytes")]
    pub head_bytes: u64,
    /// Chunks held in memory for readers.
    #[serde(with = "bytes")]
    pub cache_bytes: u64,
    /// Between two looks at what to move into chunks and what to drop.
    #[serde(with = "duration")]
    pub maintenance_interval: Duration,
}

/// How long windows are kept, by resolution. Counted back from the newest window, or from now if that
/// lies in the future, so that a replay of old data is kept as it would have been then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    #[serde(with = "duration", rename = "10s")]
    pub ten_seconds: Duration,
    #[serde(with = "duration", rename = "1m")]
    pub one_minute: Duration,
    #[serde(with = "duration", rename = "5m")]
    pub five_minutes: Duration,
    #[serde(with = "duration", rename = "1h")]
    pub one_hour: Duration,
}

/// When a written window is on the disk itself. A crash of the process loses nothing under any of
/// them; they differ in what a power cut or a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before the write returns. Writes that come at the same time share one fsync.
    Always,
    /// At most `fsync_interval` after it returned.
    Interval,
    /// When the operating system sees fit.
    Never,
}

const DAY: Duration = Duration::from_secs(86_400);

/// A chunk's description counts its windows in memory of this many at most.
const MAX_CHUNK_WINDOWS: u32 = 4_096;

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl Config {
    /// How long windows are kept, unless somebody sets another span.
    pub fn retention(&self, resolution: Resolution) -> Duration {
        match self {
            Self::Embedded(config) => config.retention(resolution),
            Self::Influxdb(config) => config.retention.of(resolution),
        }
    }

    /// Windows go by a retention of the server's own, which may be longer than what is configured.
    pub const fn is_retention_kept_by_server(&self) -> bool {
        matches!(self, Self::Influxdb(_))
    }

    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Embedded(embedded) => embedded.problems(),
            Self::Influxdb(influxdb) => influxdb.problems(),
        }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase")]
        enum Tagged {
            Embedded(EmbeddedConfig),
            Influxdb(Box<InfluxdbConfig>),
        }
        Ok(match tagged(deserializer, "embedded")? {
            Tagged::Embedded(embedded) => Self::Embedded(embedded),
            Tagged::Influxdb(influxdb) => Self::Influxdb(influxdb),
        })
    }
}

// === impl EmbeddedConfig ===

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            series_limit: 500_000,
            retention: Retention::default(),
            fsync: Fsync::Always,
            fsync_interval: Duration::from_millis(100),
            chunk_windows: 360,
            head_windows: 24,
            head_bytes: 8 << 20,
            cache_bytes: 4 << 20,
            maintenance_interval: Duration::from_secs(5),
        }
    }
}

impl EmbeddedConfig {
    pub(crate) const fn retention(&self, resolution: Resolution) -> Duration {
        self.retention.of(resolution)
    }

    /// Values that cannot work.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
            Problem::new(format!("metric_store.{key}"), fact, line).when(is_wrong, &mut problems);
        };
        refuse(self.series_limit == 0, "series_limit", "must be 1 at least", "series_limit = 500000");
        let is_wrong = |windows: u32, least: u32| !(least..=MAX_CHUNK_WINDOWS).contains(&windows);
        refuse(is_wrong(self.chunk_windows, 8), "chunk_windows", "must be 8 to 4096", "chunk_windows = 360");
        refuse(is_wrong(self.head_windows, 1), "head_windows", "must be 1 to 4096", "head_windows = 24");
        for (key, interval, line) in [
            ("maintenance_interval", self.maintenance_interval, "maintenance_interval = \"5s\""),
            ("fsync_interval", self.fsync_interval, "fsync_interval = \"100ms\""),
        ] {
            refuse(interval.is_zero(), key, "must not be 0", line);
        }
        for resolution in Resolution::ALL {
            let key = format!("retention.{}", resolution.as_str());
            let (kept, least) = (self.retention(resolution), least_retention(resolution));
            let fact = format!("must be {} at least", duration::print(least));
            let line = format!(
                "{} = \"{}\"",
                resolution.as_str(),
                duration::print(Self::default().retention(resolution))
            );
            refuse(kept < least, &key, &fact, &line);
        }
        problems
    }
}

/// Fewer windows would go before anybody could look at them.
const fn least_retention(resolution: Resolution) -> Duration {
    let seconds = match resolution {
        Resolution::TenSeconds => 10,
        Resolution::OneMinute => 60,
        Resolution::FiveMinutes => 300,
        Resolution::OneHour => 3_600,
    };
    Duration::from_secs(6 * seconds)
}

// === impl Retention ===

impl Retention {
    pub(crate) const fn of(&self, resolution: Resolution) -> Duration {
        match resolution {
            Resolution::TenSeconds => self.ten_seconds,
            Resolution::OneMinute => self.one_minute,
            Resolution::FiveMinutes => self.five_minutes,
            Resolution::OneHour => self.one_hour,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { ten_seconds: DAY * 2, one_minute: DAY * 14, five_minutes: DAY * 60, one_hour: DAY * 400 }
    }
}

#[cfg(test)]
mod tests {
    use sentinel_runtime::config::{Sources, load};

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        metric_store: Config,
    }

    fn read(key: &str, value: &str) -> Result<EmbeddedConfig, String> {
        let env = vec![(format!("SENTINEL__METRIC_STORE__{key}"), value.to_owned())];
        let whole: Whole = load(&Sources { env, ..Sources::default() }).map_err(|error| error.to_string())?;
        match whole.metric_store {
            Config::Embedded(embedded) => Ok(embedded),
            Config::Influxdb(_) => Err("another kind".to_owned()),
        }
    }

    #[test]
    fn reads_each_retention_by_its_resolution() {
        let config = read("RETENTION__10S", "6h").expect("a valid configuration");
        assert_eq!(config.retention(Resolution::TenSeconds), Duration::from_secs(6 * 3_600));
        assert_eq!(config.retention(Resolution::OneHour), DAY * 400);
        assert_eq!(read("FSYNC", "never").expect("a valid configuration").fsync, Fsync::Never);
    }

    #[test]
    fn refuses_unknown_keys_and_kinds() {
        let error = read("SERIES_LIMITS", "5").expect_err("no such key");
        assert!(error.contains("SERIES_LIMITS") && error.contains("series_limits"), "{error}");
        assert!(read("KIND", "paper").is_err());
    }

    #[test]
    fn names_the_line_for_values_that_cannot_work() {
        assert_eq!(EmbeddedConfig::default().problems(), []);
        let wrong = [
            EmbeddedConfig { series_limit: 0, ..EmbeddedConfig::default() },
            EmbeddedConfig { chunk_windows: 1, ..EmbeddedConfig::default() },
            EmbeddedConfig { head_windows: 0, ..EmbeddedConfig::default() },
            EmbeddedConfig { maintenance_interval: Duration::ZERO, ..EmbeddedConfig::default() },
            EmbeddedConfig {
                retention: Retention { ten_seconds: Duration::from_secs(1), ..Retention::default() },
                ..EmbeddedConfig::default()
            },
        ];
        for config in wrong {
            let problems = config.problems();
            assert!(matches!(&problems[..], [only] if only.write.is_some()), "{problems:?}");
        }
    }
}
