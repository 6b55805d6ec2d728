//! The whole configuration: one section for each crate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use sentinel_runtime::config::{self, ConfigError, Problem, Sources, bytes, duration};
use sentinel_runtime::telemetry::LogConfig;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::cli::{Common, Role};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Everything that is kept lies in this folder; empty chooses one by the user's home.
    pub data_dir: PathBuf,
    /// What is left of its disk, at least: stores stop writing before it is full, and go on by themselves.
    #[serde(with = "bytes")]
    pub min_free_disk: u64,
    /// Name of the cluster in every record.
    pub cluster: String,
    /// How long each role may take to finish what it has in hand.
    #[serde(with = "duration")]
    pub drain_deadline: Duration,
    pub log: LogConfig,
    pub bus: sentinel_bus::Config,
    pub metric_store: sentinel_metric_store::Config,
    pub log_store: sentinel_log_store::Config,
    pub cache: sentinel_cache::Config,
    pub collector: sentinel_collector::Config,
    pub processor: sentinel_processor::ProcessorConfig,
    pub api: sentinel_api::Config,
    pub simulator: sentinel_simulator::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            min_free_disk: 256 << 20,
            cluster: "default".to_owned(),
            drain_deadline: Duration::from_secs(10),
            log: LogConfig::default(),
            bus: sentinel_bus::Config::default(),
            metric_store: sentinel_metric_store::Config::default(),
            log_store: sentinel_log_store::Config::default(),
            cache: sentinel_cache::Config::default(),
            collector: sentinel_collector::Config::default(),
            processor: sentinel_processor::ProcessorConfig::default(),
            api: sentinel_api::Config::default(),
            simulator: sentinel_simulator::Config::default(),
        }
    }
}

/// What to write for keys whose default is nothing that one would write.
const EXAMPLES: &[(&str, &str)] = &[
    ("data_dir", "\"/var/lib/sentinel-mesh\""),
    ("api.token", "\"…\""),
    ("bus.brokers", "[\"kafka-1:9092\", \"kafka-2:9092\"]"),
    ("bus.topic_prefix", "\"staging.\""),
    ("bus.replication", "3"),
    ("bus.tls", "{ ca_file = \"/etc/sentinel-mesh/kafka-ca.crt\" }"),
    ("bus.tls.ca_file", "\"/etc/sentinel-mesh/kafka-ca.crt\""),
    ("bus.tls.certificate_file", "\"/etc/sentinel-mesh/kafka.crt\""),
    ("bus.tls.key_file", "\"/etc/sentinel-mesh/kafka.key\""),
    ("bus.tls.key_password", "\"…\""),
    ("bus.sasl.mechanism", "\"scram-sha-512\""),
    ("bus.sasl.username", "\"sentinel\""),
    ("bus.sasl.password", "\"…\""),
    ("bus.sasl.password_file", "\"/etc/sentinel-mesh/kafka-password\""),
    ("api.allowed_origins", "[\"https://ops.example.org\"]"),
    ("cache.url", "\"redis://127.0.0.1:6379/0\""),
    ("cache.username", "\"sentinel\""),
    ("cache.password_file", "\"/etc/sentinel-mesh/redis-password\""),
    ("metric_store.url", "\"http://influxdb.example.org:8086\""),
    ("metric_store.org", "\"my-org\""),
    ("metric_store.token", "\"…\""),
    ("metric_store.token_file", "\"/etc/sentinel-mesh/influxdb-token\""),
    ("metric_store.ca_file", "\"/etc/sentinel-mesh/influxdb-ca.crt\""),
    ("collector.id", "\"collector-1\""),
    ("collector.scrape", "[{ url = \"http://127.0.0.1:9100/metrics\" }]"),
    ("collector.scrape.url", "\"http://127.0.0.1:9100/metrics\""),
    ("collector.scrape.name", "\"node\""),
    ("collector.scrape.labels", "{ team = \"infra\" }"),
    ("collector.scrape.interval", "\"10s\""),
    ("collector.scrape.openmetrics", "\"strict\""),
    ("collector.sharding.members", "[\"collector-1\", \"collector-2\"]"),
    ("collector.sharding.namespace", "\"sentinel-mesh\""),
    ("collector.kubernetes.url", "\"https://10.0.0.1:6443\""),
    ("collector.kubernetes.ca_file", "\"/etc/sentinel-mesh/ca.crt\""),
    ("collector.kubernetes.token_file", "\"/etc/sentinel-mesh/token\""),
    ("collector.kubernetes.kubeconfig", "\"/home/me/.kube/config\""),
    ("collector.kubernetes.context", "\"production\""),
    ("collector.kubernetes.kinds", "[\"Pod\", \"Node\"]"),
    ("collector.kubernetes.log_namespaces", "[\"shop\"]"),
    ("collector.kubernetes.kubelet.url", "\"http://127.0.0.1:8001/kubelet/{node}\""),
    ("collector.kubernetes.kubelet.ca_file", "\"/etc/sentinel-mesh/kubelet-ca.crt\""),
    ("log_store.url", "\"https://search.example.org:9200\""),
    ("log_store.username", "\"sentinel\""),
    ("log_store.password_file", "\"/etc/sentinel-mesh/search-password\""),
    ("log_store.api_key_file", "\"/etc/sentinel-mesh/search-api-key\""),
    ("log_store.ca_file", "\"/etc/sentinel-mesh/search-ca.crt\""),
    ("log_store.replicas", "1"),
    ("processor.rules.match", "'{namespace=\"shop\"}'"),
    ("processor.rules.action", "\"drop\""),
    ("processor.rules.labels", "{ team = \"web\" }"),
    ("processor.rules.resolutions", "[\"1m\", \"5m\", \"1h\"]"),
    ("simulator.scenario", "\"faults.toml\""),
    ("simulator.start_ms", "1767225600000"),
];

impl Config {
    /// Values that can be read and cannot work, of all sections.
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        Problem::new("cluster", "must not be empty: it stands in every record", "cluster = \"default\"")
            .when(self.cluster.trim().is_empty(), &mut problems);
        Problem::new("drain_deadline", "must be more than 0", "drain_deadline = \"10s\"")
            .when(self.drain_deadline.is_zero(), &mut problems);
        problems.extend(self.log.problems());
        problems.extend(self.bus.problems());
        problems.extend(self.metric_store.problems());
        problems.extend(self.log_store.problems());
        problems.extend(self.cache.problems());
        problems.extend(self.collector.problems());
        problems.extend(self.processor.problems());
        problems.extend(self.api.problems());
        problems.extend(simulator(&self.simulator));
        problems
    }
}

/// The simulator tells one problem at a time: each is put right and asked for the next.
fn simulator(config: &sentinel_simulator::Config) -> Vec<Problem> {
    use sentinel_simulator::ConfigError;

    let mut problems = Vec::new();
    let mut left = config.clone();
    let usual = sentinel_simulator::Config::default();
    while let Err(error) = left.check() {
        let (key, line) = match error {
            ConfigError::Pods { .. } => {
                left.pods = usual.pods;
                ("simulator.pods", format!("pods = {}", usual.pods))
            }
            ConfigError::Nodes { .. } => {
                left.nodes = usual.nodes;
                ("simulator.nodes", format!("nodes = {}", usual.nodes))
            }
            ConfigError::Speed { .. } => {
                left.speed = usual.speed;
                ("simulator.speed", "speed = 1.0".to_owned())
            }
            ConfigError::LogRate { .. } => {
                left.log_rate = usual.log_rate;
                ("simulator.log_rate", format!("log_rate = {}", usual.log_rate))
            }
        };
        let fact = error.to_string();
        let fact = fact.strip_prefix(key).unwrap_or(&fact).trim_start_matches([' ', '=']).to_owned();
        problems.push(Problem::new(key, fact, line));
    }
    if let Err(error) = sentinel_simulator::Scenario::load(config.scenario.as_deref()) {
        let fact = format!("{:#}", anyhow::Error::from(error));
        let line = "scenario = \"faults.toml\" (docs/operations.md has its format)";
        problems.push(Problem::new("simulator.scenario", fact, line));
    }
    problems
}

/// Flags that stand for keys of the configuration.
#[derive(Debug, Default)]
pub struct Flags(Vec<(String, Value)>);

impl Flags {
    pub fn set(&mut self, key: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.0.push((key.to_owned(), value.into()));
        }
        self
    }

    pub fn common(common: &Common) -> Self {
        let mut flags = Self::default();
        let text = |path: &PathBuf| path.display().to_string();
        flags
            .set("data_dir", common.data_dir.as_ref().map(text))
            .set("api.listen", common.listen.clone())
            .set("cluster", common.cluster.clone())
            .set("log.level", common.log_level.clone());
        flags
    }
}

/// Reads the configuration and checks every section: what this gives can be run with. `name` is the folder
/// of this command's data when none is configured, so that a demo and a real cluster never share one.
///
/// # Errors
/// Everything that is wrong, where, and the line to write instead.
pub fn load(common: &Common, flags: Flags, name: &str) -> anyhow::Result<Config> {
    let config = read(common, flags, name)?;
    let has_api = common.roles.is_empty() || common.roles.contains(&Role::Api);
    let mut problems = config.problems();
    // Without the API there is nothing that a token would guard.
    problems.retain(|problem| has_api || problem.key != "api.token");
    ConfigError::unless_empty(problems)?;
    Ok(config)
}

/// Merges defaults, file, environment and flags.
///
/// # Errors
/// What cannot be read.
pub fn read(common: &Common, flags: Flags, name: &str) -> anyhow::Result<Config> {
    let sources = Sources {
        file: common.config.clone(),
        env: config::environment(),
        flags: flags.0,
        examples: EXAMPLES,
    };
    let mut config: Config = config::load(&sources)?;
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = default_data_dir(name)?;
    }
    Ok(config)
}

/// `$XDG_STATE_HOME/sentinel-mesh/NAME`, as the XDG base directory specification has it.
fn default_data_dir(name: &str) -> anyhow::Result<PathBuf> {
    let state = match config::variable("XDG_STATE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let home = config::variable("HOME").context("HOME is not set; write --data-dir DIR")?;
            Path::new(&home).join(".local/state")
        }
    };
    Ok(state.join("sentinel-mesh").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_defaults_are_a_valid_configuration() {
        let text = toml::to_string(&Config::default()).expect("the defaults print");
        let again: Config = toml::from_str(&text).expect("the defaults read");
        assert_eq!(again, Config::default());
    }

    #[test]
    fn every_section_is_checked_and_all_is_told_at_once() {
        assert_eq!(Config::default().problems(), []);
        let text = r#"
            cluster = ""
            drain_deadline = "0s"
            log.level = "loud"
            bus.partitions = 0
            metric_store.retention.10s = "1s"
            log_store.retention = "0s"
            cache.max_bytes = 0
            collector.scrape_interval = "0s"
            processor.workers = 0
            api.listen = "foo"
            simulator = { pods = 0, nodes = 0, speed = -1.0, scenario = "/nonexistent/faults.toml" }
        "#;
        let config: Config = toml::from_str(text).expect("readable");
        let problems = config.problems();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "cluster",
                "drain_deadline",
                "log.level",
                "bus.partitions",
                "metric_store.retention.10s",
                "log_store.retention",
                "cache.max_bytes",
                "collector.scrape_interval",
                "processor.workers",
                "api.listen",
                "simulator.pods",
                "simulator.nodes",
                "simulator.speed",
                "simulator.scenario",
            ]
        );
        for problem in &problems {
            assert!(problem.write.is_some() && !problem.fact.contains(&problem.key), "{problem}");
        }
    }

    #[test]
    fn every_key_without_a_usable_default_has_an_example() {
        for (key, value) in EXAMPLES {
            assert!(toml::from_str::<toml::Table>(&format!("{key} = {value}")).is_ok(), "{key}");
        }
    }

    #[test]
    fn only_the_api_needs_a_token_beyond_this_machine() {
        let load = |roles: Vec<Role>| {
            let common = Common { listen: Some("0.0.0.0:0".into()), roles, ..Common::default() };
            load(&common, Flags::common(&common), "run")
        };
        assert!(load(vec![]).is_err() && load(vec![Role::Collector, Role::Api]).is_err());
        assert!(load(vec![Role::Collector]).is_ok());
    }

    #[test]
    fn flags_reach_their_section() {
        let common = Common {
            listen: Some("127.0.0.1:0".into()),
            data_dir: Some("/tmp/x".into()),
            ..Common::default()
        };
        let config = load(&common, Flags::common(&common), "run").expect("a valid configuration");
        assert_eq!(config.api.listen, "127.0.0.1:0");
        assert_eq!(config.data_dir, Path::new("/tmp/x"));
    }
}
