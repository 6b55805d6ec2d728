//! A log store in a map, searched by looking at everything.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use sentinel_log_store::{
    Cursor, Document, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, HistogramBucket,
    LogReader, LogStoreError, LogStoreStats, LogWriter, Order, SearchPage, SearchQuery, WriteReport,
};
use sentinel_model::{RetentionSetting, Timestamp};

use crate::Outage;

#[derive(Debug, Default)]
pub struct MemoryLogs {
    documents: Mutex<BTreeMap<(DocumentKind, DocumentId), Document>>,
    kept: Mutex<Option<RetentionSetting>>,
    pub outage: Outage,
}

impl MemoryLogs {
    /// Loses the documents whose text `is_lost` chooses, as no store may; how many they were.
    pub fn lose(&self, is_lost: impl Fn(&str) -> bool) -> usize {
        let mut documents = self.documents.lock();
        let n_before = documents.len();
        documents.retain(|_, document| !is_lost(&document.body));
        n_before - documents.len()
    }

    /// What it was told last of the retention. It deletes nothing.
    pub fn kept(&self) -> Option<RetentionSetting> {
        self.kept.lock().clone()
    }

    fn check(&self) -> Result<(), LogStoreError> {
        if self.outage.is_on() {
            return Err(LogStoreError::Storage { message: "an outage on purpose".to_owned() });
        }
        Ok(())
    }

    /// Oldest first.
    fn find(&self, filter: &DocumentFilter) -> Result<Vec<Document>, LogStoreError> {
        self.check()?;
        let documents = self.documents.lock();
        let mut found: Vec<Document> =
            documents.values().filter(|document| matches(document, filter)).cloned().collect();
        found.sort_by_key(|document| (document.timestamp_ns, document.id));
        Ok(found)
    }
}

fn matches(document: &Document, filter: &DocumentFilter) -> bool {
    let at = document.timestamp_ns.div_euclid(1_000_000);
    document.kind == filter.kind
        && (filter.start.as_millis()..filter.end.as_millis()).contains(&at)
        && filter.fields.iter().all(|field| has_field(document, field))
        && has_text(&document.body, &filter.text)
}

fn has_field(document: &Document, filter: &FieldFilter) -> bool {
    let value = value_of(document, filter.field);
    filter.values.iter().any(|wanted| wanted == value) != filter.is_negated
}

fn value_of(document: &Document, field: DocumentField) -> &str {
    match field {
        DocumentField::Cluster => &document.cluster,
        DocumentField::Namespace => &document.namespace,
        DocumentField::WorkloadKind => &document.workload_kind,
        DocumentField::Workload => &document.workload,
        DocumentField::Pod => &document.pod,
        DocumentField::Container => &document.container,
        DocumentField::Node => &document.node,
        DocumentField::Severity => &document.severity,
        DocumentField::Reason => &document.reason,
        DocumentField::ObjectKind => &document.object_kind,
        DocumentField::ObjectName => &document.object_name,
    }
}

/// Words of a text, as full-text indexes cut them.
fn words(text: &str) -> Vec<String> {
    let cut = text.split(|c: char| !c.is_alphanumeric());
    cut.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn has_text(body: &str, query: &str) -> bool {
    let body = words(body);
    let holds = |phrase: &str| {
        let phrase = words(phrase);
        phrase.is_empty() || body.windows(phrase.len()).any(|window| window == phrase)
    };
    // Every other part is within quotes; a dash right before a quote excludes the phrase.
    let mut is_excluded = false;
    query.split('"').enumerate().all(|(i, part)| {
        if i % 2 == 1 {
            return holds(part) != is_excluded;
        }
        is_excluded = part.ends_with('-');
        part.split_whitespace().all(|word| match word.strip_prefix('-') {
            Some("") | None => holds(word),
            Some(excluded) => !holds(excluded),
        })
    })
}

#[async_trait]
impl LogWriter for MemoryLogs {
    async fn write(&self, documents: Vec<Document>) -> Result<WriteReport, LogStoreError> {
        self.check()?;
        let report = WriteReport { n_written: documents.len(), ..WriteReport::default() };
        let mut kept = self.documents.lock();
        kept.extend(documents.into_iter().map(|document| ((document.kind, document.id), document)));
        Ok(report)
    }

    async fn keep(&self, set: &RetentionSetting) -> Result<(), LogStoreError> {
        self.check()?;
        *self.kept.lock() = Some(set.clone());
        Ok(())
    }
}

#[async_trait]
impl LogReader for MemoryLogs {
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, LogStoreError> {
        let mut documents = self.find(&query.filter)?;
        if query.order == Order::NewestFirst {
            documents.reverse();
        }
        if let Some(after) = query.after {
            let place = |document: &Document| (document.timestamp_ns, document.id);
            let cursor = (after.timestamp_ns, after.id);
            documents.retain(|document| match query.order {
                Order::NewestFirst => place(document) < cursor,
                Order::OldestFirst => place(document) > cursor,
            });
        }
        let has_more = documents.len() > query.limit;
        documents.truncate(query.limit);
        let last = documents.last().filter(|_| has_more);
        let next = last.map(|last| Cursor { timestamp_ns: last.timestamp_ns, id: last.id });
        Ok(SearchPage { documents, next })
    }

    async fn histogram(
        &self,
        filter: &DocumentFilter,
        bucket_ms: i64,
    ) -> Result<Vec<HistogramBucket>, LogStoreError> {
        if bucket_ms <= 0 {
            return Err(LogStoreError::Query { message: "buckets have no width".to_owned() });
        }
        let mut buckets: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
        for document in self.find(filter)? {
            let start = document.timestamp_ns.div_euclid(1_000_000 * bucket_ms) * bucket_ms;
            *buckets.entry(start).or_default().entry(document.severity.to_string()).or_default() += 1;
        }
        let bucket = |(start, counts): (i64, BTreeMap<String, u64>)| HistogramBucket {
            start: Timestamp::from_millis(start),
            counts: counts.into_iter().collect(),
        };
        Ok(buckets.into_iter().map(bucket).collect())
    }

    async fn facet(
        &self,
        filter: &DocumentFilter,
        field: DocumentField,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, LogStoreError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for document in self.find(filter)? {
            let value = value_of(&document, field);
            if !value.is_empty() {
                *counts.entry(value.to_owned()).or_default() += 1;
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.truncate(limit);
        Ok(counts)
    }

    async fn count(&self, filter: &DocumentFilter) -> Result<u64, LogStoreError> {
        Ok(self.find(filter)?.len() as u64)
    }

    async fn stats(&self) -> Result<LogStoreStats, LogStoreError> {
        self.check()?;
        let n_documents = self.documents.lock().len() as u64;
        Ok(LogStoreStats { n_documents, disk_bytes: 0, days: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sentinel_log_store::Handles;

    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        let store = Arc::new(MemoryLogs::default());
        let handles = Handles { writer: Arc::clone(&store) as Arc<dyn LogWriter>, reader: store };
        sentinel_log_store::contract::suite(&handles, 1_795_255_200_000).await;
    }
}
