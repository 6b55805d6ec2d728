//! The cache in this process's memory, on moka.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::Expiry;

use crate::{Cache, CacheError};

pub(crate) struct MemoryCache {
    entries: moka::future::Cache<String, Entry>,
    counters: moka::future::Cache<String, Counter>,
    max_entry_bytes: usize,
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    ttl: Duration,
}

#[derive(Clone, Copy)]
struct Counter {
    n: u64,
    until: Instant,
}

/// Counters that nobody asked for so long are forgotten, if their time is over or not.
const IDLE_COUNTER: Duration = Duration::from_secs(600);
const MAX_COUNTERS: u64 = 65_536;

/// Each entry lives as long as it was put for.
struct OwnTtl;

impl Expiry<String, Entry> for OwnTtl {
    fn expire_after_create(&self, _: &String, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl MemoryCache {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let weigh =
            |key: &String, entry: &Entry| u32::try_from(key.len() + entry.value.len()).unwrap_or(u32::MAX);
        let entries = moka::future::Cache::builder()
            .max_capacity(max_bytes)
            .weigher(weigh)
            .expire_after(OwnTtl)
            .build();
        let counters =
            moka::future::Cache::builder().max_capacity(MAX_COUNTERS).time_to_idle(IDLE_COUNTER).build();
        Self { entries, counters, max_entry_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX) }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Ok(self.entries.get(key).await.map(|entry| entry.value))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        let bytes = key.len() + value.len();
        if bytes > self.max_entry_bytes {
            return Err(CacheError::TooLarge { bytes, limit: self.max_entry_bytes });
        }
        if ttl.is_zero() {
            self.entries.invalidate(key).await;
        } else {
            self.entries.insert(key.to_owned(), Entry { value, ttl }).await;
        }
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.entries.invalidate(key).await;
        Ok(())
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        Ok(self.entries.remove(key).await.map(|entry| entry.value))
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError> {
        let now = Instant::now();
        let counter = self.counters.entry(key.to_owned()).and_upsert_with(|counter| {
            let before = counter.map(moka::Entry::into_value);
            let counter = match before {
                Some(before) if before.until > now => Counter { n: before.n + 1, ..before },
                Some(_) | None => Counter { n: 1, until: now + ttl },
            };
            std::future::ready(counter)
        });
        Ok(counter.await.into_value().n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::contract::suite(&MemoryCache::new(1 << 20)).await;
    }

    #[tokio::test]
    async fn refuses_an_entry_larger_than_itself() {
        let error =
            MemoryCache::new(8).put("key", Bytes::from_static(b"a long value"), Duration::from_secs(1)).await;
        assert!(matches!(error, Err(CacheError::TooLarge { bytes: 15, limit: 8 })));
    }
}
