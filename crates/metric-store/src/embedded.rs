//! The store in the data folder of this process.

mod chunk;
pub(crate) mod codec;
mod core;
mod definitions;
mod durability;
mod entry;
mod head;
mod index;
mod load;
mod read;
mod retain;
pub(crate) mod row;
mod seal;
mod span;
mod stats;
mod storage;
#[cfg(test)]
pub(crate) mod testing;
mod upkeep;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use sentinel_model::{RetentionSetting, Selector, Series};
use sentinel_runtime::{Component, DataDir, spawn_blocking};

use self::core::Core;
use self::upkeep::Upkeep;
use crate::metrics::Metrics;
use crate::{
    EmbeddedConfig, MetricName, MetricReader, MetricStoreError, MetricStoreStats, MetricWriter, RangeQuery,
    SeriesPoints, WindowRows, WriteReport,
};

pub(crate) struct EmbeddedMetricStore {
    // Before the core: the thread ends before what it works on is closed.
    upkeep: Upkeep,
    core: Arc<Core>,
}

impl EmbeddedMetricStore {
    pub(crate) fn open(
        folder: DataDir,
        config: &EmbeddedConfig,
        health: Component,
        metrics: Metrics,
    ) -> Result<Self, MetricStoreError> {
        if let Some(problem) = config.problems().first() {
            return Err(MetricStoreError::Open { message: problem.to_string() });
        }
        let core = Arc::new(Core::open(folder, config.clone(), metrics)?);
        health.ready();
        let upkeep = Upkeep::start(Arc::clone(&core), health)?;
        Ok(Self { upkeep, core })
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Core) -> T + Send + 'static) -> T {
        let core = Arc::clone(&self.core);
        spawn_blocking("metric-store", move || work(&core)).await
    }
}

#[async_trait]
impl MetricWriter for EmbeddedMetricStore {
    async fn write(&self, windows: Arc<[WindowRows]>) -> Result<WriteReport, MetricStoreError> {
        let (report, is_due) = self
            .blocking(move |core| {
                let report = core.write(&windows);
                (report, core.is_due())
            })
            .await;
        if is_due {
            self.upkeep.wake();
        }
        report
    }

    async fn keep(&self, set: &RetentionSetting) -> Result<(), MetricStoreError> {
        *self.core.kept.write() = Some(set.clone());
        self.upkeep.wake();
        Ok(())
    }
}

#[async_trait]
impl MetricReader for EmbeddedMetricStore {
    async fn names(&self) -> Result<Vec<MetricName>, MetricStoreError> {
        Ok(self.blocking(|core| core.state.read().index.names()).await)
    }

    async fn label_names(&self, selector: &Selector) -> Result<Vec<String>, MetricStoreError> {
        let selector = selector.clone();
        Ok(self.blocking(move |core| core.state.read().index.label_names(&selector)).await)
    }

    async fn label_values(
        &self,
        label: &str,
        selector: &Selector,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        let (label, selector) = (label.to_owned(), selector.clone());
        Ok(self.blocking(move |core| core.state.read().index.label_values(&label, &selector, limit)).await)
    }

    async fn series(&self, selector: &Selector, limit: usize) -> Result<Vec<Series>, MetricStoreError> {
        let selector = selector.clone();
        Ok(self
            .blocking(move |core| {
                let index = &core.state.read().index;
                let mut numbers = index.select(&selector);
                index.sort(&mut numbers, limit);
                numbers.into_iter().filter_map(|number| index.series(number)).collect()
            })
            .await)
    }

    async fn range(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        let query = query.clone();
        self.blocking(move |core| core.range(&query)).await
    }

    async fn latest(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        let query = query.clone();
        self.blocking(move |core| core.latest(&query)).await
    }

    async fn stats(&self) -> Result<MetricStoreStats, MetricStoreError> {
        self.blocking(Core::stats).await
    }
}

#[cfg(test)]
mod tests;
