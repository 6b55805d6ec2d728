//! Port: logs and events with full-text search, written by the processor and read by everyone else.

mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod embedded;
mod error;
mod metrics;
mod store;

use std::sync::Arc;

pub use config::Config;
pub use error::LogStoreError;
use sentinel_runtime::{DataDir, Health, Registry};
pub use store::{
    Cursor, Document, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, HistogramBucket,
    LogReader, LogStoreStats, LogWriter, Order, RejectedDocument, SearchPage, SearchQuery, WriteReport,
};

/// Both halves of an open store.
#[derive(Clone)]
pub struct Handles {
    pub writer: Arc<dyn LogWriter>,
    pub reader: Arc<dyn LogReader>,
}

/// Opens the configured store; the embedded one lives in `data_dir`.
///
/// # Errors
/// A folder that cannot be used, or an index that cannot be read.
pub fn open(
    config: &Config,
    data_dir: impl Into<DataDir>,
    health: &Health,
    registry: &mut Registry,
) -> Result<Handles, LogStoreError> {
    let Config::Embedded { retention, commit_interval } = config;
    let metrics = metrics::Metrics::register(registry);
    let component = health.component("log-store");
    let limits = embedded::Limits { retention: *retention, commit_interval: *commit_interval };
    let store = Arc::new(embedded::EmbeddedLogStore::open(data_dir.into(), limits, component, metrics)?);
    Ok(Handles { writer: Arc::clone(&store) as Arc<dyn LogWriter>, reader: store })
}
