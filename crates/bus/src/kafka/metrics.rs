//! What the bus counts of itself on Kafka.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use sentinel_runtime::Registry;

pub(super) struct Metrics {
    pub publish_seconds: Histogram,
    pub publish_timeouts: Counter,
    pub producer_replacements: Counter,
    pub consumer_rebuilds: Counter,
    pub unreadable_batches: Counter,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            // 1 ms to 16 s.
            publish_seconds: Histogram::new(exponential_buckets(1e-3, 2.0, 15)),
            publish_timeouts: Counter::default(),
            producer_replacements: Counter::default(),
            consumer_rebuilds: Counter::default(),
            unreadable_batches: Counter::default(),
        };
        registry.register(
            "sentinel_bus_publish_seconds",
            "Time until Kafka had acknowledged all messages of one publish",
            metrics.publish_seconds.clone(),
        );
        registry.register(
            "sentinel_bus_publish_timeouts",
            "Publishes that Kafka had not acknowledged in time",
            metrics.publish_timeouts.clone(),
        );
        registry.register(
            "sentinel_bus_producer_replacements",
            "Producers given up with all they held, because a publish had failed",
            metrics.producer_replacements.clone(),
        );
        registry.register(
            "sentinel_bus_consumer_rebuilds",
            "Consumers built anew because they had failed, or got nothing although there was something",
            metrics.consumer_rebuilds.clone(),
        );
        registry.register(
            "sentinel_bus_unreadable_batches",
            "Batches of messages that are damaged or cannot be unpacked, each as often as it was tried",
            metrics.unreadable_batches.clone(),
        );
        metrics
    }
}
