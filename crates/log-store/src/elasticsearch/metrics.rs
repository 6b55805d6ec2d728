//! What the adapter counts of itself.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use sentinel_runtime::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug)]
pub(super) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    rejected: Family<Reason, Counter>,
    pub(super) resent_documents: Counter,
    pub(super) known_documents: Counter,
    bulk_seconds: Histogram,
}

/// From an idle server to one that is near its time-out.
const BULK_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What servers give as the reason for refusing a document, as far as it is counted apart.
const REASONS: [&str; 8] = [
    "document_parsing_exception",
    "mapper_parsing_exception",
    "illegal_argument_exception",
    "strict_dynamic_mapping_exception",
    "parse_exception",
    "too_large",
    "future",
    "too_old",
];

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            rejected: Family::default(),
            resent_documents: Counter::default(),
            known_documents: Counter::default(),
            bulk_seconds: Histogram::new(BULK_SECONDS),
        };
        registry.register(
            "sentinel_log_store_requests",
            "Requests to the server by operation and outcome",
            metrics.requests.clone(),
        );
        registry.register(
            "sentinel_log_store_rejected_documents",
            "Documents that the server will never take, by reason",
            metrics.rejected.clone(),
        );
        registry.register(
            "sentinel_log_store_resent_documents",
            "Documents sent once more, because the server did not take them the first time",
            metrics.resent_documents.clone(),
        );
        registry.register(
            "sentinel_log_store_known_documents",
            "Documents that the server had already",
            metrics.known_documents.clone(),
        );
        registry.register(
            "sentinel_log_store_bulk_seconds",
            "Time from a bulk request to its answer",
            metrics.bulk_seconds.clone(),
        );
        metrics
    }

    pub(super) fn request(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.requests.get_or_create(&RequestLabels { operation, outcome }).inc();
        if operation == super::bulk::BULK {
            self.bulk_seconds.observe(took.as_secs_f64());
        }
    }

    pub(super) fn rejected(&self, reason: &str) {
        let reason = REASONS.into_iter().find(|known| *known == reason).unwrap_or("other");
        self.rejected.get_or_create(&Reason { reason }).inc();
    }
}
