//! One kubelet: is it reached, by which way, and can its answers be read?

use std::sync::Arc;
use std::time::Duration;

use super::route::Route;
use super::{Endpoint, summary};
use crate::exposition::Format;
use crate::ingest::read_samples;
use crate::probe::{Finding, Subject};
use crate::sources::kubernetes::client::{Bounds, CallError, Connection};
use crate::sources::kubernetes::config::KubeletConfig;
use crate::sources::kubernetes::view::NodeFacts;
use crate::{Limits, PROBE_TIMEOUT};

/// Time for the direct way and the one through the API server.
const BOTH_WAYS: Duration = Duration::from_secs(6);

/// What the kubelet said and did not say.
#[derive(Default)]
struct Answers {
    said: Vec<String>,
    failed: Option<(Endpoint, String, &'static str)>,
}

pub(in super::super) async fn probe_node(
    connection: Arc<Connection>,
    config: &KubeletConfig,
    facts: Arc<NodeFacts>,
    limits: Limits,
) -> Finding {
    let subject = Subject::Kubelet { node: facts.name.to_string() };
    let bounds = Bounds { timeout: PROBE_TIMEOUT, bytes: limits.body_bytes };
    let mut route = Route::new(connection, config, facts, bounds);
    let mut answers = Answers::default();
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| endpoint.is_wanted(config)) {
        let fetched = tokio::time::timeout(BOTH_WAYS, route.fetch(endpoint)).await;
        let fetched = fetched.unwrap_or(Err(CallError::Timeout { after: BOTH_WAYS }));
        match fetched.map(|body| count(endpoint, &body, &limits)) {
            Ok(Ok(n)) => answers.said.push(format!("{} {n}", endpoint.as_str())),
            Ok(Err(message)) => answers.failed = Some((endpoint, message, "unreadable")),
            Err(error) => answers.failed = Some((endpoint, error.to_string(), error.reason())),
        }
        // Who does not answer at all is not asked again.
        if matches!(&answers.failed, Some((_, _, "unreachable" | "timeout" | "bad_url"))) {
            break;
        }
    }
    answers.judge(subject, &route)
}

impl Answers {
    fn judge(self, subject: Subject, route: &Route) -> Finding {
        if let Some((endpoint, message, reason)) = self.failed {
            let fact = format!("{}: {message}", endpoint.path());
            return Finding::problem(subject, fact, next_step(reason, &message));
        }
        let fact = format!("samples by endpoint: {}; reached {}", self.said.join(", "), route.way());
        match route.detour() {
            None => Finding::ok(subject, fact),
            Some(reason) => {
                let next = if is_about_certificates(reason) {
                    "give the kubelets' certificates as collector.kubernetes.kubelet.ca_file, or write \
                     mode = \"proxy\" there if this way is meant"
                } else {
                    "let this machine reach port 10250 of the nodes with the rights of docs/rbac.yaml, or \
                     write collector.kubernetes.kubelet.mode = \"proxy\" if this way is meant"
                };
                Finding::warning(subject, format!("{fact}, as directly: {reason}"), next)
            }
        }
    }
}

/// Samples of a text, numbers of a summary.
fn count(endpoint: Endpoint, body: &[u8], limits: &Limits) -> Result<usize, String> {
    if endpoint == Endpoint::Summary {
        let summary = summary::parse(body).map_err(|error| error.to_string())?;
        return Ok(summary::flatten(&summary).len());
    }
    read_samples(body, Format::Text, limits, |_| Ok(())).map_err(|error| error.to_string())
}

fn is_about_certificates(message: &str) -> bool {
    message.contains("certificate") || message.contains("UnknownIssuer")
}

fn next_step(reason: &str, message: &str) -> &'static str {
    match reason {
        _ if is_about_certificates(message) => {
            "give the kubelets' certificates as collector.kubernetes.kubelet.ca_file"
        }
        "unauthorized" => "let the kubelet verify tokens (authentication.webhook), or renew this account's",
        "forbidden" => {
            "apply docs/rbac.yaml: nodes/metrics and nodes/stats, or nodes/proxy through the API server"
        }
        "not_found" => "leave this endpoint out in collector.kubernetes.kubelet",
        "unreachable" | "timeout" | "bad_url" => {
            "let this machine reach port 10250 of the node, or write collector.kubernetes.kubelet.mode = \"proxy\""
        }
        _ => "look into the kubelet's log",
    }
}
