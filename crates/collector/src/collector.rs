//! The service: builds the outlet and the sources, runs them, drains them.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sentinel_bus::Bus;
use sentinel_runtime::admin::Admin;
use sentinel_runtime::config::Problem;
use sentinel_runtime::{DataDir, Health, Registry, Service, ServiceError, Shutdown, spawn};
use tracing::info;

use crate::fetch::{UrlError, scrape_client};
use crate::metrics::Metrics;
use crate::outlet::{Clock, OutletService, OutletSettings, SpoolUnusable};
use crate::sharding::{Membership, Sharding, Share};
use crate::sources::canary::Canary;
use crate::sources::kubernetes::{Kubernetes, Leases, NOTHING_TO_WATCH};
use crate::sources::own::OwnMetrics;
use crate::sources::scrape::Scraper;
use crate::targets::{TargetBoard, endpoint};
use crate::{Config, Enabled, Outlet, ShardingConfig, Source, SourceContext};

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
    #[error("{0}")]
    Config(Problem),
    #[error("collector.scrape: {url:?} is not usable: {source}")]
    Target { url: String, source: UrlError },
    #[error("collector.kubernetes is not usable: {message}")]
    Kubernetes { message: String },
    #[error("collector.sharding is not usable: {message}")]
    Sharding { message: String },
    #[error(transparent)]
    Spool(#[from] SpoolUnusable),
    #[error("TLS for scrapes cannot be set up: {0}")]
    Tls(#[from] reqwest::Error),
}

pub struct Collector {
    sources: Vec<Box<dyn Source>>,
    outlet: OutletService,
    sharding: Sharding,
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
        config.problems().into_iter().next().map_or(Ok(()), |problem| Err(BuildError::Config(problem)))?;
        let collector: Arc<str> = config.instance().into();
        let settings = OutletSettings {
            cluster: handles.cluster.as_str().into(),
            collector: Arc::clone(&collector),
            config: config.outlet.clone(),
            series_per_target: config.limits.series_per_target,
            clock: Clock::Wall,
        };
        let metrics = Arc::new(Metrics::register(registry));
        let component = handles.health.component("collector/outlet");
        let folder = handles.data_dir.join("spool");
        let bus = Arc::clone(&handles.bus);
        let (outlet, service) = Outlet::build(settings, bus, folder, Arc::clone(&metrics), component)?;
        let sharding = sharding(config, &collector, &handles, &metrics)?;
        let context = SourceContext {
            ownership: sharding.ownership(),
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
        .map_err(|error| BuildError::Kubernetes { message: error.to_string() })?;
        if let Some(why) = nothing_to_collect(config, cluster.is_some()) {
            context.health.component("collector/sources").degraded(why);
        }
        if let Some(cluster) = cluster {
            sources.push(Box::new(cluster));
        }
        if let Some(admin) = handles.admin.filter(|_| config.self_metrics) {
            sources.push(Box::new(OwnMetrics::new(admin, context.clone())));
        }
        if config.canary {
            sources.push(Box::new(Canary::new(context)));
        }
        Ok(Self { sources, outlet: service, sharding })
    }
}

impl Service for Collector {
    const NAME: &'static str = "collector";

    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let outlet = self.outlet.start();
        let is_shared = self.sharding.ownership().is_shared();
        let sharding = self.sharding.start();
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
        if is_shared {
            outlet.leave().await;
        } else {
            outlet.drain().await;
        }
        // Only now may others begin: what was taken in here is on the bus ahead of theirs.
        sharding.leave().await;
        Ok(())
    }
}

fn sharding(
    config: &Config,
    collector: &Arc<str>,
    handles: &CollectorHandles,
    metrics: &Arc<Metrics>,
) -> Result<Sharding, BuildError> {
    let component = || Some(handles.health.component("collector/sharding"));
    let (first, membership, health) = match &config.sharding {
        ShardingConfig::None => (Share::Everything, Membership::Fixed, None),
        ShardingConfig::Ring(ring) => {
            let members = ring.members.iter().map(|name| name.as_str().into()).collect();
            (Share::Member { own: Arc::clone(collector), members }, Membership::Fixed, None)
        }
        ShardingConfig::Group(_) => {
            (Share::Nothing, Membership::Group(Arc::clone(&handles.bus)), component())
        }
        ShardingConfig::Lease(lease) => {
            let leases = Leases::build(lease, &config.kubernetes, collector)
                .map_err(|message| BuildError::Sharding { message })?;
            (Share::Nothing, Membership::Lease(Box::new(leases)), component())
        }
    };
    Ok(Sharding::new(first, membership, health, Arc::clone(metrics)))
}

fn scrapers(config: &Config, context: &SourceContext) -> Result<Vec<Box<dyn Source>>, BuildError> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let client = scrape_client()?;
    if config.scrape.is_empty() {
        return Ok(sources);
    }
    let board = TargetBoard::new(context.health.component("collector/targets"), config.scrape.len());
    for target in &config.scrape {
        let endpoint = endpoint(target, config, &context.cluster)
            .map_err(|source| BuildError::Target { url: target.url.clone(), source })?;
        let scraper = Scraper::new(endpoint, client.clone(), context.clone());
        sources.push(Box::new(scraper.telling(board.clone())));
    }
    Ok(sources)
}

/// A collector without sources would run in silence and look healthy.
fn nothing_to_collect(config: &Config, has_cluster: bool) -> Option<String> {
    let is_meant = config.kubernetes.enabled == Enabled::Never;
    let (fact, next) = NOTHING_TO_WATCH;
    (!has_cluster && config.scrape.is_empty() && !is_meant).then(|| format!("cluster: {fact}; {next}"))
}
