//! The source: finds the cluster, watches it, and keeps everything that depends on what is seen running.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sentinel_bus::Bus;
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
use super::watch::{Board, Synced, Watch, WatchContext};
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
    #[error("kinds: {name:?} is none of {known}")]
    Kind { name: String, known: String },
    #[error("{key}: {message}")]
    Setting { key: &'static str, message: String },
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
        check(config)?;
        let kinds = kinds(&config.kinds)?;
        let Some(location) = Location::find(config)? else { return Ok(None) };
        let health = context.health.component("collector.kubernetes");
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
        let synced = Synced::new();
        let (sender, changes) = mpsc::channel(MAX_CHANGES);
        let intake = Intake {
            view: Arc::clone(&view),
            ghosts,
            synced: synced.clone(),
            outlet: self.context.outlet.clone(),
            metrics: Arc::clone(&self.context.metrics),
        };
        let intake = spawn("intake", intake.run(changes));
        let watch = WatchContext {
            connection: Arc::clone(&connection),
            config: self.config.watch.clone(),
            page_bytes: self.context.limits.body_bytes,
            changes: sender,
            metrics: Arc::clone(&self.context.metrics),
            board: Board::new(self.health.clone(), &self.kinds),
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
                board: KubeletBoard::new(self.context.health.component("collector.kubelets")),
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
                    let component = self.context.health.component("collector.logs");
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

pub(super) fn check(config: &KubernetesConfig) -> Result<(), KubernetesError> {
    let refuse = |key, message: &str| Err(KubernetesError::Setting { key, message: message.to_owned() });
    if !config.url.is_empty() {
        check_url(&config.url)?;
    }
    let kubelet = &config.kubelet;
    match (kubelet.mode, kubelet.url.is_empty()) {
        (KubeletMode::Url, true) => {
            return refuse("kubelet.url", "write one, such as \"http://127.0.0.1:8001/kubelet/{node}\"");
        }
        (KubeletMode::Direct | KubeletMode::Proxy, false) => {
            return refuse("kubelet.url", "leave it out, or write mode = \"url\"");
        }
        (_, false) => {
            check_url(&kubelet.url.replace("{node}", "node"))?;
        }
        (_, true) => {}
    }
    if kubelet.interval.is_zero() {
        return refuse("kubelet.interval", "write at least \"1s\"");
    }
    let watch = &config.watch;
    if watch.timeout < Duration::from_secs(1) || watch.page_size == 0 {
        return refuse("watch", "write a timeout of at least \"1s\" and a page_size of at least 1");
    }
    if watch.backoff_first.is_zero() || watch.backoff_first > watch.backoff_limit {
        return refuse("watch.backoff_first", "write more than zero and at most backoff_limit");
    }
    if config.logs.lines_per_second == 0 || config.logs.join_wait.is_zero() {
        return refuse("logs", "write lines_per_second and join_wait of more than zero");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
