//! Whether what the configuration names can be reached and read, asked by people who set it up. Goes the
//! collector's own ways, stores nothing.

mod targets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::StreamExt as _;

use crate::exposition::{Format, Sample};
use crate::fetch::{FetchError, FetchLimits, UrlError, scrape_client};
use crate::ingest::{IngestError, read_samples};
use crate::sources::{kubernetes, scrape};
use crate::targets::endpoint;
use crate::{Config, Limits, ScrapeTarget};

/// Each question waits so long for its answer.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Stands for the address of what has none.
const ANY_TARGET: &str = "http://localhost/metrics";

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

/// On which terms the collector would scrape an address: those of its target, if it is one.
pub struct Terms {
    endpoint: scrape::Endpoint,
    limits: Limits,
}

impl Terms {
    /// For what is no URL, such as the name of a file, those of a target that says nothing of its own.
    pub fn of(config: &Config, cluster: &str, source: &str) -> Result<Self, UrlError> {
        let is_url = source.starts_with("http://") || source.starts_with("https://");
        let unnamed = || ScrapeTarget {
            url: if is_url { source.to_owned() } else { ANY_TARGET.to_owned() },
            name: None,
            labels: BTreeMap::new(),
            interval: None,
            openmetrics: None,
            token_file: None,
        };
        let configured = config.scrape.iter().find(|target| target.url == source);
        let endpoint = endpoint(&configured.cloned().unwrap_or_else(unnamed), config, cluster)?;
        Ok(Self { endpoint, limits: config.limits })
    }

    /// Gives every sample to `each`, and their number. After an error, those before it are void.
    ///
    /// # Errors
    /// The body breaks its format or a limit.
    pub fn read<'b>(
        &self,
        body: &'b [u8],
        format: Format,
        mut each: impl FnMut(&Sample<'b>),
    ) -> Result<usize, IngestError> {
        let mut samples = Vec::new();
        let n_samples = scrape::read_by(self.endpoint.openmetrics, format, |format, _| {
            samples.clear();
            read_samples(body, format, &self.limits, |sample| {
                self.endpoint.labels.apply(sample, &self.limits)?;
                samples.push(*sample);
                Ok(())
            })
        })?;
        samples.iter().for_each(&mut each);
        Ok(n_samples)
    }
}

/// One body, asked for and bounded as the collector does.
///
/// # Errors
/// The address may not be scraped, or there is no whole answer.
pub async fn fetch_exposition(terms: &Terms) -> Result<Exposition, ExpositionError> {
    let endpoint = &terms.endpoint;
    let limits = FetchLimits { timeout: endpoint.timeout, body_bytes: terms.limits.body_bytes };
    let fetched = scrape::ask(&scrape_client()?, endpoint, limits).await?;
    Ok(Exposition { format: fetched.format(), body: fetched.body })
}
