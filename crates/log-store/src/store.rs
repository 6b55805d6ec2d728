//! The contract of the log store.

use std::sync::Arc;

use async_trait::async_trait;
use sentinel_model::{RetentionSetting, Timestamp};

use crate::LogStoreError;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    Log,
    Event,
}

/// Identity of a document: hash of source, timestamp and text for logs, so that a line is the same document
/// however often it is published; hash of (cluster, uid) for events, so that a repeat replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(pub u128);

/// One log line or event. Field names follow the pipeline's labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub id: DocumentId,
    pub kind: DocumentKind,
    /// Nanoseconds since the Unix epoch: when the line was written, or the event last seen.
    pub timestamp_ns: i64,
    /// When it was first seen. The same for every write of one id, so that a store that divides by time
    /// finds what is to be replaced: for log lines `timestamp_ns`.
    pub origin_ns: i64,
    pub cluster: Arc<str>,
    pub namespace: Arc<str>,
    pub workload_kind: Arc<str>,
    pub workload: Arc<str>,
    pub pod: Arc<str>,
    pub container: Arc<str>,
    pub node: Arc<str>,
    /// `LogSeverity::as_str` or `EventSeverity::as_str`.
    pub severity: Arc<str>,
    /// Events: reason, else empty.
    pub reason: Arc<str>,
    /// Events: kind and name of the object, else empty.
    pub object_kind: Arc<str>,
    pub object_name: Arc<str>,
    /// The text that is searched: the line, or the event's message.
    pub body: String,
    /// Everything else a reader wants back, as JSON: for events first and last time, count, reporter, uid.
    pub extra: String,
}

/// Fields that can be filtered, counted and grouped by, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentField {
    Cluster,
    Namespace,
    WorkloadKind,
    Workload,
    Pod,
    Container,
    Node,
    Severity,
    Reason,
    ObjectKind,
    ObjectName,
}

impl DocumentField {
    pub const ALL: [Self; 11] = [
        Self::Cluster,
        Self::Namespace,
        Self::WorkloadKind,
        Self::Workload,
        Self::Pod,
        Self::Container,
        Self::Node,
        Self::Severity,
        Self::Reason,
        Self::ObjectKind,
        Self::ObjectName,
    ];
}

/// `field` is one of `values` (or none of them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFilter {
    pub field: DocumentField,
    pub values: Vec<String>,
    pub is_negated: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

/// Which documents.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentFilter {
    pub kind: DocumentKind,
    /// Words and "quoted phrases", all of which must occur, a leading `-` excludes; empty: everything.
    /// Case-insensitive. Never a query language: every character is data.
    pub text: String,
    pub fields: Vec<FieldFilter>,
    /// Start inclusive.
    pub start: Timestamp,
    /// End exclusive.
    pub end: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SearchQuery {
    pub filter: DocumentFilter,
    pub order: Order,
    /// At most this many documents, 1 to 10,000.
    pub limit: usize,
    /// Continue behind this document of the same search.
    pub after: Option<Cursor>,
}

/// Place in an ordered answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub timestamp_ns: i64,
    pub id: DocumentId,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchPage {
    pub documents: Vec<Document>,
    /// Where to continue; `None` at the end.
    pub next: Option<Cursor>,
}

/// Documents per bucket of time and severity.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramBucket {
    pub start: Timestamp,
    pub counts: Vec<(String, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStoreStats {
    pub n_documents: u64,
    pub disk_bytes: u64,
    /// Days that have an index, oldest first, as `2026-11-21`.
    pub days: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteReport {
    pub n_written: usize,
    /// Documents older than the retention.
    pub n_expired: usize,
    /// Documents that the store will never take, each with its reason. All others were written.
    pub rejected: Vec<RejectedDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedDocument {
    /// Its place among those that were to be written.
    pub index: usize,
    /// What the store said, for people.
    pub reason: String,
}

impl SearchQuery {
    /// Most documents of a page.
    pub const MAX_LIMIT: usize = 10_000;

    /// # Errors
    /// A limit that no store answers.
    pub(crate) fn check(&self) -> Result<(), LogStoreError> {
        if (1..=Self::MAX_LIMIT).contains(&self.limit) {
            return Ok(());
        }
        let message = format!("limit {} is not between 1 and {}", self.limit, Self::MAX_LIMIT);
        Err(LogStoreError::Query { message })
    }
}

impl HistogramBucket {
    /// Most buckets of a histogram.
    pub const MAX: usize = 2_000;

    pub(crate) fn check_width(bucket_ms: i64) -> Result<(), LogStoreError> {
        if bucket_ms > 0 {
            return Ok(());
        }
        let message = format!("a bucket of {bucket_ms} ms is not a span of time");
        Err(LogStoreError::Query { message })
    }

    pub(crate) fn check_number(n: usize, bucket_ms: i64) -> Result<(), LogStoreError> {
        if n <= Self::MAX {
            return Ok(());
        }
        let message = format!("more than {} buckets of {bucket_ms} ms; take wider ones", Self::MAX);
        Err(LogStoreError::Query { message })
    }
}

/// Writes documents.
///
/// Every implementation keeps this (and `contract.rs` tests it):
/// - A write is durable when it returns, and searchable within 2 s.
/// - Writing a document of the same id again leaves one document. Of an event it is the one last written, and
///   at least where its sights come in order the one last seen; a log line's id says all that is in it, so that
///   a store may keep either.
/// - Until `keep` is called for the first time, nothing is deleted or refused for its age: what people have set may be
///   longer than what is configured. A server's policy that was there before goes on.
#[async_trait]
pub trait LogWriter: Send + Sync {
    async fn write(&self, documents: Vec<Document>) -> Result<WriteReport, LogStoreError>;

    /// What people have set of the retention, in place of what was set before. What is not in it is kept as
    /// configured. Acts at once, without a restart: days that are past it go. To be called again after an error.
    async fn keep(&self, set: &RetentionSetting) -> Result<(), LogStoreError>;
}

/// Finds documents.
#[async_trait]
pub trait LogReader: Send + Sync {
    /// In order of (timestamp, id); pages neither repeat nor miss a document that was there at the start.
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, LogStoreError>;

    /// Counts in buckets of `bucket_ms`, aligned to the epoch, empty ones left out, at most 2,000.
    async fn histogram(
        &self,
        filter: &DocumentFilter,
        bucket_ms: i64,
    ) -> Result<Vec<HistogramBucket>, LogStoreError>;

    /// The most frequent values of a field among the chosen documents, most frequent first.
    async fn facet(
        &self,
        filter: &DocumentFilter,
        field: DocumentField,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, LogStoreError>;

    async fn count(&self, filter: &DocumentFilter) -> Result<u64, LogStoreError>;

    async fn stats(&self) -> Result<LogStoreStats, LogStoreError>;
}
