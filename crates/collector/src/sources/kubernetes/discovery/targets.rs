//! Scrapes of the pods that asked for it and were granted it.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::{Client, Url};
use sentinel_runtime::{Component, Shutdown, ShutdownTrigger, Task, spawn};

use super::Wish;
use crate::ingest::TargetLabels;
use crate::sharding::Tenure;
use crate::sources::kubernetes::config::DiscoveryConfig;
use crate::sources::kubernetes::view::{PodFacts, View};
use crate::sources::scrape::{Endpoint, Scraper};
use crate::{SourceContext, TargetKind};

/// Keeps one scraper a pod. An address belongs to the pod's uid: when the pod is gone, so is its scraper,
/// and the next pod with that address gets its own.
pub(in super::super) struct Targets {
    view: Arc<View>,
    context: SourceContext,
    config: DiscoveryConfig,
    client: Client,
    health: Component,
    running: HashMap<String, Running>,
    /// Pods whose refusal was counted.
    refused: HashMap<String, &'static str>,
}

struct Running {
    facts: Arc<PodFacts>,
    trigger: ShutdownTrigger,
    task: Task<()>,
    _tenure: Tenure,
}

impl Targets {
    pub(in super::super) fn new(
        view: Arc<View>,
        context: SourceContext,
        config: DiscoveryConfig,
        client: Client,
    ) -> Self {
        let health = context.health.component("collector/discovery");
        health.ready();
        Self { view, context, config, client, health, running: HashMap::new(), refused: HashMap::new() }
    }

    pub(in super::super) async fn run(mut self, shutdown: Shutdown) {
        let mut revision = self.view.revision();
        let mut changes = self.context.ownership.changes();
        loop {
            revision.mark_unchanged();
            self.follow_pods(&shutdown).await;
            match shutdown.guard(changes.or(revision.changed())).await {
                Some(Ok(())) => {}
                Some(Err(_)) | None => break,
            }
        }
        for target in self.running.into_values() {
            target.trigger.trigger();
            target.task.await;
        }
    }

    async fn follow_pods(&mut self, shutdown: &Shutdown) {
        let ownership = self.context.ownership.clone();
        let is_own = |pod: &Arc<PodFacts>| pod.wish.is_some() && ownership.owns(&target(pod));
        let pods = self.view.pods().into_iter().filter(is_own);
        let pods: HashMap<String, Arc<PodFacts>> = pods.map(|pod| (pod.uid.clone(), pod)).collect();
        self.refused.retain(|uid, _| pods.contains_key(uid));
        let is_outdated = |uid: &str, old: &PodFacts| {
            pods.get(uid).is_none_or(|new| new.wish != old.wish || new.workload != old.workload)
        };
        let outdated: Vec<String> = self
            .running
            .iter()
            .filter(|(uid, target)| is_outdated(uid, &target.facts))
            .map(|(uid, _)| uid.clone())
            .collect();
        // All are told before any is waited for.
        let told = outdated.iter().filter_map(|uid| self.running.get(uid));
        told.for_each(|target| target.trigger.trigger());
        for uid in outdated {
            if let Some(target) = self.running.remove(&uid) {
                target.task.await;
            }
        }
        let mut n_over = 0;
        for (uid, pod) in pods {
            match &pod.wish {
                Some(Wish::Granted { .. }) if self.running.contains_key(&uid) => {}
                Some(Wish::Granted { .. }) if self.running.len() >= self.config.max_targets => n_over += 1,
                Some(Wish::Granted { url }) => self.start(uid, &pod, url, shutdown),
                Some(Wish::Refused { reason }) => self.refuse(uid, reason),
                None => {}
            }
        }
        if n_over == 0 {
            self.health.ready();
        } else {
            let hint = "raise collector.kubernetes.discovery.max_targets";
            self.health.degraded(format!("{n_over} pods that ask for it are not scraped: {hint}"));
        }
    }

    fn start(&mut self, uid: String, pod: &Arc<PodFacts>, url: &str, shutdown: &Shutdown) {
        let Ok(url) = Url::parse(url) else { return self.refuse(uid, "bad_url") };
        let interval = self.context.scrape_interval;
        let endpoint = Endpoint {
            target: target(pod),
            labels: labels(pod, &url, &self.context.cluster),
            url,
            kind: TargetKind::Scrape,
            interval,
            timeout: self.context.scrape_timeout.min(interval),
            openmetrics: self.context.openmetrics,
            token_file: None,
        };
        let scraper = Scraper::new(endpoint, self.client.clone(), self.context.clone());
        let (trigger, stop) = shutdown.child();
        let task = spawn("scrape", async move { scraper.scrape_regularly(&stop).await });
        let _tenure = self.context.ownership.tenure("scrape");
        self.running.insert(uid, Running { facts: Arc::clone(pod), trigger, task, _tenure });
    }

    fn refuse(&mut self, uid: String, reason: &'static str) {
        if self.refused.insert(uid, reason) != Some(reason) {
            self.context.metrics.reject("discovery", reason);
        }
    }
}

/// Name of its stream, and of the work that it is.
fn target(pod: &PodFacts) -> String {
    format!("scrape/pods/{}/{}", pod.namespace, pod.name)
}

/// `job` is the workload, so that its pods' series can be told from those of others and summed.
fn labels(pod: &PodFacts, url: &Url, cluster: &str) -> TargetLabels {
    let instance =
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let (kind, workload) =
        pod.workload.as_ref().map_or(("", ""), |workload| (workload.kind.as_str(), workload.name.as_str()));
    let job = if workload.is_empty() { &*pod.name } else { workload };
    let pairs = [
        ("cluster", cluster),
        ("job", job),
        ("instance", &instance),
        ("namespace", &pod.namespace),
        ("pod", &pod.name),
        ("node", &pod.node),
        ("workload", workload),
        ("workload_kind", kind),
    ];
    TargetLabels::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
}
