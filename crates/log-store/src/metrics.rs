//! The log store's own metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use sentinel_runtime::Registry;

#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) documents: Gauge,
    pub(crate) disk_bytes: Gauge,
    pub(crate) written_documents: Counter,
    pub(crate) expired_documents: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "sentinel_log_store_documents",
            "Documents that can be found",
            metrics.documents.clone(),
        );
        registry.register(
            "sentinel_log_store_disk_bytes",
            "Bytes of all indexes",
            metrics.disk_bytes.clone(),
        );
        registry.register(
            "sentinel_log_store_written_documents",
            "Documents written, repeats included",
            metrics.written_documents.clone(),
        );
        registry.register(
            "sentinel_log_store_expired_documents",
            "Documents refused, because they are older than the retention",
            metrics.expired_documents.clone(),
        );
        metrics
    }
}
