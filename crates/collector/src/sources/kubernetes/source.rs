//! The source: finds the cluster, watches it, and keeps everything that depends on what is seen running.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sentinel_bus::Bus;
use sentinel_runtime::config::Problem;
use sentinel_runtime::{Component, Shutdown, Task, spawn};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::client::{ConnectError, Connection, Location, check_url};
use super::discovery::Targets;
use super::intake::Intake;
use super::kind::Kind;
use super::kubelet::{KubeletBoard, Kubelets};
use super::logs::Logs;
use super::view::{Ghosts, View, recall};
use super::watch::{Board, Relists, Synced, Watch, WatchContext};
use super::{KubeletMode, KubernetesConfig, state_stream};
use crate::fetch::scrape_client;
use crate::{Source, SourceContext};

/// Changes that wait to be taken in: a few, as objects are large.
const MAX_CHANGES: usize = 128;

/// Credentials that cannot be used are tried again after this: files may come later.
const RETRY: Duration = Duration::from_secs(10);

/// How long a watch waits for the kinds that explain what it gives.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A setting that cannot work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{name:?} is none of {known}")]
    Kind { name: String, known: String },
    #[error("{0}")]
    Setting(Problem),
}

/// Watches one cluster.
pub(crate) struct Kubernetes {
    config: KubernetesConfig,
    location: Location,
    kinds: Vec<Kind>,
    context: SourceContext,
    bus: Arc<dyn Bus>,
    data_dir: PathBuf,
    health: Component,
}

impl Kubernetes {
    /// `None` when there is no cluster to watch. Opens no connection.
    ///
    /// # Errors
    /// A setting that cannot work, or a cluster that is demanded and cannot be found.
    pub(crate) fn build(
        config: &KubernetesConfig,
        context: SourceContext,
        bus: Arc<dyn Bus>,
        data_dir: PathBuf,
    ) -> Result<Option<Self>, KubernetesError> {
        if let Some(problem) = problems(config).into_iter().next() {
            return Err(KubernetesError::Setting(problem));
        }
        let kinds = kinds(&config.kinds)?;
        let Some(location) = Location::find(config)? else { return Ok(None) };
        let health = context.health.component("collector/kubernetes");
        Ok(Some(Self { config: config.clone(), location, kinds, context, bus, data_dir, health }))
    }

    /// Credentials may be missing at first, as those of a pod whose volume is not there yet.
    async fn connect(&self) -> Connection {
        loop {
            match Connection::load(&self.config, self.location.clone()) {
                Ok(connection) => return connection,
                Err(error) => self.health.degraded(error.to_string()),
            }
            sleep(RETRY).await;
        }
    }

    async fn recall(&self) -> Ghosts {
        match recall(&*self.bus, &self.context.cluster).await {
            Ok(ghosts) => ghosts,
            Err(error) => {
                warn!(error = %error, "objects deleted while nobody watched may be shown still");
                Ghosts::default()
            }
        }
    }

    async fn collect(self, connection: Arc<Connection>, ghosts: Ghosts, shutdown: &Shutdown) {
        let view = Arc::new(View::new(Arc::clone(&self.context.cluster)));
        let (synced, relists) = (Synced::new(), Relists::default());
        let (sender, changes) = mpsc::channel(MAX_CHANGES);
        let intake = Intake {
            view: Arc::clone(&view),
            ghosts,
            synced: synced.clone(),
            context: self.context.clone(),
            bus: Arc::clone(&self.bus),
            kinds: self.kinds.clone(),
            relists: relists.clone(),
            owned: BTreeMap::new(),
        };
        let intake = spawn("intake", intake.run(changes));
        let watch = WatchContext {
            connection: Arc::clone(&connection),
            config: self.config.watch.clone(),
            page_bytes: self.context.limits.body_bytes,
            changes: sender,
            metrics: Arc::clone(&self.context.metrics),
            board: Board::new(self.health.clone(), &self.kinds),
            relists,
        };
        let mut tasks = self.watches(&watch, &synced, shutdown);
        drop(watch);
        let states = state_stream::run(
            Arc::clone(&view),
            synced.clone(),
            self.without_events(),
            self.context.clone(),
            shutdown.clone(),
        );
        tasks.push(spawn("state", states));
        tasks.extend(self.dependents(&connection, &view, &synced, shutdown).await);
        for task in tasks {
            task.await;
        }
        // All watches have ended: what they gave is taken in.
        intake.await;
    }

    fn watches(&self, context: &WatchContext, synced: &Synced, shutdown: &Shutdown) -> Vec<Task<()>> {
        let start = |kind: Kind| {
            let before: Vec<Kind> =
                explaining(kind).iter().copied().filter(|kind| self.kinds.contains(kind)).collect();
            let (synced, shutdown) = (synced.clone(), shutdown.clone());
            let watch = Watch::new(kind, context.clone());
            spawn("watch", async move {
                let _ = shutdown.guard(timeout(MAX_WAIT, synced.wait(&before))).await;
                watch.run(shutdown).await;
            })
        };
        self.kinds.iter().copied().map(start).collect()
    }

    /// What acts on pods and nodes.
    async fn dependents(
        &self,
        connection: &Arc<Connection>,
        view: &Arc<View>,
        synced: &Synced,
        shutdown: &Shutdown,
    ) -> Vec<Task<()>> {
        let mut tasks = Vec::new();
        if self.config.kubelet.enabled {
            let kubelets = Kubelets {
                connection: Arc::clone(connection),
                config: self.config.kubelet.clone(),
                view: Arc::clone(view),
                context: self.context.clone(),
                board: KubeletBoard::new(self.context.health.component("collector/kubelets")),
            };
            let (synced, shutdown) = (synced.clone(), shutdown.clone());
            tasks.push(spawn("kubelets", async move {
                // Rows of pods get their workloads from the first scrape on.
                let _ = shutdown.guard(timeout(MAX_WAIT, synced.wait(&[Kind::Pod, Kind::Node]))).await;
                kubelets.run(shutdown).await;
            }));
        }
        if self.config.discovery.enabled {
            match scrape_client() {
                Ok(client) => {
                    let targets =
                        Targets::new(Arc::clone(view), self.context.clone(), self.config.discovery, client);
                    tasks.push(spawn("discovery", targets.run(shutdown.clone())));
                }
                Err(error) => warn!(error = %error, "annotated pods are not scraped"),
            }
        }
        if !self.config.log_namespaces.is_empty() {
            let folder = self.data_dir.join("collector");
            let (connection, view) = (Arc::clone(connection), Arc::clone(view));
            match Logs::open(&self.config, connection, view, self.context.clone(), &folder).await {
                Ok(logs) => {
                    let (synced, shutdown) = (synced.clone(), shutdown.clone());
                    tasks.push(spawn("logs", async move {
                        if shutdown.guard(synced.wait(&[Kind::Pod])).await.is_some() {
                            logs.run(shutdown).await;
                        }
                    }));
                }
                Err(error) => {
                    let component = self.context.health.component("collector/logs");
                    component.degraded(format!("logs are not read: {}: {error}", folder.display()));
                }
            }
        }
        tasks
    }

    fn without_events(&self) -> Vec<Kind> {
        self.kinds.iter().copied().filter(|kind| *kind != Kind::Event).collect()
    }
}

#[async_trait]
impl Source for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    async fn run(self: Box<Self>, shutdown: Shutdown) {
        let Some(connection) = shutdown.guard(self.connect()).await else { return };
        info!(cluster = &*self.context.cluster, location = %connection.location(), "watching a cluster");
        let Some(ghosts) = shutdown.guard(self.recall()).await else { return };
        self.collect(Arc::new(connection), ghosts, &shutdown).await;
    }
}

/// Kinds that tell which workload an object of `kind` belongs to.
const fn explaining(kind: Kind) -> &'static [Kind] {
    match kind {
        Kind::Pod => &[Kind::ReplicaSet, Kind::Job],
        Kind::Event => &[Kind::ReplicaSet, Kind::Job, Kind::Pod],
        _ => &[],
    }
}

pub(super) fn kinds(names: &[String]) -> Result<Vec<Kind>, KubernetesError> {
    if names.is_empty() {
        return Ok(Kind::ALL.to_vec());
    }
    let mut wanted = Vec::new();
    for name in names {
        wanted.push(Kind::from_name(name).ok_or_else(|| {
            let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            KubernetesError::Kind { name: name.clone(), known: known.join(", ") }
        })?);
    }
    Ok(Kind::ALL.into_iter().filter(|kind| wanted.contains(kind)).collect())
}

/// Settings that cannot work.
pub(crate) fn problems(config: &KubernetesConfig) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
        Problem::new(format!("collector.kubernetes.{key}"), fact, line).when(is_wrong, &mut problems);
    };
    if let (false, Err(error)) = (config.url.is_empty(), check_url(&config.url)) {
        refuse(true, "url", &error.to_string(), "url = \"https://10.0.0.1:6443\"");
    }
    if let Err(error) = kinds(&config.kinds) {
        refuse(true, "kinds", &error.to_string(), "kinds = [\"Pod\", \"Node\"]");
    }
    let kubelet = &config.kubelet;
    let line = "url = \"http://127.0.0.1:8001/kubelet/{node}\"";
    match (kubelet.mode, kubelet.url.is_empty()) {
        (KubeletMode::Url, true) => refuse(true, "kubelet.url", "is missing for mode = \"url\"", line),
        (KubeletMode::Direct | KubeletMode::Proxy, false) => {
            refuse(
                true,
                "kubelet.url",
                "is only read with mode = \"url\"; leave it out, or set the mode",
                "mode = \"url\"",
            );
        }
        (_, false) => {
            if let Err(error) = check_url(&kubelet.url.replace("{node}", "node")) {
                refuse(true, "kubelet.url", &error.to_string(), line);
            }
        }
        (_, true) => {}
    }
    let is_zero = kubelet.interval.is_zero();
    refuse(is_zero, "kubelet.interval", "must be at least 1ms", "interval = \"10s\"");
    let watch = &config.watch;
    let is_short = watch.timeout < Duration::from_secs(1);
    refuse(is_short, "watch.timeout", "must be at least 1s", "timeout = \"2m\"");
    refuse(watch.page_size == 0, "watch.page_size", "must be at least 1", "page_size = 250");
    let is_wrong = watch.backoff_first.is_zero() || watch.backoff_first > watch.backoff_limit;
    let fact = "must be more than 0 and at most backoff_limit";
    refuse(is_wrong, "watch.backoff_first", fact, "backoff_first = \"500ms\"");
    let logs = &config.logs;
    let (many, one) = ("must be at least 1", "must be more than 0");
    refuse(logs.max_streams == 0, "logs.max_streams", many, "max_streams = 500");
    refuse(logs.lines_per_second == 0, "logs.lines_per_second", many, "lines_per_second = 1000");
    refuse(logs.burst_lines == 0, "logs.burst_lines", many, "burst_lines = 20000");
    refuse(logs.line_bytes == 0, "logs.line_bytes", one, "line_bytes = \"64KiB\"");
    refuse(logs.join_lines == 0, "logs.join_lines", many, "join_lines = 200");
    refuse(logs.join_bytes == 0, "logs.join_bytes", one, "join_bytes = \"64KiB\"");
    refuse(logs.join_wait.is_zero(), "logs.join_wait", one, "join_wait = \"300ms\"");
    let discovery = &config.discovery;
    let is_idle = discovery.enabled && discovery.max_targets == 0;
    refuse(
        is_idle,
        "discovery.max_targets",
        "must be at least 1; enabled = false turns it off",
        "max_targets = 1000",
    );
    problems
}

#[cfg(test)]
mod tests;
