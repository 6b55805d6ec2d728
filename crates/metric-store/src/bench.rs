//! Rows as lines for InfluxDB, without a server. For benchmarks only.

use sentinel_runtime::{Health, Registry};

use crate::influxdb::{InfluxdbMetrics, Lines, Server};
use crate::metrics::Metrics;
use crate::{InfluxdbConfig, WindowRows};

/// What a write does before anything is sent.
pub struct LineMaker(Server);

impl LineMaker {
    /// # Panics
    /// Never: the configuration can work.
    pub fn new(batch_lines: usize) -> Self {
        let config = InfluxdbConfig {
            url: "http://localhost".to_owned(),
            version: crate::InfluxdbVersion::V1,
            batch_lines,
            ..InfluxdbConfig::default()
        };
        let (health, mut registry) = (Health::default(), Registry::default());
        let metrics = (InfluxdbMetrics::register(&mut registry), Metrics::register(&mut registry));
        let server = Server::new(config, health.component("metric-store"), metrics.0, metrics.1);
        Self(server.expect("a configuration that can work"))
    }

    /// The bodies that a write would send, plain or packed.
    pub fn bodies(&self, windows: &[WindowRows], is_packed: bool) -> Vec<Vec<u8>> {
        let bytes = |lines: &Lines| if is_packed { lines.gzip() } else { lines.bytes().to_vec() };
        self.0.plan(windows).bodies.iter().map(|(_, lines)| bytes(lines)).collect()
    }

    /// Bytes of the lines of all rows.
    pub fn n_bytes(&self, windows: &[WindowRows]) -> usize {
        self.0.plan(windows).bodies.iter().map(|(_, lines)| lines.bytes().len()).sum()
    }
}
