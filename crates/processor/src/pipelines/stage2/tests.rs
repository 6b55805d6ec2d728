//! Wide windows come out the same whatever happens in between.

use futures::executor::block_on;
use proptest::prelude::*;
use sentinel_bus::{Bus as _, Outgoing, Record, Route};
use sentinel_model::{
    Aggregate, Labels, MetricKind, Rollup, RollupBatch, Series, SeriesRef, Summary, Window,
};
use sentinel_proto::{EncoderConfig, RollupDecoder, RollupEncoder};
use sentinel_runtime::ShutdownTrigger;
use sentinel_testkit::MemoryBus;

use super::*;
use crate::pipelines::lost_header;
use crate::testing::{delivered, pipeline, place, record, running};
use crate::windows::Lost;

/// Stage two on a bus of its own.
struct Run {
    stage: Stage2,
    bus: MemoryBus,
    _trigger: ShutdownTrigger,
}

impl Run {
    fn new(commit: Option<&Commit>) -> Self {
        let bus = MemoryBus::default();
        let (trigger, shutdown) = running();
        let mut stage = Stage2::new(pipeline("stage2", Topic::Rollups, Arc::new(bus.clone())), shutdown);
        stage.assigned(place(Topic::Rollups), commit);
        Self { stage, bus, _trigger: trigger }
    }

    fn feed(&mut self, records: &[Record], from: usize) {
        block_on(self.stage.handle(delivered(Topic::Rollups, from as u64, records))).expect("not stopped");
    }

    fn commit(&mut self) -> Option<Commit> {
        self.stage.commits().pop().map(|(_, commit)| commit)
    }

    /// What was published, in order.
    fn published(&self) -> Vec<Record> {
        let records = self.bus.records(Topic::Rollups);
        let is_wide =
            |record: &Record| record.headers.iter().any(|(_, value)| *value == "5m" || *value == "1h");
        records.into_iter().filter(is_wide).collect()
    }

    fn n_cut(&self) -> u64 {
        let of = |resolution| {
            self.stage.pipeline.metrics.cut_windows.get_or_create(&Resolved { resolution }).get()
        };
        of("5m") + of("1h")
    }
}

type Results = BTreeMap<(Arc<str>, Window, String), Aggregate>;

/// Everything in `published`, as a reader sees it that was there all the time.
fn results(published: &[Record]) -> Results {
    let mut decoder = RollupDecoder::new();
    let mut results = Results::new();
    for record in published {
        let batch: RollupBatch = decoder.decode(&record.value).expect("readable by whoever follows");
        for rollup in batch.rollups {
            let labels = batch.defined[rollup.series.0 as usize].1.labels.to_string();
            let place = (Arc::clone(&batch.stream), batch.window, labels);
            if let Some(before) = results.insert(place, rollup.aggregate.clone()) {
                assert_eq!(before, rollup.aggregate, "a window was published twice with different bits");
            }
        }
    }
    results
}

fn series(number: u32) -> Series {
    let labels = [("__name__", "m".to_owned()), ("i", number.to_string())];
    let kind = if number.is_multiple_of(2) { MetricKind::Gauge } else { MetricKind::Counter };
    Series { labels: Labels::from_pairs(labels).expect("unique names"), kind }
}

/// A stream's minutes as the windows pipeline publishes them.
struct Source {
    name: &'static str,
    encoder: RollupEncoder,
    epoch: u64,
    /// Series by the stream's number.
    series: Vec<Series>,
}

impl Source {
    fn new(name: &'static str) -> Self {
        let config = EncoderConfig { key_interval: 7, ..EncoderConfig::default() };
        Self {
            name,
            encoder: RollupEncoder::new(name.into(), 1, config),
            epoch: 1,
            series: (0..5).map(series).collect(),
        }
    }

    /// The pipeline starts anew, and finds its series in another order.
    fn restart(&mut self, dice: u8) {
        self.epoch += 1;
        let config = EncoderConfig { key_interval: 7, ..EncoderConfig::default() };
        self.encoder = RollupEncoder::new(self.name.into(), self.epoch, config);
        let n_series = self.series.len();
        self.series.rotate_left(usize::from(dice) % n_series);
    }

    fn minute(&mut self, minute: i64, dice: u8) -> Record {
        if dice > 240 {
            self.series.push(series(self.series.len() as u32));
        }
        let window = Window { resolution: Resolution::OneMinute, start: Timestamp::from_secs(60 * minute) };
        let present = (0..self.series.len()).filter(|i| (usize::from(dice) >> (i % 5)) & 1 == 1);
        let rollups: Vec<Rollup> = present
            .map(|i| Rollup { series: SeriesRef(i as u32), aggregate: aggregate(&self.series[i], dice) })
            .collect();
        record(self.encoder.encode(window, true, &self.series, &rollups).bytes, "1m")
    }

    /// A minute that now and then lacks samples of a series, or of nobody knows which.
    fn cut_minute(&mut self, minute: i64, dice: u8) -> Record {
        let lost = match dice % 32 {
            7 => Lost::Everything,
            23 => Lost::Series(vec![SeriesRef(u32::from(dice / 64))]),
            _ => Lost::Nothing,
        };
        lacking(self.minute(minute, dice), &lost)
    }
}

fn lacking(mut minute: Record, lost: &Lost) -> Record {
    minute.headers.extend(lost_header::header(lost));
    minute
}

fn aggregate(series: &Series, dice: u8) -> Aggregate {
    let value = f64::from(dice) / 7.0;
    if series.kind == MetricKind::Gauge {
        return Aggregate::Single(value);
    }
    let increase = dice.is_multiple_of(3).then_some(value / 3.0);
    let (count, sum) = (u64::from(dice % 4) + 1, value * 2.0);
    Aggregate::Summary(Box::new(Summary {
        count,
        sum,
        min: value,
        max: value,
        last: value,
        m2: 0.0,
        increase,
        sketch: None,
    }))
}

/// Two streams, one of which lags, pauses and starts anew.
fn log(dice: &[u8]) -> Vec<Record> {
    let (mut one, mut other) = (Source::new("p0/0/1m"), Source::new("p1/0/1m"));
    let mut records = Vec::new();
    for (minute, dice) in (0..).zip(dice.iter().copied()) {
        records.push(one.cut_minute(minute, dice));
        if dice % 32 == 9 {
            other.restart(dice);
        }
        if minute > 20 && dice % 16 != 3 {
            records.push(other.cut_minute(minute - 20, dice.rotate_left(3)));
        }
        records.push(record(bytes::Bytes::from_static(b"another width"), "10s"));
    }
    records
}

fn minutes(n: i64) -> Vec<Record> {
    let mut source = Source::new("p0/0/1m");
    (0..n).map(|minute| source.minute(minute, 0b1_1111)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The promise: whatever message a crash comes at, and whatever was committed before it, the windows
    /// published before and after together are bit for bit those of an undisturbed run.
    #[test]
    fn a_restart_at_any_point_gives_the_same_bits(
        dice in prop::collection::vec(any::<u8>(), 70..190),
        commit_at in 0.0f64..1.0,
        crash_after in 0.0f64..1.0,
    ) {
        let records = log(&dice);
        let mut undisturbed = Run::new(None);
        undisturbed.feed(&records, 0);

        let commit_at = (commit_at * records.len() as f64) as usize;
        let crash_at = commit_at + (crash_after * (records.len() - commit_at) as f64) as usize;
        let mut first = Run::new(None);
        first.feed(&records[..commit_at], 0);
        let commit = first.commit().or_else(|| first.stage.claim(place(Topic::Rollups)));
        let n_cut = first.n_cut();
        first.feed(&records[commit_at..crash_at], commit_at);

        let from = commit.as_ref().map_or(0, |commit| commit.offset as usize);
        let mut second = Run::new(commit.as_ref());
        second.feed(&records[from..], from);
        let mut published = first.published();
        published.extend(second.published());
        prop_assert_eq!(results(&published), results(&undisturbed.published()));
        prop_assert_eq!(n_cut + second.n_cut(), undisturbed.n_cut());
    }
}

#[test]
fn a_window_closes_with_its_last_minute() {
    let records = minutes(60);
    let mut run = Run::new(None);
    run.feed(&records[..4], 0);
    assert!(run.published().is_empty());
    run.feed(&records[4..5], 4);
    assert_eq!(run.published().len(), 1, "five minutes");
    run.feed(&records[5..], 5);
    assert_eq!(run.published().len(), 13, "and the hour");
}

#[test]
fn what_was_published_is_not_published_again() {
    let records = minutes(70);
    let mut first = Run::new(None);
    first.feed(&records, 0);
    let commit = first.commit().expect("something was read");
    assert!(commit.offset < 70 && commit.offset >= 50, "the open hour and its key frame: {}", commit.offset);
    let mut second = Run::new(Some(&commit));
    second.feed(&records[commit.offset as usize..], commit.offset as usize);
    assert!(second.published().is_empty());
}

/// Series of the windows of a width that were published, by the window's start in minutes.
fn n_series(run: &Run, resolution: Resolution) -> BTreeMap<i64, usize> {
    let mut found = BTreeMap::new();
    for (_, window, _) in results(&run.published()).into_keys() {
        if window.resolution == resolution {
            *found.entry(window.start.as_millis() / 60_000).or_default() += 1;
        }
    }
    found
}

#[test]
fn a_minute_that_lacks_a_series_cuts_the_wide_windows_of_this_series_alone() {
    let mut records = minutes(60);
    records[12] = lacking(records[12].clone(), &Lost::Series(vec![SeriesRef(3)]));
    let mut run = Run::new(None);
    run.feed(&records, 0);
    let five_minutes = n_series(&run, Resolution::FiveMinutes);
    assert_eq!((five_minutes[&5], five_minutes[&10], five_minutes[&15]), (5, 4, 5));
    assert_eq!(n_series(&run, Resolution::OneHour)[&0], 4);
    assert_eq!(run.n_cut(), 2);
}

#[test]
fn minutes_that_are_missing_altogether_cut_the_windows_before_and_behind_them() {
    let mut records = minutes(130);
    records[77] = lacking(records[77].clone(), &Lost::Everything);
    records.drain(48..77);
    let mut run = Run::new(None);
    run.feed(&records, 0);
    let five_minutes: Vec<i64> = n_series(&run, Resolution::FiveMinutes).into_keys().collect();
    let whole = |minute: &i64| !(45..80).contains(minute);
    assert_eq!(five_minutes, (0..130).step_by(5).filter(whole).collect::<Vec<_>>());
    assert_eq!(n_series(&run, Resolution::OneHour), BTreeMap::new(), "the third is open");
    assert_eq!(run.n_cut(), 4, "45, 75, and two hours");
}

#[test]
fn a_part_of_a_window_never_takes_the_place_of_the_whole() {
    // An owner that committed at minute 50 closed the hour and died before it committed again.
    let records = minutes(75);
    let mut first = Run::new(None);
    first.feed(&records[..50], 0);
    let commit = first.commit().expect("something was read");
    first.feed(&records[50..62], 50);
    // The bus has lost everything before the key frame at minute 28 meanwhile.
    let mut second = Run::new(Some(&commit));
    publish(&second.bus, &records[..62]);
    second.feed(&records[28..62], 28);
    assert_eq!(second.n_cut(), 1, "the hour");
    let mut published = first.published();
    published.extend(second.published());
    let mut whole = Run::new(None);
    whole.feed(&records[..62], 0);
    assert_eq!(results(&published), results(&whole.published()));
}

#[test]
fn what_is_left_of_a_window_is_published_when_nobody_can_have_done_it_before() {
    let records = minutes(60);
    let mut first = Run::new(None);
    first.feed(&records[..50], 0);
    let commit = first.commit().expect("something was read");
    let mut second = Run::new(Some(&commit));
    publish(&second.bus, &records[..50]);
    second.feed(&records[28..50], 28);
    assert!(second.published().is_empty(), "all of these were published: {}", second.n_cut());
    second.feed(&records[50..], 50);
    let hours: Vec<Window> = results(&second.published())
        .into_keys()
        .map(|(_, window, _)| window)
        .filter(|window| window.resolution == Resolution::OneHour)
        .collect();
    assert_eq!((hours.len(), second.n_cut()), (5, 0), "of five series");
}

#[test]
fn a_clock_that_was_set_back_hides_nothing_from_readers() {
    let note = Note { epoch: u64::MAX / 2, ..Note::default() };
    let commit = Commit { offset: 0, metadata: note.to_metadata() };
    let mut run = Run::new(Some(&commit));
    let claim = run.stage.claim(place(Topic::Rollups)).expect("assigned");
    let claimed = Note::from_metadata(&claim.metadata).expect("own metadata").epoch;
    assert_eq!((claim.offset, claimed), (0, u64::MAX / 2 + 1), "before anything is published");
    run.feed(&minutes(5), 0);
    let batch = RollupDecoder::new().decode(&run.published()[0].value).expect("a key frame");
    assert_eq!(batch.epoch, u64::MAX / 2 + 1);
}

#[test]
fn a_stream_that_is_over_does_not_hold_the_commit() {
    let mut records = vec![Source::new("p1/0/1m").minute(0, 255)];
    records.extend(minutes(130));
    let mut run = Run::new(None);
    run.feed(&records, 0);
    assert!(run.commit().expect("something was read").offset > 100);
}

#[test]
fn what_cannot_be_read_becomes_a_dead_letter_with_its_reason() {
    let mut run = Run::new(None);
    run.feed(&[record(bytes::Bytes::from_static(b"\x01\x00junk"), "1m"), minutes(2).remove(1)], 0);
    let reasons: Vec<String> =
        crate::testing::dead_letters(&run.bus).into_iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, ["corrupt", "missing_base"]);
}

fn publish(bus: &MemoryBus, records: &[Record]) {
    let at = place(Topic::Rollups);
    let outgoing = |record: &Record| Outgoing {
        topic: at.topic,
        route: Route::Partition(at.partition),
        record: record.clone(),
    };
    block_on(bus.publish(records.iter().map(outgoing).collect())).expect("no outage");
}
