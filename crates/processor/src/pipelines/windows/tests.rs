//! What becomes of frames on their way into windows.

use sentinel_bus::Record;
use sentinel_model::{Labels, MetricKind, Point, SeriesRef, Timestamp};
use sentinel_proto::{EncoderConfig, MetricEncoder, RollupDecoder, Scrape};
use sentinel_runtime::ShutdownTrigger;
use sentinel_testkit::MemoryBus;

use super::*;
use crate::config::ProcessorConfig;
use crate::testing::{dead_letters, delivered, end_after_failure, pipeline, place, record, running};

struct Run {
    stage: WindowsStage,
    bus: MemoryBus,
    _trigger: ShutdownTrigger,
}

impl Run {
    fn new(commit: Option<&Commit>) -> Self {
        let bus = MemoryBus::default();
        let (trigger, shutdown) = running();
        let pipeline = pipeline("windows", Topic::Metrics, Arc::new(bus.clone()));
        let limits = ProcessorConfig::default().window_limits();
        let mut stage = WindowsStage::new(pipeline, limits, Arc::new(Rules::default()), shutdown);
        stage.assigned(place(Topic::Metrics), commit);
        Self { stage, bus, _trigger: trigger }
    }

    async fn feed(&mut self, records: &[Record], from: u64) {
        self.stage.handle(delivered(Topic::Metrics, from, records)).await.expect("not stopped");
    }

    /// The log takes them so many seconds after the first scrape.
    async fn feed_at(&mut self, at_s: i64, records: &[Record], from: u64) {
        let mut records = delivered(Topic::Metrics, from, records);
        records.iter_mut().for_each(|record| record.appended = Some(Timestamp::from_secs(START_S + at_s)));
        self.stage.handle(records).await.expect("not stopped");
    }

    /// Reasons of the dead letters, with the offsets of what they are about.
    fn letters(&self) -> Vec<(u64, String)> {
        dead_letters(&self.bus).into_iter().map(|letter| (letter.offset, letter.reason)).collect()
    }

    /// Number of results, after reading everything in order.
    fn n_rollups(&self) -> usize {
        let mut decoder = RollupDecoder::new();
        let decode = |record: &Record| decoder.decode(&record.value).expect("readable").rollups.len();
        self.bus.records(Topic::Rollups).iter().map(decode).sum()
    }
}

const START_S: i64 = 1_795_255_200;

/// A scrape every 10 s of one series; `samples` says how many seconds ahead of it each is stamped.
fn frames(samples: &[i64]) -> Vec<Record> {
    frames_of("a", 0, samples)
}

/// Those of a collector whose clock is `ahead_s` ahead.
fn frames_of(collector: &str, ahead_s: i64, samples: &[i64]) -> Vec<Record> {
    let target = format!("t-{collector}");
    let stream =
        StreamKey { cluster: "c".into(), collector: collector.into(), target: target.as_str().into() };
    let config = EncoderConfig { key_interval: 6, ..EncoderConfig::default() };
    let mut encoder = MetricEncoder::new(stream, 1, config);
    let labels = Labels::from_pairs([("__name__", "up"), ("target", target.as_str())]).expect("unique names");
    let series = [Series { labels, kind: MetricKind::Gauge }];
    let frame = |(i, ahead): (i64, &i64)| {
        let scraped = Timestamp::from_secs(START_S + ahead_s + 10 * i);
        let timestamp = scraped.saturating_add_millis(1_000 * ahead);
        let points = [Point { series: SeriesRef(0), timestamp, value: i as f64 }];
        let scrape = Scrape { scraped, progress: scraped, series: &series, points: &points };
        record(encoder.encode(&scrape).bytes, "")
    };
    (0..).zip(samples).map(frame).collect()
}

#[tokio::test]
async fn what_has_no_window_becomes_a_dead_letter_with_its_reason() {
    let mut records = frames(&[0, 0, 0, 0, 0, 0, -100, 700, 0, 0]);
    records.insert(8, record(bytes::Bytes::from_static(b"\x01\x00junk"), ""));
    records.remove(2);
    let mut run = Run::new(None);
    run.feed(&records, 0).await;
    let lost = |offset| (offset, "missing_base".to_owned());
    let expected =
        vec![lost(2), lost(3), lost(4), (5, "late".into()), (6, "future".into()), (7, "corrupt".into())];
    assert_eq!(run.letters(), expected);
    assert_eq!(run.stage.pipeline.metrics.lost_frames.get(), 4, "the missing one, and three for want of it");
}

#[tokio::test]
async fn a_collector_whose_clock_runs_ahead_harms_nobody() {
    let ahead = frames_of("ahead", 300, &[0, 0, 0, 0, 0, 301, 0, 0, 0, 0]);
    let right = frames_of("right", 0, &[0; 10]);
    let mut run = Run::new(None);
    for (i, pair) in (0..).zip(ahead.iter().zip(&right)) {
        let records = [pair.0.clone(), pair.1.clone()];
        run.feed_at(10 * i as i64, &records, 2 * i).await;
    }
    assert_eq!(
        run.letters(),
        [(10, "future".to_owned())],
        "600 s ahead of the log's clock, and no more, is taken"
    );
    // Windows close by what is known: 90 s less the allowed lateness.
    assert_eq!(run.n_rollups(), 6 + 1, "of the right one, 10 s and 1 min");
    let n_ahead =
        |run: &Run| run.stage.pipeline.metrics.clocks_ahead.get_or_create(&Partition { partition: 0 }).get();
    assert_eq!(n_ahead(&run), 1);
    run.feed_at(400, &frames_of("ahead", 300, &[0; 11])[10..], 20).await;
    assert_eq!(n_ahead(&run), 0);
}

/// The samples of a letter, put back where they came from.
fn put_back(letter: &sentinel_model::DeadLetter) -> Record {
    Record { key: letter.key.clone(), ..record(letter.value.clone(), "") }
}

#[tokio::test]
async fn samples_that_are_put_back_are_judged_anew() {
    let mut run = Run::new(None);
    let records = frames(&[0, 0, 0, 0, 0, 0, -100, 705, 0, 0]);
    run.feed_at(95, &records, 0).await;
    let letters = dead_letters(&run.bus);
    let [late, future] = &*letters else { panic!("two letters: {letters:?}") };
    let n_samples = run.stage.pipeline.metrics.samples.get();
    run.feed_at(170, &[put_back(future)], 10).await;
    assert_eq!(run.letters()[2..], [(10, "future".to_owned())], "it is 605 s ahead still");
    let letters = dead_letters(&run.bus);
    let future = &letters[2];
    let next = 11;
    run.feed_at(175, &[put_back(late), put_back(future)], next).await;
    // The window of the late one is out for good; that of the other is still to come.
    assert_eq!(run.letters()[3..], [(next, "late".to_owned())]);
    assert_eq!(run.stage.pipeline.metrics.samples.get(), n_samples + 1);
    assert_eq!(run.stage.pipeline.metrics.duplicate_frames.get(), 0);
    run.feed_at(176, &[put_back(future)], next + 2).await;
    assert_eq!(run.stage.pipeline.metrics.samples.get(), n_samples + 1, "a second time changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_fails_is_tried_again_and_every_window_comes_out() {
    let mut run = Run::new(None);
    let records = frames(&[0; 30]);
    run.bus.outage.begin();
    let (metrics, outage) = (run.stage.pipeline.metrics.clone(), run.bus.outage.clone());
    tokio::join!(run.feed(&records, 0), end_after_failure(&metrics, "windows", &outage));
    let n_rollups = run.n_rollups();
    let mut undisturbed = Run::new(None);
    undisturbed.feed(&records, 0).await;
    assert_eq!(n_rollups, undisturbed.n_rollups());
    assert!(n_rollups >= 26, "{n_rollups}");
}

#[tokio::test]
async fn a_clock_that_was_set_back_hides_nothing_from_readers() {
    let metadata = Checkpoint { epoch: u64::MAX / 2, ..Checkpoint::default() }.to_metadata();
    let mut run = Run::new(Some(&Commit { offset: 0, metadata }));
    let claim = run.stage.claim(place(Topic::Metrics)).expect("assigned");
    let claimed = Checkpoint::from_metadata(&claim.metadata).expect("own metadata");
    assert_eq!((claim.offset, claimed.epoch), (0, u64::MAX / 2 + 1), "before anything is published");
    run.feed(&frames(&[0; 10]), 0).await;
    let published = run.bus.records(Topic::Rollups);
    let epoch = RollupDecoder::new().decode(&published[0].value).expect("a key frame").epoch;
    assert_eq!(epoch, u64::MAX / 2 + 1);
    let (_, commit) = run.stage.commits().pop().expect("something was read");
    assert_eq!(Checkpoint::from_metadata(&commit.metadata).expect("own metadata").epoch, epoch);
}

#[tokio::test]
async fn a_restart_publishes_what_was_not_and_nothing_twice() {
    let records = frames(&[0; 40]);
    let mut undisturbed = Run::new(None);
    undisturbed.feed(&records, 0).await;
    let mut first = Run::new(None);
    first.feed(&records[..20], 0).await;
    let (_, commit) = first.stage.commits().pop().expect("something was read");
    let mut second = Run::new(Some(&commit));
    second.feed(&records[commit.offset as usize..], commit.offset).await;
    assert_eq!(first.n_rollups() + second.n_rollups(), undisturbed.n_rollups());
    assert!(second.letters().is_empty(), "{:?}", second.letters());
}
