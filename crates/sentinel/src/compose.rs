//! One `if` per role: builds the roles that are asked for, on the same path for one as for all.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use sentinel_api::{Api, ApiHandles, Mode};
use sentinel_bus::Bus;
use sentinel_collector::{Collector, CollectorHandles, Enabled, KubeletMode};
use sentinel_processor::{Processor, ProcessorHandles};
use sentinel_runtime::admin::{Admin, AdminServer};
use sentinel_runtime::{Health, Registry, Stages};
use sentinel_simulator::Simulator;
use tracing::info;

use crate::cli::Role;
use crate::commands::VERSION;
use crate::config::Config;
use crate::dashboard;

/// Where the data come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A cluster or endpoints.
    Real,
    Simulated,
    Replayed,
}

/// Everything that was built and started.
pub struct Running {
    pub stages: Stages,
    pub address: SocketAddr,
    pub bus: Arc<dyn Bus>,
    pub health: Health,
}

struct Stores {
    metrics: sentinel_metric_store::Handles,
    logs: sentinel_log_store::Handles,
}

/// Builds all, then starts all: nothing runs unless everything could be built.
///
/// # Errors
/// The first role that cannot be built, and why.
pub async fn start(config: &Config, roles: &[Role], input: Input) -> anyhow::Result<Running> {
    let has = |role: Role| roles.is_empty() || roles.contains(&role);
    let health = Health::default();
    let admin = Admin::new(health.clone(), Registry::default());
    let data_dir = &config.data_dir;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("create the data folder {}", data_dir.display()))?;
    info!(data_dir = %data_dir.display(), "data folder");

    let bus = admin.register(|registry| {
        sentinel_bus::open(&config.bus, data_dir, &health, registry).context("open the bus")
    })?;
    let mut config = config.clone();
    let simulator = match input {
        Input::Simulated => {
            Some(Simulator::build(&config.simulator).await.context("build the simulated cluster")?)
        }
        Input::Real | Input::Replayed => None,
    };
    if let Some(simulator) = &simulator {
        watch_only(&mut config.collector, simulator);
    }
    let stores = if has(Role::Processor) || has(Role::Api) {
        Some(open_stores(&config, &admin, &health)?)
    } else {
        None
    };

    let collector =
        if has(Role::Collector) { Some(collector(&config, &bus, &admin, &health, input)?) } else { None };
    let processor = match &stores {
        Some(stores) if has(Role::Processor) => Some(processor(&config, &bus, stores, &admin, &health)?),
        _ => None,
    };
    let api = match &stores {
        Some(stores) if has(Role::Api) => Some(api(&config, &bus, stores, &admin, &health, input)?),
        _ => None,
    };

    let mut stages = Stages::default();
    simulator.into_iter().for_each(|simulator| stages.start(simulator));
    collector.into_iter().for_each(|collector| stages.start(collector));
    processor.into_iter().for_each(|processor| stages.start(processor));
    let address = match api {
        Some(api) => {
            let address = api.local_addr();
            stages.start(api);
            address
        }
        None => {
            let server = AdminServer::build(&config.api.listen, &admin)
                .with_context(|| format!("listen on {}; write --listen HOST:PORT", config.api.listen))?;
            let address = server.local_addr()?;
            stages.start(server);
            address
        }
    };
    Ok(Running { stages, address, bus, health })
}

/// The collector watches the simulated cluster by its address, as it would any other.
fn watch_only(collector: &mut sentinel_collector::Config, simulator: &Simulator) {
    let kubernetes = &mut collector.kubernetes;
    kubernetes.enabled = Enabled::Always;
    kubernetes.url = simulator.api_url();
    kubernetes.kubelet.mode = KubeletMode::Url;
    kubernetes.kubelet.url = simulator.kubelet_url("{node}");
    kubernetes.log_namespaces = vec!["*".to_owned()];
}

fn open_stores(config: &Config, admin: &Admin, health: &Health) -> anyhow::Result<Stores> {
    admin.register(|registry| {
        let folder = |name: &str| config.data_dir.join(name);
        let metrics = sentinel_metric_store::open(&config.metric_store, &folder("metrics"), health, registry)
            .context("open the metric store")?;
        let logs = sentinel_log_store::open(&config.log_store, &folder("logs"), health, registry)
            .context("open the log store")?;
        Ok(Stores { metrics, logs })
    })
}

fn collector(
    config: &Config,
    bus: &Arc<dyn Bus>,
    admin: &Admin,
    health: &Health,
    input: Input,
) -> anyhow::Result<Collector> {
    let handles = CollectorHandles {
        bus: Arc::clone(bus),
        cluster: config.cluster.clone(),
        data_dir: config.data_dir.clone(),
        health: health.clone(),
        admin: (input != Input::Replayed).then(|| admin.clone()),
    };
    admin
        .register(|registry| Collector::build(&config.collector, handles, registry))
        .context("build the collector")
}

fn processor(
    config: &Config,
    bus: &Arc<dyn Bus>,
    stores: &Stores,
    admin: &Admin,
    health: &Health,
) -> anyhow::Result<Processor> {
    let handles = ProcessorHandles {
        bus: Arc::clone(bus),
        metrics: Arc::clone(&stores.metrics.writer),
        logs: Arc::clone(&stores.logs.writer),
        health: health.clone(),
    };
    admin
        .register(|registry| Processor::build(config.processor.clone(), handles, registry))
        .context("build the processor")
}

fn api(
    config: &Config,
    bus: &Arc<dyn Bus>,
    stores: &Stores,
    admin: &Admin,
    health: &Health,
    input: Input,
) -> anyhow::Result<Api> {
    let handles = ApiHandles {
        bus: Arc::clone(bus),
        metrics: Arc::clone(&stores.metrics.reader),
        logs: Arc::clone(&stores.logs.reader),
        cache: sentinel_cache::open(&config.cache),
        admin: admin.clone(),
        health: health.clone(),
        dashboard: dashboard::router(),
    };
    let name = match input {
        Input::Real => "run",
        Input::Simulated => "demo",
        Input::Replayed => "replay",
    };
    let mode =
        Mode { version: VERSION.to_owned(), mode: name.to_owned(), is_simulated: input == Input::Simulated };
    admin
        .register(|registry| Api::build(config.api.clone(), handles, mode, registry))
        .with_context(|| format!("serve on {}", config.api.listen))
}
