//! The store in an InfluxDB server; `docs/adr/0005-influxdb-layout-and-transport.md` says how it lies there.

mod answer;
mod buckets;
mod columns;
mod csv;
mod deliver;
mod flux;
mod gate;
mod http;
mod keep;
mod kinds;
mod known;
mod lines;
mod metrics;
mod names;
mod pattern;
mod probe;
mod query;
mod read;
mod server;
mod shape;
mod stats;
mod text;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use sentinel_model::{RetentionSetting, Selector, Series};
use sentinel_runtime::{Component, Health, Registry, Task};

#[cfg(feature = "bench")]
pub(crate) use self::lines::Lines;
pub(crate) use self::metrics::InfluxdbMetrics;
use self::read::Points;
pub(crate) use self::server::Server;
use crate::metrics::Metrics;
use crate::{
    InfluxdbConfig, MetricName, MetricReader, MetricStoreError, MetricStoreStats, MetricWriter, RangeQuery,
    SeriesPoints, WindowRows, WriteReport,
};

pub(crate) struct InfluxdbMetricStore {
    server: Arc<Server>,
    /// Ends with the store.
    _probe: Task<()>,
}

impl InfluxdbMetricStore {
    /// Waits for no server: it is looked for in the background, and by the first who needs it.
    pub(crate) fn open(
        config: InfluxdbConfig,
        health: Component,
        metrics: Metrics,
        registry: &mut Registry,
    ) -> Result<Self, MetricStoreError> {
        if tokio::runtime::Handle::try_current().is_err() {
            let message = "the store in InfluxDB must be opened within the runtime".to_owned();
            return Err(MetricStoreError::Open { message });
        }
        let server = Server::new(config, health, InfluxdbMetrics::register(registry), metrics)?;
        let server = Arc::new(server);
        let probe = probe::start(Arc::clone(&server));
        Ok(Self { server, _probe: probe })
    }
}

#[async_trait]
impl MetricWriter for InfluxdbMetricStore {
    async fn write(&self, windows: Arc<[WindowRows]>) -> Result<WriteReport, MetricStoreError> {
        self.server.write(windows).await
    }

    async fn keep(&self, set: &RetentionSetting) -> Result<(), MetricStoreError> {
        self.server.keep(set).await
    }
}

#[async_trait]
impl MetricReader for InfluxdbMetricStore {
    async fn names(&self) -> Result<Vec<MetricName>, MetricStoreError> {
        self.server.names().await
    }

    async fn label_names(&self, selector: &Selector) -> Result<Vec<String>, MetricStoreError> {
        self.server.label_names(selector).await
    }

    async fn label_values(
        &self,
        label: &str,
        selector: &Selector,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        self.server.label_values(label, selector, limit).await
    }

    async fn series(&self, selector: &Selector, limit: usize) -> Result<Vec<Series>, MetricStoreError> {
        self.server.series(selector, limit).await
    }

    async fn range(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        self.server.points(query, Points::All).await
    }

    async fn latest(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        self.server.points(query, Points::Newest).await
    }

    async fn stats(&self) -> Result<MetricStoreStats, MetricStoreError> {
        self.server.stats().await
    }
}

/// # Errors
/// Those of the server.
pub(crate) async fn remove(config: &InfluxdbConfig) -> Result<(), MetricStoreError> {
    let health = Health::default().component("metric-store");
    let server = Server::new(
        config.clone(),
        health,
        InfluxdbMetrics::register(&mut Registry::default()),
        Metrics::default(),
    )?;
    buckets::remove(&server).await
}

#[cfg(test)]
mod tests;
