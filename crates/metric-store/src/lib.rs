//! Port: windows of metrics, written by the processor and read by everyone else.

#[cfg(all(feature = "bench", feature = "influxdb"))]
#[doc(hidden)]
pub mod bench;
mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod embedded;
mod error;
#[cfg(feature = "influxdb")]
mod influxdb;
mod metrics;
mod store;

use std::sync::Arc;

use sentinel_runtime::{DataDir, Health, Registry};

pub use config::{Config, EmbeddedConfig, Fsync, InfluxdbConfig, InfluxdbVersion, Retention};
pub use error::MetricStoreError;
pub use store::{
    MetricName, MetricReader, MetricStoreStats, MetricWriter, RangeQuery, RejectedRow, ResolutionStats, Row,
    SeriesPoints, TimeRange, WindowRows, WriteReport,
};

/// Both halves of an open store.
#[derive(Clone)]
pub struct Handles {
    pub writer: Arc<dyn MetricWriter>,
    pub reader: Arc<dyn MetricReader>,
}

/// Opens the configured store; the embedded one lives in `data_dir`. A server that is away is no error: the
/// store is degraded until it comes.
///
/// # Errors
/// A folder that cannot be used or is in use, data that cannot be read, or a configuration that cannot
/// work.
pub fn open(
    config: &Config,
    data_dir: impl Into<DataDir>,
    health: &Health,
    registry: &mut Registry,
) -> Result<Handles, MetricStoreError> {
    let metrics = metrics::Metrics::register(registry);
    let component = health.component("metric-store");
    match config {
        Config::Embedded(config) => {
            let store = embedded::EmbeddedMetricStore::open(data_dir.into(), config, component, metrics)?;
            Ok(Handles::of(Arc::new(store)))
        }
        #[cfg(feature = "influxdb")]
        Config::Influxdb(config) => {
            let config = InfluxdbConfig::clone(config);
            let store = influxdb::InfluxdbMetricStore::open(config, component, metrics, registry)?;
            Ok(Handles::of(Arc::new(store)))
        }
        #[cfg(not(feature = "influxdb"))]
        Config::Influxdb(config) => {
            let message = config.problems().first().map(ToString::to_string).unwrap_or_default();
            Err(MetricStoreError::Open { message })
        }
    }
}

/// Removes the buckets of `config` with all that is in them: for installations that are made to be thrown away,
/// such as a benchmark's. The embedded store goes with its data folder.
///
/// # Errors
/// A server that does not answer or permit it.
pub async fn remove(config: &Config) -> Result<(), MetricStoreError> {
    match config {
        #[cfg(feature = "influxdb")]
        Config::Influxdb(config) => influxdb::remove(config).await,
        _ => Ok(()),
    }
}

impl Handles {
    fn of<S: MetricWriter + MetricReader + 'static>(store: Arc<S>) -> Self {
        Self { writer: Arc::clone(&store) as Arc<dyn MetricWriter>, reader: store }
    }
}
