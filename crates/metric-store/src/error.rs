//! What can go wrong with the metric store.

use std::time::Duration;

use sentinel_runtime::DiskFull;

#[derive(Debug, thiserror::Error)]
pub enum MetricStoreError {
    #[error("the metric store cannot be opened: {message}")]
    Open { message: String },
    #[error("storage of the metric store failed: {message}")]
    Storage { message: String },
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    /// A server that is away, overloaded, or not set up for this: nothing is known to be wrong with what
    /// was asked.
    #[error("the metric store does not take this now: {message}")]
    Unavailable {
        message: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    #[error("stored data cannot be read: {message}")]
    Corrupt { message: String },
    #[error("the selector chooses {n_series} series, more than {limit}; add a label to it")]
    TooManySeries { n_series: usize, limit: usize },
    #[error("the answer would have more than {limit} points; take a shorter range or a coarser resolution")]
    TooManyPoints { limit: usize },
}

impl MetricStoreError {
    /// How long to wait at least before the next attempt, where the store said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::DiskFull(_) | Self::Unavailable { .. })
    }
}
