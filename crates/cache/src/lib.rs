//! Port: short-lived answers whose loss costs speed, never data.

#[cfg(feature = "redis")]
mod breaker;
mod cache;
mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
#[cfg(feature = "redis")]
mod fallback;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::sync::Arc;

use sentinel_runtime::Health;

pub use cache::Cache;
pub use config::{Config, RedisConfig};
pub use error::CacheError;

/// A cache in this process's memory, of its own.
pub fn memory(max_bytes: u64) -> Arc<dyn Cache> {
    Arc::new(memory::MemoryCache::new(max_bytes))
}

/// Opens the configured cache. A server that is away is no error: callers go on without it.
///
/// # Errors
/// A configuration that cannot work.
pub fn open(config: &Config, health: &Health) -> Result<Arc<dyn Cache>, CacheError> {
    match config {
        Config::Memory { max_bytes } => Ok(memory(*max_bytes)),
        #[cfg(feature = "redis")]
        Config::Redis(config) => {
            let first = redis::RedisCache::open(config.clone(), health)?;
            let second = memory::MemoryCache::new(config::DEFAULT_MAX_BYTES);
            Ok(Arc::new(fallback::Fallback { first, second }))
        }
        #[cfg(not(feature = "redis"))]
        Config::Redis(_) => {
            let _ = health;
            Err(CacheError::Open { message: config::NEEDS_REDIS.to_owned() })
        }
    }
}
