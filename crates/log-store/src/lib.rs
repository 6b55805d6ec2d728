//! Port: logs and events with full-text search, written by the processor and read by everyone else.

mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod day;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod embedded;
mod error;
mod metrics;
mod store;
mod text;

use std::sync::Arc;

pub use config::{Config, ElasticsearchConfig, Urls};
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

/// Opens the configured store; the embedded one lives in `data_dir`. A server may be away: the store is degraded
/// until it answers.
///
/// # Errors
/// A folder that cannot be used, an index that cannot be read, or certificates that cannot.
pub fn open(
    config: &Config,
    data_dir: impl Into<DataDir>,
    health: &Health,
    registry: &mut Registry,
) -> Result<Handles, LogStoreError> {
    let metrics = metrics::Metrics::register(registry);
    let component = health.component("log-store");
    match config {
        Config::Embedded { retention, commit_interval } => {
            let retention = Arc::new(day::Retention::new(*retention));
            let limits = embedded::Limits { retention, commit_interval: *commit_interval };
            let store = embedded::EmbeddedLogStore::open(data_dir.into(), limits, component, metrics)?;
            Ok(Handles::of(store))
        }
        #[cfg(feature = "elasticsearch")]
        Config::Elasticsearch(config) => {
            let store = elasticsearch::ElasticsearchLogStore::open(config, component, metrics, registry)?;
            Ok(Handles::of(store))
        }
        #[cfg(not(feature = "elasticsearch"))]
        Config::Elasticsearch(_) => {
            let message =
                "this build has no elasticsearch; build it with --features elasticsearch".to_owned();
            Err(LogStoreError::Open { message })
        }
    }
}

/// Removes the indices and templates of `config`: for installations that are made to be thrown away, such as a
/// benchmark's. The embedded store goes with its data folder.
///
/// # Errors
/// A server that does not answer or permit it.
pub async fn remove(config: &Config) -> Result<(), LogStoreError> {
    match config {
        #[cfg(feature = "elasticsearch")]
        Config::Elasticsearch(config) => elasticsearch::remove(config).await,
        _ => Ok(()),
    }
}

impl Handles {
    fn of(store: impl LogWriter + LogReader + 'static) -> Self {
        let store = Arc::new(store);
        Self { writer: Arc::clone(&store) as Arc<dyn LogWriter>, reader: store }
    }
}
