//! A shared cache that may be away, backed by this process's memory.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Cache, CacheError};

/// What the first does not take goes into the second, and is found there. Callers see no error of the first:
/// while it is away, each process keeps for itself.
pub(crate) struct Fallback<A, B> {
    pub(crate) first: A,
    pub(crate) second: B,
}

#[async_trait]
impl<A: Cache, B: Cache> Cache for Fallback<A, B> {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        match self.first.get(key).await {
            Ok(Some(value)) => Ok(Some(value)),
            Ok(None) | Err(_) => self.second.get(key).await,
        }
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        match self.first.put(key, value.clone(), ttl).await {
            // An older value there would come to light once this one is over.
            Ok(()) => self.second.remove(key).await,
            Err(error @ CacheError::TooLarge { .. }) => Err(error),
            Err(_) => self.second.put(key, value, ttl).await,
        }
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        // What cannot be removed there is over after its time to live.
        let _ = self.first.remove(key).await;
        self.second.remove(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        match self.first.take(key).await {
            Ok(Some(value)) => {
                // A put whose answer was lost left one in both.
                self.second.remove(key).await?;
                Ok(Some(value))
            }
            Ok(None) | Err(_) => self.second.take(key).await,
        }
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError> {
        match self.first.count(key, ttl).await {
            Ok(sum) => Ok(sum),
            Err(_) => self.second.count(key, ttl).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use sentinel_testkit::Outage;

    use super::*;
    use crate::memory::MemoryCache;

    const TTL: Duration = Duration::from_secs(60);

    struct Flaky {
        cache: MemoryCache,
        outage: Outage,
    }

    impl Flaky {
        fn cache(&self) -> Result<&MemoryCache, CacheError> {
            let message = || "an outage on purpose".to_owned();
            if self.outage.is_on() {
                Err(CacheError::Unavailable { message: message() })
            } else {
                Ok(&self.cache)
            }
        }
    }

    #[async_trait]
    impl Cache for Flaky {
        async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
            self.cache()?.get(key).await
        }

        async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
            self.cache()?.put(key, value, ttl).await
        }

        async fn remove(&self, key: &str) -> Result<(), CacheError> {
            self.cache()?.remove(key).await
        }

        async fn take(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
            self.cache()?.take(key).await
        }

        async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError> {
            self.cache()?.count(key, ttl).await
        }
    }

    fn pair() -> Fallback<Flaky, MemoryCache> {
        let first = Flaky { cache: MemoryCache::new(1 << 20), outage: Outage::default() };
        Fallback { first, second: MemoryCache::new(1 << 20) }
    }

    #[tokio::test]
    async fn keeps_the_contract_with_and_without_the_first() {
        crate::contract::suite(&pair()).await;
        let alone = pair();
        alone.first.outage.begin();
        crate::contract::suite(&alone).await;
    }

    #[tokio::test]
    async fn what_was_put_during_an_outage_is_found_and_taken_once_behind_it() {
        let cache = pair();
        cache.first.outage.begin();
        for key in ["read", "taken"] {
            cache.put(key, Bytes::from_static(b"1"), TTL).await.expect("kept in memory");
        }
        cache.first.outage.end();
        assert!(cache.get("read").await.expect("an answer").is_some());
        assert!(cache.take("taken").await.expect("an answer").is_some());
        assert!(cache.take("taken").await.expect("an answer").is_none());
        cache.put("read", Bytes::from_static(b"2"), TTL).await.expect("kept");
        cache.first.remove("read").await.expect("removed");
        assert_eq!(cache.get("read").await.expect("an answer"), None, "nothing older comes to light");
    }
}
