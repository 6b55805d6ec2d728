//! Port: windows of metrics, written by the processor and read by everyone else.

mod error;
mod store;

pub use error::MetricStoreError;
pub use store::{
    MetricName, MetricReader, MetricStoreStats, MetricWriter, RangeQuery, ResolutionStats, Row, SeriesPoints,
    TimeRange, WindowRows, WriteReport,
};
