//! The service: builds the outlet and the sources, runs them, drains them.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sentinel_bus::Bus;
use sentinel_runtime::admin::Admin;
use sentinel_runtime::config::variable;
use sentinel_runtime::{DataDir, Health, Registry, Service, ServiceError, Shutdown, spawn};
use tracing::info;

use crate::fetch::{UrlError, scrape_client, target_url};
use crate::ingest::TargetLabels;
use crate::metrics::Metrics;
use crate::outlet::{Clock, OutletService, OutletSettings, SpoolUnusable};
use crate::sources::kubernetes::Kubernetes;
use crate::sources::own::OwnMetrics;
use crate::sources::scrape::{Endpoint, Scraper};
use crate::{Config, Outlet, ScrapeTarget, Source, SourceContext, TargetKind};

/// What the collector is built from besides its configuration.
pub struct CollectorHandles {
    pub bus: Arc<dyn Bus>,
    /// Name of the cluster in every record.
    pub cluster: String,
    /// The spool lives in its subfolder `spool`.
    pub data_dir: DataDir,
    pub health: Health,
    /// Own metrics are read from here.
    pub admin: Option<Admin>,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("collector.{key} is not usable: {message}")]
    Config { key: String, message: String },
    #[error("collector.scrape: {url:?} is not usable: {source}")]
    Target { url: String, source: UrlError },
    #[error("collector.scrape: {first:?} and {second:?} have one name and address; give one another name")]
    SameTarget { first: String, second: String },
    #[error(transparent)]
    Spool(#[from] SpoolUnusable),
    #[error("TLS for scrapes cannot be set up: {0}")]
    Tls(#[from] reqwest::Error),
}

pub struct Collector {
    sources: Vec<Box<dyn Source>>,
    outlet: OutletService,
}

impl Collector {
    /// Opens the spool; starts nothing.
    ///
    /// # Errors
    /// A setting that cannot work, or a spool folder that cannot be used.
    pub fn build(
        config: &Config,
        handles: CollectorHandles,
        registry: &mut Registry,
    ) -> Result<Self, BuildError> {
        check(config)?;
        let collector: Arc<str> = if config.id.is_empty() { host_name() } else { config.id.clone() }.into();
        let settings = OutletSettings {
            cluster: handles.cluster.as_str().into(),
            collector: Arc::clone(&collector),
            config: config.outlet.clone(),
            series_per_target: config.limits.series_per_target,
            clock: Clock::Wall,
        };
        let metrics = Arc::new(Metrics::register(registry));
        let component = handles.health.component("collector.outlet");
        let folder = handles.data_dir.join("spool");
        let bus = Arc::clone(&handles.bus);
        let (outlet, service) = Outlet::build(settings, bus, folder, Arc::clone(&metrics), component)?;
        let context = SourceContext {
            outlet,
            cluster: handles.cluster.as_str().into(),
            collector,
            limits: config.limits,
            scrape_interval: config.scrape_interval,
            scrape_timeout: config.scrape_timeout,
            openmetrics: config.openmetrics,
            metrics,
            health: handles.health,
        };
        let mut sources = scrapers(config, &context)?;
        let cluster = Kubernetes::build(
            &config.kubernetes,
            context.clone(),
            handles.bus,
            handles.data_dir.path().to_owned(),
        )
        .map_err(|error| BuildError::Config { key: "kubernetes".to_owned(), message: error.to_string() })?;
        if let Some(cluster) = cluster {
            sources.push(Box::new(cluster));
        }
        if let Some(admin) = handles.admin.filter(|_| config.self_metrics) {
            sources.push(Box::new(OwnMetrics::new(admin, context.clone())));
        }
        Ok(Self { sources, outlet: service })
    }
}

impl Service for Collector {
    const NAME: &'static str = "collector";

    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let outlet = self.outlet.start();
        info!(n_sources = self.sources.len(), "collecting");
        let tasks: Vec<_> = self
            .sources
            .into_iter()
            .map(|source| {
                let shutdown = shutdown.clone();
                spawn(source.name(), source.run(shutdown))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        // Without any source, or with all of them ended, the outlet still empties its spool.
        shutdown.requested().await;
        outlet.drain().await;
        Ok(())
    }
}

pub(crate) fn check(config: &Config) -> Result<(), BuildError> {
    let refuse = |key: &str, message: &str| {
        Err(BuildError::Config { key: key.to_owned(), message: message.to_owned() })
    };
    if config.scrape_interval.is_zero() {
        return refuse("scrape_interval", "write at least \"1s\"");
    }
    if config.scrape_timeout.is_zero() || config.scrape_timeout > config.scrape_interval {
        return refuse("scrape_timeout", "write more than zero and at most scrape_interval");
    }
    if config.id.contains('/') {
        return refuse("id", "write a name without '/'");
    }
    if config.outlet.queue_bytes == 0 {
        return refuse("outlet.queue_bytes", "write at least \"1MiB\"");
    }
    Ok(())
}

fn scrapers(config: &Config, context: &SourceContext) -> Result<Vec<Box<dyn Source>>, BuildError> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let client = scrape_client()?;
    let mut known: Vec<(String, &str)> = Vec::new();
    for target in &config.scrape {
        let endpoint = endpoint(target, config, &context.cluster)?;
        if let Some((_, first)) = known.iter().find(|(name, _)| *name == endpoint.target) {
            let (first, second) = ((*first).to_owned(), target.url.clone());
            return Err(BuildError::SameTarget { first, second });
        }
        known.push((endpoint.target.clone(), &target.url));
        sources.push(Box::new(Scraper::new(endpoint, client.clone(), context.clone())));
    }
    Ok(sources)
}

pub(crate) fn endpoint(
    target: &ScrapeTarget,
    config: &Config,
    cluster: &str,
) -> Result<Endpoint, BuildError> {
    let url =
        target_url(&target.url).map_err(|source| BuildError::Target { url: target.url.clone(), source })?;
    let port = url.port_or_known_default().unwrap_or_default();
    let instance = format!("{}:{port}", url.host_str().unwrap_or_default());
    let job = target.name.clone().unwrap_or_else(|| instance.clone());
    let interval = target.interval.unwrap_or(config.scrape_interval);
    if interval.is_zero() {
        let message = format!("interval of {}: write at least \"1s\"", target.url);
        return Err(BuildError::Config { key: "scrape".to_owned(), message });
    }
    let own = [("job", job.as_str()), ("instance", &instance), ("cluster", cluster)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // Labels of the configuration win, as `labels` of a static target do in Prometheus.
    let labels = TargetLabels::new(own.into_iter().chain(target.labels.clone()));
    Ok(Endpoint {
        target: format!("scrape/{job}/{instance}{}", url.path()),
        url,
        kind: TargetKind::Scrape,
        labels,
        interval,
        timeout: config.scrape_timeout.min(interval),
        openmetrics: target.openmetrics.unwrap_or(config.openmetrics),
    })
}

/// As the system knows it.
fn host_name() -> String {
    let read = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = variable("HOSTNAME").or_else(read).unwrap_or_default();
    let name = name.trim().replace('/', "-");
    if name.is_empty() { "collector".to_owned() } else { name }
}
