//! What the API says of itself.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use sentinel_runtime::{HopMetrics, Registry};

/// Answers by route (`/api/v1/pods`, `dashboard`, …) and status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    pub route: String,
    pub status: u16,
}

/// Something refused at a door (`rest`, `websocket`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Rejection {
    pub door: &'static str,
    pub reason: &'static str,
}

/// Messages of the bus by topic and what became of them (`ok`, `skipped`, `corrupt`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Followed {
    pub topic: &'static str,
    pub outcome: &'static str,
}

/// Questions whose answer may be given again, by route and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Cached {
    pub route: &'static str,
    pub outcome: &'static str,
}

impl Cached {
    pub const HIT: &'static str = "hit";
    pub const MISS: &'static str = "miss";
}

/// Names start with `sentinel_api_`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub requests: Family<Answered, Counter>,
    pub request_seconds: Histogram,
    pub rejected: Family<Rejection, Counter>,
    pub cached_answers: Family<Cached, Counter>,
    pub followed: Family<Followed, Counter>,
    pub connections: Gauge,
    pub websocket_clients: Gauge,
    pub websocket_messages: Counter,
    pub websocket_dropped: Counter,
    pub websocket_stalled: Counter,
    pub live_series: Gauge,
    pub live_refused: Gauge,
    pub live_lag: Gauge<f64, AtomicU64>,
    pub objects: Gauge,
    pub canaries: HopMetrics,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let canaries = HopMetrics::register(registry, "sentinel_api", &crate::canary::hop::ALL);
        let metrics = Self {
            requests: Family::default(),
            // 1 ms to 16 s.
            request_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            rejected: Family::default(),
            cached_answers: Family::default(),
            followed: Family::default(),
            connections: Gauge::default(),
            websocket_clients: Gauge::default(),
            websocket_messages: Counter::default(),
            websocket_dropped: Counter::default(),
            websocket_stalled: Counter::default(),
            live_series: Gauge::default(),
            live_refused: Gauge::default(),
            live_lag: Gauge::default(),
            objects: Gauge::default(),
            canaries,
        };
        let registry = registry.sub_registry_with_prefix("sentinel_api");
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register("request_seconds", "Time to answer a request", metrics.request_seconds.clone());
        registry.register("rejected", "Requests and messages refused", metrics.rejected.clone());
        registry.register(
            "cached_answers",
            "Questions answered from the cache (hit) and anew (miss)",
            metrics.cached_answers.clone(),
        );
        registry.register("followed_records", "Messages read from the bus", metrics.followed.clone());
        registry.register("connections", "Connections that are open", metrics.connections.clone());
        registry.register("websocket_clients", "Clients of the WebSocket", metrics.websocket_clients.clone());
        registry.register(
            "websocket_messages",
            "Messages of data sent to clients",
            metrics.websocket_messages.clone(),
        );
        registry.register(
            "websocket_dropped",
            "Records that slow clients were not sent",
            metrics.websocket_dropped.clone(),
        );
        registry.register(
            "websocket_stalled",
            "Clients closed because they took nothing",
            metrics.websocket_stalled.clone(),
        );
        registry.register("live_series", "Series in the live overlay", metrics.live_series.clone());
        registry.register(
            "live_refused_windows",
            "Windows left out because of api.limits.live_series",
            metrics.live_refused.clone(),
        );
        registry.register(
            "live_lag_seconds",
            "Age of the newest message of the live topic when it was read",
            metrics.live_lag.clone(),
        );
        registry.register("objects", "Objects that are known", metrics.objects.clone());
        metrics
    }

    pub fn reject(&self, door: &'static str, reason: &'static str) {
        self.rejected.get_or_create(&Rejection { door, reason }).inc();
    }

    pub fn cached(&self, route: &'static str, outcome: &'static str) {
        self.cached_answers.get_or_create(&Cached { route, outcome }).inc();
    }

    pub fn follow(&self, topic: &'static str, outcome: &'static str) {
        self.followed.get_or_create(&Followed { topic, outcome }).inc();
    }
}
