//! Rows reach the store once, whatever fails.

use parking_lot::Mutex;
use sentinel_bus::Record;
use sentinel_metric_store::{MetricStoreError, WriteReport};
use sentinel_model::{
    Aggregate, Labels, MetricKind, Resolution, RetentionSetting, Series, SeriesRef, Window,
};
use sentinel_proto::{EncoderConfig, RollupEncoder};
use sentinel_testkit::{MemoryBus, Outage};

use super::*;
use crate::testing::{dead_letters, delivered, end_after_failure, pipeline, place, record, running};

/// Remembers every write that succeeded.
#[derive(Default)]
struct Store {
    writes: Mutex<Vec<Vec<WindowRows>>>,
    outage: Outage,
    /// A value that it will never take.
    refused: Option<f64>,
}

#[async_trait]
impl MetricWriter for Store {
    async fn write(&self, windows: Arc<[WindowRows]>) -> Result<WriteReport, MetricStoreError> {
        if self.outage.is_on() {
            return Err(MetricStoreError::Storage { message: "an outage on purpose".into() });
        }
        let (mut rejected, mut windows) = (Vec::new(), windows.to_vec());
        for WindowRows { window, rows } in &mut windows {
            let bad = rows.extract_if(.., |row| Some(row.aggregate.last()) == self.refused);
            rejected.extend(bad.map(|row| RejectedRow { window: *window, row, reason: "bad line".into() }));
        }
        let n_written = windows.iter().map(|window| window.rows.len()).sum();
        self.writes.lock().push(windows);
        Ok(WriteReport { n_written, rejected, ..WriteReport::default() })
    }

    async fn keep(&self, _: &RetentionSetting) -> Result<(), MetricStoreError> {
        Ok(())
    }
}

impl Store {
    /// Sizes of the writes, in rows.
    fn sizes(&self) -> Vec<usize> {
        let n_rows = |write: &Vec<WindowRows>| write.iter().map(|window| window.rows.len()).sum();
        self.writes.lock().iter().map(n_rows).collect()
    }

    /// Starts of the windows in seconds, each as often as it was written.
    fn starts(&self) -> Vec<i64> {
        let writes = self.writes.lock();
        writes.iter().flatten().map(|rows| rows.window.start.as_millis() / 1_000).collect()
    }
}

fn series(n_series: u32) -> Vec<Series> {
    let labels = |i: u32| Labels::from_pairs([("i", i.to_string())]).expect("unique");
    (0..n_series).map(|i| Series { labels: labels(i), kind: MetricKind::Gauge }).collect()
}

/// A value of each series.
fn values(n_series: u32) -> (Vec<Series>, Vec<Rollup>) {
    let rollup = |i| Rollup { series: SeriesRef(i), aggregate: Aggregate::Single(f64::from(i)) };
    (series(n_series), (0..n_series).map(rollup).collect())
}

/// Windows of `n_series` series each, every `key_interval`th a key frame.
fn windows(resolution: Resolution, n_series: u32, n_windows: i64, key_interval: u32) -> Vec<Record> {
    let config = EncoderConfig { key_interval, ..EncoderConfig::default() };
    let mut encoder = RollupEncoder::new("p0/0".into(), 1, config);
    let (series, rollups) = values(n_series);
    let window = |i: i64| Window { resolution, start: Timestamp::from_millis(i * resolution.as_millis()) };
    (0..n_windows)
        .map(|i| record(encoder.encode(window(i), true, &series, &rollups).bytes, resolution.as_str()))
        .collect()
}

struct Run {
    stage: MetricStoreStage,
    store: Arc<Store>,
    bus: MemoryBus,
    trigger: sentinel_runtime::ShutdownTrigger,
}

impl Run {
    fn new(commit: Option<&Commit>) -> Self {
        let (bus, store) = (MemoryBus::default(), Arc::new(Store::default()));
        let (trigger, shutdown) = running();
        let pipeline = pipeline("metric-store", Topic::Rollups, Arc::new(bus.clone()));
        let mut stage =
            MetricStoreStage::new(pipeline, Arc::clone(&store) as Arc<dyn MetricWriter>, shutdown);
        stage.assigned(place(Topic::Rollups), commit);
        Self { stage, store, bus, trigger }
    }

    async fn feed(&mut self, records: &[Record], from: u64) -> Result<(), Stopped> {
        self.stage.handle(delivered(Topic::Rollups, from, records)).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_tried_again_and_nothing_is_lost_or_doubled() {
    let mut run = Run::new(None);
    run.store.outage.begin();
    let (metrics, store) = (run.stage.pipeline.metrics.clone(), Arc::clone(&run.store));
    let records = windows(Resolution::TenSeconds, 3, 5, 2);
    let (handled, ()) =
        tokio::join!(run.feed(&records, 0), end_after_failure(&metrics, "metric-store", &store.outage));
    assert_eq!(handled, Ok(()));
    assert_eq!(run.store.starts(), [0, 10, 20, 30, 40]);
    assert_eq!(run.stage.pipeline.metrics.stored_windows.get(), 15);
}

#[tokio::test]
async fn rows_that_the_store_will_never_take_become_dead_letters_that_can_be_put_back() {
    let mut run = Run::new(None);
    let picky = Store { refused: Some(2.0), ..Store::default() };
    run.stage.writer = Arc::new(picky);
    run.feed(&windows(Resolution::OneMinute, 4, 3, 2), 7).await.expect("not stopped");
    assert_eq!(run.stage.pipeline.metrics.stored_windows.get(), 9);
    let letters = dead_letters(&run.bus);
    let offsets: Vec<u64> = letters.iter().map(|letter| letter.offset).collect();
    assert_eq!(offsets, [7, 8, 9], "a letter for each window, told by its message");
    assert!(
        letters[0].detail.contains("bad line") && letters[0].detail.contains("i=\"2\""),
        "{:?}",
        letters[0]
    );
    run.stage.writer = Arc::clone(&run.store) as Arc<dyn MetricWriter>;
    let back: Vec<Record> = letters.iter().map(|letter| record(letter.value.clone(), "1m")).collect();
    run.feed(&back, 10).await.expect("not stopped");
    assert_eq!((run.store.starts(), run.store.sizes()), (vec![0, 60, 120], vec![3]));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_while_the_store_fails_commits_nothing_of_the_batch() {
    let mut run = Run::new(None);
    run.store.outage.begin();
    run.trigger.trigger();
    assert_eq!(run.feed(&windows(Resolution::TenSeconds, 3, 5, 2), 0).await, Err(Stopped));
    assert!(run.store.starts().is_empty());
}

#[tokio::test]
async fn a_restart_goes_on_behind_the_last_window_that_was_written() {
    let records = windows(Resolution::TenSeconds, 3, 12, 5);
    for commit_at in 1..records.len() {
        let mut first = Run::new(None);
        first.feed(&records[..commit_at], 0).await.expect("not stopped");
        let (_, commit) = first.stage.commits().pop().expect("something was read");
        assert!(commit.offset.is_multiple_of(5), "a key frame");
        let mut second = Run::new(Some(&commit));
        second.feed(&records[commit.offset as usize..], commit.offset).await.expect("not stopped");
        let starts: Vec<i64> = (commit_at as i64..12).map(|i| i * 10).collect();
        assert_eq!(second.store.starts(), starts);
        let rows = second.store.writes.lock();
        let is_right = |(row, series): (&Row, &Series)| row.series == *series && row.id == series.labels.id();
        assert!(rows.iter().flatten().all(|window| window.rows.iter().zip(&series(3)).all(is_right)));
    }
}

#[tokio::test]
async fn a_write_has_a_bound_however_large_the_window() {
    let mut run = Run::new(None);
    let n_series = 2 * MAX_ROWS as u32 + 100;
    run.feed(&windows(Resolution::OneMinute, n_series, 2, 5), 0).await.expect("not stopped");
    assert_eq!(run.store.sizes(), [MAX_ROWS, MAX_ROWS, MAX_ROWS, MAX_ROWS, 200]);
}

#[tokio::test]
async fn windows_that_close_together_are_written_narrowest_first() {
    let mut run = Run::new(None);
    let records: Vec<Record> = [(Resolution::OneMinute, 120), (Resolution::TenSeconds, 170)]
        .into_iter()
        .flat_map(|(resolution, start_s)| {
            let mut encoder = RollupEncoder::new(resolution.as_str().into(), 1, EncoderConfig::default());
            let (series, rollups) = values(MAX_ROWS as u32);
            let window = Window { resolution, start: Timestamp::from_secs(start_s) };
            [record(encoder.encode(window, true, &series, &rollups).bytes, resolution.as_str())]
        })
        .collect();
    run.feed(&records, 0).await.expect("not stopped");
    assert_eq!((run.store.starts(), run.store.sizes()), (vec![170, 120], vec![MAX_ROWS, MAX_ROWS]));
}

#[tokio::test]
async fn wide_windows_hold_no_state_and_no_commit() {
    let mut run = Run::new(None);
    run.feed(&windows(Resolution::OneHour, 3, 4, 1), 0).await.expect("not stopped");
    assert_eq!(run.store.starts(), [0, 3_600, 7_200, 10_800]);
    assert!(run.stage.partitions[&0].series("p0/0").is_empty());
    assert_eq!(run.stage.commits().pop().expect("something was read").1.offset, 4);
}

#[tokio::test]
async fn what_cannot_be_read_becomes_a_dead_letter_and_the_rest_is_written() {
    let mut records = windows(Resolution::TenSeconds, 3, 12, 5);
    records.remove(2);
    records.insert(6, record(bytes::Bytes::from_static(b"\x01\x00junk"), "10s"));
    let mut run = Run::new(None);
    run.feed(&records, 0).await.expect("not stopped");
    let letters = dead_letters(&run.bus);
    let found: Vec<_> = letters.iter().map(|letter| (letter.offset, letter.reason.as_str())).collect();
    assert_eq!(found, [(2, "missing_base"), (3, "missing_base"), (6, "corrupt")]);
    assert_eq!(run.store.starts(), [0, 10, 50, 60, 70, 80, 90, 100, 110]);
}
