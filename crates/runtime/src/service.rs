//! What every role is.

use crate::Shutdown;

/// A role or a part of one. It was built before (sockets bound, nothing started) and runs once.
pub trait Service: Send + 'static {
    /// Name in logs, health and task lists.
    const NAME: &'static str;

    /// Runs until `shutdown` is requested, then finishes the work in hand, commits and returns.
    ///
    /// # Errors
    /// What made it stop by itself; the process then drains and exits with status 1.
    fn run(self, shutdown: Shutdown) -> impl Future<Output = Result<(), ServiceError>> + Send;
}

/// Why a service stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("{service} stopped")]
pub struct ServiceError {
    pub service: &'static str,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl ServiceError {
    pub fn new(service: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { service, source: source.into() }
    }
}
