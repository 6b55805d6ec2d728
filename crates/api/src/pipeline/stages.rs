//! The stages in the order of the data.

use std::collections::BTreeMap;

use sentinel_model::{LabelMatcher, Selector, Timestamp};

use crate::dto::pipeline::{ComponentDto, ComponentStateDto, Stage, StageId, StageStatus, TopicRow};
use crate::live::Live;
use crate::pipeline::Newest;

mod drops;
mod targets;

/// What the stages are derived from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub live: &'a Live,
    pub topics: &'a [TopicRow],
    pub components: &'a [ComponentDto],
    pub newest: Newest,
    pub now: Timestamp,
    /// What comes in was recorded earlier: it is always late, and that is no trouble.
    pub is_recording: bool,
}

/// A watermark trails the clock by a window, the allowed lateness and some seconds of transport; beyond
/// this something is held up.
const LATE_S: f64 = 90.0;
/// Series of one metric that are further behind its newest have ended: three scrapes.
const CURRENT_MS: i64 = 30_000;
/// Data that is older than this does not arrive any more.
const SILENT_S: f64 = 60.0;

pub fn stages(facts: Facts<'_>) -> Vec<Stage> {
    let stages = [collector, bus, processor, metric_store, log_store, api];
    stages.into_iter().map(|stage| judge(stage(facts), facts)).collect()
}

impl Facts<'_> {
    /// Sum of the newest values.
    fn sum(&self, metric: &str) -> Option<f64> {
        self.live.sum(&Selector::metric(metric))
    }

    fn total(&self, metric: &str) -> Option<u64> {
        self.sum(metric).map(|sum| sum as u64)
    }

    fn rate(&self, metric: &str) -> Option<f64> {
        self.live.rate(&Selector::metric(metric))
    }

    /// Of what is told now: a partition that has moved is told of by who has it.
    fn max(&self, metric: &str) -> Option<f64> {
        let mut told = Vec::new();
        self.live.each(&Selector::metric(metric), |_, windows, _| {
            told.extend(windows.last().map(|window| (window.start, window.aggregate.last())));
        });
        let newest = told.iter().map(|(start, _)| *start).max()?;
        let current = told.iter().filter(|(start, _)| newest.millis_since(*start) <= CURRENT_MS);
        current.map(|(_, value)| *value).reduce(f64::max)
    }

    fn lag_of(&self, groups: &[&str]) -> Option<u64> {
        let all = self.topics.iter().flat_map(|topic| &topic.groups);
        all.filter(|group| groups.contains(&group.name.as_str())).map(|group| group.lag).max()
    }

    /// As `total`, but zero where the role publishes other numbers: some counters have no series before
    /// they first count.
    fn total_of_role(&self, metrics: &[&str], role: &str) -> Option<u64> {
        let is_there = self.sum(role).is_some();
        let sum = metrics.iter().filter_map(|metric| self.total(metric)).sum();
        is_there.then_some(sum)
    }

    fn age_s(&self, newest: Option<Timestamp>) -> Option<f64> {
        newest.map(|newest| (self.now.millis_since(newest) as f64 / 1_000.0).max(0.0))
    }
}

fn empty(id: StageId, title: &str, rate_of: &str) -> Stage {
    Stage {
        id,
        title: title.to_owned(),
        status: StageStatus::Ok,
        reason: String::new(),
        note: String::new(),
        rate_per_s: None,
        rate_of: rate_of.to_owned(),
        bytes_per_s: None,
        lag_records: None,
        lag_seconds: None,
        refused_total: None,
        dropped_total: None,
        loss_total: None,
        duplicates_total: None,
        newest_age_s: None,
        details: BTreeMap::new(),
    }
}

/// Adds what is known of `(name, value)`.
fn detail(stage: &mut Stage, details: impl IntoIterator<Item = (&'static str, Option<f64>)>) {
    let known = details.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    stage.details.extend(known);
}

fn sum_known(values: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    values.into_iter().flatten().reduce(|a, b| a + b)
}

fn collector(facts: Facts<'_>) -> Stage {
    let mut stage = empty(StageId::Collector, "Collector", "samples");
    stage.rate_per_s = facts.rate("sentinel_collector_samples_total");
    stage.bytes_per_s = facts.rate("sentinel_collector_frame_bytes_total");
    let role = "sentinel_collector_samples_total";
    let dropped = drops::read(facts.live);
    if facts.sum(role).is_some() || !dropped.is_empty() {
        stage.refused_total = Some(drops::total(&dropped, true));
        stage.dropped_total = Some(drops::total(&dropped, false));
    }
    stage.note = [drops::note(&dropped), targets::note(facts.live)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ");
    stage.loss_total = facts.total_of_role(&["sentinel_collector_dropped_entries_total"], role);
    stage.newest_age_s = facts.age_s(facts.live.newest());
    let failed = LabelMatcher::equal("outcome", "failed");
    let failed = Selector::metric("sentinel_collector_scrapes_total").and(failed);
    detail(
        &mut stage,
        [
            ("scrapes_per_s", facts.rate("sentinel_collector_scrapes_total")),
            ("failed_scrapes_total", facts.live.sum(&failed)),
            ("failed_scrapes_per_s", facts.live.rate(&failed)),
            ("frames_per_s", facts.rate("sentinel_collector_frames_total")),
            ("queue_bytes", facts.sum("sentinel_collector_queue_bytes")),
            ("spool_bytes", facts.sum("sentinel_collector_spool_bytes")),
            ("rejected_total", facts.sum("sentinel_collector_rejected_total")),
            ("watch_restarts_total", facts.sum("sentinel_collector_watch_restarts_total")),
            ("objects_total", facts.sum("sentinel_collector_objects_total")),
            ("events_total", facts.sum("sentinel_collector_events_total")),
            ("log_records_total", facts.sum("sentinel_collector_log_records_total")),
            ("log_records_redacted_total", facts.sum("sentinel_collector_log_records_redacted_total")),
        ],
    );
    if let (Some(bytes), Some(samples)) = (stage.bytes_per_s, stage.rate_per_s)
        && samples > 0.0
    {
        stage.details.insert("bytes_per_sample".to_owned(), bytes / samples);
    }
    stage
}

fn bus(facts: Facts<'_>) -> Stage {
    let mut stage = empty(StageId::Bus, "Bus", "messages");
    let rates = facts.topics.iter().filter_map(|topic| topic.published_per_s);
    stage.rate_per_s = rates.reduce(|a, b| a + b);
    stage.bytes_per_s = facts.rate("sentinel_bus_published_bytes_total");
    stage.lag_records = facts.topics.iter().flat_map(|topic| &topic.groups).map(|group| group.lag).max();
    let role = "sentinel_bus_published_records_total";
    stage.dropped_total = facts.total_of_role(&["sentinel_bus_skipped_records_total"], role);
    stage.loss_total = facts.total_of_role(&["sentinel_bus_corrupt_records_total"], role);
    stage.newest_age_s = facts.age_s(facts.newest.record);
    let bytes = facts.topics.iter().filter_map(|topic| topic.bytes).reduce(|a, b| a + b);
    let fsyncs = facts.rate("sentinel_bus_fsync_seconds_count");
    let fsync_time = facts.rate("sentinel_bus_fsync_seconds_sum");
    let fsync_mean = fsync_time.zip(fsyncs).filter(|(_, n)| *n > 0.0).map(|(time, n)| time / n);
    detail(
        &mut stage,
        [
            ("stored_bytes", bytes.map(|bytes| bytes as f64)),
            ("fsyncs_per_s", fsyncs),
            ("fsync_mean_seconds", fsync_mean),
            ("corrupt_records_total", facts.sum("sentinel_bus_corrupt_records_total")),
            ("expired_records_total", facts.sum("sentinel_bus_expired_records_total")),
        ],
    );
    stage
}

fn processor(facts: Facts<'_>) -> Stage {
    let mut stage = empty(StageId::Processor, "Processor", "samples");
    stage.rate_per_s = facts.rate("sentinel_processor_samples_total");
    stage.lag_records = facts.lag_of(&["sentinel-windows", "sentinel-stage2"]);
    stage.lag_seconds = facts.max("sentinel_processor_watermark_lag_seconds");
    stage.newest_age_s = facts.age_s(facts.live.newest());
    stage.loss_total = facts.total("sentinel_processor_lost_frames_total");
    stage.dropped_total = sum_known([
        facts.total("sentinel_processor_late_samples_total"),
        facts.total("sentinel_processor_future_samples_total"),
        facts.total("sentinel_processor_over_limit_samples_total"),
    ]);
    stage.duplicates_total = sum_known([
        facts.total("sentinel_processor_duplicate_frames_total"),
        facts.total("sentinel_processor_duplicate_samples_total"),
    ]);
    detail(
        &mut stage,
        [
            ("active_series", facts.sum("sentinel_processor_active_series")),
            ("frames_per_s", facts.rate("sentinel_processor_frames_total")),
            ("windows_closed_per_s", facts.rate("sentinel_processor_windows_closed_total")),
            ("rollups_per_s", facts.rate("sentinel_processor_rollups_total")),
            ("late_samples_total", facts.sum("sentinel_processor_late_samples_total")),
            ("future_samples_total", facts.sum("sentinel_processor_future_samples_total")),
            ("over_limit_samples_total", facts.sum("sentinel_processor_over_limit_samples_total")),
            ("dead_letters_total", facts.sum("sentinel_processor_dead_letters_total")),
            ("pipeline_errors_total", facts.sum("sentinel_processor_pipeline_errors_total")),
        ],
    );
    stage
}

fn metric_store(facts: Facts<'_>) -> Stage {
    let mut stage = empty(StageId::MetricStore, "Metric store", "windows");
    stage.rate_per_s = facts.rate("sentinel_metric_store_written_windows_total");
    stage.lag_records = facts.lag_of(&["sentinel-metric-store"]);
    let role = "sentinel_metric_store_written_windows_total";
    stage.dropped_total = facts.total_of_role(&["sentinel_metric_store_refused_windows_total"], role);
    stage.loss_total = facts.total_of_role(&["sentinel_metric_store_corrupt_chunks_total"], role);
    stage.newest_age_s = facts.age_s(facts.newest.stored_window);
    detail(
        &mut stage,
        [
            ("series", facts.sum("sentinel_metric_store_series")),
            ("disk_bytes", facts.sum("sentinel_metric_store_disk_bytes")),
            ("head_bytes", facts.sum("sentinel_metric_store_head_bytes")),
            ("written_windows_total", facts.sum("sentinel_metric_store_written_windows_total")),
        ],
    );
    stage
}

fn log_store(facts: Facts<'_>) -> Stage {
    let mut stage = empty(StageId::LogStore, "Log store", "documents");
    stage.rate_per_s = facts.rate("sentinel_log_store_written_documents_total");
    stage.lag_records = facts.lag_of(&["sentinel-logs", "sentinel-events"]);
    let role = "sentinel_log_store_written_documents_total";
    stage.dropped_total = facts.total_of_role(&["sentinel_log_store_expired_documents_total"], role);
    stage.newest_age_s = facts.age_s(facts.newest.document);
    detail(
        &mut stage,
        [
            ("documents", facts.sum("sentinel_log_store_documents")),
            ("disk_bytes", facts.sum("sentinel_log_store_disk_bytes")),
            ("written_documents_total", facts.sum("sentinel_log_store_written_documents_total")),
        ],
    );
    stage
}

fn api(facts: Facts<'_>) -> Stage {
    let mut stage = empty(StageId::Api, "API", "requests");
    stage.rate_per_s = facts.rate("sentinel_api_requests_total");
    stage.dropped_total = facts.total("sentinel_api_websocket_dropped_total");
    stage.lag_seconds = facts.max("sentinel_api_live_lag_seconds");
    stage.newest_age_s = facts.age_s(facts.live.newest());
    detail(
        &mut stage,
        [
            ("websocket_clients", facts.sum("sentinel_api_websocket_clients")),
            ("websocket_messages_per_s", facts.rate("sentinel_api_websocket_messages_total")),
            ("live_series", Some(facts.live.n_series() as f64)),
            ("objects", facts.sum("sentinel_api_objects")),
            ("rejected_total", facts.sum("sentinel_api_rejected_total")),
        ],
    );
    stage
}

/// Gives a stage its status: what its component says comes first, then what its numbers say.
fn judge(mut stage: Stage, facts: Facts<'_>) -> Stage {
    let (status, reason) = worst(stage.id, facts.components)
        .or_else(|| trouble(&stage, facts).map(|reason| (StageStatus::Degraded, reason)))
        .unwrap_or((StageStatus::Ok, String::new()));
    stage.status = status;
    stage.reason = reason;
    stage
}

/// The worst that the stage's components say, and how many more do not do well.
fn worst(id: StageId, components: &[ComponentDto]) -> Option<(StageStatus, String)> {
    let names: &[&str] = match id {
        StageId::Collector => &["collector"],
        StageId::Bus => &["bus", "settings"],
        StageId::Processor => &["processor"],
        StageId::MetricStore => &["metric-store"],
        StageId::LogStore => &["log-store"],
        StageId::Api => &["api", "cache"],
    };
    let is_its = |one: &&ComponentDto| {
        let (stage, part) = one.name.split_once('/').unwrap_or((&one.name, ""));
        // Of many targets some are always away: they are the stage's trouble when all are.
        names.contains(&stage) && !["targets", "kubelets"].contains(&part)
    };
    let ailing = components.iter().filter(is_its).filter(|one| one.state != ComponentStateDto::Ready);
    // The first of the worst: what this process says itself comes first.
    let worst = ailing.clone().reduce(|worst, one| if one.state > worst.state { one } else { worst })?;
    let status = match worst.state {
        ComponentStateDto::Failed => StageStatus::Failed,
        _ => StageStatus::Degraded,
    };
    let told = if worst.state == ComponentStateDto::Starting { "it is starting" } else { &worst.reason };
    let place = worst.process.as_deref().map(|process| format!("{process}: ")).unwrap_or_default();
    let more = match ailing.count() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    Some((status, format!("{place}{told}{more}")))
}

fn trouble(stage: &Stage, facts: Facts<'_>) -> Option<String> {
    match stage.id {
        StageId::Collector => {
            let spool = stage.details.get("spool_bytes").copied().unwrap_or_default();
            let wrong = drops::trouble(&drops::read(facts.live)).or_else(|| targets::trouble(facts.live));
            if wrong.is_some() {
                return wrong;
            }
            if spool > 0.0 {
                return Some(format!(
                    "the bus is behind: {:.1} MiB wait on disk",
                    spool / f64::from(1 << 20)
                ));
            }
            let age = stage.newest_age_s.filter(|age| *age > SILENT_S && !facts.is_recording)?;
            Some(format!("the newest sample is {} old", span_text(age)))
        }
        StageId::Processor => {
            let lag = stage.lag_seconds.filter(|lag| *lag > LATE_S && !facts.is_recording)?;
            Some(format!("windows close {} behind the clock", span_text(lag)))
        }
        _ => None,
    }
}

/// A span in one unit, written as the dashboard writes ages.
fn span_text(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    match (seconds, minutes, hours) {
        (0..90, ..) => format!("{seconds} s"),
        (_, 0..90, _) => format!("{minutes} min"),
        (.., 0..48) => format!("{hours} h"),
        _ => format!("{} d", hours / 24),
    }
}
