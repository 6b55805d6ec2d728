//! Tests of the pipeline's state.

use sentinel_model::{
    Aggregate, Labels, MetricKind, Resolution, Rollup, RollupBatch, Selector, Series, SeriesRef, Window,
};
use sentinel_runtime::{ComponentState, Health};

use super::*;
use crate::dto::pipeline::{Stage, StageId, StageStatus};
use crate::live::Live;

/// An overlay with two windows of each metric.
pub(crate) fn live(metrics: &[(&str, f64, f64)]) -> Live {
    let live = Live::new(100);
    let first: Vec<_> = metrics.iter().map(|(name, first, _)| (*name, *first)).collect();
    let last: Vec<_> = metrics.iter().map(|(name, _, last)| (*name, *last)).collect();
    for (start_s, values) in [(0, first), (10, last)] {
        live.apply(window(start_s, &values), Timestamp::from_secs(start_s));
    }
    live
}

/// Values of series, which are written as selectors with equality only.
fn window(start_s: i64, values: &[(&str, f64)]) -> RollupBatch {
    let series = |text: &str| {
        let selector = Selector::parse(text).expect("a selector");
        let pairs = selector.matchers().iter().map(|matcher| (matcher.name(), matcher.value()));
        Series { labels: Labels::from_pairs(pairs).expect("unique names"), kind: MetricKind::Unknown }
    };
    let rollup = |(i, (_, value)): (u32, &(&str, f64))| Rollup {
        series: SeriesRef(i),
        aggregate: Aggregate::Single(*value),
    };
    RollupBatch {
        stream: "p0".into(),
        epoch: 1,
        sequence: start_s as u64 / 10,
        is_key: true,
        window: Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(start_s) },
        is_final: false,
        defined: (0..).zip(values).map(|(i, (name, _))| (SeriesRef(i), series(name))).collect(),
        rollups: (0..).zip(values).map(rollup).collect(),
    }
}

fn stage_of(live: &Live, health: &Health, id: StageId) -> Stage {
    let components = components::read(health, Some(live));
    let newest = Newest {
        record: Some(Timestamp::from_secs(19)),
        stored_window: Some(Timestamp::from_secs(5)),
        document: None,
    };
    let now = Timestamp::from_secs(20);
    let facts = Facts { live, topics: &[], components: &components, newest, now, is_recording: false };
    stages(facts).into_iter().find(|stage| stage.id == id).expect("every stage is there")
}

#[test]
fn a_recording_is_old_and_not_late() {
    let live = live(&[("sentinel_processor_watermark_lag_seconds", 40.0, 30_000.0)]);
    let now = Timestamp::from_secs(30_000);
    let reasons = |is_recording| {
        let facts =
            Facts { live: &live, topics: &[], components: &[], newest: Newest::default(), now, is_recording };
        let told = stages(facts).into_iter().filter(|stage| !stage.reason.is_empty());
        told.map(|stage| stage.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(false), ["the newest sample is 8 h old", "windows close 8 h behind the clock"]);
    assert_eq!(reasons(true), [""; 0]);
}

#[test]
fn a_stage_shows_what_its_role_publishes() {
    let live = live(&[
        ("sentinel_collector_samples_total", 0.0, 1_000.0),
        ("sentinel_collector_frame_bytes_total", 0.0, 900.0),
        ("sentinel_collector_dropped_samples_total", 7.0, 7.0),
    ]);
    let stage = stage_of(&live, &Health::default(), StageId::Collector);
    assert_eq!(stage.rate_per_s, Some(100.0));
    assert_eq!(stage.dropped_total, Some(7));
    assert_eq!(stage.details.get("bytes_per_sample"), Some(&0.9));
    assert_eq!(stage.newest_age_s, Some(10.0));
    assert_eq!(stage.status, StageStatus::Ok, "old drops are no trouble of now");
}

#[test]
fn what_is_not_known_is_null_and_not_zero() {
    let stage = stage_of(&live(&[]), &Health::default(), StageId::Processor);
    assert_eq!((stage.rate_per_s, stage.lag_seconds, stage.loss_total), (None, None, None));
    assert_eq!(stage.status, StageStatus::Ok);
}

#[test]
fn counters_that_have_not_counted_yet_are_zero_once_their_role_is_there() {
    let live = live(&[
        ("sentinel_collector_samples_total", 0.0, 1_000.0),
        ("sentinel_bus_published_records_total", 0.0, 10.0),
        ("sentinel_metric_store_written_windows_total", 0.0, 10.0),
        ("sentinel_metric_store_refused_windows_total", 3.0, 3.0),
    ]);
    let lost = |id| {
        let stage = stage_of(&live, &Health::default(), id);
        (stage.dropped_total, stage.loss_total)
    };
    assert_eq!(lost(StageId::Collector), (Some(0), Some(0)));
    assert_eq!(lost(StageId::Bus), (Some(0), Some(0)));
    assert_eq!(lost(StageId::MetricStore), (Some(3), Some(0)));
    assert_eq!(lost(StageId::LogStore), (None, None), "it has no such counters");
}

#[test]
fn each_stage_tells_the_age_of_the_newest_that_it_has() {
    let live = live(&[("up", 1.0, 1.0)]);
    let age = |id| stage_of(&live, &Health::default(), id).newest_age_s;
    assert_eq!(age(StageId::Bus), Some(1.0));
    assert_eq!(age(StageId::Processor), Some(10.0));
    assert_eq!(age(StageId::MetricStore), Some(15.0));
    assert_eq!(age(StageId::LogStore), None);
}

#[test]
fn drops_and_late_windows_degrade_a_stage() {
    let live = live(&[
        ("sentinel_collector_dropped_samples_total", 0.0, 50.0),
        ("sentinel_processor_watermark_lag_seconds", 40.0, 500.0),
    ]);
    let collector = stage_of(&live, &Health::default(), StageId::Collector);
    assert_eq!(collector.status, StageStatus::Degraded);
    assert_eq!(collector.reason, "samples are being dropped: no reason is known");
    let processor = stage_of(&live, &Health::default(), StageId::Processor);
    assert_eq!(processor.reason, "windows close 8 min behind the clock");
}

#[test]
fn what_sources_send_amiss_is_noted_and_is_no_loss() {
    let live = live(&[
        ("sentinel_collector_samples_total", 0.0, 1_000.0),
        ("sentinel_collector_dropped_samples_total{reason=\"duplicate_in_scrape\"}", 0.0, 1_296.0),
        ("sentinel_collector_dropped_samples_total{reason=\"series_limit\"}", 5.0, 5.0),
    ]);
    let stage = stage_of(&live, &Health::default(), StageId::Collector);
    assert_eq!((stage.status, stage.reason.as_str()), (StageStatus::Ok, ""));
    assert_eq!(stage.note, "a source has the same series twice in one scrape");
    assert_eq!((stage.refused_total, stage.dropped_total), (Some(1_296), Some(5)));
}

#[test]
fn the_cause_of_drops_is_named_by_the_one_that_drops_most() {
    let live = live(&[
        ("sentinel_collector_dropped_samples_total{reason=\"spool_full\"}", 0.0, 10.0),
        ("sentinel_collector_dropped_samples_total{reason=\"series_limit\"}", 0.0, 90.0),
    ]);
    let stage = stage_of(&live, &Health::default(), StageId::Collector);
    assert_eq!(stage.reason, "samples are being dropped: a target has more series than it may have");
}

#[test]
fn a_collector_without_any_target_that_answers_is_degraded() {
    let collector = |up: &[f64]| {
        let names: Vec<String> =
            (0..up.len()).map(|i| format!("up{{instance=\"10.0.0.{i}:9100\",job=\"node\"}}")).collect();
        let rows: Vec<_> = names.iter().zip(up).map(|(name, up)| (name.as_str(), 1.0, *up)).collect();
        stage_of(&live(&rows), &Health::default(), StageId::Collector)
    };
    let all = collector(&[0.0, 0.0]);
    assert_eq!(all.status, StageStatus::Degraded);
    assert_eq!(all.reason, "all 2 targets are down: 10.0.0.0:9100 node, 10.0.0.1:9100 node");
    assert_eq!(collector(&[0.0]).reason, "the only target is down: 10.0.0.0:9100 node");
    let one = collector(&[1.0, 0.0]);
    assert_eq!((one.status, one.note.as_str()), (StageStatus::Ok, "1 of 2 targets down: 10.0.0.1:9100 node"));
    assert_eq!(collector(&[1.0]).note, "");
}

#[test]
fn a_partition_that_has_moved_is_as_late_as_who_has_it_says() {
    let of = |instance: &str| {
        format!(r#"sentinel_processor_watermark_lag_seconds{{instance="{instance}",partition="2"}}"#)
    };
    let all = live(&[(&of("processor-1"), 208.0, 208.0)]);
    let stage = || stage_of(&all, &Health::default(), StageId::Processor);
    assert_eq!((stage().status, stage().lag_seconds), (StageStatus::Degraded, Some(208.0)));
    for start_s in [20, 50] {
        all.apply(window(start_s, &[(&of("processor-2"), 35.0)]), Timestamp::from_secs(start_s));
    }
    assert_eq!((stage().status, stage().lag_seconds), (StageStatus::Ok, Some(35.0)));
}

#[test]
fn the_worst_component_decides() {
    let health = Health::default();
    health.component("metric-store").ready();
    health.component("processor/windows").degraded("no commit");
    health.component("processor/logs").set(ComponentState::Failed("gone".into()));
    let stage = stage_of(&live(&[]), &health, StageId::Processor);
    assert_eq!((stage.status, stage.reason.as_str()), (StageStatus::Failed, "gone (and 1 more)"));
    assert_eq!(stage_of(&live(&[]), &health, StageId::MetricStore).status, StageStatus::Ok);
}

#[test]
fn what_ails_another_process_shows_with_its_name_until_that_is_over() {
    let health = Health::default();
    let of = |process: &str, instance: &str, part: &str, state: &str, reason: &str| {
        let labels = format!(
            r#"process="{process}",instance="{instance}",component="{part}",state="{state}",reason="{reason}""#
        );
        format!("sentinel_runtime_component_state{{{labels}}}")
    };
    let state =
        |instance: &str, part: &str, state: &str, reason: &str| of("1", instance, part, state, reason);
    let series = [
        state("collector-1", "collector/logs", "degraded", "too many streams"),
        state("collector-2", "collector/logs", "ready", ""),
        state("collector-2", "bus", "starting", ""),
        // Some targets are always away, which is told beside.
        state("collector-2", "collector/targets", "degraded", "1 of 9 is down"),
        // Of this process: it speaks for itself.
        of(health.process(), "api-1", "api", "failed", "gone"),
    ];
    let metrics: Vec<(&str, f64, f64)> = series.iter().map(|series| (series.as_str(), 1.0, 1.0)).collect();
    let all = live(&metrics);
    let told = |id| {
        let stage = stage_of(&all, &health, id);
        (stage.status, stage.reason)
    };
    assert_eq!(told(StageId::Collector), (StageStatus::Degraded, "collector-1: too many streams".into()));
    assert_eq!(told(StageId::Bus), (StageStatus::Degraded, "collector-2: it is starting".into()));
    assert_eq!(told(StageId::Api), (StageStatus::Ok, String::new()));

    // A window later another state of the same part.
    let ready = state("collector-1", "collector/logs", "ready", "");
    all.apply(window(20, &[(ready.as_str(), 1.0)]), Timestamp::from_secs(30));
    assert_eq!(stage_of(&all, &Health::default(), StageId::Collector).status, StageStatus::Ok);
}

#[test]
fn lag_counts_from_where_a_group_is_and_not_from_where_it_would_replay() {
    let offsets = TopicOffsets { partitions: vec![(100, 500), (0, 10)] };
    let commit = |offset, metadata: &str| Some(Commit { offset, metadata: metadata.to_owned() });
    assert_eq!(lag(&offsets, &[commit(450, ""), commit(10, "")]), 50);
    assert_eq!(lag(&offsets, &[commit(150, r#"{"v":1,"p":490}"#), commit(10, "")]), 10);
    assert_eq!(lag(&offsets, &[commit(150, "490"), commit(10, "")]), 10);
    assert_eq!(lag(&offsets, &[commit(20, ""), None]), 400 + 10, "what retention removed is no lag");
}
