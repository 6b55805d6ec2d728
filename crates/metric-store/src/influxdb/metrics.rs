//! What is counted of the exchange with the server.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use sentinel_runtime::Registry;

use super::answer::Verdict;

#[derive(Clone, Debug)]
pub(crate) struct InfluxdbMetrics {
    pub(crate) lines: Counter,
    pub(crate) request_bytes: Counter,
    pub(crate) requests: Family<ByOutcome, Counter>,
    pub(crate) write_seconds: Histogram,
    pub(crate) query_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByOutcome {
    outcome: &'static str,
}

/// Of one request that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    Partial,
    Unparsable,
    TooLarge,
    Refused,
    NoAnswer,
}

impl Outcome {
    pub(crate) const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Stored => Self::Stored,
            Verdict::Partial { .. } | Verdict::Refused(_) => Self::Partial,
            Verdict::Unparsable { .. } => Self::Unparsable,
            Verdict::TooLarge => Self::TooLarge,
            Verdict::Failed => Self::Refused,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Partial => "partial",
            Self::Unparsable => "unparsable",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl InfluxdbMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 16));
        let metrics = Self {
            lines: Counter::default(),
            request_bytes: Counter::default(),
            requests: Family::default(),
            write_seconds: seconds(),
            query_seconds: seconds(),
        };
        registry.register(
            "sentinel_metric_store_influxdb_lines",
            "Lines that InfluxDB judged, repeats included",
            metrics.lines.clone(),
        );
        registry.register(
            "sentinel_metric_store_influxdb_request_bytes",
            "Bytes of lines sent, as compressed",
            metrics.request_bytes.clone(),
        );
        registry.register(
            "sentinel_metric_store_influxdb_requests",
            "Requests that write, by outcome",
            metrics.requests.clone(),
        );
        registry.register(
            "sentinel_metric_store_influxdb_write_seconds",
            "Time of one request that writes",
            metrics.write_seconds.clone(),
        );
        registry.register(
            "sentinel_metric_store_influxdb_query_seconds",
            "Time of one query",
            metrics.query_seconds.clone(),
        );
        metrics
    }

    pub(crate) fn request(&self, outcome: Outcome) {
        self.requests.get_or_create(&ByOutcome { outcome: outcome.as_str() }).inc();
    }
}
