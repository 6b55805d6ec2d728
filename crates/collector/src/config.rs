//! Section `collector` of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sentinel_runtime::config::{Problem, duration, variable};
use serde::{Deserialize, Serialize};

use crate::sources::kubernetes::{self, KubernetesConfig};
use crate::{ShardingConfig, sharding, targets};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name of this collector in its frames; empty means the host's name.
    pub id: String,
    #[serde(with = "sentinel_runtime::config::duration")]
    pub scrape_interval: Duration,
    /// Until the whole body of a scrape must have been read.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub scrape_timeout: Duration,
    /// Publish this process's own metrics through the pipeline.
    pub self_metrics: bool,
    /// Send numbered beats through the pipeline, by which every hop is measured: three samples a second and a
    /// log line every ten.
    pub canary: bool,
    /// How targets that answer in OpenMetrics are read.
    pub openmetrics: OpenMetricsRules,
    pub limits: Limits,
    pub outlet: OutletConfig,
    pub kubernetes: KubernetesConfig,
    /// How several collectors share the work.
    pub sharding: ShardingConfig,
    /// Static targets.
    pub scrape: Vec<ScrapeTarget>,
}

/// One endpoint that answers in the Prometheus or OpenMetrics format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrapeTarget {
    /// `http://` or `https://` with path.
    pub url: String,
    /// Label `job`; without it the host and port.
    #[serde(default)]
    pub name: Option<String>,
    /// Labels that every series of the target gets.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Overrides `scrape_interval`.
    #[serde(default, with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Overrides `openmetrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openmetrics: Option<OpenMetricsRules>,
    /// A file with the bearer token that the target asks for, read for each scrape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

/// What becomes of an OpenMetrics answer that is well formed but breaks the format's rules about families:
/// lines of a family that do not stand together, a counter below zero, an info that is not 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenMetricsRules {
    /// The scrape fails, as the specification demands.
    #[default]
    Strict,
    /// Its samples are taken, as Prometheus does; each such scrape is counted.
    Lenient,
}

/// What a scrape may cost; beyond a limit nothing of the scrape is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Of a body, after decompression.
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub body_bytes: u64,
    pub samples_per_scrape: usize,
    pub labels_per_series: usize,
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub label_name_bytes: u64,
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub label_value_bytes: u64,
    /// Series that one target may have at a time.
    pub series_per_target: usize,
}

/// Between the sources and the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutletConfig {
    /// Encoded bytes that wait in memory for the bus.
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub queue_bytes: u64,
    /// Encoded bytes that wait on disk while the bus is away.
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub spool_bytes: u64,
    /// What happens when both are full.
    pub policy: OutletPolicy,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutletPolicy {
    /// Sources wait: scrapes are skipped, nothing that was taken in is lost.
    #[default]
    Block,
    /// The oldest spooled data make room; each drop is counted.
    DropOldest,
}

impl Config {
    /// What tells this collector from others, and label `instance` of its own metrics: the id, or else the host's name.
    pub(crate) fn instance(&self) -> String {
        if self.id.is_empty() { host_name() } else { self.id.clone() }
    }

    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
            Problem::new(format!("collector.{key}"), fact, line).when(is_wrong, &mut problems);
        };
        let (interval, timeout) = (self.scrape_interval, self.scrape_timeout);
        refuse(interval.is_zero(), "scrape_interval", "must be at least 1ms", "scrape_interval = \"10s\"");
        let is_wrong = timeout.is_zero() || (timeout > interval && !interval.is_zero());
        let fact = "must be more than 0 and at most scrape_interval";
        let line = format!("scrape_timeout = \"{}\"", duration::print(interval.mul_f64(0.8)));
        refuse(is_wrong, "scrape_timeout", fact, &line);
        refuse(self.id.contains('/'), "id", "must be a name without '/'", "id = \"collector-1\"");
        let limits = &self.limits;
        let (one, some) = ("must be at least 1", "must be more than 0");
        refuse(limits.body_bytes == 0, "limits.body_bytes", some, "body_bytes = \"64MiB\"");
        let none = limits.samples_per_scrape == 0;
        refuse(none, "limits.samples_per_scrape", one, "samples_per_scrape = 500000");
        let few = limits.labels_per_series < FEWEST_LABELS;
        let fact = format!(
            "must be at least {FEWEST_LABELS}, as every series has its name, job, instance and cluster"
        );
        refuse(few, "limits.labels_per_series", &fact, "labels_per_series = 64");
        let none = limits.label_name_bytes == 0;
        refuse(none, "limits.label_name_bytes", some, "label_name_bytes = \"1KiB\"");
        let none = limits.label_value_bytes == 0;
        refuse(none, "limits.label_value_bytes", some, "label_value_bytes = \"16KiB\"");
        let none = limits.series_per_target == 0;
        refuse(none, "limits.series_per_target", one, "series_per_target = 500000");
        refuse(self.outlet.queue_bytes == 0, "outlet.queue_bytes", some, "queue_bytes = \"32MiB\"");
        problems.extend(kubernetes::problems(&self.kubernetes));
        problems.extend(sharding::problems(self));
        problems.extend(targets::problems(self));
        problems
    }
}

/// As the system knows it.
fn host_name() -> String {
    let read = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = variable("HOSTNAME").or_else(read).unwrap_or_default();
    let name = name.trim().replace('/', "-");
    if name.is_empty() { "collector".to_owned() } else { name }
}

/// Those that every scraped series has.
const FEWEST_LABELS: usize = 4;

impl Default for Config {
    fn default() -> Self {
        Self {
            id: String::new(),
            scrape_interval: Duration::from_secs(10),
            scrape_timeout: Duration::from_secs(8),
            self_metrics: true,
            canary: true,
            openmetrics: OpenMetricsRules::Strict,
            limits: Limits::default(),
            outlet: OutletConfig::default(),
            kubernetes: KubernetesConfig::default(),
            sharding: ShardingConfig::default(),
            scrape: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            samples_per_scrape: 500_000,
            labels_per_series: 64,
            label_name_bytes: 1 << 10,
            label_value_bytes: 16 << 10,
            series_per_target: 500_000,
        }
    }
}

impl Default for OutletConfig {
    fn default() -> Self {
        Self { queue_bytes: 32 << 20, spool_bytes: 256 << 20, policy: OutletPolicy::Block }
    }
}

mod optional_duration {
    use std::time::Duration;

    use sentinel_runtime::config::duration;
    use serde::{Deserializer, Serializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(deserializer).map(Some)
    }

    #[expect(clippy::ref_option, reason = "serde passes the field by reference")]
    pub fn serialize<S: Serializer>(interval: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match interval {
            Some(interval) => duration::serialize(interval, serializer),
            None => serializer.serialize_none(),
        }
    }
}
