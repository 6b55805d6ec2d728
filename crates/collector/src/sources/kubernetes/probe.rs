//! The cluster: is it found, does it answer, and may everything be read that the collector reads? The
//! same requests as the collector's own are sent, so that whatever stands in between is asked too.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::join_all;
use sentinel_model::Timestamp;
use serde_json::Value;

use super::client::{Accept, Bounds, CallError, Connection, Location, fetch, open};
use super::kind::Kind;
use super::kubelet::probe_node;
use super::source::kinds;
use super::view::{NodeFacts, View};
use super::watch::{Change, Delta, encoded};
use super::{Enabled, json};
use crate::probe::{Finding, Subject};
use crate::{Config, PROBE_TIMEOUT};

/// The first release that serves every version of an API that is asked for.
const OLDEST_MINOR: u32 = 23;

/// Kubelets that are asked; the others are likely to be the same.
const MAX_KUBELETS: usize = 10;
const KUBELETS_AT_A_TIME: usize = 5;

/// Namespaces whose logs are tried.
const MAX_NAMESPACES: usize = 5;

/// What is said, and what to do, when there is neither a cluster nor a target.
pub(crate) const NOTHING_TO_WATCH: (&str, &str) = (
    "none found (no pod's account, KUBECONFIG or ~/.kube/config), and no target is configured",
    "set KUBECONFIG or give --kubeconfig FILE; or give --scrape URL to watch an endpoint",
);

type Report<'r> = &'r mut (dyn FnMut(Finding) + Send);

/// What is asked, and how.
struct Prober<'c> {
    config: &'c Config,
    connection: Arc<Connection>,
    bounds: Bounds,
}

pub(crate) async fn probe(config: &Config, report: Report<'_>) {
    let kubernetes = &config.kubernetes;
    let Some(location) = find(config, report) else { return };
    let kinds = match kinds(&kubernetes.kinds) {
        Ok(kinds) => kinds,
        Err(error) => {
            let next = "correct section [collector.kubernetes]";
            return report(Finding::problem(Subject::Cluster, error.to_string(), next));
        }
    };
    let connection = match Connection::load(kubernetes, location.clone()) {
        Ok(connection) => Arc::new(connection),
        Err(error) => {
            let next = "correct the kubeconfig (`kubectl config view`) or section [collector.kubernetes]";
            return report(Finding::problem(Subject::Cluster, error.to_string(), next));
        }
    };
    report(Finding::ok(Subject::Cluster, format!("found by {location}")));
    let bounds = Bounds { timeout: PROBE_TIMEOUT, bytes: config.limits.body_bytes };
    let prober = Prober { config, connection, bounds };
    if !prober.api_server(report).await {
        return;
    }
    prober.rights(&kinds, report).await;
    prober.logs(report).await;
    prober.kubelets(report).await;
}

fn find(config: &Config, report: Report<'_>) -> Option<Location> {
    let (nothing, next) = NOTHING_TO_WATCH;
    match Location::find(&config.kubernetes) {
        Ok(Some(location)) => Some(location),
        Ok(None) if config.kubernetes.enabled == Enabled::Never => {
            report(Finding::ok(Subject::Cluster, "none is wanted (collector.kubernetes.enabled)"));
            None
        }
        Ok(None) if !config.scrape.is_empty() => {
            report(Finding::ok(Subject::Cluster, "none found; only targets are scraped"));
            None
        }
        Ok(None) => {
            report(Finding::warning(Subject::Cluster, nothing, next));
            None
        }
        Err(error) => {
            report(Finding::problem(Subject::Cluster, error.to_string(), next));
            None
        }
    }
}

/// Kinds that cannot be read, all for the same reason.
struct Refusal {
    verb: &'static str,
    kinds: Vec<&'static str>,
    /// Of the first of them.
    error: CallError,
}

/// What came of trying to read a kind.
type Asked = (Kind, Result<(), (&'static str, CallError)>);

fn refusals(asked: Vec<Asked>) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for (kind, result) in asked {
        let Err((verb, error)) = result else { continue };
        let is_same =
            |refusal: &&mut Refusal| (refusal.verb, refusal.error.reason()) == (verb, error.reason());
        match refusals.iter_mut().find(is_same) {
            Some(refusal) => refusal.kinds.push(kind.plural()),
            None => refusals.push(Refusal { verb, kinds: vec![kind.plural()], error }),
        }
    }
    refusals
}

impl Refusal {
    fn finding(&self) -> Finding {
        let fact = format!("cannot {} {}: {}", self.verb, self.kinds.join(", "), self.error);
        let next = after_call(&self.error);
        let next = match self.error.reason() {
            "forbidden" | "not_found" => format!("{next}, or leave it out by collector.kubernetes.kinds"),
            _ => next.to_owned(),
        };
        Finding::problem(Subject::Rights, fact, next)
    }
}

impl Prober<'_> {
    async fn get(&self, url: &str) -> Result<Value, CallError> {
        let body = fetch(&self.connection.clients().api, url, Accept::Json, self.bounds).await?;
        serde_json::from_slice(&body).map_err(|error| CallError::Cut { message: error.to_string() })
    }

    /// Whether it is worth asking further.
    async fn api_server(&self, report: Report<'_>) -> bool {
        let subject = Subject::ApiServer;
        let version = match self.get("/version").await {
            Ok(version) => version,
            // Clusters may keep it from accounts that may read everything else.
            Err(error) if matches!(error.reason(), "forbidden" | "not_found") => {
                report(Finding::ok(subject, "answers, but does not tell its version"));
                return true;
            }
            Err(error) => {
                report(Finding::problem(subject, error.to_string(), after_call(&error)));
                return false;
            }
        };
        let name = json::text(&version, "gitVersion");
        let number = |key| json::text(&version, key).trim_end_matches('+').parse::<u32>().ok();
        if let (Some(1), Some(minor)) = (number("major"), number("minor"))
            && minor < OLDEST_MINOR
        {
            let next = format!(
                "upgrade to 1.{OLDEST_MINOR} or later, or leave kinds out by collector.kubernetes.kinds"
            );
            report(Finding::warning(subject, format!("is {name}, too old for some kinds"), next));
        } else {
            report(Finding::ok(subject, format!("answers, {name}")));
        }
        true
    }

    async fn rights(&self, kinds: &[Kind], report: Report<'_>) {
        let asked = join_all(kinds.iter().map(|kind| async { (*kind, self.may_read(*kind).await) })).await;
        let n_readable = asked.iter().filter(|(_, result)| result.is_ok()).count();
        if n_readable > 0 {
            let fact = format!("may list and watch {n_readable} of {} kinds", kinds.len());
            report(Finding::ok(Subject::Rights, fact));
        }
        for refusal in refusals(asked) {
            report(refusal.finding());
        }
    }

    /// One object and the beginning of a watch, as the collector would ask for them.
    async fn may_read(&self, kind: Kind) -> Result<(), (&'static str, CallError)> {
        let path = kind.path();
        self.get(&format!("{path}?limit=1")).await.map_err(|error| ("list", error))?;
        let url = format!("{path}?watch=true&timeoutSeconds=1&resourceVersion=0");
        let clients = self.connection.clients();
        let watch = open(&clients.api, &url, Accept::Json, self.bounds.timeout).await;
        watch.map(drop).map_err(|error| ("watch", error))
    }

    /// The last line of one running pod of each namespace.
    async fn logs(&self, report: Report<'_>) {
        for namespace in self.config.kubernetes.log_namespaces.iter().take(MAX_NAMESPACES) {
            let scope =
                if namespace == "*" { String::new() } else { format!("/namespaces/{}", encoded(namespace)) };
            let url = format!("/api/v1{scope}/pods?limit=1&fieldSelector=status.phase%3DRunning");
            let finding = match self.get(&url).await {
                Err(error) => Finding::problem(Subject::Logs, error.to_string(), after_call(&error)),
                Ok(page) => match json::list(&page, "items").first() {
                    Some(pod) => self.log_of(pod).await,
                    None => {
                        let fact = format!("no pod runs in {namespace:?}, so that none could be tried");
                        Finding::warning(Subject::Logs, fact, "check the namespace's name")
                    }
                },
            };
            report(finding);
        }
    }

    async fn log_of(&self, pod: &Value) -> Finding {
        let (namespace, name) = (json::text(pod, "metadata.namespace"), json::text(pod, "metadata.name"));
        let container =
            json::list(pod, "spec.containers").first().map_or("", |first| json::text(first, "name"));
        let url = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines=1",
            encoded(namespace),
            encoded(name),
            encoded(container)
        );
        let clients = self.connection.clients();
        match open(&clients.api, &url, Accept::Any, self.bounds.timeout).await {
            Ok(_) => Finding::ok(Subject::Logs, format!("those of {namespace} can be read ({name})")),
            Err(error) => {
                let fact = format!("that of {namespace}/{name} cannot be read: {error}");
                let next = match error.reason() {
                    "forbidden" => "bind the role sentinel-mesh-logs of docs/rbac.yaml in this namespace",
                    _ => after_call(&error),
                };
                Finding::problem(Subject::Logs, fact, next)
            }
        }
    }

    async fn kubelets(&self, report: Report<'_>) {
        let config = &self.config.kubernetes.kubelet;
        if !config.enabled {
            let fact = "not scraped (collector.kubernetes.kubelet.enabled)";
            return report(Finding::ok(Subject::Kubelets, fact));
        }
        let nodes = match self.get(&format!("{}?limit={MAX_KUBELETS}", Kind::Node.path())).await {
            Ok(nodes) => nodes,
            // Told as a missing right already.
            Err(_) => return,
        };
        let n_more = json::integer(&nodes, "metadata.remainingItemCount").unwrap_or_default();
        let facts = node_facts(&nodes);
        if facts.is_empty() {
            let next = "wait until a node has joined";
            return report(Finding::warning(Subject::Kubelets, "the cluster has no nodes", next));
        }
        let probes = facts
            .into_iter()
            .map(|facts| probe_node(Arc::clone(&self.connection), config, facts, self.config.limits));
        let mut findings = futures::stream::iter(probes).buffered(KUBELETS_AT_A_TIME);
        while let Some(finding) = findings.next().await {
            report(finding);
        }
        if n_more > 0 {
            report(Finding::ok(Subject::Kubelets, format!("{n_more} more nodes were not asked")));
        }
    }
}

/// As the collector sees them.
fn node_facts(nodes: &Value) -> Vec<Arc<NodeFacts>> {
    let view = View::new("probe".into());
    for node in json::list(nodes, "items") {
        let delta = Delta { kind: Kind::Node, change: Change::Seen(node.clone()) };
        // A node without identity is none that could be asked.
        let _ = view.take(delta, Timestamp::from_millis(0), &mut Vec::new());
    }
    let mut facts = view.nodes();
    facts.sort_by(|a, b| a.name.cmp(&b.name));
    facts
}

fn after_call(error: &CallError) -> &'static str {
    let is_about_certificates = matches!(error, CallError::Unreachable { message }
        if message.contains("certificate") || message.contains("UnknownIssuer"));
    match error.reason() {
        _ if is_about_certificates => {
            "give the cluster's certificates: certificate-authority in the kubeconfig, or \
             collector.kubernetes.ca_file with url"
        }
        "unauthorized" => "renew this account's credentials (`kubectl auth whoami` tries them)",
        "forbidden" => "apply docs/rbac.yaml for this account",
        "not_found" => "upgrade the cluster, which does not serve it",
        "throttled" | "server_error" => "look into the API server's log, then try again",
        _ => "check the address and that the cluster runs (`kubectl cluster-info`)",
    }
}

#[cfg(test)]
mod tests;
