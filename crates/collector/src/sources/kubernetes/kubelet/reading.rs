//! One endpoint of one kubelet, scrape after scrape: from a body to a frame.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, RandomState};
use sentinel_model::{Labels, METRIC_NAME, MetricKind, Series, Timestamp};

use super::Endpoint;
use super::labels::{Surroundings, Verdict, judge, outlived};
use super::summary::{self, SummaryError};
use super::volumes::gauges;
use crate::exposition::{Format, ParseError, Sample, decode_utf8, samples};
use crate::metrics::Metrics;
use crate::sources::kubernetes::view::View;
use crate::{FrameBuilder, Limits, Outlet, PendingFrame, TargetKind, TargetStream};

/// Samples stamped further ahead are left out: one wrong clock must not shift time for everybody.
const MAX_AHEAD: Duration = Duration::from_secs(600);

/// What became of a scrape's samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) parsed: usize,
    /// Without rows that add up others, repeats and samples stamped in the future.
    pub(crate) taken: usize,
    pub(crate) from_future: usize,
    pub(crate) left_out: LeftOut,
}

/// Samples that are left out on purpose, because they would be counted twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Rows that add up others, or that another endpoint gives as well.
    pub(crate) rows: usize,
    /// Of instances of containers that have a successor.
    pub(crate) outlived: usize,
    /// Measured before the scrape before, and sent then.
    pub(crate) measured_before: usize,
}

impl Counts {
    /// Tells the own metrics what was read and not taken.
    pub(crate) fn note(&self, endpoint: Endpoint, metrics: &Metrics) {
        let LeftOut { rows, outlived, measured_before } = self.left_out;
        let of_rows = if endpoint == Endpoint::Cadvisor { "aggregate" } else { "given_by_cadvisor" };
        metrics.drop_samples("future_timestamp", self.from_future as u64);
        metrics.leave_out(of_rows, rows as u64);
        metrics.leave_out("outlived_container", outlived as u64);
        metrics.leave_out("measured_before", measured_before as u64);
    }
}

impl LeftOut {
    pub(crate) const fn total(&self) -> usize {
        self.rows + self.outlived + self.measured_before
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Summary(#[from] SummaryError),
    #[error("more than {limit} samples")]
    TooManySamples { limit: usize },
}

impl ReadError {
    /// Stable short name for counters.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Parse(error) => error.reason,
            Self::Summary(error) => error.reason(),
            Self::TooManySamples { .. } => "too_many_samples",
        }
    }
}

/// Keeps the stream and what has to be known of the scrape before.
pub(crate) struct KubeletReading {
    endpoint: Endpoint,
    cluster: Arc<str>,
    node: Arc<str>,
    view: Arc<View>,
    limits: Limits,
    stream: TargetStream,
    hasher: RandomState,
    /// Time of the last sample of each text: what was measured once is sent once.
    last: AHashMap<u64, Timestamp>,
    /// Revision of the view at which some pods were unknown.
    unknown_at: Option<u64>,
    has_cadvisor: bool,
}

impl KubeletReading {
    pub(crate) fn new(
        endpoint: Endpoint,
        node: &Arc<str>,
        view: &Arc<View>,
        outlet: &Outlet,
        limits: Limits,
    ) -> Self {
        let target = format!("kubelet/{}/{node}", endpoint.as_str());
        Self {
            endpoint,
            cluster: view.cluster(),
            node: Arc::clone(node),
            view: Arc::clone(view),
            limits,
            stream: outlet.target(&target, TargetKind::Kubelet),
            hasher: RandomState::new(),
            last: AHashMap::new(),
            unknown_at: None,
            has_cadvisor: false,
        }
    }

    pub(crate) const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Whether cAdvisor's rows are read as well, which decides on the rows of `/metrics/resource`.
    pub(crate) fn set_has_cadvisor(&mut self, has_cadvisor: bool) {
        if std::mem::replace(&mut self.has_cadvisor, has_cadvisor) != has_cadvisor {
            self.stream.forget_texts();
        }
    }

    /// The frame of a scrape that succeeded; `health` are samples about the scrape itself. Heavy.
    ///
    /// # Errors
    /// The body is not what the endpoint should give; nothing of it is taken then.
    pub(crate) fn read(
        &mut self,
        body: &[u8],
        scraped: Timestamp,
        health: &[Health],
    ) -> Result<(PendingFrame, Counts), ReadError> {
        self.resolve_unknown_pods();
        match self.endpoint {
            Endpoint::Summary => self.read_summary(body, scraped, health),
            _ => self.read_exposition(body, scraped, health),
        }
    }

    /// The frame of a scrape that failed.
    pub(crate) fn failed(&mut self, scraped: Timestamp, health: &[Health]) -> PendingFrame {
        let mut frame = self.stream.begin(scraped);
        add_health(&mut frame, &self.cluster, &self.node, self.endpoint, health);
        frame.encode()
    }

    fn resolve_unknown_pods(&mut self) {
        let revision = *self.view.revision().borrow();
        if self.unknown_at.is_some_and(|before| before != revision) {
            self.unknown_at = None;
            self.stream.forget_texts();
        }
    }

    fn read_exposition(
        &mut self,
        body: &[u8],
        scraped: Timestamp,
        health: &[Health],
    ) -> Result<(PendingFrame, Counts), ReadError> {
        let limit = self.limits.samples_per_scrape;
        let body = decode_utf8(body)?;
        let parsed: Vec<Sample<'_>> =
            samples(body, Format::Text).take(limit + 1).collect::<Result<_, _>>()?;
        if parsed.len() > limit {
            return Err(ReadError::TooManySamples { limit });
        }
        let revision = *self.view.revision().borrow();
        let outlived = if self.endpoint == Endpoint::Cadvisor { outlived(&parsed) } else { Vec::new() };
        let is_outlived = |series: &str| outlived.iter().any(|id| series.contains(id.as_str()));
        let around = Surroundings {
            endpoint: self.endpoint,
            cluster: &self.cluster,
            node: &self.node,
            view: &self.view,
            has_cadvisor: self.has_cadvisor,
        };
        let mut last = AHashMap::with_capacity(self.last.len());
        let mut frame = self.stream.begin(scraped);
        let mut counts = Counts { parsed: parsed.len(), ..Counts::default() };
        for sample in &parsed {
            if !outlived.is_empty() && is_outlived(sample.series) {
                counts.left_out.outlived += 1;
                continue;
            }
            if let Some(timestamp) = sample.timestamp {
                if timestamp > scraped + MAX_AHEAD {
                    counts.from_future += 1;
                    continue;
                }
                let text = self.hasher.hash_one(sample.series);
                let is_old = self.last.get(&text) == Some(&timestamp);
                last.insert(text, timestamp);
                if is_old {
                    counts.left_out.measured_before += 1;
                    continue;
                }
            }
            let resolve = || match judge(sample, &around) {
                Verdict::Kept(series) => Some(series),
                Verdict::KeptUnknown(series) => {
                    self.unknown_at = Some(revision);
                    Some(series)
                }
                Verdict::LeftOut => None,
            };
            let timestamp = sample.timestamp.unwrap_or(scraped);
            counts.taken += usize::from(frame.text_sample(sample.raw(), resolve, timestamp, sample.value));
        }
        self.last = last;
        counts.left_out.rows = frame.n_left_out();
        add_health(&mut frame, &self.cluster, &self.node, self.endpoint, health);
        Ok((frame.encode(), counts))
    }

    fn read_summary(
        &mut self,
        body: &[u8],
        scraped: Timestamp,
        health: &[Health],
    ) -> Result<(PendingFrame, Counts), ReadError> {
        let summary = summary::parse(body)?;
        let rows = summary::flatten(&summary);
        let limit = self.limits.samples_per_scrape;
        if rows.len() > limit {
            return Err(ReadError::TooManySamples { limit });
        }
        let mut frame = self.stream.begin(scraped);
        let mut counts = Counts { parsed: rows.len(), ..Counts::default() };
        for (series, value) in gauges(&rows, &self.cluster, &self.node, &self.view) {
            // Measured up to a minute ago, and valid now.
            counts.taken += usize::from(frame.sample(&series, scraped, value));
        }
        add_health(&mut frame, &self.cluster, &self.node, self.endpoint, health);
        Ok((frame.encode(), counts))
    }
}

/// A number about a scrape, such as `up`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Health {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
}

fn add_health(
    frame: &mut FrameBuilder<'_>,
    cluster: &str,
    node: &str,
    endpoint: Endpoint,
    health: &[Health],
) {
    let scraped = frame.scraped();
    for Health { name, value } in health {
        let labels = [
            (METRIC_NAME, *name),
            ("cluster", cluster),
            ("instance", node),
            ("job", "kubelet"),
            ("metrics_path", endpoint.path()),
            ("node", node),
        ];
        // Names of labels are all different.
        if let Ok(labels) = Labels::from_pairs(labels) {
            frame.sample(&Series { labels, kind: MetricKind::Gauge }, scraped, *value);
        }
    }
}

#[cfg(test)]
mod tests;
