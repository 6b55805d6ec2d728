//! What a hop tells of the canaries that pass it: received, missing, doubled, and how long they took.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::{Registry, clock};

/// Upper bounds of latencies in seconds: from a message's way through the bus to windows that wait to be stored.
const BOUNDS_S: [f64; 22] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0,
    60.0, 90.0, 120.0, 300.0, 600.0,
];

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct HopMetrics {
    received: Family<Hop, Counter>,
    missing: Family<Hop, Counter>,
    doubled: Family<Hop, Counter>,
    latency: Family<Hop, Histogram, fn() -> Histogram>,
    last_seen: Family<Hop, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hop {
    hop: &'static str,
}

impl Default for HopMetrics {
    fn default() -> Self {
        Self {
            received: Family::default(),
            missing: Family::default(),
            doubled: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(BOUNDS_S)),
            last_seen: Family::default(),
        }
    }
}

impl HopMetrics {
    /// Under names that start with `ROLE_canary_`; each hop counts from zero at once.
    pub fn register(registry: &mut Registry, role: &str, hops: &[&'static str]) -> Self {
        let metrics = Self::default();
        let name = |noun: &str| format!("{role}_canary_{noun}");
        registry.register(name("received"), "Beats of canaries that came by", metrics.received.clone());
        registry.register(
            name("missing"),
            "Beats of canaries that did not, by their numbers",
            metrics.missing.clone(),
        );
        registry.register(
            name("doubled"),
            "Beats of canaries that came once more, replays left out",
            metrics.doubled.clone(),
        );
        registry.register(
            name("latency_seconds"),
            "From the sending of a canary's beat until it came by",
            metrics.latency.clone(),
        );
        registry.register(
            name("last_seen_timestamp_seconds"),
            "When a beat last came by",
            metrics.last_seen.clone(),
        );
        for hop in hops {
            let hop = Hop { hop };
            drop(metrics.received.get_or_create(&hop));
            drop(metrics.missing.get_or_create(&hop));
            drop(metrics.doubled.get_or_create(&hop));
        }
        metrics
    }

    /// Beats that came by now, the newest of which was sent at `sent_ms` (milliseconds since the epoch).
    pub fn came(&self, hop: &'static str, n_received: u64, sent_ms: i64) {
        if n_received == 0 {
            return;
        }
        let hop = Hop { hop };
        let now_ms = clock::now_millis();
        self.received.get_or_create(&hop).inc_by(n_received);
        // A sender whose clock is ahead makes no time negative.
        let latency_ms = now_ms.saturating_sub(sent_ms).max(0);
        self.latency.get_or_create(&hop).observe(latency_ms as f64 / 1_000.0);
        self.last_seen.get_or_create(&hop).set(now_ms as f64 / 1_000.0);
    }

    pub fn missed(&self, hop: &'static str, n_missing: u64) {
        self.missing.get_or_create(&Hop { hop }).inc_by(n_missing);
    }

    /// Received, missing and doubled so far.
    pub fn counts(&self, hop: &'static str) -> [u64; 3] {
        [&self.received, &self.missing, &self.doubled].map(|family| family.get_or_create(&Hop { hop }).get())
    }

    pub fn doubled(&self, hop: &'static str, n_doubled: u64) {
        self.doubled.get_or_create(&Hop { hop }).inc_by(n_doubled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hop_counts_from_zero_and_by_itself() {
        let mut registry = Registry::default();
        let metrics = HopMetrics::register(&mut registry, "sentinel_test", &["bus", "store"]);
        metrics.came("bus", 3, clock::now_millis() - 20);
        metrics.came("store", 0, 0);
        metrics.missed("bus", 2);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        for line in [
            "sentinel_test_canary_received_total{hop=\"bus\"} 3",
            "sentinel_test_canary_received_total{hop=\"store\"} 0",
            "sentinel_test_canary_missing_total{hop=\"bus\"} 2",
            "sentinel_test_canary_doubled_total{hop=\"store\"} 0",
            "sentinel_test_canary_latency_seconds_count{hop=\"bus\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("latency_seconds_count{hop=\"store\"}"), "{text}");
    }
}
