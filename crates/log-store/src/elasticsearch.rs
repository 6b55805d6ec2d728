//! The log store on Elasticsearch or OpenSearch: one index a day and kind, documents by their identity.
//! ADR 0006 says why these are no data streams.

mod batch;
mod bulk;
mod client;
mod condition;
mod credentials;
mod document;
mod failure;
mod metrics;
mod names;
mod policy;
mod query;
mod remove;
mod schema;
mod search;
mod setup;
mod upkeep;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use sentinel_model::RetentionSetting;
use sentinel_runtime::{Component, Registry, Task, clock, spawn, spawn_blocking};
use tokio::sync::{Notify, Semaphore};

use self::batch::{Limits, Plan};
use self::bulk::Sender;
use self::client::Client;
use self::condition::Condition;
use self::names::Names;
pub(crate) use self::remove::remove;
use self::search::Reader;
use self::setup::Setup;
use self::upkeep::Upkeep;
use crate::config::ElasticsearchConfig;
use crate::day::{DayNumber, Retention};
use crate::metrics::Metrics;
use crate::{
    Document, DocumentField, DocumentFilter, DocumentKind, HistogramBucket, LogReader, LogStoreError,
    LogStoreStats, LogWriter, SearchPage, SearchQuery, WriteReport,
};

pub(crate) struct ElasticsearchLogStore {
    config: Arc<ElasticsearchConfig>,
    names: Names,
    retention: Arc<Retention>,
    /// Days may be past their retention.
    is_due: Arc<Notify>,
    sender: Sender,
    reader: Arc<Reader>,
    metrics: Metrics,
    own_metrics: Arc<metrics::Metrics>,
    _upkeep: Task<()>,
}

impl ElasticsearchLogStore {
    /// Reaches out to nobody yet.
    ///
    /// # Errors
    /// An address that is none, or certificates that cannot be read.
    pub(crate) fn open(
        config: &ElasticsearchConfig,
        component: Component,
        metrics: Metrics,
        registry: &mut Registry,
    ) -> Result<Self, LogStoreError> {
        let own_metrics = Arc::new(metrics::Metrics::register(registry));
        let config = Arc::new(config.clone());
        let names = Names::new(config.index_prefix.clone());
        let client = Arc::new(Client::new(&config, Arc::clone(&own_metrics))?);
        let condition = Arc::new(Condition::new(component, config.timeout));
        let retention = Arc::new(Retention::new(config.retention));
        let setup =
            Setup::new(Arc::clone(&client), names.clone(), Arc::clone(&config), Arc::clone(&retention));
        let setup = Arc::new(setup);
        let reader =
            Reader { client: Arc::clone(&client), names: names.clone(), retention: Arc::clone(&retention) };
        let reader = Arc::new(reader);
        let is_due = Arc::new(Notify::new());
        let upkeep = Upkeep {
            client: Arc::clone(&client),
            setup: Arc::clone(&setup),
            reader: Arc::clone(&reader),
            condition: Arc::clone(&condition),
            metrics: metrics.clone(),
            is_due: Arc::clone(&is_due),
        };
        let sender = Sender {
            client,
            setup,
            condition,
            permits: Semaphore::new(config.concurrency),
            config: Arc::clone(&config),
            metrics: Arc::clone(&own_metrics),
        };
        let upkeep = spawn("log-store", upkeep.run());
        Ok(Self { config, names, retention, is_due, sender, reader, metrics, own_metrics, _upkeep: upkeep })
    }

    async fn plan(&self, documents: Vec<Document>) -> Plan {
        let now_ms = clock::now_millis();
        let limits = Limits {
            documents: self.config.batch_documents,
            bytes: usize::try_from(self.config.batch_bytes).unwrap_or(usize::MAX),
            first_log: self.retention.first_kept(DocumentKind::Log, now_ms),
            first_event: self.retention.first_kept(DocumentKind::Event, now_ms),
            today: DayNumber::holding_ms(now_ms),
        };
        let names = self.names.clone();
        spawn_blocking("log-store batches", move || Plan::of(&documents, &names, limits)).await
    }

    /// `first`: its place among those that were to be written.
    async fn write_part(&self, first: usize, plan: Plan) -> Result<WriteReport, LogStoreError> {
        let Plan { batches, targets, n_expired, rejected } = plan;
        if let Err(failure) = self.sender.setup.ensure(&targets).await {
            self.sender.condition.refused(&failure);
            return Err(failure.into());
        }
        let mut report = WriteReport { n_expired, ..WriteReport::default() };
        for (document, reason) in rejected {
            self.own_metrics.rejected(reason);
            report.rejected.push(document);
        }
        for batch in batches {
            let sent = self.sender.send(batch).await?;
            report.n_written += sent.n_written;
            report.rejected.extend(sent.rejected);
        }
        report.rejected.iter_mut().for_each(|document| document.index += first);
        Ok(report)
    }
}

/// Documents of a part, at least: requests have a price of their own.
const LEAST_PART: usize = 500;

/// In order, each with the place of its first document.
fn parts(mut documents: Vec<Document>, n_each: usize) -> Vec<(usize, Vec<Document>)> {
    let n_each = n_each.max(1);
    let mut parts = Vec::with_capacity(documents.len().div_ceil(n_each));
    while !documents.is_empty() {
        let rest = documents.split_off(n_each.min(documents.len()));
        parts.push((parts.len() * n_each, std::mem::replace(&mut documents, rest)));
    }
    parts
}

#[async_trait]
impl LogWriter for ElasticsearchLogStore {
    async fn write(&self, documents: Vec<Document>) -> Result<WriteReport, LogStoreError> {
        // In parts, so that the next ones are encoded while the server has some in hand.
        let concurrency = self.config.concurrency.max(1);
        let n_each =
            documents.len().div_ceil(2 * concurrency).max(LEAST_PART).min(self.config.batch_documents);
        let plans = futures::stream::iter(parts(documents, n_each))
            .map(|(first, part)| async move { (first, self.plan(part).await) });
        let written = plans.buffered(concurrency).map(|(first, plan)| self.write_part(first, plan));
        // All of them, whatever becomes of the first: what is done then need not be done again.
        let written: Vec<_> = written.buffer_unordered(concurrency).collect().await;
        let mut report = WriteReport::default();
        for part in written {
            let part = part?;
            report.n_written += part.n_written;
            report.n_expired += part.n_expired;
            report.rejected.extend(part.rejected);
        }
        report.rejected.sort_unstable_by_key(|document| document.index);
        self.metrics.written_documents.inc_by(report.n_written as u64);
        self.metrics.expired_documents.inc_by(report.n_expired as u64);
        Ok(report)
    }

    async fn keep(&self, set: &RetentionSetting) -> Result<(), LogStoreError> {
        self.retention.set(set);
        self.sender.setup.keep().await?;
        self.is_due.notify_one();
        Ok(())
    }
}

#[async_trait]
impl LogReader for ElasticsearchLogStore {
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, LogStoreError> {
        query.check()?;
        self.reader.page(query).await
    }

    async fn histogram(
        &self,
        filter: &DocumentFilter,
        bucket_ms: i64,
    ) -> Result<Vec<HistogramBucket>, LogStoreError> {
        HistogramBucket::check_width(bucket_ms)?;
        self.reader.histogram(filter, bucket_ms).await
    }

    async fn facet(
        &self,
        filter: &DocumentFilter,
        field: DocumentField,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, LogStoreError> {
        self.reader.facet(filter, field, limit).await
    }

    async fn count(&self, filter: &DocumentFilter) -> Result<u64, LogStoreError> {
        self.reader.count(filter).await
    }

    async fn stats(&self) -> Result<LogStoreStats, LogStoreError> {
        self.reader.stats().await
    }
}

#[cfg(test)]
mod tests;
