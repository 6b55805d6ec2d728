//! The whole configuration: one section for each crate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use sentinel_runtime::config::{self, Sources, bytes, duration};
use sentinel_runtime::telemetry::LogConfig;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::cli::Common;

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

/// Merges defaults, file, environment and flags. `name` is the folder of this command's data when none
/// is configured, so that a demo and a real cluster never share one.
///
/// # Errors
/// What is wrong, where, and the line to write instead.
pub fn load(common: &Common, flags: Flags, name: &str) -> anyhow::Result<Config> {
    let sources = Sources { file: common.config.clone(), env: config::environment(), flags: flags.0 };
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
