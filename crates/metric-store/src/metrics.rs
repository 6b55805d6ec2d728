//! The metric store's own metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use sentinel_runtime::Registry;

#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) series: Gauge,
    pub(crate) disk_bytes: Family<ByResolution, Gauge>,
    pub(crate) head_bytes: Gauge,
    pub(crate) written_windows: Counter,
    pub(crate) refused_windows: Family<ByReason, Counter>,
    pub(crate) sealed_chunks: Counter,
    pub(crate) corrupt_chunks: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByResolution {
    pub(crate) resolution: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByReason {
    pub(crate) reason: &'static str,
}

pub(crate) const OVER_LIMIT: ByReason = ByReason { reason: "series_limit" };
pub(crate) const EXPIRED: ByReason = ByReason { reason: "expired" };
#[cfg(feature = "influxdb")]
pub(crate) const REJECTED: ByReason = ByReason { reason: "rejected" };

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("sentinel_metric_store_series", "Series that have windows", metrics.series.clone());
        registry.register(
            "sentinel_metric_store_disk_bytes",
            "Bytes of chunks on disk",
            metrics.disk_bytes.clone(),
        );
        registry.register(
            "sentinel_metric_store_head_bytes",
            "Bytes of windows in memory that are not in chunks yet",
            metrics.head_bytes.clone(),
        );
        registry.register(
            "sentinel_metric_store_written_windows",
            "Windows written, repeats included",
            metrics.written_windows.clone(),
        );
        registry.register(
            "sentinel_metric_store_refused_windows",
            "Windows refused, by reason",
            metrics.refused_windows.clone(),
        );
        registry.register(
            "sentinel_metric_store_sealed_chunks",
            "Chunks written or written anew",
            metrics.sealed_chunks.clone(),
        );
        registry.register(
            "sentinel_metric_store_corrupt_chunks",
            "Chunks that could not be read and were given up",
            metrics.corrupt_chunks.clone(),
        );
        metrics
    }
}
