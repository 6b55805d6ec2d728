//! The processor's own metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use sentinel_runtime::{HopMetrics, Registry};

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) frames: Counter,
    pub(crate) samples: Counter,
    pub(crate) lost_frames: Counter,
    pub(crate) dropped_messages: Counter,
    pub(crate) duplicate_frames: Counter,
    pub(crate) superseded_frames: Counter,
    pub(crate) repeated_samples: Counter,
    pub(crate) duplicate_samples: Counter,
    pub(crate) late_samples: Counter,
    pub(crate) future_samples: Counter,
    pub(crate) over_limit_samples: Counter,
    pub(crate) dead_letters: Family<Reason, Counter>,
    pub(crate) windows_closed: Family<Resolved, Counter>,
    pub(crate) rollups: Family<Resolved, Counter>,
    pub(crate) cut_windows: Family<Resolved, Counter>,
    pub(crate) active_series: Family<Partition, Gauge>,
    pub(crate) clocks_ahead: Family<Partition, Gauge>,
    pub(crate) watermark_lag: Family<Partition, Gauge<f64, std::sync::atomic::AtomicU64>>,
    pub(crate) stored_windows: Counter,
    pub(crate) stored_documents: Family<Kind, Counter>,
    pub(crate) pipeline_errors: Family<Pipeline, Counter>,
    pub(crate) refused_messages: Counter,
    pub(crate) canaries: HopMetrics,
}

/// Hops that canaries are counted at: samples read from the bus; closed windows read from it; windows and log
/// lines in their stores.
pub(crate) mod hop {
    pub(crate) const BUS: &str = "bus";
    pub(crate) const WINDOWS: &str = "windows";
    pub(crate) const METRIC_STORE: &str = "metric_store";
    pub(crate) const LOG_STORE: &str = "log_store";
    pub(crate) const ALL: [&str; 4] = [BUS, WINDOWS, METRIC_STORE, LOG_STORE];
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    pub(crate) topic: &'static str,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Resolved {
    pub(crate) resolution: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Partition {
    pub(crate) partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    pub(crate) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: &'static str,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let canaries = HopMetrics::register(registry, "sentinel_processor", &hop::ALL);
        let metrics = Self { canaries, ..Self::default() };
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(format!("sentinel_processor_{name}"), help, counter.clone());
        };
        counter("refused_messages", "Messages that the bus never takes, lost", &metrics.refused_messages);
        counter("frames", "Frames of samples that were applied", &metrics.frames);
        counter("samples", "Samples that were put into windows", &metrics.samples);
        counter("lost_frames", "Frames missing in a stream's sequence", &metrics.lost_frames);
        counter(
            "dropped_messages",
            "Messages of samples that the bus had dropped before they were read",
            &metrics.dropped_messages,
        );
        counter("duplicate_frames", "Frames that had been applied before", &metrics.duplicate_frames);
        counter(
            "superseded_frames",
            "Frames of targets that another collector scrapes: its samples count",
            &metrics.superseded_frames,
        );
        counter("duplicate_samples", "Samples that were there already", &metrics.duplicate_samples);
        counter("late_samples", "Samples behind the watermark, kept as dead letters", &metrics.late_samples);
        counter(
            "future_samples",
            "Samples far ahead of their scrape, kept as dead letters",
            &metrics.future_samples,
        );
        counter(
            "over_limit_samples",
            "Samples of series beyond processor.series_limit",
            &metrics.over_limit_samples,
        );
        counter("stored_windows", "Windows of series that reached the metric store", &metrics.stored_windows);
        let family = |name: &str| format!("sentinel_processor_{name}");
        registry.register(
            family("dead_letters"),
            "Records that could not be handled",
            metrics.dead_letters.clone(),
        );
        registry.register(
            family("windows_closed"),
            "Windows that were closed",
            metrics.windows_closed.clone(),
        );
        registry.register(
            family("cut_windows"),
            "Windows left as they were stored, as the bus has lost a part of what they are made of",
            metrics.cut_windows.clone(),
        );
        registry.register(family("rollups"), "Results of closed windows", metrics.rollups.clone());
        registry.register(
            family("stored_documents"),
            "Documents in the log store",
            metrics.stored_documents.clone(),
        );
        registry.register(
            family("pipeline_errors"),
            "Failed attempts by pipeline",
            metrics.pipeline_errors.clone(),
        );
        metrics.register_partitions(registry);
        metrics
    }

    /// What is told of each partition.
    fn register_partitions(&self, registry: &mut Registry) {
        let family = |name: &str| format!("sentinel_processor_{name}");
        registry.register(family("active_series"), "Series with open windows", self.active_series.clone());
        registry.register(
            family("clocks_ahead"),
            "Collectors whose clock is more than a minute ahead of the log's",
            self.clocks_ahead.clone(),
        );
        registry.register(
            family("watermark_lag_seconds"),
            "Wall clock less the watermark, allowed lateness included",
            self.watermark_lag.clone(),
        );
    }
}
