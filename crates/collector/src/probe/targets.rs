//! One configured target: does it answer, and can the answer be read?

use reqwest::Client;
use tokio::time::Instant;

use super::{Finding, PROBE_TIMEOUT, Subject};
use crate::exposition::Format;
use crate::fetch::{FetchError, FetchLimits, Fetched};
use crate::ingest::{IngestError, read_samples};
use crate::sources::scrape::{Endpoint, ask, read_by};
use crate::targets::endpoint;
use crate::{Config, Limits, OpenMetricsRules, ScrapeTarget};

pub(super) async fn check(target: &ScrapeTarget, config: &Config, cluster: &str, client: &Client) -> Finding {
    let subject = Subject::Target { url: target.url.clone() };
    let endpoint = match endpoint(target, config, cluster) {
        Ok(endpoint) => endpoint,
        Err(error) => return Finding::problem(subject, error.to_string(), "correct collector.scrape"),
    };
    let timeout = endpoint.timeout.min(PROBE_TIMEOUT);
    let limits = FetchLimits { timeout, body_bytes: config.limits.body_bytes };
    let began = Instant::now();
    let fetched = ask(client, &endpoint, limits).await;
    let took = began.elapsed();
    match fetched.and_then(|fetched| Ok((fetched.format()?, fetched))) {
        Err(error) => {
            let next = after_fetch(&error, &target.url);
            Finding::problem(subject, error.to_string(), next)
        }
        Ok((format, fetched)) => match read(&fetched, format, &endpoint, &config.limits) {
            Ok(0) => {
                let next = "check the path, or wait until the target has something to say";
                Finding::warning(subject, "answers, but without a single sample", next)
            }
            Ok(n_samples) => {
                let name = if format == Format::Text { "text" } else { "OpenMetrics" };
                Finding::ok(subject, format!("{n_samples} samples in {name}, {} ms", took.as_millis()))
            }
            Err(error) => {
                let lenient = Endpoint { openmetrics: OpenMetricsRules::Lenient, ..endpoint };
                let is_rule = read(&fetched, format, &lenient, &config.limits).is_ok();
                Finding::problem(subject, error.to_string(), after_read(&error, &target.url, is_rule))
            }
        },
    }
}

/// Number of samples that a scrape would take in.
fn read(
    fetched: &Fetched,
    format: Format,
    endpoint: &Endpoint,
    limits: &Limits,
) -> Result<usize, IngestError> {
    read_by(endpoint.openmetrics, format, |format, _| {
        read_samples(&fetched.body, format, limits, |sample| endpoint.labels.apply(sample, limits).map(drop))
    })
}

fn after_fetch(error: &FetchError, url: &str) -> String {
    match error {
        FetchError::Token { .. } => "write the token there, readable for this user".to_owned(),
        FetchError::Connect { .. } => "start what should answer there, or correct the address".to_owned(),
        FetchError::Timeout { .. } => format!("see what `curl {url}` does; a scrape has to end in time"),
        FetchError::Redirect { location, .. } => format!("give {location:?} as the address"),
        FetchError::Status { status } => match status.as_u16() {
            401 | 403 => "give collector.scrape a token_file, or let this machine read it without".to_owned(),
            404 => "check the path; /metrics is usual".to_owned(),
            _ => "look into the target's own log".to_owned(),
        },
        FetchError::TooLarge { .. } => "raise collector.limits.body_bytes, or export less".to_owned(),
        FetchError::Broken { .. } => format!("see what `curl -v {url}` says"),
        FetchError::ContentType { .. } => "check the path; /metrics is usual".to_owned(),
    }
}

fn after_read(error: &IngestError, url: &str, is_rule: bool) -> String {
    match error {
        IngestError::Parse(_) if is_rule => {
            "mend the exporter, or write openmetrics = \"lenient\" for this target".to_owned()
        }
        IngestError::Parse(_) => format!("mend the exporter; `sentinel check metrics {url}` reads it again"),
        IngestError::Labels { .. } | IngestError::TooManySamples { .. } => {
            "export less, or raise the limit".to_owned()
        }
    }
}
