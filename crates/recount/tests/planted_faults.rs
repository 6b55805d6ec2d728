//! The real processor between a bus and stores in memory: a healthy run is clean, and each fault that is planted is
//! found, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use sentinel_bus::{Bus as _, Outgoing, Record, Route};
use sentinel_metric_store::{MetricReader as _, MetricWriter as _, Row, WindowRows};
use sentinel_model::{
    Aggregate, Labels, LogSeverity, MetricKind, Point, Resolution, Selector, Series, SeriesRef, StreamKey,
    Timestamp, Topic, Window,
};
use sentinel_processor::{Processor, ProcessorConfig, ProcessorHandles, RuleConfig};
use sentinel_proto::{EncoderConfig, MetricEncoder, Scrape, Wire as _, punctuation};
use sentinel_recount::{Books, FindingKind, Progress, Report, Rule, RuleAction, Span, recount};
use sentinel_runtime::{Health, Registry, Service as _, Shutdown, spawn};
use sentinel_testkit::build::{NOW, event, event_batch, line, log_batch};
use sentinel_testkit::{MemoryBus, MemoryLogs, MemoryMetrics, wait_until};

/// Frames of each target, one every 10 s.
const N_FRAMES: i64 = 42;
const TARGETS: [&str; 3] = ["a", "b", "c"];
const N_SERIES: usize = 5;
/// Everything that is published here lies in it.
const SPAN: Span = Span { from: NOW, to: NOW.saturating_add_millis(420_000) };

struct World {
    bus: MemoryBus,
    metrics: Arc<MemoryMetrics>,
    logs: Arc<MemoryLogs>,
}

/// What happens to the frames of target `a` on their way.
#[derive(Clone, Copy, PartialEq)]
enum Planted {
    Nothing,
    /// This frame never arrives.
    Lost(usize),
    /// This frame arrives once more at the end.
    Twice(usize),
    /// A sample of this frame is stamped 10 minutes too early.
    Late(usize),
}

fn series(target: &str) -> Vec<Series> {
    let of = |i: usize| {
        let kind = if i == 0 { MetricKind::Counter } else { MetricKind::Gauge };
        let pairs = [("__name__", format!("m{i}")), ("instance", target.to_owned())];
        Series { labels: Labels::from_pairs(pairs).expect("unique names"), kind }
    };
    (0..N_SERIES).map(of).collect()
}

fn message(topic: Topic, key: &str, value: Bytes, timestamp: Timestamp) -> Outgoing {
    let record =
        Record { key: Bytes::copy_from_slice(key.as_bytes()), value, headers: Vec::new(), timestamp };
    Outgoing { topic, route: Route::ByKey, record }
}

fn at(frame: i64) -> Timestamp {
    NOW.saturating_add_millis(frame * 10_000 + 3_000)
}

fn frames(target: &str, planted: Planted) -> Vec<Outgoing> {
    let stream = StreamKey { cluster: "test".into(), collector: "c1".into(), target: target.into() };
    let mut encoder = MetricEncoder::new(stream, 7, EncoderConfig::default());
    let series = series(target);
    let mut messages = Vec::new();
    for frame in 0..N_FRAMES {
        let scraped = at(frame);
        let point = |i: usize| {
            let is_late = planted == Planted::Late(frame as usize) && i == 1;
            Point {
                series: SeriesRef(i as u32),
                timestamp: if is_late { scraped.saturating_sub_millis(600_000) } else { scraped },
                value: (frame as f64).sin() * 10.0 + i as f64,
            }
        };
        let points: Vec<Point> = (0..N_SERIES).map(point).collect();
        let scrape = Scrape { scraped, progress: scraped, series: &series, points: &points };
        let encoded = encoder.encode(&scrape).bytes;
        messages.push(message(Topic::Metrics, &format!("test/{target}"), encoded, scraped));
    }
    match planted {
        Planted::Lost(frame) => drop(messages.remove(frame)),
        Planted::Twice(frame) => messages.push(messages[frame].clone()),
        Planted::Nothing | Planted::Late(_) => {}
    }
    messages
}

fn documents() -> Vec<Outgoing> {
    let mut messages = Vec::new();
    for i in 0..30_u64 {
        let time = at(i as i64);
        let text = |n: u64| format!("line {i}-{n}");
        let lines = (0..3).map(|n| line("web-1", LogSeverity::Info, &text(n), time)).collect();
        let batch = sentinel_model::LogBatch { epoch: 3, sequence: i, ..log_batch(lines) };
        messages.push(message(Topic::Logs, "test/web-1", batch.encode(), time));
        let state = event(&format!("uid-{}", i / 3), "BackOff", "web-1", time);
        let batch = sentinel_model::EventBatch { epoch: 3, sequence: i, ..event_batch(vec![state]) };
        messages.push(message(Topic::Events, "test/web", batch.encode(), time));
    }
    messages
}

fn config() -> ProcessorConfig {
    let relabel = RuleConfig::SetLabels {
        selector: "m4".to_owned(),
        labels: [("team".to_owned(), "web".to_owned())].into(),
    };
    let drop = RuleConfig::Drop { selector: "m3{instance=\"c\"}".to_owned() };
    ProcessorConfig {
        rules: vec![relabel, drop],
        commit_interval: Duration::from_millis(20),
        ..ProcessorConfig::default()
    }
}

/// The same rules, as the recount takes them.
fn rules() -> Vec<Rule> {
    let selector = |text: &str| Selector::parse(text).expect("a selector");
    vec![
        Rule { selector: selector("m4"), action: RuleAction::SetLabels(vec![("team".into(), "web".into())]) },
        Rule { selector: selector("m3{instance=\"c\"}"), action: RuleAction::Drop },
    ]
}

impl World {
    /// Publishes everything, lets the processor store it, and stops it.
    async fn with(planted: Planted) -> Self {
        let world = Self {
            bus: MemoryBus::default(),
            metrics: Arc::new(MemoryMetrics::default()),
            logs: Arc::new(MemoryLogs::default()),
        };
        let planted = |target| if target == "a" { planted } else { Planted::Nothing };
        let mut messages: Vec<Outgoing> =
            TARGETS.into_iter().flat_map(|target| frames(target, planted(target))).collect();
        messages.sort_by_key(|message| message.record.timestamp);
        world.bus.publish(messages).await.expect("no outage");
        world.bus.publish(documents()).await.expect("no outage");
        let end = SPAN.to.saturating_add_millis(120_000);
        for partition in 0..world.bus.n_partitions(Topic::Metrics) {
            let value = punctuation("test", "c1", 7, end);
            let message = message(Topic::Metrics, "", value, end);
            let message = Outgoing { route: Route::Partition(partition), ..message };
            world.bus.publish(vec![message]).await.expect("no outage");
        }
        world.process().await;
        world
    }

    async fn process(&self) {
        let handles = ProcessorHandles {
            bus: Arc::new(self.bus.clone()),
            metrics: Arc::clone(&self.metrics) as _,
            logs: Arc::clone(&self.logs) as _,
            settings: sentinel_settings::Settings::new(Arc::new(self.bus.clone())),
            health: Health::default(),
        };
        let processor = Processor::build(config(), handles, &mut Registry::default()).expect("a processor");
        let (trigger, shutdown) = Shutdown::new();
        let task = spawn("processor", processor.run(shutdown));
        let newest = SPAN.to.saturating_sub_millis(60_000);
        wait_until("the last minute of every target, and all lines", || {
            let query = sentinel_metric_store::RangeQuery {
                selector: Selector::metric("m2"),
                range: sentinel_metric_store::TimeRange { start: newest, end: SPAN.to },
                resolution: Resolution::OneMinute,
                field: sentinel_model::Field::Count,
                max_series: 100,
                max_points: 1_000,
            };
            let last = block_on(self.metrics.range(&query)).expect("no outage");
            let n =
                block_on(sentinel_log_store::LogReader::stats(&*self.logs)).expect("no outage").n_documents;
            last.len() == TARGETS.len() && n == 90 + 10
        })
        .await;
        trigger.trigger();
        task.await.expect("it stops");
    }

    async fn recount(&self, span: Span) -> Report {
        let books = Books {
            bus: Arc::new(self.bus.clone()),
            metrics: Arc::clone(&self.metrics) as _,
            logs: Arc::clone(&self.logs) as _,
            rules: rules(),
        };
        recount(&books, span, &Progress::default()).await.expect("everything can be read")
    }
}

/// Kinds and subjects of the findings.
fn found(report: &Report) -> Vec<(FindingKind, String)> {
    assert_eq!(report.not_checked, [], "everything was checked");
    report.findings.iter().map(|finding| (finding.kind, finding.subject.clone())).collect()
}

#[tokio::test]
async fn a_healthy_run_is_clean_and_everything_was_counted() {
    let world = World::with(Planted::Nothing).await;
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), []);
    let totals = report.totals;
    assert_eq!((totals.n_streams, totals.n_frames), (3, 3 * N_FRAMES as u64));
    assert_eq!(totals.n_samples, 3 * 5 * N_FRAMES as u64);
    assert_eq!((totals.n_series, totals.n_series_checked), (14, 14), "one is dropped by a rule");
    assert_eq!(totals.n_windows, 14 * (42 + 7));
    assert_eq!(totals.n_values, 2 * 5 * totals.n_windows, "on the bus, and in the store");
    assert_eq!((totals.n_lines, totals.n_events), (90, 10));
    assert!(report.is_clean());
}

#[tokio::test]
async fn a_frame_that_never_arrived_is_a_hole() {
    let world = World::with(Planted::Lost(20)).await;
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::Hole, "test/c1/a".to_owned())]);
    assert!(report.findings[0].detail.starts_with("numbers 20 to 20 of epoch 7 are missing"), "{report:?}");
}

#[tokio::test]
async fn a_frame_that_came_twice_is_a_double_and_changes_no_window() {
    let world = World::with(Planted::Twice(20)).await;
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::Double, "test/c1/a".to_owned())]);
}

#[tokio::test]
async fn a_late_sample_is_in_the_dead_letters_and_is_no_loss() {
    let world = World::with(Planted::Late(20)).await;
    let early = Span { from: SPAN.from.saturating_sub_millis(600_000), to: SPAN.to };
    let report = world.recount(early).await;
    assert_eq!(found(&report), []);
    assert_eq!(report.totals.n_samples, 3 * 5 * N_FRAMES as u64);
    assert_eq!(report.totals.n_windows, 14 * (42 + 7) - 1, "the window of 10 s that lacks it has no other");
}

fn window(resolution: Resolution, minute: i64) -> Window {
    Window { resolution, start: SPAN.from.saturating_add_millis(minute * 60_000) }
}

#[tokio::test]
async fn a_window_that_the_store_lost_is_missing() {
    let world = World::with(Planted::Nothing).await;
    let labels = series("b")[2].labels.clone();
    assert!(world.metrics.lose(&labels, window(Resolution::TenSeconds, 3)));
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::WindowMissing, labels.to_string())]);
    assert!(report.findings[0].detail.contains("it was published, and the store does not have it"));
}

async fn write(world: &World, series: Series, window: Window, value: f64) {
    let row = Row { id: series.labels.id(), series, aggregate: Aggregate::Single(value) };
    world.metrics.write([WindowRows { window, rows: vec![row] }].into()).await.expect("no outage");
}

#[tokio::test]
async fn a_window_that_was_changed_in_the_store_differs() {
    let world = World::with(Planted::Nothing).await;
    let changed = series("b")[1].clone();
    write(&world, changed.clone(), window(Resolution::OneMinute, 2), 1.0).await;
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::WindowDiffers, changed.labels.to_string())]);
    assert!(report.findings[0].detail.contains("count is 1 instead of 6"), "{report:?}");
}

#[tokio::test]
async fn a_window_that_nobody_sent_is_unexpected() {
    let world = World::with(Planted::Nothing).await;
    let stranger = series("z")[1].clone();
    write(&world, stranger.clone(), window(Resolution::TenSeconds, 2), 1.0).await;
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::WindowUnexpected, stranger.labels.to_string())]);
}

#[tokio::test]
async fn a_line_and_an_event_that_the_store_lost_are_missing() {
    let world = World::with(Planted::Nothing).await;
    assert_eq!(world.logs.lose(|text| text == "line 7-1"), 1);
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::LineMissing, "web-1".to_owned())]);
    let n_events = world.logs.lose(|text| !text.starts_with("line "));
    let report = world.recount(SPAN).await;
    assert_eq!(report.n_findings[&FindingKind::EventMissing], n_events as u64);
}

#[tokio::test]
async fn what_is_open_or_waits_is_told_and_not_passed_in_silence() {
    let world = World::with(Planted::Nothing).await;
    let late = frames("d", Planted::Nothing);
    world.bus.publish(late).await.expect("no outage");
    let mut lines = documents();
    lines.retain(|message| message.topic == Topic::Logs);
    world.bus.publish(lines.split_off(29)).await.expect("no outage");
    let report = world.recount(Span { to: SPAN.to.saturating_add_millis(600_000), ..SPAN }).await;
    let told: Vec<&str> = report.not_checked.iter().map(|left_out| left_out.reason.as_str()).collect();
    assert_eq!(told, ["they wait to be read by the processor", "they wait to be stored"], "{report:?}");
    let kinds: Vec<FindingKind> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Double], "the batch of lines came twice");
    assert!(!report.is_clean());
}

#[tokio::test]
async fn batches_may_change_places_and_must_all_come() {
    let world = World::with(Planted::Nothing).await;
    let batch = |sequence| {
        let batch = sentinel_model::LogBatch { epoch: 3, sequence, ..log_batch(Vec::new()) };
        message(Topic::Logs, "test/web-1", batch.encode(), at(31))
    };
    world.bus.publish(vec![batch(31), batch(30), batch(34), batch(33)]).await.expect("no outage");
    world.process().await;
    let report = world.recount(SPAN).await;
    assert_eq!(found(&report), [(FindingKind::Hole, "test/web-1 of c1".to_owned())]);
    assert!(report.findings[0].detail.starts_with("numbers 32 to 32 of epoch 3 are missing"), "{report:?}");
}

#[tokio::test]
async fn a_cancelled_recount_ends() {
    let world = World::with(Planted::Nothing).await;
    let books = Books {
        bus: Arc::new(world.bus.clone()),
        metrics: Arc::clone(&world.metrics) as _,
        logs: Arc::clone(&world.logs) as _,
        rules: Vec::new(),
    };
    let progress = Progress::default();
    progress.cancel();
    assert!(recount(&books, SPAN, &progress).await.is_err());
}

#[tokio::test]
async fn a_time_of_which_nothing_is_left_is_no_all_clear() {
    let world = World::with(Planted::Nothing).await;
    let day = 86_400_000;
    let before =
        Span { from: SPAN.from.saturating_sub_millis(2 * day), to: SPAN.from.saturating_sub_millis(day) };
    let report = world.recount(before).await;
    assert!(!report.is_clean() && report.n_findings.is_empty(), "{report:?}");
    assert!(report.not_checked[0].reason.contains("nothing of this time"), "{report:?}");
}
