//! Logs of pods in opted-in namespaces: one reader a container.

mod join;
mod line;
mod position;
mod positions;
mod reader;
mod severity;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use sentinel_runtime::{Component, Shutdown, ShutdownTrigger, Task, spawn};
use tracing::{debug, info};

pub(crate) use join::{JoinLimits, Joined, Joiner};

use super::client::Connection;
use super::config::LogsConfig;
use super::view::{Life, View};
use crate::SourceContext;
use crate::metrics::OwnedUnits;
use positions::Positions;
use reader::{Beginning, ContainerName, Reader};

/// What all readers share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Logs {
    connection: Arc<Connection>,
    config: Arc<LogsConfig>,
    namespaces: Arc<[String]>,
    view: Arc<View>,
    context: SourceContext,
    positions: Arc<Positions>,
    health: Component,
}

struct Running {
    trigger: ShutdownTrigger,
    task: Task<()>,
}

impl Logs {
    /// Reads the positions of the last run.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(super) async fn open(
        config: &super::KubernetesConfig,
        connection: Arc<Connection>,
        view: Arc<View>,
        context: SourceContext,
        folder: &Path,
    ) -> io::Result<Self> {
        tokio::fs::create_dir_all(folder).await?;
        let positions = Positions::open(&folder.join("log-positions.jsonl")).await?;
        Ok(Self {
            connection,
            config: Arc::new(config.logs.clone()),
            namespaces: config.log_namespaces.clone().into(),
            health: context.health.component("collector/logs"),
            view,
            context,
            positions: Arc::new(positions),
        })
    }

    /// Reads every wanted container for as long as it is there. Pods that the view does not hold when this
    /// begins are taken to be gone.
    pub(super) async fn run(self, shutdown: Shutdown) {
        self.health.ready();
        self.forget_gone_pods().await;
        let mut revision = self.view.revision();
        let mut changes = self.context.ownership.changes();
        let mut running: HashMap<ContainerName, Running> = HashMap::new();
        // Of this collector or of another: what is there when this begins may have been read, or be old.
        let mut known: HashSet<ContainerName> = self.started().into_iter().collect();
        loop {
            revision.mark_unchanged();
            running.retain(|_, reader| !reader.task.is_finished());
            self.stop_readers(&mut running).await;
            let started = self.started();
            self.start_readers(&mut running, &started, &known, &shutdown);
            known = started.into_iter().collect();
            match shutdown.guard(changes.or(revision.changed())).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        // What was read is published and noted before they end.
        for reader in running.values() {
            reader.trigger.trigger();
        }
        for reader in running.into_values() {
            reader.task.await;
        }
    }

    /// Lets go of what is another collector's now. Should it come back, that one's reading counts, not where this
    /// one ended.
    async fn stop_readers(&self, running: &mut HashMap<ContainerName, Running>) {
        let is_lost = |name: &ContainerName| !self.context.ownership.owns(&name.unit());
        let lost: Vec<ContainerName> = running.keys().filter(|name| is_lost(name)).cloned().collect();
        lost.iter().filter_map(|name| running.get(name)).for_each(|reader| reader.trigger.trigger());
        for name in lost {
            if let Some(reader) = running.remove(&name) {
                reader.task.await;
                self.forget(&name.key()).await;
            }
        }
    }

    fn start_readers(
        &self,
        running: &mut HashMap<ContainerName, Running>,
        started: &[ContainerName],
        known: &HashSet<ContainerName>,
        shutdown: &Shutdown,
    ) {
        let is_own = |name: &&ContainerName| self.context.ownership.owns(&name.unit());
        let wanted: Vec<&ContainerName> = started.iter().filter(is_own).collect();
        let n_wanted = wanted.len();
        let is_first = running.is_empty();
        let mut n_started = 0;
        for name in wanted {
            if running.contains_key(name) {
                continue;
            }
            if running.len() >= self.config.max_streams {
                break;
            }
            debug!(log = name.key(), "reading a log");
            n_started += 1;
            let (trigger, stop) = shutdown.child();
            let beginning = if known.contains(name) { Beginning::Backfill } else { Beginning::FirstLine };
            let reader = Reader::new(self.clone(), name.clone(), beginning);
            running.insert(name.clone(), Running { trigger, task: spawn("log", reader.run(stop)) });
        }
        if is_first && n_started > 0 {
            info!(n_logs = n_started, "reading logs of containers");
        }
        let pods: HashSet<&str> = running.keys().map(|name| name.uid.as_str()).collect();
        let owned = OwnedUnits { kind: "logs" };
        self.context.metrics.owned_units.get_or_create(&owned).set(pods.len() as i64);
        let n_unread = n_wanted.saturating_sub(self.config.max_streams);
        if n_unread == 0 {
            self.health.ready();
        } else {
            let hint = "raise collector.kubernetes.logs.max_streams or choose fewer namespaces";
            // By the hundred: with every pod that comes and goes it would be told anew.
            let (n, about) =
                if n_unread < 100 { (n_unread, "") } else { (n_unread / 100 * 100, "at least ") };
            self.health.degraded(format!("{about}{n} containers' logs are not read: {hint}"));
        }
    }

    /// Containers that have written, or may have, whoever reads them.
    fn started(&self) -> Vec<ContainerName> {
        let is_in =
            |namespace: &str| self.namespaces.iter().any(|wanted| wanted == "*" || wanted == namespace);
        let pods = self.view.pods();
        let pods = pods.iter().filter(|pod| is_in(&pod.namespace));
        pods.flat_map(|pod| {
            let started = pod.containers.iter().filter(|container| container.life != Life::NotStarted);
            started.map(|container| ContainerName {
                namespace: Arc::clone(&pod.namespace),
                pod: Arc::clone(&pod.name),
                uid: pod.uid.clone(),
                container: Arc::clone(&container.name),
            })
        })
        .collect()
    }

    async fn forget_gone_pods(&self) {
        let pods: HashSet<String> = self.view.pods().iter().map(|pod| pod.uid.clone()).collect();
        let is_there = |key: &str| ContainerName::uid_of(key).is_some_and(|uid| pods.contains(uid));
        if let Err(error) = self.positions.retain(is_there).await {
            self.positions_failed(&error);
        }
    }

    async fn forget(&self, key: &str) {
        if let Err(error) = self.positions.retain(|other| other != key).await {
            self.positions_failed(&error);
        }
    }

    fn positions_failed(&self, error: &io::Error) {
        let what = "positions of logs cannot be written, lines may come twice after a restart";
        self.health.degraded(format!("{what}: {error}"));
    }
}

#[cfg(test)]
mod tests;
