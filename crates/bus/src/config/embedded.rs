//! The log in the data folder.

use std::time::Duration;

use sentinel_model::Topic;
use sentinel_runtime::config::{Problem, bytes, duration};
use serde::{Deserialize, Serialize};

use super::keep::{self, HOUR, Keep, MAX_MESSAGE_BYTES, MIB, MaxBytes, Retention};

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

// === impl EmbeddedConfig ===

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            partitions: 4,
            fsync: Fsync::Interval,
            fsync_interval: Duration::from_millis(100),
            max_message_bytes: MAX_MESSAGE_BYTES,
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
        keep::keep(topic, &self.retention, &self.max_bytes)
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
        refuse(is_wide, "max_message_bytes", "must be 1KiB to 64MiB", "max_message_bytes = \"24MiB\"");
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
        problems.extend(keep::problems(&self.retention, &self.max_bytes));
        problems
    }
}
