//! Port: windows of metrics, written by the processor and read by everyone else.

mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod embedded;
mod error;
mod metrics;
mod store;

use std::sync::Arc;

use sentinel_runtime::{DataDir, Health, Registry};

pub use config::{Config, EmbeddedConfig, Fsync, Retention};
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

/// Opens the configured store; the embedded one lives in `data_dir`.
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
    let Config::Embedded(config) = config;
    let metrics = metrics::Metrics::register(registry);
    let component = health.component("metric-store");
    let store = Arc::new(embedded::EmbeddedMetricStore::open(data_dir.into(), config, component, metrics)?);
    Ok(Handles { writer: Arc::clone(&store) as Arc<dyn MetricWriter>, reader: store })
}
