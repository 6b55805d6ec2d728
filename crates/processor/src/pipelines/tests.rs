//! Samples on their way through both pipelines of windows, which end and begin anew at any point: what
//! is published in the end is what an undisturbed run publishes, and holds each sample once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sentinel_bus::{Bus as _, Commit, Delivered, Follower, PollLimit, Record, Start, TopicPartition};
use sentinel_model::{
    Aggregate, Labels, MetricBatch, MetricKind, Point, Resolution, Series, SeriesRef, StreamKey, Timestamp,
    Topic, Window,
};
use sentinel_proto::{EncoderConfig, MetricDecoder, MetricEncoder, RollupDecoder, Scrape};
use sentinel_runtime::{Shutdown, ShutdownTrigger};
use sentinel_testkit::MemoryBus;

use super::stage2::Stage2;
use super::windows::WindowsStage;
use crate::config::ProcessorConfig;
use crate::metrics::Resolved;
use crate::pipeline::{Pipeline, Stage};
use crate::rules::Rules;
use crate::testing::{dead_letters, delivered, pipeline, place, record, running};

/// A full hour.
const START_S: i64 = 1_795_255_200;
const STEP_S: i64 = 30;
/// As many as a topic of [`MemoryBus`] has.
const N_PARTITIONS: usize = 2;

/// Both stages on one bus, and what their consumer groups have committed.
struct Run {
    log: Vec<Record>,
    bus: MemoryBus,
    follower: Box<dyn Follower>,
    rollups: [Vec<Delivered>; N_PARTITIONS],
    windows: WindowsStage,
    windows_pipeline: Pipeline,
    windows_commit: Option<Commit>,
    windows_at: usize,
    /// The bus has dropped every message before it.
    first_left: usize,
    stage2: Stage2,
    stage2_pipeline: Pipeline,
    stage2_commits: [Option<Commit>; N_PARTITIONS],
    stage2_at: [usize; N_PARTITIONS],
    shutdown: Shutdown,
    _trigger: ShutdownTrigger,
}

/// What happens to the stages.
#[derive(Clone, Debug)]
enum Event {
    Windows(usize),
    CommitWindows,
    RestartWindows,
    Stage2(usize),
    CommitStage2,
    RestartStage2,
}

impl Run {
    async fn new(log: &[Record]) -> Self {
        let bus = MemoryBus::default();
        let (trigger, shutdown) = running();
        let windows_pipeline = pipeline("windows", Topic::Metrics, Arc::new(bus.clone()));
        let stage2_pipeline = pipeline("stage2", Topic::Rollups, Arc::new(bus.clone()));
        let mut run = Self {
            log: log.to_vec(),
            follower: bus.follow(Topic::Rollups, Start::Earliest).await.expect("no outage"),
            rollups: Default::default(),
            windows: windows_stage(&windows_pipeline, &shutdown),
            windows_pipeline,
            windows_commit: None,
            windows_at: 0,
            first_left: 0,
            stage2: Stage2::new(stage2_pipeline.clone(), shutdown.clone()),
            stage2_pipeline,
            stage2_commits: Default::default(),
            stage2_at: Default::default(),
            bus,
            shutdown,
            _trigger: trigger,
        };
        run.restart_windows();
        run.restart_stage2();
        run
    }

    /// Both stages see everything, and nothing happens to them.
    async fn undisturbed(log: &[Record]) -> Self {
        let mut run = Self::new(log).await;
        run.finish().await;
        run
    }

    async fn finish(&mut self) {
        self.feed_windows(usize::MAX).await;
        self.feed_stage2(usize::MAX).await;
        self.drain().await;
    }

    async fn meet(&mut self, event: &Event) {
        match event {
            Event::Windows(n) => self.feed_windows(*n).await,
            Event::CommitWindows => self.commit_windows(),
            Event::RestartWindows => self.restart_windows(),
            Event::Stage2(n) => self.feed_stage2(*n).await,
            Event::CommitStage2 => {
                for (at, commit) in self.stage2.commits() {
                    self.stage2_commits[at.partition as usize] = Some(commit);
                }
            }
            Event::RestartStage2 => self.restart_stage2(),
        }
    }

    async fn feed_windows(&mut self, n: usize) {
        let until = self.windows_at.saturating_add(n).min(self.log.len());
        let records = delivered(Topic::Metrics, self.windows_at as u64, &self.log[self.windows_at..until]);
        self.windows.handle(records).await.expect("not stopped");
        self.windows_at = until;
    }

    fn commit_windows(&mut self) {
        self.windows_commit =
            self.windows.commits().pop().map(|(_, commit)| commit).or(self.windows_commit.take());
    }

    /// As after kill -9: state is gone, and the next owner claims the partition before it reads.
    fn restart_windows(&mut self) {
        self.windows = windows_stage(&self.windows_pipeline, &self.shutdown);
        self.windows.assigned(place(Topic::Metrics), self.windows_commit.as_ref());
        self.windows_commit = self.windows.claim(place(Topic::Metrics));
        let committed = self.windows_commit.as_ref().map_or(0, |commit| commit.offset as usize);
        self.windows_at = committed.max(self.first_left);
    }

    /// Meanwhile the bus has dropped every message before `offset`.
    fn restart_windows_at(&mut self, offset: usize) {
        self.first_left = offset;
        self.restart_windows();
    }

    async fn feed_stage2(&mut self, n: usize) {
        self.drain().await;
        for (at, rollups) in self.stage2_at.iter_mut().zip(&self.rollups) {
            let until = at.saturating_add(n).min(rollups.len());
            self.stage2.handle(rollups[*at..until].to_vec()).await.expect("not stopped");
            *at = until;
        }
    }

    fn restart_stage2(&mut self) {
        for partition in 0..N_PARTITIONS {
            let at = TopicPartition { topic: Topic::Rollups, partition: partition as u32 };
            self.stage2.revoked(at);
            self.stage2.assigned(at, self.stage2_commits[partition].as_ref());
            self.stage2_commits[partition] = self.stage2.claim(at);
            self.stage2_at[partition] =
                self.stage2_commits[partition].as_ref().map_or(0, |commit| commit.offset as usize);
        }
    }

    /// Reads what the stages have published.
    async fn drain(&mut self) {
        let limit = PollLimit { max_records: usize::MAX, max_bytes: usize::MAX, wait: Duration::ZERO };
        for record in self.follower.poll(limit).await.expect("no outage") {
            self.rollups[record.position.at.partition as usize].push(record);
        }
    }

    /// Everything that was published, as a reader sees it that was there all the time.
    fn results(&self) -> Results {
        let mut decoder = RollupDecoder::new();
        let mut results = Results::new();
        for record in self.rollups.iter().flatten() {
            let batch = decoder.decode(&record.record.value).expect("readable by whoever follows");
            let series = |number: SeriesRef| match decoder.series(&batch.stream) {
                [] => batch.defined[number.0 as usize].1.clone(),
                known => known[number.0 as usize].clone(),
            };
            for rollup in &batch.rollups {
                let place = (batch.window, series(rollup.series).labels.to_string());
                if let Some(before) = results.insert(place, rollup.aggregate.clone()) {
                    assert_eq!(before, rollup.aggregate, "a window was published twice with different bits");
                }
            }
        }
        results
    }

    /// Samples that came too late, by series and time.
    fn late(&self) -> BTreeSet<(String, Timestamp)> {
        let letters = dead_letters(&self.bus).into_iter().filter(|letter| letter.reason == "late");
        letters.flat_map(|letter| samples(&mut MetricDecoder::new(), &letter.value)).collect()
    }

    fn n_cut(&self, resolution: &'static str) -> u64 {
        let of =
            |pipeline: &Pipeline| pipeline.metrics.cut_windows.get_or_create(&Resolved { resolution }).get();
        of(&self.windows_pipeline) + of(&self.stage2_pipeline)
    }
}

fn windows_stage(pipeline: &Pipeline, shutdown: &Shutdown) -> WindowsStage {
    let limits = ProcessorConfig::default().window_limits();
    WindowsStage::new(pipeline.clone(), limits, Arc::new(Rules::default()), shutdown.clone())
}

type Results = BTreeMap<(Window, String), Aggregate>;

/// Series and times of a frame that can be read.
fn samples(decoder: &mut MetricDecoder, bytes: &[u8]) -> Vec<(String, Timestamp)> {
    // Numbers stay until the next key frame, but the decoder keeps them to itself.
    let Ok(MetricBatch { points, .. }) = decoder.decode(bytes) else { return Vec::new() };
    points.into_iter().map(|point| (name(point.value), point.timestamp)).collect()
}

/// Values tell their series: `i` is in the hundred-thousands.
fn name(value: f64) -> String {
    labels((value / 1e5) as usize).to_string()
}

fn labels(i: usize) -> Labels {
    let labels = [("__name__", "m".to_owned()), ("i", i.to_string()), ("node", format!("n{}", i % 5))];
    Labels::from_pairs(labels).expect("unique names")
}

/// One collector with one target of four series: a gauge, two counters, and a gauge whose source shows
/// each sample again until it has a newer one.
struct Source {
    first: usize,
    collector: &'static str,
    encoder: MetricEncoder,
    series: Vec<Series>,
}

impl Source {
    fn new(collector: &'static str, first: usize) -> Self {
        let kind = |i: usize| if i % 4 == 1 || i % 4 == 2 { MetricKind::Counter } else { MetricKind::Gauge };
        let series = |i| Series { labels: labels(i), kind: kind(i) };
        Self {
            first,
            collector,
            encoder: encoder(collector, 1),
            series: (first..first + 4).map(series).collect(),
        }
    }

    fn restart(&mut self, epoch: u64) {
        self.encoder = encoder(self.collector, epoch);
    }

    fn scrape(&mut self, at_s: i64, dice: u8, is_rough: bool) -> Record {
        let grown = (at_s - START_S) as f64;
        let value = |n: usize, value: f64| (self.first + n) as f64 * 1e5 + value / 7.0;
        let at_ms = at_s * 1_000;
        // No other sample of the series has this time.
        let behind_ms = if dice % 8 == 5 && is_rough { 200_500 } else { i64::from(dice % 7) * 1_000 };
        let mut samples = vec![
            (0, at_ms, value(0, f64::from(dice))),
            (1, at_ms - behind_ms, value(1, grown)),
            (3, at_ms - at_ms % 70_000, value(3, (at_s / 70 % 50) as f64)),
        ];
        if !dice.is_multiple_of(4) {
            samples.push((2, at_ms - i64::from(dice % 3) * 1_000, value(2, grown * 1.5)));
        }
        samples.sort_by_key(|sample| sample.0);
        self.frame(at_s, &samples)
    }

    fn frame(&mut self, at_s: i64, samples: &[(u32, i64, f64)]) -> Record {
        let point = |(series, at_ms, value): &(u32, i64, f64)| Point {
            series: SeriesRef(*series),
            timestamp: Timestamp::from_millis(*at_ms),
            value: *value,
        };
        let points: Vec<Point> = samples.iter().map(point).collect();
        let scraped = Timestamp::from_secs(at_s);
        let scrape = Scrape { scraped, progress: scraped, series: &self.series, points: &points };
        record(self.encoder.encode(&scrape).bytes, "")
    }
}

fn encoder(collector: &str, epoch: u64) -> MetricEncoder {
    let stream = StreamKey {
        cluster: "c".into(),
        collector: collector.into(),
        target: format!("t-{collector}").into(),
    };
    MetricEncoder::new(stream, epoch, EncoderConfig { key_interval: 6, ..EncoderConfig::default() })
}

/// Two collectors, one scrape each by dice. The log begins amid their streams. One of them now and then says
/// nothing for minutes, and then sends what it held back, or not; starts anew; and loses a frame. Frames
/// come twice, at once or much later. Unless `is_rough`, no frame is lost or comes again
/// much later, and no sample is behind the watermark. What ends the log closes every window.
fn log(dice: &[u8], is_rough: bool) -> Vec<Record> {
    let (mut one, mut other) = (Source::new("a", 1), Source::new("b", 5));
    let (mut log, mut held) = (Vec::new(), Vec::new());
    for (step, dice) in (0..).zip(dice.iter().copied()) {
        let at_s = START_S + step * STEP_S;
        log.push(one.scrape(at_s, dice, is_rough));
        let is_quiet = (step / 9) % 4 == 2;
        let frame = other.scrape(at_s + i64::from(dice % 20), dice.rotate_left(3), is_rough);
        match dice % 32 {
            3 if is_rough => {}
            4 => other.restart(2 + step as u64),
            _ if is_quiet => held.push(frame),
            _ => {
                if dice & 64 == 0 && is_rough {
                    log.append(&mut held);
                }
                held.clear();
                log.push(frame);
            }
        }
        match dice % 16 {
            7 => log.push(log[log.len() - 1].clone()),
            8 if is_rough => log.push(log[log.len() / 2].clone()),
            _ => {}
        }
    }
    log.drain(..3.min(log.len()));
    let end_s = START_S + dice.len() as i64 * STEP_S;
    for minute in (0..150).step_by(10) {
        log.push(one.frame(end_s + 60 * minute, &[]));
        log.push(other.frame(end_s + 60 * minute, &[]));
    }
    log
}

fn n_samples(aggregate: &Aggregate) -> u64 {
    match aggregate {
        Aggregate::Single(_) => 1,
        Aggregate::Summary(summary) => summary.count,
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1usize..40).prop_map(Event::Windows),
        3 => Just(Event::CommitWindows),
        2 => Just(Event::RestartWindows),
        6 => (1usize..120).prop_map(Event::Stage2),
        3 => Just(Event::CommitStage2),
        2 => Just(Event::RestartStage2),
    ];
    prop::collection::vec(event, 10..80)
}

/// Nothing happens to the windows.
fn stage2_events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (1usize..120).prop_map(Event::Stage2),
        1 => Just(Event::CommitStage2),
        1 => Just(Event::RestartStage2),
    ];
    prop::collection::vec(event, 0..20)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_ends_and_begins_anew_the_finals_have_the_same_bits_and_each_sample_once(
        dice in prop::collection::vec(any::<u8>(), 130..190),
        events in events(),
    ) {
        let log = log(&dice, true);
        let undisturbed = block_on(Run::undisturbed(&log));
        let disturbed = block_on(async {
            let mut run = Run::new(&log).await;
            for event in &events {
                run.meet(event).await;
            }
            run.finish().await;
            run
        });
        let results = disturbed.results();
        let expected = undisturbed.results();
        let places: BTreeSet<_> = results.keys().chain(expected.keys()).collect();
        for place in places {
            prop_assert_eq!(results.get(place), expected.get(place), "{:?}", place);
        }
        prop_assert_eq!(disturbed.late(), undisturbed.late());
        prop_assert_eq!(["10s", "1m", "5m", "1h"].map(|resolution| disturbed.n_cut(resolution)), [0; 4]);

        let mut decoder = MetricDecoder::new();
        let read: BTreeSet<_> =
            log.iter().flat_map(|record| samples(&mut decoder, &record.value)).collect();
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for (series, _) in read.difference(&undisturbed.late()) {
            *expected.entry(series.clone()).or_default() += 1;
        }
        for resolution in Resolution::ALL {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for ((window, series), aggregate) in &results {
                if window.resolution == resolution {
                    *found.entry(series.clone()).or_default() += n_samples(aggregate);
                }
            }
            prop_assert_eq!(found, expected.clone(), "{:?}", resolution);
        }
    }

    /// A window that has lost samples is never published as if it were whole, also when its owner dies in the
    /// middle of it, nor are wider ones that hold it; and soon all windows are whole again.
    #[test]
    fn what_the_bus_has_dropped_makes_no_window_that_looks_whole(
        dice in prop::collection::vec(any::<u8>(), 130..190),
        commit_at in 0usize..260,
        handled_since in 0usize..40,
        dropped in 1usize..120,
        before in stage2_events(),
        after in events(),
    ) {
        let log = log(&dice, false);
        let undisturbed = block_on(Run::undisturbed(&log)).results();
        let (settled, run, first_read) = block_on(async {
            let mut settled = Run::new(&log).await;
            let mut run = Run::new(&log).await;
            for (run, before, after) in [(&mut settled, &[][..], &[][..]), (&mut run, &before, &after)] {
                run.feed_windows(commit_at).await;
                run.commit_windows();
                for event in before {
                    run.meet(event).await;
                }
                run.feed_windows(handled_since).await;
                let first_read = (run.windows_at / 2 + dropped).min(log.len());
                run.restart_windows_at(first_read);
                for event in after {
                    run.meet(event).await;
                }
                run.finish().await;
            }
            let first_read = run.first_left;
            (settled.results(), run.results(), first_read)
        });
        let mut decoder = MetricDecoder::new();
        let lost = log[..first_read].iter().filter_map(|record| decoder.decode(&record.value).ok());
        let last_lost = lost.map(|batch| batch.scraped).max().unwrap_or(Timestamp::MIN);
        let whole_from = last_lost.saturating_add_millis(900_000);
        // The other collector goes on losing frames of its own. Nobody can tell which of these losses were the bus',
        // so that windows around them are left out or not by where reading begins anew.
        let is_steady = |series: &str| (1..5).any(|i| series == labels(i).to_string());
        for (place, aggregate) in &undisturbed {
            let (window, series) = place;
            match run.get(place) {
                Some(found) => prop_assert_eq!(found, aggregate, "{:?}", place),
                None => prop_assert!(window.start < whole_from || !is_steady(series), "{:?} is missing", place),
            }
        }
        for place in run.keys() {
            prop_assert!(undisturbed.contains_key(place), "{:?} is made up", place);
        }
        let places: BTreeSet<_> = run.keys().chain(settled.keys()).collect();
        for place in places.into_iter().filter(|(_, series)| is_steady(series)) {
            prop_assert_eq!(run.get(place), settled.get(place), "{:?} is cut in one of them", place);
        }
    }
}

/// The gap, the windows that are left out, and the messages are counted.
#[test]
fn what_the_bus_has_dropped_is_counted() {
    let log = log(&[1; 130], false);
    let run = block_on(async {
        let mut run = Run::new(&log).await;
        run.feed_windows(100).await;
        run.commit_windows();
        run.restart_windows_at(150);
        run.finish().await;
        run
    });
    let committed = 150 - run.windows_pipeline.metrics.dropped_messages.get();
    assert!((1..100).contains(&committed), "{committed}");
    let n_cut = run.n_cut("10s") + run.n_cut("1m");
    assert!((4..80).contains(&n_cut), "{n_cut}");
    let (n_hours, n_five_minutes) = (run.n_cut("1h"), run.n_cut("5m"));
    assert!((1..=2 * N_PARTITIONS as u64).contains(&n_hours), "{n_hours}");
    assert!((1..=4 * N_PARTITIONS as u64).contains(&n_five_minutes), "{n_five_minutes}");
}
