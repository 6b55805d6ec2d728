//! What is to be measured, and how: checked before anything is started.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sentinel_runtime::clock;
use sentinel_runtime::config::duration;
use toml::{Table, Value};

use super::role::Part;
use crate::cli::{BenchPipelineArgs, Common, Rate};
use crate::config::{self, Config, Flags};

/// Everything that is decided before the start.
#[derive(Debug)]
pub struct Plan {
    pub size: Size,
    pub duration: Duration,
    pub warm_up: Duration,
    pub n_collectors: usize,
    pub n_processors: usize,
    pub allowed_lateness: Duration,
    /// With names of its own for everything on servers.
    pub config: Config,
    /// Sections of the configuration file that the roles get.
    pub sections: Table,
    /// For the roles, over whatever the file says.
    pub environment: Vec<(String, String)>,
    /// Variables of this process that the roles must not get.
    pub hidden: Vec<String>,
    pub folder: PathBuf,
    pub is_kept: bool,
}

/// Of the simulated cluster, and how often it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub n_series: u64,
    pub n_pods: u64,
    pub n_nodes: u64,
    pub interval: Duration,
    /// `None`: as many as possible.
    pub rate: Option<f64>,
}

/// Series that the cluster has besides those of pods, and for each node and pod, as the collector sees them.
const SERIES_BEFORE: u64 = 150;
const SERIES_PER_NODE: u64 = 170;
const SERIES_PER_POD: u64 = 125;
/// Of one round of scrapes, measured: not every series is in each.
const SAMPLES_PER_SERIES: f64 = 0.73;
/// As kubelets have them by default, at most 110.
const PODS_PER_NODE: u64 = 50;
/// Several targets, so that partitions have something each.
const FEWEST_NODES: u64 = 2;
/// What the simulated cluster can be.
const MOST_SERIES: u64 = 2_000_000;
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// Between two scrapes under `--rate max`. Scrapes never overlap: one that takes longer costs the next ones.
const INTERVAL_AT_MOST: Duration = Duration::from_millis(500);
/// Sections that roles read from the file; all others are the benchmark's own.
const SECTIONS: [&str; 7] =
    ["bus", "metric_store", "log_store", "cache", "processor", "min_free_disk", "drain_deadline"];

impl Plan {
    /// # Errors
    /// A configuration that cannot work, flags that cannot, or both together.
    pub fn new(args: &BenchPipelineArgs) -> anyhow::Result<Self> {
        let common = Common { config: args.config.clone(), ..Common::default() };
        let mut config = config::load(&common, Flags::common(&common), "bench")?;
        let size = Size::new(args.series, args.rate)?;
        check(args, &config)?;
        // Letters and digits alone, as the strictest of the servers wants it.
        let id = format!("bench{:x}", clock::now_nanos().unsigned_abs() ^ u64::from(std::process::id()));
        let mut environment = own_names(&mut config, &id);
        let lateness = duration::print(args.allowed_lateness);
        environment.push(("SENTINEL__PROCESSOR__ALLOWED_LATENESS".to_owned(), lateness));
        let hidden = sentinel_runtime::config::environment().into_iter().map(|(name, _)| name);
        let hidden = hidden.filter(|name| !is_for_roles(name)).chain(["SENTINEL_CONFIG".to_owned()]);
        Ok(Self {
            size,
            duration: args.duration,
            warm_up: args.warm_up,
            n_collectors: args.collectors,
            n_processors: args.processors,
            allowed_lateness: args.allowed_lateness,
            config,
            sections: sections(args)?,
            environment,
            hidden: hidden.collect(),
            folder: args.folder.clone().unwrap_or_else(std::env::temp_dir).join(format!("sentinel-{id}")),
            is_kept: args.keep,
        })
    }

    /// The processes of the pipeline, in the order of the data.
    pub fn parts(&self) -> Vec<Part> {
        if !is_shared_bus(&self.config) {
            return vec![Part::AllRoles];
        }
        let mut parts = vec![Part::Collector; self.n_collectors];
        if are_shared_stores(&self.config) {
            parts.extend(vec![Part::Processor; self.n_processors]);
            parts.push(Part::Api);
        } else {
            parts.push(Part::ProcessorAndApi);
        }
        parts
    }

    pub fn simulator_config(&self) -> String {
        let Size { n_pods, n_nodes, .. } = self.size;
        format!("[simulator]\npods = {n_pods}\nnodes = {n_nodes}\n")
    }

    /// The file that every role gets.
    pub fn roles_config(&self, cluster_url: &str) -> String {
        let text = |value: &str| Value::String(value.to_owned());
        let interval = text(&duration::print(self.size.interval));
        let kubelet = Table::from_iter([
            ("mode".to_owned(), text("url")),
            ("url".to_owned(), text(&format!("{cluster_url}/kubelet/{{node}}"))),
            ("interval".to_owned(), interval.clone()),
        ]);
        // Not the last ten minutes at once: what is measured is what goes on.
        let logs = Table::from_iter([("backfill".to_owned(), text("5s"))]);
        let kubernetes = Table::from_iter([
            ("enabled".to_owned(), text("always")),
            ("url".to_owned(), text(cluster_url)),
            ("log_namespaces".to_owned(), Value::Array(vec![text("*")])),
            ("kubelet".to_owned(), kubelet.into()),
            ("logs".to_owned(), logs.into()),
        ]);
        let mut collector = Table::from_iter([
            ("scrape_interval".to_owned(), interval.clone()),
            ("scrape_timeout".to_owned(), interval),
            ("kubernetes".to_owned(), kubernetes.into()),
        ]);
        if self.n_collectors > 1 {
            collector
                .insert("sharding".to_owned(), Table::from_iter([("kind".to_owned(), text("group"))]).into());
        }
        let limits = Table::from_iter([("answer_ttl".to_owned(), text("0s"))]);
        let mut whole = self.sections.clone();
        whole.insert("cluster".to_owned(), text("bench"));
        whole.insert("collector".to_owned(), collector.into());
        whole.insert("api".to_owned(), Table::from_iter([("limits".to_owned(), limits.into())]).into());
        whole.to_string()
    }
}

impl Size {
    fn new(n_series: u64, rate: Rate) -> anyhow::Result<Self> {
        if !(1..=MOST_SERIES).contains(&n_series) {
            bail!(
                "--series {n_series} is not between 1 and {MOST_SERIES}, which the simulated cluster can have"
            );
        }
        let of_pods = n_series.saturating_sub(SERIES_BEFORE + FEWEST_NODES * SERIES_PER_NODE);
        let n_pods = (of_pods * PODS_PER_NODE / (PODS_PER_NODE * SERIES_PER_POD + SERIES_PER_NODE)).max(1);
        let n_nodes = n_pods.div_ceil(PODS_PER_NODE).max(FEWEST_NODES);
        let size = |interval, rate| Self { n_series, n_pods, n_nodes, interval, rate };
        let rate = match rate {
            Rate::Max => return Ok(size(INTERVAL_AT_MOST, None)),
            Rate::PerSecond(rate) => rate,
        };
        let samples = n_series as f64 * SAMPLES_PER_SERIES;
        let interval = Duration::try_from_secs_f64(samples / rate).unwrap_or(Duration::MAX);
        if interval < LEAST_INTERVAL {
            let fewest = (rate * LEAST_INTERVAL.as_secs_f64() / SAMPLES_PER_SERIES).ceil();
            bail!(
                "--rate {rate} of {n_series} series is a scrape every {interval:.1?}, and targets are scraped ten \
                 times a second at most; write --series {fewest} or more, or --rate max"
            );
        }
        if interval > Duration::from_secs(60) {
            let least = (samples / 60.0).ceil();
            bail!(
                "--rate {rate} of {n_series} series is a scrape every {:.0} s, longer than anybody waits; write \
                 --rate {least} or more",
                interval.as_secs_f64()
            );
        }
        // The configuration counts in milliseconds.
        Ok(size(Duration::from_millis(interval.as_millis() as u64), Some(rate)))
    }
}

fn check(args: &BenchPipelineArgs, config: &Config) -> anyhow::Result<()> {
    if args.collectors == 0 || args.processors == 0 {
        bail!("--collectors and --processors must be at least 1");
    }
    if args.duration < Duration::from_secs(1) {
        bail!("--duration {} is too short to measure anything; write 60s", duration::print(args.duration));
    }
    if (args.collectors > 1 || args.processors > 1) && !is_shared_bus(config) {
        bail!(
            "several processes need a bus that they can share, and bus.kind is \"embedded\"; give a --config with \
             bus.kind = \"kafka\""
        );
    }
    if args.processors > 1 && !are_shared_stores(config) {
        bail!(
            "several processors need stores that they can share; write metric_store.kind = \"influxdb\" and \
             log_store.kind = \"elasticsearch\""
        );
    }
    Ok(())
}

const fn is_shared_bus(config: &Config) -> bool {
    matches!(config.bus, sentinel_bus::Config::Kafka(_))
}

const fn are_shared_stores(config: &Config) -> bool {
    matches!(config.metric_store, sentinel_metric_store::Config::Influxdb(_))
        && matches!(config.log_store, sentinel_log_store::Config::Elasticsearch(_))
}

/// Gives everything on servers a name of its own, here and for the roles.
fn own_names(config: &mut Config, id: &str) -> Vec<(String, String)> {
    let mut environment = Vec::new();
    let mut set = |section: &str, key: &str, place: &mut String, name: String| {
        place.clone_from(&name);
        environment.push((format!("SENTINEL__{section}__{key}"), name));
    };
    if let sentinel_bus::Config::Kafka(kafka) = &mut config.bus {
        // Behind the user's own: permissions may go by it.
        let name = format!("{}{id}.", kafka.topic_prefix);
        set("BUS", "TOPIC_PREFIX", &mut kafka.topic_prefix, name);
    }
    if let sentinel_metric_store::Config::Influxdb(influxdb) = &mut config.metric_store {
        set("METRIC_STORE", "BUCKET_PREFIX", &mut influxdb.bucket_prefix, id.to_owned());
    }
    if let sentinel_log_store::Config::Elasticsearch(search) = &mut config.log_store {
        set("LOG_STORE", "INDEX_PREFIX", &mut search.index_prefix, id.to_owned());
    }
    if let sentinel_cache::Config::Redis(redis) = &mut config.cache {
        let name = format!("{}{id}:", redis.key_prefix);
        set("CACHE", "KEY_PREFIX", &mut redis.key_prefix, name);
    }
    environment
}

/// Whether a variable sets something in a section that roles are given.
fn is_for_roles(variable: &str) -> bool {
    let key = variable.trim_start_matches("SENTINEL__").to_lowercase();
    SECTIONS.iter().any(|section| key == *section || key.starts_with(&format!("{section}__")))
}

fn sections(args: &BenchPipelineArgs) -> anyhow::Result<Table> {
    let Some(file) = &args.config else { return Ok(Table::new()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let mut table: Table = text.parse().with_context(|| format!("read {}", file.display()))?;
    table.retain(|key, _| SECTIONS.contains(&key));
    Ok(table)
}

#[cfg(test)]
mod tests;
