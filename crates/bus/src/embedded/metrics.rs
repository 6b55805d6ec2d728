//! What the log counts of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use sentinel_model::Topic;
use sentinel_runtime::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TopicLabel {
    topic: &'static str,
}

impl From<Topic> for TopicLabel {
    fn from(topic: Topic) -> Self {
        Self { topic: topic.as_str() }
    }
}

pub(super) struct Metrics {
    pub stored_bytes: Family<TopicLabel, Gauge>,
    pub fsync_seconds: Histogram,
    pub skipped_records: Family<TopicLabel, Counter>,
    pub corrupt_records: Family<TopicLabel, Counter>,
    pub expired_records: Family<TopicLabel, Counter>,
    pub compacted_records: Family<TopicLabel, Counter>,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            stored_bytes: Family::default(),
            // 50 µs to 1.6 s.
            fsync_seconds: Histogram::new(exponential_buckets(50e-6, 2.0, 16)),
            skipped_records: Family::default(),
            corrupt_records: Family::default(),
            expired_records: Family::default(),
            compacted_records: Family::default(),
        };
        registry.register(
            "sentinel_bus_stored_bytes",
            "Bytes of messages that are kept",
            metrics.stored_bytes.clone(),
        );
        registry.register(
            "sentinel_bus_fsync_seconds",
            "Time that one fsync of the log took",
            metrics.fsync_seconds.clone(),
        );
        registry.register(
            "sentinel_bus_skipped_records",
            "Messages that a reader wanted after retention had removed them",
            metrics.skipped_records.clone(),
        );
        registry.register(
            "sentinel_bus_corrupt_records",
            "Messages passed over because their checksum does not match",
            metrics.corrupt_records.clone(),
        );
        registry.register(
            "sentinel_bus_expired_records",
            "Messages removed by retention",
            metrics.expired_records.clone(),
        );
        registry.register(
            "sentinel_bus_compacted_records",
            "Messages removed by compaction, because a later one has their key",
            metrics.compacted_records.clone(),
        );
        metrics
    }
}
