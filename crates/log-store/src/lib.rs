//! Port: logs and events with full-text search, written by the processor and read by everyone else.

mod error;
mod store;

pub use error::LogStoreError;
pub use store::{
    Cursor, Document, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, HistogramBucket,
    LogReader, LogStoreStats, LogWriter, Order, SearchPage, SearchQuery, WriteReport,
};
