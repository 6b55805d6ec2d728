//! A cache in a map.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sentinel_cache::{Cache, CacheError};
use tokio::time::Instant;

use crate::Outage;

#[derive(Debug, Default)]
pub struct MemoryCache {
    entries: Mutex<BTreeMap<String, (Bytes, Instant)>>,
    counters: Mutex<BTreeMap<String, (u64, Instant)>>,
    pub outage: Outage,
}

impl MemoryCache {
    fn check(&self) -> Result<(), CacheError> {
        if self.outage.is_on() {
            return Err(CacheError::Unavailable { message: "an outage on purpose".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.check()?;
        let entries = self.entries.lock();
        let alive = entries.get(key).filter(|(_, end)| *end > Instant::now());
        Ok(alive.map(|(value, _)| value.clone()))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        self.check()?;
        self.entries.lock().insert(key.to_owned(), (value, Instant::now() + ttl));
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.check()?;
        self.entries.lock().remove(key);
        Ok(())
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.check()?;
        let taken = self.entries.lock().remove(key);
        Ok(taken.filter(|(_, end)| *end > Instant::now()).map(|(value, _)| value))
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError> {
        self.check()?;
        let (mut counters, now) = (self.counters.lock(), Instant::now());
        let (n, end) = counters.entry(key.to_owned()).or_insert((0, now + ttl));
        if *end <= now {
            (*n, *end) = (0, now + ttl);
        }
        *n += 1;
        Ok(*n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        sentinel_cache::contract::suite(&MemoryCache::default()).await;
    }

    #[tokio::test]
    async fn fails_when_told_to() {
        let cache = MemoryCache::default();
        cache.outage.begin();
        assert!(cache.get("a").await.is_err());
        cache.outage.end();
        assert!(cache.get("a").await.is_ok());
    }
}
