//! Whether what the configuration names can be reached and read, asked by people who set it up. Goes the
//! collector's own ways, stores nothing.

mod targets;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use futures::StreamExt as _;

use crate::exposition::Format;
use crate::fetch::{FetchError, FetchLimits, UrlError, fetch, scrape_client, target_url};
use crate::sources::{kubernetes, scrape};
use crate::{Config, Limits};

/// Each question waits so long for its answer.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Targets that are asked at a time.
const AT_A_TIME: usize = 8;

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Section `collector` of the configuration.
    Settings,
    Cluster,
    ApiServer,
    Rights,
    Logs,
    Kubelet {
        node: String,
    },
    Kubelets,
    Target {
        url: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ok,
    /// Works in part, or not as it was probably meant.
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub subject: Subject,
    pub verdict: Verdict,
    pub fact: String,
    /// What to do; none where all is well.
    pub next: Option<String>,
}

/// A body as the collector gets it.
#[derive(Debug)]
pub struct Exposition {
    pub body: Vec<u8>,
    /// As the answer says; the collector refuses the body of any other type.
    pub format: Result<Format, FetchError>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExpositionError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] reqwest::Error),
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("collector"),
            Self::Cluster => f.write_str("cluster"),
            Self::ApiServer => f.write_str("API server"),
            Self::Rights => f.write_str("rights"),
            Self::Logs => f.write_str("pod logs"),
            Self::Kubelet { node } => write!(f, "kubelet of {node}"),
            Self::Kubelets => f.write_str("kubelets"),
            Self::Target { url } => write!(f, "target {url}"),
        }
    }
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Finding {
    pub(crate) fn ok(subject: Subject, fact: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Ok, fact: fact.into(), next: None }
    }

    pub(crate) fn warning(subject: Subject, fact: impl Into<String>, next: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Warning, fact: fact.into(), next: Some(next.into()) }
    }

    pub(crate) fn problem(subject: Subject, fact: impl Into<String>, next: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Problem, fact: fact.into(), next: Some(next.into()) }
    }
}

/// Asks the cluster and every target, and reports each finding as it comes.
pub async fn probe(config: &Config, cluster: &str, report: &mut (dyn FnMut(Finding) + Send)) {
    for problem in config.problems() {
        let next = problem.write.as_ref().map_or_else(String::new, |line| format!("write: {line}"));
        report(Finding::problem(Subject::Settings, problem.place_and_fact(), next));
    }
    kubernetes::probe(config, report).await;
    let client = match scrape_client() {
        Ok(client) => client,
        Err(error) => {
            let next = "install the system's root certificates (Debian: apt-get install ca-certificates)";
            return report(Finding::problem(
                Subject::Settings,
                format!("TLS cannot be set up: {error}"),
                next,
            ));
        }
    };
    let findings = config.scrape.iter().map(|target| targets::check(target, config, cluster, &client));
    let mut findings = futures::stream::iter(findings).buffered(AT_A_TIME);
    while let Some(finding) = findings.next().await {
        report(finding);
    }
}

/// One body, asked for and bounded as the collector does.
///
/// # Errors
/// The address may not be scraped, or there is no whole answer.
pub async fn fetch_exposition(
    url: &str,
    limits: &Limits,
    timeout: Duration,
) -> Result<Exposition, ExpositionError> {
    let url = target_url(url)?;
    let request = scrape::request(&scrape_client()?, &url, timeout);
    let fetched = fetch(request, FetchLimits { timeout, body_bytes: limits.body_bytes }).await?;
    Ok(Exposition { format: fetched.format(), body: fetched.body })
}
