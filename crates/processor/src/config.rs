//! Section `processor` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use sentinel_runtime::config::duration;
use serde::{Deserialize, Serialize};

use crate::watermark::WatermarkLimits;
use crate::windows::WindowLimits;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessorConfig {
    /// How long a window stays open behind the slowest live collector.
    #[serde(with = "duration")]
    pub allowed_lateness: Duration,
    /// A collector whose progress trails the fastest one by more than this no longer holds windows open.
    #[serde(with = "duration")]
    pub idle_limit: Duration,
    /// How far back a counter's previous sample may lie (Prometheus' look-back delta is 5 min too).
    #[serde(with = "duration")]
    pub look_back: Duration,
    /// Samples stamped further ahead of their scrape than this are dead letters.
    #[serde(with = "duration")]
    pub future_limit: Duration,
    #[serde(with = "duration")]
    pub commit_interval: Duration,
    /// Series per partition; samples of further ones are dropped and counted.
    pub series_limit: usize,
    /// Consumers of the windows pipeline in this process, each on partitions of its own.
    pub workers: usize,
    /// Applied in order to each series when it first appears.
    pub rules: Vec<RuleConfig>,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            allowed_lateness: Duration::from_secs(30),
            idle_limit: Duration::from_secs(60),
            look_back: Duration::from_secs(300),
            future_limit: Duration::from_secs(600),
            commit_interval: Duration::from_secs(2),
            series_limit: 1_000_000,
            workers: 1,
            rules: Vec::new(),
        }
    }
}

impl ProcessorConfig {
    pub(crate) fn window_limits(&self) -> WindowLimits {
        let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        WindowLimits {
            watermark: WatermarkLimits {
                lateness_ms: millis(self.allowed_lateness),
                idle_ms: millis(self.idle_limit),
            },
            look_back_ms: millis(self.look_back),
            future_ms: millis(self.future_limit),
            series_limit: self.series_limit,
        }
    }
}

/// `match` chooses series, as `name{label="value"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum RuleConfig {
    /// The series goes nowhere.
    Drop {
        #[serde(rename = "match")]
        selector: String,
    },
    /// Adds or replaces labels; an empty value removes one.
    SetLabels {
        #[serde(rename = "match")]
        selector: String,
        labels: BTreeMap<String, String>,
    },
    /// Windows of these widths only (`"10s"`, `"1m"`, `"5m"`, `"1h"`) reach the store.
    Store {
        #[serde(rename = "match")]
        selector: String,
        resolutions: Vec<String>,
    },
}

impl RuleConfig {
    pub(crate) fn selector(&self) -> &str {
        match self {
            Self::Drop { selector } | Self::SetLabels { selector, .. } | Self::Store { selector, .. } => {
                selector
            }
        }
    }
}
