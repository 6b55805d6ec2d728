//! What can go wrong with the metric store.

use sentinel_runtime::DiskFull;

#[derive(Debug, thiserror::Error)]
pub enum MetricStoreError {
    #[error("the metric store cannot be opened: {message}")]
    Open { message: String },
    #[error("storage of the metric store failed: {message}")]
    Storage { message: String },
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    #[error("stored data cannot be read: {message}")]
    Corrupt { message: String },
    #[error("the selector chooses {n_series} series, more than {limit}; add a label to it")]
    TooManySeries { n_series: usize, limit: usize },
    #[error("the answer would have more than {limit} points; take a shorter range or a coarser resolution")]
    TooManyPoints { limit: usize },
}

impl MetricStoreError {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::DiskFull(_))
    }
}
