//! Port: short-lived answers whose loss costs speed, never data.

mod cache;
mod error;

pub use cache::Cache;
pub use error::CacheError;
