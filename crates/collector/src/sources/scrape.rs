//! Scraping of one endpoint: fetched within bounds, read as a whole or not at all, described by `up` and
//! its companions as Prometheus does.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, RequestBuilder, Url, header};
use sentinel_model::Timestamp;
use sentinel_runtime::{Shutdown, spawn_blocking};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::exposition::{Format, ParseError};
use crate::fetch::{ACCEPT, FetchError, FetchLimits, Fetched, fetch};
use crate::ingest::{IngestError, Ingested, TargetLabels, ingest};
use crate::outlet::Hold;
use crate::sources::schedule::Schedule;
use crate::targets::TargetBoard;
use crate::{
    FrameBuilder, Limits, OpenMetricsRules, OutletError, PendingFrame, Source, SourceContext, TargetKind,
    TargetStream,
};

/// A scrape in hand when the service stops may take so long to end.
const GRACE: Duration = Duration::from_secs(2);

/// What is scraped, and what its series are called.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Name of its stream, such as `scrape/node-exporter/10.0.0.1:9100`.
    pub target: String,
    pub url: Url,
    pub kind: TargetKind,
    /// `job`, `instance`, `cluster` and whatever else each series gets.
    pub labels: TargetLabels,
    pub interval: Duration,
    pub timeout: Duration,
    pub openmetrics: OpenMetricsRules,
    /// A file with the bearer token that it asks for.
    pub token_file: Option<PathBuf>,
}

#[derive(Clone)]
pub(crate) struct Scraper {
    endpoint: Endpoint,
    client: Client,
    context: SourceContext,
    board: Option<TargetBoard>,
    is_up: Option<bool>,
    is_tolerated: bool,
}

/// Why a scrape stores nothing but `up` = 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrapeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl ScrapeError {
    /// Short name for counters.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.reason(),
            Self::Ingest(error) => error.reason(),
        }
    }
}

/// One scrape, fetched, and how it is to be read.
pub(crate) struct Answer {
    pub scraped: Timestamp,
    pub took: Duration,
    pub fetched: Result<Fetched, FetchError>,
    pub openmetrics: OpenMetricsRules,
}

fn request(client: &Client, url: &Url, timeout: Duration) -> RequestBuilder {
    client
        .get(url.clone())
        .header(header::ACCEPT, ACCEPT)
        .header("X-Prometheus-Scrape-Timeout-Seconds", timeout.as_secs_f64().to_string())
}

/// Asks a target, with its token if it has one: read anew, so that another one needs no restart.
pub(crate) async fn ask(
    client: &Client,
    endpoint: &Endpoint,
    limits: FetchLimits,
) -> Result<Fetched, FetchError> {
    let mut request = request(client, &endpoint.url, limits.timeout);
    if let Some(path) = &endpoint.token_file {
        let token = tokio::fs::read_to_string(path).await;
        let token = token.map_err(|source| FetchError::Token { path: path.clone(), source })?;
        request = request.bearer_auth(token.trim());
    }
    fetch(request, limits).await
}

// === impl Scraper ===

impl Scraper {
    pub fn new(endpoint: Endpoint, client: Client, context: SourceContext) -> Self {
        Self { endpoint, client, context, board: None, is_up: None, is_tolerated: false }
    }

    /// One whose failures are a fault of this process's own work.
    pub fn telling(self, board: TargetBoard) -> Self {
        Self { board: Some(board), ..self }
    }

    /// Scrapes until asked to stop. Scrapes never overlap: one that takes too long costs the next ones.
    pub async fn scrape_regularly(mut self, shutdown: &Shutdown) {
        let mut stream = self.context.outlet.target(&self.endpoint.target, self.endpoint.kind);
        let mut schedule = Schedule::new(&self.endpoint.target, self.endpoint.interval);
        while shutdown.guard(schedule.next()).await.is_some() {
            let Some((same, pending)) = self.scrape(stream, shutdown).await else { break };
            stream = same;
            if let Err(OutletError::Closed) = pending.publish().await {
                break;
            }
        }
        if let Some(board) = &self.board {
            board.set(self.endpoint.url.as_str(), None);
        }
    }

    /// One scrape, up to its frame; `None` if the service stops meanwhile.
    async fn scrape(
        &mut self,
        stream: TargetStream,
        shutdown: &Shutdown,
    ) -> Option<(TargetStream, PendingFrame)> {
        let hold = self.context.outlet.hold();
        let answer = self.answer(&hold, shutdown).await?;
        // The frame has a hold of its own when this one goes.
        Some(self.store(stream, answer).await)
    }

    /// `None` if the service stops and the target takes too long.
    async fn answer(&self, hold: &Hold, shutdown: &Shutdown) -> Option<Answer> {
        let limits =
            FetchLimits { timeout: self.endpoint.timeout, body_bytes: self.context.limits.body_bytes };
        let started = Instant::now();
        let fetched = tokio::select! {
            fetched = ask(&self.client, &self.endpoint, limits) => fetched,
            () = async { shutdown.requested().await; tokio::time::sleep(GRACE).await } => return None,
        };
        let (took, openmetrics) = (started.elapsed(), self.endpoint.openmetrics);
        Some(Answer { scraped: hold.scraped(), took, fetched, openmetrics })
    }

    /// Reads the body into a frame, off the async threads.
    async fn store(&mut self, mut stream: TargetStream, answer: Answer) -> (TargetStream, PendingFrame) {
        let (labels, limits) = (self.endpoint.labels.clone(), self.context.limits);
        let (stream, pending, result) = spawn_blocking("scrape", move || {
            let (pending, result) = read_answer(&mut stream, answer, &labels, &limits);
            (stream, pending, result)
        })
        .await;
        self.report(&result);
        (stream, pending)
    }

    fn report(&mut self, result: &Result<Ingested, ScrapeError>) {
        let metrics = &self.context.metrics;
        let url = self.endpoint.url.as_str();
        metrics.scraped(self.endpoint.kind.as_str(), result.is_ok());
        match result {
            Ok(ingested) => {
                metrics.drop_samples("future_timestamp", ingested.n_from_future as u64);
                if self.is_up != Some(true) {
                    info!(url, n_samples = ingested.n_scraped, "target is up");
                }
                if let Some(violation) = &ingested.tolerated {
                    metrics.tolerate(violation.reason);
                    if !self.is_tolerated {
                        warn!(url, %violation, "target breaks a rule of OpenMetrics and is read leniently");
                    }
                }
                self.is_tolerated = ingested.tolerated.is_some();
            }
            Err(error) => {
                metrics.reject("scrape", error.reason());
                if self.is_up != Some(false) {
                    warn!(url, reason = error.reason(), %error, "target is down");
                }
            }
        }
        if let Some(board) = &self.board {
            board.set(url, result.as_ref().err().map(ToString::to_string));
        }
        self.is_up = Some(result.is_ok());
    }
}

/// The frame of one scrape: its samples and what it says of the target, or only the latter.
pub(crate) fn read_answer(
    stream: &mut TargetStream,
    answer: Answer,
    labels: &TargetLabels,
    limits: &Limits,
) -> (PendingFrame, Result<Ingested, ScrapeError>) {
    let Answer { scraped, took, fetched, openmetrics } = answer;
    let result = fetched.and_then(|fetched| Ok((fetched.format()?, fetched.body))).map_err(ScrapeError::from);
    let result = result.and_then(|(format, body)| {
        let read = read_by(openmetrics, format, |format, tolerated| {
            let mut frame = stream.begin(scraped);
            let ingested =
                ingest(&mut frame, &body, format, limits, |sample| labels.apply(sample, limits).map(Some))?;
            let ingested = Ingested { tolerated, ..ingested };
            add_report(&mut frame, labels, took, Some(&ingested));
            Ok((frame.encode(), ingested))
        });
        read.map_err(ScrapeError::from)
    });
    match result {
        Ok((pending, ingested)) => (pending, Ok(ingested)),
        Err(error) => {
            let mut frame = stream.begin(scraped);
            add_report(&mut frame, labels, took, None);
            (frame.encode(), Err(error))
        }
    }
}

/// Reads strictly and, where a rule is broken that may be overlooked, once more without the rules: `read`
/// gets the format and the rule that was broken.
pub(crate) fn read_by<T>(
    rules: OpenMetricsRules,
    format: Format,
    mut read: impl FnMut(Format, Option<ParseError>) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    match read(format, None) {
        Err(IngestError::Parse(broken))
            if format == Format::OpenMetrics && rules == OpenMetricsRules::Lenient =>
        {
            read(Format::OpenMetricsLenient, Some(broken))
        }
        result => result,
    }
}

/// `up` and its companions; nothing ingested means that the scrape failed.
fn add_report(
    frame: &mut FrameBuilder<'_>,
    labels: &TargetLabels,
    took: Duration,
    ingested: Option<&Ingested>,
) {
    let n_series_added = ingested.map_or(0, |_| frame.n_series_added());
    let (n_scraped, n_taken) = ingested.map_or((0, 0), |ingested| (ingested.n_scraped, ingested.n_taken));
    let scraped = frame.scraped();
    for (name, value) in [
        ("up", if ingested.is_some() { 1.0 } else { 0.0 }),
        ("scrape_duration_seconds", took.as_secs_f64()),
        ("scrape_samples_scraped", n_scraped as f64),
        ("scrape_samples_post_metric_relabeling", n_taken as f64),
        ("scrape_series_added", n_series_added as f64),
    ] {
        frame.sample(&labels.own_series(name), scraped, value);
    }
}

#[async_trait]
impl Source for Scraper {
    fn name(&self) -> &'static str {
        "scrape"
    }

    async fn run(self: Box<Self>, shutdown: Shutdown) {
        let ownership = self.context.ownership.clone();
        let unit = self.endpoint.target.clone();
        // Each time it comes to this collector, its stream begins anew, in a later epoch.
        let scrape = |stop: Shutdown| {
            let scraper = (*self).clone();
            async move { scraper.scrape_regularly(&stop).await }
        };
        ownership.while_owned(("scrape", &unit), &shutdown, scrape).await;
    }
}
