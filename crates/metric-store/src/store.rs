//! The contract of the metric store.

use std::sync::Arc;

use async_trait::async_trait;
use sentinel_model::{
    Aggregate, Field, MetricKind, Resolution, RetentionSetting, Selector, Series, SeriesId, Timestamp, Window,
};

use crate::MetricStoreError;

/// Final results of one window for many series.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowRows {
    pub window: Window,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `series.labels.id()`, computed once by the caller.
    pub id: SeriesId,
    pub series: Series,
    pub aggregate: Aggregate,
}

/// What became of a write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteReport {
    pub n_written: usize,
    /// Rows of series beyond the cardinality limit, and rows older than the resolution's retention.
    pub n_over_limit: usize,
    pub n_expired: usize,
    /// Rows that the store will never take, each with its reason. All others were written.
    pub rejected: Vec<RejectedRow>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RejectedRow {
    pub window: Window,
    pub row: Row,
    /// What the store said, for people.
    pub reason: String,
}

/// Start inclusive, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub start: Timestamp,
    pub end: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RangeQuery {
    pub selector: Selector,
    pub range: TimeRange,
    pub resolution: Resolution,
    pub field: Field,
    /// More series than this: [`MetricStoreError::TooManySeries`].
    pub max_series: usize,
    /// More points in all than this: [`MetricStoreError::TooManyPoints`].
    pub max_points: usize,
}

/// One series with one field of its windows, by window start, ascending, each window at most once.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesPoints {
    pub series: Series,
    pub points: Vec<(Timestamp, f64)>,
}

/// A metric's name and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricName {
    pub name: String,
    pub kind: MetricKind,
    pub n_series: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricStoreStats {
    pub n_series: usize,
    pub series_limit: usize,
    /// Windows (of any resolution) that are stored, and the bytes they take on disk, by resolution.
    pub resolutions: Vec<(Resolution, ResolutionStats)>,
    /// Bytes of memory that the head holds.
    pub head_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolutionStats {
    pub n_windows: u64,
    pub disk_bytes: u64,
    pub oldest: Option<Timestamp>,
}

/// Writes windows.
///
/// Every implementation keeps this (and `contract.rs` tests it):
/// - A write is durable when it returns, and visible to readers.
/// - The identity of a value is (series, resolution, window start): writing it again replaces it, so
///   that a repeated write changes nothing. Writes may come in any order of time.
/// - Values come back bit by bit, `-0.0`, infinities and NaN payloads included.
/// - Series beyond the cardinality limit are refused one by one and counted, never the whole batch.
/// - Until `keep` is called for the first time, nothing is deleted or refused for its age: what people have set may be
///   longer than what is configured. A server that has a retention of its own goes by that, which is the configured
///   one where it was made just now.
#[async_trait]
pub trait MetricWriter: Send + Sync {
    async fn write(&self, windows: Arc<[WindowRows]>) -> Result<WriteReport, MetricStoreError>;

    /// What people have set of the retention, in place of what was set before. What is not in it is kept as
    /// configured. Acts at once, without a restart: what is older goes as soon as the store's unit of deletion allows.
    /// To be called again after an error.
    async fn keep(&self, set: &RetentionSetting) -> Result<(), MetricStoreError>;
}

/// Reads windows. A query sees either all of a write or nothing of it, per series.
#[async_trait]
pub trait MetricReader: Send + Sync {
    /// Names of all metrics, sorted.
    async fn names(&self) -> Result<Vec<MetricName>, MetricStoreError>;

    /// Names of the labels of the chosen series, sorted.
    async fn label_names(&self, selector: &Selector) -> Result<Vec<String>, MetricStoreError>;

    /// Values of one label among the chosen series, sorted, at most `limit`.
    async fn label_values(
        &self,
        label: &str,
        selector: &Selector,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError>;

    /// The chosen series in order of their labels, at most `limit`.
    async fn series(&self, selector: &Selector, limit: usize) -> Result<Vec<Series>, MetricStoreError>;

    /// Points of the chosen series; series without a point in the range are left out.
    async fn range(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError>;

    /// The newest window of each chosen series that starts in the range.
    async fn latest(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError>;

    async fn stats(&self) -> Result<MetricStoreStats, MetricStoreError>;
}
