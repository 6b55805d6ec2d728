//! This process's own metrics, taken the same way as everybody else's.

use std::time::Duration;

use async_trait::async_trait;
use sentinel_runtime::Shutdown;
use sentinel_runtime::admin::Admin;
use tracing::warn;

use crate::exposition::{Format, Sample};
use crate::ingest::{IngestError, TargetLabels, ingest};
use crate::sources::schedule::Schedule;
use crate::{Limits, OutletError, PendingFrame, Source, SourceContext, TargetKind, TargetStream};

pub(crate) struct OwnMetrics {
    admin: Admin,
    context: SourceContext,
    target: String,
    interval: Duration,
}

impl OwnMetrics {
    pub fn new(admin: Admin, context: SourceContext) -> Self {
        let target = format!("own/{}", context.collector);
        let interval = context.scrape_interval;
        Self { admin, context, target, interval }
    }

    fn labels(&self) -> TargetLabels {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        TargetLabels::new([pair("cluster", &self.context.cluster), pair("instance", &self.context.collector)])
    }

    fn read(&self, stream: &mut TargetStream, labels: &TargetLabels) -> Result<PendingFrame, IngestError> {
        let hold = self.context.outlet.hold();
        let text = self.admin.openmetrics();
        let mut frame = stream.begin(hold.scraped());
        let limits = Limits { labels_per_series: usize::MAX, ..self.context.limits };
        ingest(&mut frame, text.as_bytes(), Format::OpenMetrics, &limits, |sample| {
            let labels = labels.apply(sample, &limits)?;
            Ok(Some(labels.with(&[("role", role(sample))])))
        })?;
        Ok(frame.encode())
    }
}

/// The part of the program that a metric of ours speaks of: `sentinel_<crate>_…`.
fn role(sample: &Sample<'_>) -> &'static str {
    const ROLES: [(&str, &str); 9] = [
        ("collector", "collector"),
        ("processor", "processor"),
        ("api", "api"),
        ("bus", "bus"),
        ("metric_store", "metric-store"),
        ("log_store", "log-store"),
        ("cache", "cache"),
        ("simulator", "simulator"),
        ("runtime", "runtime"),
    ];
    let name = sample.name();
    let rest = name.strip_prefix("sentinel_").unwrap_or_default();
    let is_of = |part: &str| rest.strip_prefix(part).is_some_and(|rest| rest.starts_with('_'));
    ROLES.iter().find(|(part, _)| is_of(part)).map_or("process", |(_, role)| role)
}

#[async_trait]
impl Source for OwnMetrics {
    fn name(&self) -> &'static str {
        "own-metrics"
    }

    async fn run(self: Box<Self>, shutdown: Shutdown) {
        let labels = self.labels();
        let mut stream = self.context.outlet.target(&self.target, TargetKind::Own);
        let mut schedule = Schedule::new(&self.target, self.interval);
        let mut is_running = true;
        // Once more at the end, so that the last counts are seen.
        while is_running {
            is_running = shutdown.guard(schedule.next()).await.is_some();
            let frame = self.read(&mut stream, &labels);
            self.context.metrics.scraped(TargetKind::Own.as_str(), frame.is_ok());
            match frame {
                Ok(pending) => {
                    if let Err(OutletError::Closed) = pending.publish().await {
                        return;
                    }
                }
                Err(error) => {
                    self.context.metrics.reject("own", error.reason());
                    warn!(%error, "own metrics cannot be read");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sentinel_model::MetricKind;

    use super::*;

    fn role_of(series: &str) -> &'static str {
        role(&Sample { series, kind: MetricKind::Gauge, value: 1.0, timestamp: None })
    }

    #[test]
    fn each_series_is_of_the_part_that_counts_it() {
        for (series, part) in [
            ("sentinel_collector_samples_total", "collector"),
            ("sentinel_processor_active_series", "processor"),
            ("sentinel_bus_fsync_seconds_bucket{le=\"1\"}", "bus"),
            ("sentinel_metric_store_disk_bytes{resolution=\"10s\"}", "metric-store"),
            ("sentinel_log_store_documents", "log-store"),
            ("sentinel_api_requests_total{route=\"/\"}", "api"),
            ("sentinel_apiary_bees", "process"),
            ("process_resident_memory_bytes", "process"),
        ] {
            assert_eq!(role_of(series), part, "{series}");
        }
    }
}
