//! One `if` per role: builds the roles that are asked for, on the same path for one as for all.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use sentinel_api::{Api, ApiHandles, Configured, Mode};
use sentinel_bus::Bus;
use sentinel_collector::{
    Collector, CollectorHandles, Enabled, KubeletMode, Replay, ReplayConfig, ReplayCounts,
};
use sentinel_model::{Kept, Resolution, Selector};
use sentinel_processor::{Processor, ProcessorHandles, RuleConfig};
use sentinel_recount::{Rule, RuleAction};
use sentinel_runtime::admin::{Admin, AdminServer};
use sentinel_runtime::{DataDir, Health, Registry, Stages, Task};
use sentinel_settings::Settings;
use sentinel_simulator::Simulator;
use tokio::sync::watch;
use tracing::info;

use crate::cli::Role;
use crate::commands::VERSION;
use crate::config::Config;
use crate::dashboard;

/// Where the data come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A cluster or endpoints.
    Real,
    Simulated,
    Replayed(ReplayConfig),
}

/// Everything that was built and started.
pub struct Running {
    pub stages: Stages,
    pub address: SocketAddr,
    pub health: Health,
    /// Gets the counts of a recording once all of it is on the bus.
    pub replayed: Option<watch::Receiver<Option<ReplayCounts>>>,
    /// Reads what people set, for as long as roles ask for it.
    pub settings: Option<Task<()>>,
}

/// The role that takes data in.
enum Intake {
    Collector(Box<Collector>),
    Replay(Box<Replay>),
}

/// What every role is built from.
struct Ground<'a> {
    config: &'a Config,
    folder: DataDir,
    bus: Arc<dyn Bus>,
    admin: Admin,
    settings: Settings,
    health: Health,
}

struct Stores {
    metrics: sentinel_metric_store::Handles,
    logs: sentinel_log_store::Handles,
}

/// Builds all, then starts all: nothing runs unless everything could be built.
///
/// # Errors
/// The first role that cannot be built, and why.
pub async fn start(config: &Config, roles: &[Role], input: &Input) -> anyhow::Result<Running> {
    let has = |role: Role| roles.is_empty() || roles.contains(&role);
    let health = Health::default();
    let admin = Admin::new(health.clone(), Registry::default());
    let path = &config.data_dir;
    std::fs::create_dir_all(path)
        .with_context(|| format!("{} cannot be the data folder; give another --data-dir", path.display()))?;
    info!(data_dir = %path.display(), "data folder");
    let folder = DataDir::new(path, config.min_free_disk);

    let bus = admin.register(|registry| {
        sentinel_bus::open(&config.bus, folder.clone(), &health, registry).context("open the bus")
    })?;
    let mut config = config.clone();
    let simulator = match input {
        Input::Simulated => Some(
            Simulator::build(&config.simulator, Some(folder.path()))
                .await
                .context("build the simulated cluster")?,
        ),
        Input::Real | Input::Replayed(_) => None,
    };
    if let Some(simulator) = &simulator {
        watch_only(&mut config.collector, simulator);
    }
    let settings = Settings::new(Arc::clone(&bus));
    let ground = Ground { config: &config, folder, bus, admin, settings, health };
    let stores = if has(Role::Processor) || has(Role::Api) { Some(ground.open_stores()?) } else { None };
    let intake = if has(Role::Collector) { Some(ground.intake(input)?) } else { None };
    let processor = match &stores {
        Some(stores) if has(Role::Processor) => Some(ground.processor(stores)?),
        _ => None,
    };
    let api = match &stores {
        Some(stores) if has(Role::Api) => Some(ground.api(stores, input)?),
        _ => None,
    };

    let reads_settings = processor.is_some() || api.is_some();
    let settings = reads_settings.then(|| ground.settings.start(ground.health.component("settings")));
    let mut stages = Stages::default();
    simulator.into_iter().for_each(|simulator| stages.start(simulator));
    let mut replayed = None;
    match intake {
        Some(Intake::Collector(collector)) => stages.start(*collector),
        Some(Intake::Replay(replay)) => {
            replayed = Some(replay.finished());
            stages.start(*replay);
        }
        None => {}
    }
    processor.into_iter().for_each(|processor| stages.start(processor));
    let address = ground.serve(api, &mut stages)?;
    let health = ground.health.clone();
    Ok(Running { stages, address, health, replayed, settings })
}

/// The processor's rules as a recount carries them out. An API process that runs alone must be given the same
/// section `processor`.
fn recounted_rules(rules: &[RuleConfig]) -> anyhow::Result<Vec<Rule>> {
    let rule = |rule: &RuleConfig| {
        let (selector, action) = match rule {
            RuleConfig::Drop { selector } => (selector, RuleAction::Drop),
            RuleConfig::SetLabels { selector, labels } => {
                (selector, RuleAction::SetLabels(labels.clone().into_iter().collect()))
            }
            RuleConfig::Store { selector, resolutions } => {
                let is_chosen = |width: &Resolution| resolutions.iter().any(|name| name == width.as_str());
                (selector, RuleAction::Store(Resolution::ALL.into_iter().filter(is_chosen).collect()))
            }
        };
        let selector = Selector::parse(selector).context("processor.rules: read a selector")?;
        Ok(Rule { selector, action })
    };
    rules.iter().map(rule).collect()
}

/// How long things are kept unless somebody sets another span. A process without the role `processor` must be given the
/// same sections `metric_store` and `log_store`.
fn configured_retention(config: &Config) -> Vec<(Kept, Configured)> {
    let span = config.log_store.retention();
    let metrics = |resolution| {
        let (span, is_least) =
            (config.metric_store.retention(resolution), config.metric_store.is_retention_kept_by_server());
        (Kept::Metrics(resolution), Configured { span, is_least })
    };
    let logs = Configured { span, is_least: config.log_store.is_retention_kept_by_server() };
    // No policy knows of an event that is old and still seen: events are always deleted by us.
    let events = Configured { span, is_least: false };
    Resolution::ALL.into_iter().map(metrics).chain([(Kept::Logs, logs), (Kept::Events, events)]).collect()
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

fn in_vain(listen: &str) -> String {
    format!("nothing can be served on {listen}; stop what runs there, or give another --listen HOST:PORT")
}

impl Ground<'_> {
    fn open_stores(&self) -> anyhow::Result<Stores> {
        self.admin.register(|registry| {
            let metrics = &self.config.metric_store;
            let metrics =
                sentinel_metric_store::open(metrics, self.folder.join("metrics"), &self.health, registry)
                    .context("open the metric store")?;
            let logs = sentinel_log_store::open(
                &self.config.log_store,
                self.folder.join("logs"),
                &self.health,
                registry,
            )
            .context("open the log store")?;
            Ok(Stores { metrics, logs })
        })
    }

    fn intake(&self, input: &Input) -> anyhow::Result<Intake> {
        let config = &self.config.collector;
        let handles = CollectorHandles {
            bus: Arc::clone(&self.bus),
            cluster: self.config.cluster.clone(),
            data_dir: self.folder.clone(),
            health: self.health.clone(),
            admin: Some(self.admin.clone()),
        };
        self.admin.register(|registry| match input {
            Input::Replayed(replay) => {
                let replay =
                    Replay::build(replay, config, handles, registry).context("open the recording")?;
                Ok(Intake::Replay(Box::new(replay)))
            }
            Input::Real | Input::Simulated => {
                let collector = Collector::build(config, handles, registry).context("build the collector")?;
                Ok(Intake::Collector(Box::new(collector)))
            }
        })
    }

    fn processor(&self, stores: &Stores) -> anyhow::Result<Processor> {
        let handles = ProcessorHandles {
            bus: Arc::clone(&self.bus),
            metrics: Arc::clone(&stores.metrics.writer),
            logs: Arc::clone(&stores.logs.writer),
            settings: self.settings.clone(),
            health: self.health.clone(),
        };
        let config = self.config.processor.clone();
        self.admin
            .register(|registry| Processor::build(config, handles, registry))
            .context("build the processor")
    }

    fn api(&self, stores: &Stores, input: &Input) -> anyhow::Result<Api> {
        let handles = ApiHandles {
            bus: Arc::clone(&self.bus),
            metrics: Arc::clone(&stores.metrics.reader),
            logs: Arc::clone(&stores.logs.reader),
            cache: sentinel_cache::open(&self.config.cache, &self.health).context("open the cache")?,
            is_cache_shared: self.config.cache.is_shared(),
            admin: self.admin.clone(),
            health: self.health.clone(),
            rules: recounted_rules(&self.config.processor.rules)?,
            settings: self.settings.clone(),
            retention: configured_retention(self.config),
            dashboard: dashboard::router(),
        };
        let name = match input {
            Input::Real => "run",
            Input::Simulated => "demo",
            Input::Replayed(_) => "replay",
        };
        let is_simulated = *input == Input::Simulated;
        let mode = Mode { version: VERSION.to_owned(), mode: name.to_owned(), is_simulated };
        let config = self.config.api.clone();
        self.admin
            .register(|registry| Api::build(config, handles, mode, registry))
            .with_context(|| in_vain(&self.config.api.listen))
    }

    /// Starts the API, or in its place the admin endpoints; gives the address.
    fn serve(&self, api: Option<Api>, stages: &mut Stages) -> anyhow::Result<SocketAddr> {
        if let Some(api) = api {
            let address = api.local_addr();
            stages.start(api);
            return Ok(address);
        }
        let listen = &self.config.api.listen;
        let server = AdminServer::build(listen, &self.admin).with_context(|| in_vain(listen))?;
        let address = server.local_addr()?;
        stages.start(server);
        Ok(address)
    }
}
