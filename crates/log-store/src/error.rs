//! What can go wrong with the log store.

use sentinel_runtime::DiskFull;

#[derive(Debug, thiserror::Error)]
pub enum LogStoreError {
    #[error("the log store cannot be opened: {message}")]
    Open { message: String },
    #[error("storage of the log store failed: {message}")]
    Storage { message: String },
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    #[error("the search is not usable: {message}")]
    Query { message: String },
}

impl LogStoreError {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::DiskFull(_))
    }
}
