//! What the simulated cluster is asked to be.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Section `simulator` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the API server and the kubelets answer.
    pub listen: SocketAddr,
    /// Pods at the start, finished Job pods included.
    pub pods: usize,
    pub nodes: usize,
    /// The same seed, size and start give the same cluster, to the byte.
    pub seed: u64,
    /// How much faster than real things go: load, restarts, rollouts, faults. Timestamps stay real, and so
    /// do leases, CronJob schedules and rates of use.
    pub speed: f64,
    /// Faults to play; without it the built-in rotation.
    pub scenario: Option<PathBuf>,
    /// Log lines a second a busy container writes on average.
    pub log_rate: f64,
    /// What the cluster's clock shows at the start, in milliseconds since the epoch; without it the time
    /// on the wall, which is what collectors compare it with.
    pub start_ms: Option<i64>,
}

/// Largest cluster that the memory and start-up figures hold for, with room above it.
pub const MAX_PODS: usize = 50_000;

/// Beyond this, lists of nodes and their leases dominate everything else.
pub const MAX_NODES: usize = 2_000;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("simulator.pods = {pods} is not between 1 and {MAX_PODS}")]
    Pods { pods: usize },
    #[error("simulator.nodes = {nodes} is not between 1 and {MAX_NODES}")]
    Nodes { nodes: usize },
    #[error("simulator.speed = {speed} is not between 0.01 and 10000")]
    Speed { speed: f64 },
    #[error("simulator.log_rate = {log_rate} is not between 0 and 100")]
    LogRate { log_rate: f64 },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            pods: 60,
            nodes: 4,
            seed: 1,
            speed: 1.0,
            scenario: None,
            log_rate: 0.5,
            start_ms: None,
        }
    }
}

impl Config {
    /// Refuses sizes and rates that no cluster has.
    ///
    /// # Errors
    /// The first value out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_PODS).contains(&self.pods) {
            return Err(ConfigError::Pods { pods: self.pods });
        }
        if !(1..=MAX_NODES).contains(&self.nodes) {
            return Err(ConfigError::Nodes { nodes: self.nodes });
        }
        if !is_speed(self.speed) {
            return Err(ConfigError::Speed { speed: self.speed });
        }
        if !(0.0..=100.0).contains(&self.log_rate) {
            return Err(ConfigError::LogRate { log_rate: self.log_rate });
        }
        Ok(())
    }
}

/// Speeds at which events still come in an order that a client can follow.
pub fn is_speed(speed: f64) -> bool {
    (0.01..=10_000.0).contains(&speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_small_cluster_on_a_free_loopback_port() {
        let config = Config::default();
        config.check().expect("usable defaults");
        assert_eq!((config.pods, config.nodes, config.seed), (60, 4, 1));
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.listen.port(), 0);
    }

    #[test]
    fn refuses_sizes_and_rates_out_of_range_by_name() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().expect_err("out of range").to_string()
        };
        assert!(refused(|c| c.pods = 0).contains("simulator.pods = 0"));
        assert!(refused(|c| c.nodes = 9_999_999).contains("simulator.nodes"));
        assert!(refused(|c| c.speed = f64::NAN).contains("simulator.speed"));
        assert!(refused(|c| c.log_rate = -1.0).contains("simulator.log_rate"));
    }

    #[test]
    fn reads_from_toml_and_refuses_unknown_keys() {
        let config: Config = toml::from_str("pods = 200\nspeed = 60.0").expect("a valid section");
        assert_eq!((config.pods, config.nodes), (200, 4));
        toml::from_str::<Config>("pod = 200").expect_err("an unknown key");
    }
}
