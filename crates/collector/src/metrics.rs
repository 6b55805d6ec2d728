//! What the collector says of itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use sentinel_runtime::Registry;

use crate::outlet::Losses;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ScrapeOutcome {
    pub target_kind: &'static str,
    /// `ok` or `failed`.
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    pub reason: &'static str,
}

/// Something refused at a door (`scrape`, `kubelet`, `object`, `log`, …).
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Rejection {
    pub door: &'static str,
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Restart {
    pub kind: &'static str,
    pub reason: &'static str,
}

/// Parts of the work that may move between collectors.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OwnedUnits {
    /// `objects`, `kubelet`, `scrape` or `logs`.
    pub kind: &'static str,
}

/// Names start with `sentinel_collector_`.
#[derive(Debug, Default)]
pub struct Metrics {
    pub scrapes: Family<ScrapeOutcome, Counter>,
    pub samples: Counter,
    pub frames: Counter,
    pub frame_bytes: Counter,
    pub dropped_samples: Family<Reason, Counter>,
    /// Samples of kubelets that are left out on purpose: others give the same.
    pub left_out_samples: Family<Reason, Counter>,
    pub rejected: Family<Rejection, Counter>,
    /// Scrapes that broke a rule which the configuration overlooks.
    pub tolerated_scrapes: Family<Reason, Counter>,
    /// Messages lost on their way to the bus.
    pub dropped_entries: Family<Reason, Counter>,
    pub spool_damaged_files: Counter,
    pub queue_bytes: Gauge,
    pub spool_bytes: Gauge,
    pub watch_restarts: Family<Restart, Counter>,
    pub events: Counter,
    pub objects: Counter,
    pub log_records: Counter,
    pub log_records_redacted: Counter,
    pub owned_units: Family<OwnedUnits, Gauge>,
    /// 0 where only the broker knows.
    pub members: Gauge,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("sentinel_collector");
        let mut add =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        add("samples", "Samples taken in", &metrics.samples);
        add("frames", "Frames handed to the outlet", &metrics.frames);
        add("frame_bytes", "Encoded bytes of frames", &metrics.frame_bytes);
        add("events", "Kubernetes events taken in", &metrics.events);
        add("objects", "States of Kubernetes objects taken in", &metrics.objects);
        add("log_records", "Log lines taken in", &metrics.log_records);
        add("log_records_redacted", "Log lines in which a secret was masked", &metrics.log_records_redacted);
        add("spool_damaged_files", "Spool files set aside because of damage", &metrics.spool_damaged_files);
        registry.register("scrapes", "Scrapes by kind of target and outcome", metrics.scrapes.clone());
        registry.register(
            "dropped_samples",
            "Samples lost after they were taken in",
            metrics.dropped_samples.clone(),
        );
        registry.register(
            "left_out_samples",
            "Samples of kubelets left out on purpose, as others give the same",
            metrics.left_out_samples.clone(),
        );
        registry.register(
            "dropped_entries",
            "Messages lost on their way to the bus",
            metrics.dropped_entries.clone(),
        );
        registry.register("rejected", "Input refused, by door and reason", metrics.rejected.clone());
        registry.register(
            "tolerated_scrapes",
            "Scrapes taken although they break a rule of OpenMetrics",
            metrics.tolerated_scrapes.clone(),
        );
        registry.register("watch_restarts", "Watches begun anew", metrics.watch_restarts.clone());
        registry.register(
            "queue_bytes",
            "Bytes in memory that wait for the bus",
            metrics.queue_bytes.clone(),
        );
        registry.register(
            "owned_units",
            "Parts of the work that are this collector's: kinds of objects, kubelets, targets, pods with logs",
            metrics.owned_units.clone(),
        );
        registry.register(
            "members",
            "Collectors that share the work, as far as this one knows them",
            metrics.members.clone(),
        );
        registry.register("spool_bytes", "Bytes on disk that wait for the bus", metrics.spool_bytes.clone());
        metrics
    }

    pub(crate) fn drop_samples(&self, reason: &'static str, n_samples: u64) {
        if n_samples > 0 {
            self.dropped_samples.get_or_create(&Reason { reason }).inc_by(n_samples);
        }
    }

    pub(crate) fn leave_out(&self, reason: &'static str, n_samples: u64) {
        if n_samples > 0 {
            self.left_out_samples.get_or_create(&Reason { reason }).inc_by(n_samples);
        }
    }

    pub(crate) fn drop_entries(&self, reason: &'static str, losses: Losses) {
        self.dropped_entries.get_or_create(&Reason { reason }).inc_by(losses.entries);
        self.drop_samples(reason, losses.samples);
        self.spool_damaged_files.inc_by(losses.quarantined);
    }

    pub fn tolerate(&self, reason: &'static str) {
        self.tolerated_scrapes.get_or_create(&Reason { reason }).inc();
    }

    pub fn reject(&self, door: &'static str, reason: &'static str) {
        self.rejected.get_or_create(&Rejection { door, reason }).inc();
    }

    pub fn scraped(&self, target_kind: &'static str, is_ok: bool) {
        let outcome = if is_ok { "ok" } else { "failed" };
        self.scrapes.get_or_create(&ScrapeOutcome { target_kind, outcome }).inc();
    }
}
