//! Builders, fakes, fault injection and wait_until; for tests only.

pub mod build;
mod bus;
mod cache;
mod logs;
mod metrics;
mod outage;
pub mod stack;
mod victim;
mod wait;

pub use bus::MemoryBus;
pub use cache::MemoryCache;
pub use logs::MemoryLogs;
pub use metrics::MemoryMetrics;
pub use outage::Outage;
pub use victim::Victim;
pub use wait::wait_until;
