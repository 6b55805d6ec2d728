//! How a service of Sentinel Mesh lives: it is built, started in order, watched, drained within a
//! deadline and stopped. Holds no business of its own.

pub mod admin;
mod backoff;
pub mod clock;
pub mod config;
mod data_dir;
mod health;
mod hops;
mod service;
mod shutdown;
mod stages;
mod task;
pub mod telemetry;

pub use backoff::Backoff;
pub use data_dir::{DataDir, DiskFull};
pub use health::{Component, ComponentState, Health, HealthReport, STATE_METRIC};
pub use hops::HopMetrics;
pub use prometheus_client::registry::Registry;
pub use service::{Service, ServiceError};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use stages::{Stages, StagesError};
pub use task::{Task, spawn, spawn_blocking};
