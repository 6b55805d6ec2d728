//! Section `processor` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use sentinel_runtime::config::{Problem, duration};
use serde::{Deserialize, Serialize};

use crate::rules::{RuleError, Rules};
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
    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let usual = Self::default();
        let mut problems = Vec::new();
        for (key, number, usual) in [
            ("workers", self.workers, usual.workers),
            ("series_limit", self.series_limit, usual.series_limit),
        ] {
            Problem::new(format!("processor.{key}"), "must be at least 1", format!("{key} = {usual}"))
                .when(number == 0, &mut problems);
        }
        for (key, time, usual) in [
            ("idle_limit", self.idle_limit, usual.idle_limit),
            ("look_back", self.look_back, usual.look_back),
            ("commit_interval", self.commit_interval, usual.commit_interval),
        ] {
            let line = format!("{key} = \"{}\"", duration::print(usual));
            Problem::new(format!("processor.{key}"), "must be more than 0", line)
                .when(time.is_zero(), &mut problems);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let key = |name: &str| format!("processor.rules[{index}].{name}");
            // One by one, so that the second wrong rule is told too.
            match Rules::new(std::slice::from_ref(rule)) {
                Ok(_) => {}
                Err(RuleError::Selector { source, .. }) => problems.push(Problem::new(
                    key("match"),
                    format!("{:?} chooses no series: {source}", rule.selector()),
                    "match = '{__name__=~\"go_.*\"}'",
                )),
                Err(RuleError::Resolution { name, .. }) => problems.push(Problem::new(
                    key("resolutions"),
                    format!("{name:?} is none of \"10s\", \"1m\", \"5m\" and \"1h\""),
                    "resolutions = [\"1m\", \"5m\", \"1h\"]",
                )),
            }
        }
        problems
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_everything_that_cannot_work() {
        assert_eq!(ProcessorConfig::default().problems(), []);
        let rules = vec![
            RuleConfig::Drop { selector: "{".to_owned() },
            RuleConfig::Drop { selector: "up".to_owned() },
            RuleConfig::Store { selector: "up".to_owned(), resolutions: vec!["2m".to_owned()] },
        ];
        let wrong = ProcessorConfig {
            workers: 0,
            commit_interval: Duration::ZERO,
            rules,
            ..ProcessorConfig::default()
        };
        let keys: Vec<String> = wrong.problems().into_iter().map(|problem| problem.key).collect();
        let expected = ["workers", "commit_interval", "rules[0].match", "rules[2].resolutions"];
        assert_eq!(keys, expected.map(|key| format!("processor.{key}")));
    }
}
