//! What a source of data is, and what every source is given.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sentinel_runtime::{Health, Shutdown};

use crate::metrics::Metrics;
use crate::sharding::Ownership;
use crate::{Limits, OpenMetricsRules, Outlet};

/// One door through which data come in. It handles its own failures (retries, counts, reports health)
/// and ends only when it is asked to, after what it has in hand is acknowledged by the outlet.
#[async_trait]
pub trait Source: Send + 'static {
    /// Name of its task.
    fn name(&self) -> &'static str;

    async fn run(self: Box<Self>, shutdown: Shutdown);
}

/// Cheap to clone.
#[derive(Clone)]
pub struct SourceContext {
    pub outlet: Outlet,
    pub cluster: Arc<str>,
    pub collector: Arc<str>,
    pub limits: Limits,
    pub scrape_interval: Duration,
    pub scrape_timeout: Duration,
    pub openmetrics: OpenMetricsRules,
    pub metrics: Arc<Metrics>,
    pub health: Health,
    /// What of the work is this collector's.
    pub(crate) ownership: Ownership,
}
