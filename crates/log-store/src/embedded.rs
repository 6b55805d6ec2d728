//! The log store on tantivy: one index a day, so that retention is deleting a folder.

mod collect;
mod day;
mod query;
mod schema;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use sentinel_model::RetentionSetting;
use sentinel_runtime::{Component, DataDir, spawn_blocking};
use tantivy::collector::Count;
use tracing::info;

use self::collect::{Buckets, Found, TopByTime, Values};
use self::day::Day;
#[cfg(all(test, feature = "elasticsearch"))]
pub(crate) use self::schema::tokenizer;
use self::writer::Writer;
use crate::day::{DayNumber, Retention};
use crate::metrics::Metrics;
use crate::{
    Document, DocumentField, DocumentFilter, HistogramBucket, LogReader, LogStoreError, LogStoreStats,
    LogWriter, SearchPage, SearchQuery, WriteReport,
};

pub(crate) struct EmbeddedLogStore {
    days: Arc<Days>,
    retention: Arc<Retention>,
    writer: Writer,
}

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) retention: Arc<Retention>,
    pub(crate) commit_interval: Duration,
}

/// Open indexes by day, shared by the writer's thread and readers.
pub(crate) struct Days {
    folder: DataDir,
    open: RwLock<BTreeMap<DayNumber, Arc<Day>>>,
}

impl EmbeddedLogStore {
    /// # Errors
    /// A folder or index that cannot be used.
    pub(crate) fn open(
        folder: DataDir,
        limits: Limits,
        health: Component,
        metrics: Metrics,
    ) -> Result<Self, LogStoreError> {
        let days = Arc::new(Days::open(folder)?);
        let retention = Arc::clone(&limits.retention);
        let writer = Writer::start(Arc::clone(&days), limits, health, metrics)?;
        Ok(Self { days, retention, writer })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Days) -> Result<T, LogStoreError> + Send + 'static,
    ) -> Result<T, LogStoreError> {
        let days = Arc::clone(&self.days);
        spawn_blocking("log-store", move || work(&days)).await
    }
}

#[async_trait]
impl LogWriter for EmbeddedLogStore {
    async fn write(&self, documents: Vec<Document>) -> Result<WriteReport, LogStoreError> {
        self.writer.write(documents).await
    }

    async fn keep(&self, set: &RetentionSetting) -> Result<(), LogStoreError> {
        self.retention.set(set);
        self.writer.keep_retention().await
    }
}

#[async_trait]
impl LogReader for EmbeddedLogStore {
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, LogStoreError> {
        query.check()?;
        let query = query.clone();
        self.blocking(move |days| days.search(&query)).await
    }

    async fn histogram(
        &self,
        filter: &DocumentFilter,
        bucket_ms: i64,
    ) -> Result<Vec<HistogramBucket>, LogStoreError> {
        HistogramBucket::check_width(bucket_ms)?;
        let filter = filter.clone();
        self.blocking(move |days| days.histogram(&filter, bucket_ms)).await
    }

    async fn facet(
        &self,
        filter: &DocumentFilter,
        field: DocumentField,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, LogStoreError> {
        let filter = filter.clone();
        self.blocking(move |days| days.facet(&filter, field, limit)).await
    }

    async fn count(&self, filter: &DocumentFilter) -> Result<u64, LogStoreError> {
        let filter = filter.clone();
        self.blocking(move |days| {
            days.in_range(&filter).try_fold(0, |sum, day| Ok(sum + day.run(&filter, None, &Count)? as u64))
        })
        .await
    }

    async fn stats(&self) -> Result<LogStoreStats, LogStoreError> {
        self.blocking(|days| Ok(days.stats())).await
    }
}

impl Days {
    fn open(folder: DataDir) -> Result<Self, LogStoreError> {
        let failed = |error: &dyn std::fmt::Display| LogStoreError::Open {
            message: format!(
                "{}: {error}; change its owner or mode, or give another --data-dir",
                folder.path().display()
            ),
        };
        std::fs::create_dir_all(folder.path()).map_err(|error| failed(&error))?;
        let mut open = BTreeMap::new();
        for entry in std::fs::read_dir(folder.path()).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            if let Some(number) = entry.file_name().to_str().and_then(DayNumber::from_name) {
                open.insert(number, Arc::new(Day::open(&entry.path(), number)?));
            }
        }
        Ok(Self { folder, open: RwLock::new(open) })
    }

    /// The index of a day, made if need be.
    fn day(&self, number: DayNumber) -> Result<Arc<Day>, LogStoreError> {
        if let Some(day) = self.open.read().get(&number) {
            return Ok(Arc::clone(day));
        }
        let day = Arc::new(Day::open(&self.path_of(number), number)?);
        self.open.write().insert(number, Arc::clone(&day));
        Ok(day)
    }

    fn path_of(&self, number: DayNumber) -> PathBuf {
        self.folder.path().join(number.name())
    }

    /// All open days, oldest first.
    fn all(&self) -> Vec<Arc<Day>> {
        self.open.read().values().cloned().collect()
    }

    /// Deletes the days before `first`, as many as can be.
    ///
    /// # Errors
    /// The first folder that cannot be deleted; it stays among the days.
    fn drop_before(&self, first: DayNumber) -> Result<(), LogStoreError> {
        let dropped: Vec<_> = self.open.read().range(..first).map(|(number, _)| *number).collect();
        let mut failed = Ok(());
        for number in dropped {
            let path = self.path_of(number);
            info!(day = number.name(), "deleting a day past its retention");
            match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let message = format!("cannot delete {}: {error}", path.display());
                    failed = failed.and(Err(LogStoreError::Storage { message }));
                }
                // Only what has gone is forgotten: the rest is tried again.
                _ => drop(self.open.write().remove(&number)),
            }
        }
        failed
    }

    fn in_range(&self, filter: &DocumentFilter) -> impl DoubleEndedIterator<Item = Arc<Day>> + use<> {
        let (first, end) = (DayNumber::holding_ms(filter.start.as_millis()), filter.end.as_millis());
        let last = DayNumber::holding_ms(end.saturating_sub(1));
        let days: Vec<_> = if first > last {
            Vec::new()
        } else {
            self.open.read().range(first..=last).map(|(_, day)| Arc::clone(day)).collect()
        };
        days.into_iter()
    }

    fn search(&self, query: &SearchQuery) -> Result<SearchPage, LogStoreError> {
        let mut page = SearchPage::default();
        let days = self.in_range(&query.filter);
        let days: Vec<_> = match query.order {
            crate::Order::NewestFirst => days.rev().collect(),
            crate::Order::OldestFirst => days.collect(),
        };
        for day in days {
            // One more than asked for tells whether there is a next page.
            let n_wanted = query.limit + 1 - page.documents.len();
            let top = TopByTime { limit: n_wanted, order: query.order, after: query.after };
            let found: Vec<Found> =
                day.run(&query.filter, query.after.map(|after| (after, query.order)), &top)?;
            for found in found {
                page.documents.push(day.document(found)?);
            }
            if page.documents.len() > query.limit {
                page.documents.truncate(query.limit);
                page.next = page
                    .documents
                    .last()
                    .map(|last| crate::Cursor { timestamp_ns: last.timestamp_ns, id: last.id });
                break;
            }
        }
        Ok(page)
    }

    fn histogram(
        &self,
        filter: &DocumentFilter,
        bucket_ms: i64,
    ) -> Result<Vec<HistogramBucket>, LogStoreError> {
        let mut buckets: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
        for day in self.in_range(filter) {
            for ((bucket, severity), n) in day.run(filter, None, &Buckets { bucket_ms })? {
                *buckets.entry(bucket).or_default().entry(severity).or_default() += n;
            }
            HistogramBucket::check_number(buckets.len(), bucket_ms)?;
        }
        let bucket = |(index, counts): (i64, BTreeMap<String, u64>)| HistogramBucket {
            start: sentinel_model::Timestamp::from_millis(index.saturating_mul(bucket_ms)),
            counts: counts.into_iter().collect(),
        };
        Ok(buckets.into_iter().map(bucket).collect())
    }

    fn facet(
        &self,
        filter: &DocumentFilter,
        field: DocumentField,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, LogStoreError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for day in self.in_range(filter) {
            for (value, n) in day.run(filter, None, &Values { field })? {
                *counts.entry(value).or_default() += n;
            }
        }
        counts.remove("");
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts.truncate(limit);
        Ok(counts)
    }

    fn stats(&self) -> LogStoreStats {
        let days = self.all();
        LogStoreStats {
            n_documents: days.iter().map(|day| day.n_documents()).sum(),
            disk_bytes: days.iter().map(|day| day.disk_bytes()).sum(),
            days: days.iter().map(|day| day.number().name()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
