//! What each hop counts of canaries: loss and doubles, and never a replay.

use std::sync::Arc;

use sentinel_bus::{Commit, Record};
use sentinel_log_store::DocumentKind;
use sentinel_model::{
    CANARY_LIFE, CANARY_SENT, CANARY_SEQUENCE, Labels, LogSeverity, METRIC_NAME, MetricKind, Point, Series,
    SeriesRef, Topic,
};
use sentinel_proto::{EncoderConfig, MetricEncoder, Scrape, Wire as _};
use sentinel_testkit::{MemoryBus, MemoryLogs, MemoryMetrics, build};

use super::*;
use crate::config::ProcessorConfig;
use crate::pipeline::Stage;
use crate::pipelines::documents::DocumentsStage;
use crate::pipelines::metric_store::MetricStoreStage;
use crate::pipelines::windows::WindowsStage;
use crate::rules::Rules;
use crate::testing::{delivered, pipeline, place, record, running};

const START_S: i64 = 1_795_255_200;
const LIFE: u64 = 1_795_255_200_000;

/// One beat a second of collector `a`, a key frame every tenth.
fn beats(n: i64) -> Vec<Record> {
    let stream = StreamKey { cluster: "c".into(), collector: "a".into(), target: "canary/a".into() };
    let config = EncoderConfig { key_interval: 10, ..EncoderConfig::default() };
    let mut encoder = MetricEncoder::new(stream, LIFE, config);
    let series = [CANARY_SEQUENCE, CANARY_SENT, CANARY_LIFE].map(|metric| {
        let pairs = [(METRIC_NAME, metric), ("cluster", "c"), ("collector", "a")];
        Series { labels: Labels::from_pairs(pairs).expect("unique names"), kind: MetricKind::Gauge }
    });
    let frame = |i: i64| {
        let scraped = Timestamp::from_secs(START_S + i);
        let values = [i as f64, scraped.as_secs_f64(), LIFE as f64 / 1_000.0];
        let point = |(s, value)| Point { series: SeriesRef(s), timestamp: scraped, value };
        let points: Vec<Point> = (0..).zip(values).map(point).collect();
        let scrape = Scrape { scraped, progress: scraped, series: &series, points: &points };
        record(encoder.encode(&scrape).bytes, "")
    };
    (0..n).map(frame).collect()
}

/// Feeds a windows stage that begins at `commit`; gives what it counted and would commit.
async fn windows(bus: &MemoryBus, commit: Option<&Commit>, records: &[Record]) -> ([u64; 3], Commit) {
    let (_trigger, shutdown) = running();
    let pipeline = pipeline("windows", Topic::Metrics, Arc::new(bus.clone()));
    let metrics = pipeline.metrics.clone();
    let limits = ProcessorConfig::default().window_limits();
    let mut stage = WindowsStage::new(pipeline, limits, Arc::new(Rules::default()), shutdown);
    stage.assigned(place(Topic::Metrics), commit);
    let from = commit.map_or(0, |commit| commit.offset);
    let records = delivered(Topic::Metrics, from, &records[from as usize..]);
    stage.handle(records).await.expect("not stopped");
    let (_, commit) = stage.commits().pop().expect("something was read");
    (metrics.canaries.counts(hop::BUS), commit)
}

/// What the hops behind the rollups topic have counted of everything that lies on it.
async fn stored(bus: &MemoryBus) -> [[u64; 3]; 2] {
    let (_trigger, shutdown) = running();
    let pipeline = pipeline("metric-store", Topic::Rollups, Arc::new(bus.clone()));
    let metrics = pipeline.metrics.clone();
    let mut stage = MetricStoreStage::new(pipeline, Arc::new(MemoryMetrics::default()), shutdown);
    stage.assigned(place(Topic::Rollups), None);
    let records = delivered(Topic::Rollups, 0, &bus.records(Topic::Rollups));
    stage.handle(records).await.expect("not stopped");
    [hop::WINDOWS, hop::METRIC_STORE].map(|hop| metrics.canaries.counts(hop))
}

#[tokio::test]
async fn an_undisturbed_canary_passes_every_hop_once() {
    let bus = MemoryBus::default();
    let (counts, _) = windows(&bus, None, &beats(100)).await;
    assert_eq!(counts, [100, 0, 0]);
    // 30 s of lateness keep the last windows open.
    assert_eq!(stored(&bus).await, [[60, 0, 0]; 2]);
}

#[tokio::test]
async fn a_beat_that_is_lost_and_one_that_comes_twice_are_counted_at_the_hops_that_see_it() {
    let bus = MemoryBus::default();
    let mut records = beats(100);
    let twice = records[30].clone();
    records.insert(31, twice);
    records.remove(19);
    let (counts, _) = windows(&bus, None, &records).await;
    assert_eq!(counts, [99, 1, 1]);
    assert_eq!(stored(&bus).await, [[59, 1, 0]; 2], "a frame that comes twice is in its window once");
}

#[tokio::test]
async fn a_replay_counts_nothing_again_and_finds_what_was_lost_while_nobody_read() {
    let bus = MemoryBus::default();
    let records = beats(100);
    let (first, commit) = windows(&bus, None, &records[..50]).await;
    let (second, _) = windows(&bus, Some(&commit), &records).await;
    assert_eq!((first, second), ([50, 0, 0], [50, 0, 0]));
    let mut holed = records.clone();
    holed.remove(50);
    let (third, _) = windows(&MemoryBus::default(), Some(&commit), &holed).await;
    assert_eq!(third[1], 10, "what cannot be read without it is missing too, until the next key frame");
}

fn line(sequence: u64) -> Record {
    let sent = Timestamp::from_secs(START_S + sequence as i64);
    let beat = CanaryBeat { life: LIFE, sequence, sent };
    let mut line = build::line("a", LogSeverity::Info, &beat.to_string(), sent);
    line.namespace = CANARY_NAMESPACE.into();
    record(build::log_batch(vec![line]).encode(), "")
}

#[tokio::test]
async fn lines_are_counted_once_they_are_stored() {
    let (_trigger, shutdown) = running();
    let pipeline = pipeline("logs", Topic::Logs, Arc::new(MemoryBus::default()));
    let metrics = pipeline.metrics.clone();
    let store = Arc::new(MemoryLogs::default());
    let mut stage = DocumentsStage::new(pipeline, DocumentKind::Log, store, shutdown);
    stage.assigned(place(Topic::Logs), None);
    let records: Vec<Record> = [0, 1, 1, 4].into_iter().map(line).collect();
    stage.handle(delivered(Topic::Logs, 0, &records)).await.expect("not stopped");
    assert_eq!(metrics.canaries.counts(hop::LOG_STORE), [3, 2, 1]);
    stage.assigned(place(Topic::Logs), None);
    stage.handle(delivered(Topic::Logs, 3, &[line(4), line(5)])).await.expect("not stopped");
    assert_eq!(metrics.canaries.counts(hop::LOG_STORE), [5, 2, 1], "read again after a restart");
}
