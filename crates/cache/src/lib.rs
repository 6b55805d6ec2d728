//! Port: short-lived answers whose loss costs speed, never data.

mod cache;
mod config;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
mod memory;

use std::sync::Arc;

pub use cache::Cache;
pub use config::Config;
pub use error::CacheError;

/// Opens the configured cache.
pub fn open(config: &Config) -> Arc<dyn Cache> {
    match config {
        Config::Memory { max_bytes } => Arc::new(memory::MemoryCache::new(*max_bytes)),
    }
}
