//! The service: builds the outlet and the sources, runs them, drains them.

use std::path::PathBuf;
use std::sync::Arc;

use sentinel_bus::Bus;
use sentinel_runtime::admin::Admin;
use sentinel_runtime::{Health, Registry, Service, ServiceError, Shutdown};

use crate::metrics::Metrics;
use crate::{Config, Source};

/// What the collector is built from besides its configuration.
pub struct CollectorHandles {
    pub bus: Arc<dyn Bus>,
    /// Name of the cluster in every record.
    pub cluster: String,
    /// The spool lives in its subfolder `spool`.
    pub data_dir: PathBuf,
    pub health: Health,
    /// Own metrics are read from here.
    pub admin: Option<Admin>,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("collector.{key} is not usable: {message}")]
    Config { key: String, message: String },
}

pub struct Collector {
    sources: Vec<Box<dyn Source>>,
}

impl Collector {
    /// Starts nothing.
    ///
    /// # Errors
    /// A setting that cannot work.
    pub fn build(
        config: &Config,
        handles: CollectorHandles,
        registry: &mut Registry,
    ) -> Result<Self, BuildError> {
        let _ = (config, handles, Metrics::register(registry));
        Ok(Self { sources: Vec::new() })
    }
}

impl Service for Collector {
    const NAME: &'static str = "collector";

    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let _ = self.sources;
        shutdown.requested().await;
        Ok(())
    }
}
