//! The contract of the cache.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::CacheError;

/// Short-lived answers. Losing one costs speed, never data: callers go on without it on any error.
///
/// Every implementation keeps this (and `contract.rs` tests it):
/// - An entry is never returned after its time to live.
/// - `put` of an existing key replaces value and time to live.
/// - Of any number of `take`s of one entry, at most one gets it.
/// - `count` counts every call within a counter's time to live once.
/// - Any entry and any counter may vanish at any time.
#[async_trait]
pub trait Cache: Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError>;

    async fn remove(&self, key: &str) -> Result<(), CacheError>;

    /// Gets an entry and removes it in one step.
    async fn take(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Adds one to a counter and gives the sum. The first call begins its time to live, later ones do not
    /// change it. Counters have keys of their own.
    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError>;
}
