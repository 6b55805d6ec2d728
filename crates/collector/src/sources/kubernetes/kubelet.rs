//! Kubelets: their Prometheus endpoints and their summary, scraped node by node.

mod labels;
mod node;
mod probe;
mod reading;
mod route;
pub(crate) mod summary;
mod volumes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_runtime::{Component, Shutdown, ShutdownTrigger, Task, spawn};
use tracing::{debug, info};

pub(super) use probe::probe_node;
pub(crate) use reading::{Counts, Health, KubeletReading};

use super::client::Connection;
use super::config::KubeletConfig;
use super::view::{NodeFacts, View};
use crate::SourceContext;
use crate::sharding::Tenure;

/// What a kubelet serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    Cadvisor,
    Resource,
    Probes,
    Summary,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 4] = [Self::Cadvisor, Self::Resource, Self::Probes, Self::Summary];

    /// In names of targets.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cadvisor => "cadvisor",
            Self::Resource => "resource",
            Self::Probes => "probes",
            Self::Summary => "summary",
        }
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Cadvisor => "/metrics/cadvisor",
            Self::Resource => "/metrics/resource",
            Self::Probes => "/metrics/probes",
            Self::Summary => "/stats/summary",
        }
    }

    const fn is_wanted(self, config: &KubeletConfig) -> bool {
        match self {
            Self::Cadvisor => config.cadvisor,
            Self::Resource => config.resource,
            Self::Probes => config.probes,
            Self::Summary => config.summary,
        }
    }
}

/// What every node's scrapes share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Kubelets {
    pub(super) connection: Arc<Connection>,
    pub(super) config: KubeletConfig,
    pub(super) view: Arc<View>,
    pub(super) context: SourceContext,
    pub(super) board: KubeletBoard,
}

/// Tells health which kubelets do not answer. Cheap to clone.
#[derive(Clone)]
pub(super) struct KubeletBoard {
    failures: Arc<Mutex<BTreeMap<Arc<str>, String>>>,
    health: Component,
}

struct Running {
    facts: Arc<NodeFacts>,
    trigger: ShutdownTrigger,
    task: Task<()>,
    _tenure: Tenure,
}

impl KubeletBoard {
    pub(super) fn new(health: Component) -> Self {
        // Without nodes there is nothing to miss.
        health.ready();
        Self { failures: Arc::default(), health }
    }

    fn set(&self, node: &Arc<str>, failure: Option<String>) {
        let mut failures = self.failures.lock();
        match failure {
            Some(why) => failures.insert(Arc::clone(node), why),
            None => failures.remove(node),
        };
        match failures.first_key_value() {
            None => self.health.ready(),
            Some((node, why)) => {
                let n = failures.len();
                self.health.degraded(format!("{n} kubelets do not answer; that of {node}: {why}"));
            }
        }
    }
}

impl Kubelets {
    /// Scrapes every node of the view for as long as it is there, and this collector's.
    pub(super) async fn run(self, shutdown: Shutdown) {
        let mut revision = self.view.revision();
        let mut changes = self.context.ownership.changes();
        let mut running: HashMap<Arc<str>, Running> = HashMap::new();
        loop {
            revision.mark_unchanged();
            self.follow_nodes(&mut running, &shutdown).await;
            match shutdown.guard(changes.or(revision.changed())).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        for node in running.into_values() {
            node.trigger.trigger();
            node.task.await;
        }
    }

    async fn follow_nodes(&self, running: &mut HashMap<Arc<str>, Running>, shutdown: &Shutdown) {
        let is_own = |facts: &Arc<NodeFacts>| self.context.ownership.owns(&format!("kubelet/{}", facts.name));
        let nodes = self.view.nodes().into_iter().filter(is_own);
        let nodes: HashMap<Arc<str>, Arc<NodeFacts>> =
            nodes.map(|facts| (Arc::clone(&facts.name), facts)).collect();
        let is_gone = |name: &Arc<str>, old: &Running| nodes.get(name).is_none_or(|new| **new != *old.facts);
        let gone: Vec<_> = running
            .iter()
            .filter(|(name, old)| is_gone(name, old))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        // All are told before any is waited for.
        gone.iter().filter_map(|name| running.get(name)).for_each(|node| node.trigger.trigger());
        for name in gone {
            if let Some(node) = running.remove(&name) {
                node.task.await;
                self.board.set(&name, None);
            }
        }
        let n_before = running.len();
        for (name, facts) in nodes {
            running.entry(name).or_insert_with(|| {
                debug!(node = &*facts.name, ip = facts.internal_ip, "scraping a kubelet");
                let (trigger, stop) = shutdown.child();
                let scraper = node::NodeScraper::new(self.clone(), Arc::clone(&facts));
                let _tenure = self.context.ownership.tenure("kubelet");
                Running { facts, trigger, task: spawn("kubelet", scraper.run(stop)), _tenure }
            });
        }
        if running.len() > n_before {
            info!(n_kubelets = running.len(), "scraping kubelets");
        }
    }
}

#[cfg(test)]
mod tests;
