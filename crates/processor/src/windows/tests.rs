mod rivals;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use sentinel_model::{Aggregate, Labels, METRIC_NAME, MetricKind, Point};

use super::*;

const LIMITS: WindowLimits = WindowLimits {
    watermark: WatermarkLimits { lateness_ms: 30_000, idle_ms: 60_000 },
    look_back_ms: 300_000,
    future_ms: 600_000,
    series_limit: 100,
};

/// One collector's stream of a target of its own, which numbers its frames and sends a key frame every `key_interval`.
struct Source {
    key: StreamKey,
    sequence: u64,
    key_interval: u64,
}

impl Source {
    fn new(collector: &str) -> Self {
        let key = StreamKey { cluster: "c".into(), collector: collector.into(), target: collector.into() };
        Self { key, sequence: 0, key_interval: 6 }
    }

    /// Of a target that others may have too.
    fn of_target(collector: &str, target: &str) -> Self {
        let mut source = Self::new(collector);
        source.key.target = Arc::from(target);
        source
    }

    /// A frame of `samples` (series number, seconds, value), scraped and complete at `at_s`.
    fn frame(&mut self, at_s: i64, samples: &[(u32, i64, f64)]) -> MetricBatch {
        let is_key = self.sequence.is_multiple_of(self.key_interval);
        let series = |i: u32| {
            let labels = [(METRIC_NAME, "m".to_owned()), ("i", i.to_string())];
            let kind = if i < 2 { MetricKind::Gauge } else { MetricKind::Counter };
            Series { labels: Labels::from_pairs(labels).expect("unique names"), kind }
        };
        let batch = MetricBatch {
            stream: self.key.clone(),
            epoch: 1,
            sequence: self.sequence,
            frame: if is_key { FrameKind::Key } else { FrameKind::Delta },
            scraped: Timestamp::from_secs(at_s),
            progress: Timestamp::from_secs(at_s),
            defined: if is_key { (0..4).map(|i| (SeriesRef(i), series(i))).collect() } else { Vec::new() },
            points: samples
                .iter()
                .map(|(i, secs, value)| Point {
                    series: SeriesRef(*i),
                    timestamp: Timestamp::from_secs(*secs),
                    value: *value,
                })
                .collect(),
        };
        self.sequence += 1;
        batch
    }
}

fn windows() -> Windows {
    Windows::new(LIMITS, None)
}

/// Results by window and series, so that two runs can be compared.
type Results = BTreeMap<(Window, String), Aggregate>;

fn collect(windows: &Windows, closed: Vec<Closed>, into: &mut Results) {
    for Closed { window, rollups, .. } in closed {
        for rollup in rollups {
            let labels = windows.series()[rollup.series.0 as usize].labels.to_string();
            into.insert((window, labels), rollup.aggregate);
        }
    }
}

fn run(windows: &mut Windows, frames: &[MetricBatch], from: u64, into: &mut Results) {
    for (offset, frame) in frames.iter().enumerate().skip(from as usize) {
        let outcome = windows.apply(offset as u64, frame, &Rules::default());
        collect(windows, outcome.closed, into);
    }
}

fn ten_seconds(start: i64) -> Window {
    Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(start) }
}

#[test]
fn closes_a_window_once_the_watermark_has_passed_its_end() {
    let mut source = Source::new("a");
    let mut windows = windows();
    let frames = [source.frame(5, &[(0, 5, 1.0)]), source.frame(39, &[]), source.frame(40, &[])];
    let closed =
        |windows: &mut Windows, i: usize| windows.apply(i as u64, &frames[i], &Rules::default()).closed;
    for frame in [0, 1] {
        assert!(closed(&mut windows, frame).iter().all(|closed| closed.rollups.is_empty()));
    }
    let results = closed(&mut windows, 2);
    assert_eq!(results[0].window, ten_seconds(0));
    assert_eq!(results[0].rollups[0].aggregate, Aggregate::Single(1.0));
}

#[test]
fn shows_open_windows_as_they_stand() {
    let mut source = Source::new("a");
    let mut windows = windows();
    windows.apply(0, &source.frame(5, &[(0, 5, 1.0)]), &Rules::default());
    let provisional = windows.provisional();
    assert_eq!(provisional.len(), 1);
    assert_eq!(provisional[0].window, ten_seconds(0));
    assert!(windows.provisional().is_empty(), "only what was touched since");
}

#[test]
fn a_sample_behind_the_watermark_is_late_and_a_repeat_counts_once() {
    let mut source = Source::new("a");
    let mut windows = windows();
    windows.apply(0, &source.frame(100, &[(0, 95, 1.0)]), &Rules::default());
    let outcome = windows.apply(
        1,
        &source.frame(110, &[(0, 69, 1.0), (0, 95, 1.0), (0, 95, 2.0), (0, 70, 1.0)]),
        &Rules::default(),
    );
    assert_eq!((outcome.late.len(), outcome.n_accepted), (1, 1));
    assert_eq!((outcome.n_repeated, outcome.n_conflicts), (1, 1));
    assert_eq!(outcome.late[0].1.at_ms, 69_000);
}

#[test]
fn a_sample_far_ahead_of_its_scrape_is_kept_out() {
    let mut source = Source::new("a");
    let outcome = windows().apply(0, &source.frame(0, &[(0, 601, 1.0), (1, 600, 1.0)]), &Rules::default());
    assert_eq!((outcome.future.len(), outcome.n_accepted), (1, 1));
}

#[test]
fn series_beyond_the_limit_are_counted_and_the_others_unharmed() {
    let mut source = Source::new("a");
    let mut windows = Windows::new(WindowLimits { series_limit: 2, ..LIMITS }, None);
    let samples: Vec<_> = (0..4).map(|i| (i, 5, 1.0)).collect();
    let outcome = windows.apply(0, &source.frame(5, &samples), &Rules::default());
    assert_eq!((outcome.n_accepted, outcome.n_over_limit), (2, 2));
}

/// A key frame of many series that all have a sample.
fn wide_frame(source: &mut Source, at_s: i64, series: std::ops::Range<u32>) -> MetricBatch {
    let samples: Vec<_> = (0..series.len() as u32).map(|i| (i, at_s, 1.0)).collect();
    let mut frame = source.frame(at_s, &samples);
    let labels = |i: u32| Labels::from_pairs([(METRIC_NAME, "m".to_owned()), ("i", i.to_string())]);
    let series = series.map(|i| Series { labels: labels(i).expect("unique names"), kind: MetricKind::Gauge });
    frame.defined = (0..).map(SeriesRef).zip(series).collect();
    frame
}

#[test]
fn a_series_that_was_silent_for_long_comes_again_without_being_defined() {
    let mut source = Source { key_interval: 1_000, ..Source::new("a") };
    let mut windows = Windows::new(WindowLimits { series_limit: 10_000, ..LIMITS }, None);
    windows.apply(0, &wide_frame(&mut source, 5, 0..3_000), &Rules::default());
    for offset in 1..100 {
        windows.apply(offset, &source.frame(5 + 10 * offset as i64, &[]), &Rules::default());
        assert!(!windows.compact(), "the stream numbers them");
    }
    assert_eq!(windows.n_series(), 0);
    let outcome = windows.apply(100, &source.frame(1_010, &[(2_999, 1_010, 1.0)]), &Rules::default());
    assert_eq!((outcome.n_accepted, windows.n_series()), (1, 1));

    source.sequence = 0;
    windows.apply(101, &source.frame(1_015, &[]), &Rules::default());
    assert!(!windows.compact(), "nothing has aged since the last look");
    windows.apply(102, &source.frame(1_100, &[]), &Rules::default());
    assert!(windows.compact());
    assert_eq!(windows.series().len(), 5, "those of the new key frame, and the one with a sample");
}

#[test]
fn the_limit_counts_a_series_alike_whether_its_place_was_freed_or_not() {
    let over_limit = |n_silent: u32| {
        let (mut silent, mut loud) = (Source::new("a"), Source { key_interval: 1_000, ..Source::new("b") });
        let mut windows = Windows::new(WindowLimits { series_limit: 3_000, ..LIMITS }, None);
        windows.apply(0, &wide_frame(&mut silent, 5, 0..n_silent), &Rules::default());
        // It defines nothing any more, so that its series can be freed.
        silent.sequence = 0;
        windows.apply(1, &wide_frame(&mut silent, 15, 0..0), &Rules::default());
        windows.apply(2, &wide_frame(&mut loud, 900, 0..0), &Rules::default());
        loud.sequence = 0;
        let is_freed = windows.compact();
        windows.apply(3, &wide_frame(&mut loud, 1_000, 5_000..7_999), &Rules::default());
        silent.sequence = 0;
        let outcome = windows.apply(4, &wide_frame(&mut silent, 1_001, 0..900), &Rules::default());
        (windows.n_series(), is_freed, outcome.n_over_limit)
    };
    assert_eq!(over_limit(900), (3_000, false, 899));
    assert_eq!(over_limit(2_900), (3_000, true, 899));
}

#[test]
fn a_series_of_two_targets_counts_a_sample_once() {
    let (mut one, mut two) = (Source::new("a"), Source::new("b"));
    let mut windows = windows();
    windows.apply(0, &one.frame(5, &[(0, 5, 1.0)]), &Rules::default());
    let outcome = windows.apply(1, &two.frame(5, &[(0, 5, 1.0)]), &Rules::default());
    assert_eq!((outcome.n_repeated, outcome.n_accepted, windows.n_series()), (1, 0, 1));
}

#[test]
fn two_collectors_of_one_target_count_a_sample_once() {
    let (mut one, mut two) = (Source::of_target("a", "t"), Source::of_target("b", "t"));
    let mut windows = windows();
    windows.apply(0, &one.frame(5, &[(0, 5, 1.0)]), &Rules::default());
    let outcome = windows.apply(1, &two.frame(5, &[(0, 5, 1.0)]), &Rules::default());
    assert!(outcome.is_superseded && outcome.n_accepted == 0);
    assert_eq!(windows.n_series(), 1);
}

/// Twenty minutes of two collectors: gaps, late and repeated samples, a collector that goes quiet.
fn frames(seed: &[u8]) -> Vec<MetricBatch> {
    let mut sources = [Source::new("a"), Source::new("b")];
    let mut frames = Vec::new();
    for (step, dice) in seed.iter().copied().enumerate() {
        let at = step as i64 * 10;
        for (n, source) in sources.iter_mut().enumerate() {
            if n == 1 && dice % 16 < 4 {
                continue;
            }
            let late = i64::from(dice % 5) * 11;
            let own = (n as u32) * 2;
            let samples =
                [(own, at - i64::from(dice % 9), f64::from(dice)), (own + 1, at - late, step as f64 * 1.5)];
            frames.push(source.frame(at, &samples));
        }
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The promise: whatever offset a crash comes at, and whatever was committed before it, the
    /// windows published before and after together are bit for bit those of an undisturbed run.
    #[test]
    fn a_replay_gives_the_same_bits(
        seed in prop::collection::vec(any::<u8>(), 60..140),
        commit_at in 0.0f64..1.0,
        crash_after in 0.0f64..1.0,
    ) {
        let frames = frames(&seed);
        let mut undisturbed = Results::new();
        run(&mut windows(), &frames, 0, &mut undisturbed);

        let commit_at = (commit_at * frames.len() as f64) as usize;
        let crash_at = commit_at + (crash_after * (frames.len() - commit_at) as f64) as usize;
        let mut published = Results::new();
        let mut first = windows();
        run(&mut first, &frames[..commit_at], 0, &mut published);
        let committed = first.checkpoint();
        run(&mut first, &frames[..crash_at], commit_at as u64, &mut published);

        let (offset, checkpoint) = match committed {
            Some((offset, checkpoint)) => {
                let metadata = checkpoint.to_metadata();
                (offset, Some((offset, Checkpoint::from_metadata(&metadata).expect("own metadata"))))
            }
            None => (0, None),
        };
        let mut second = Windows::new(LIMITS, checkpoint);
        let mut again = Results::new();
        run(&mut second, &frames, offset, &mut again);
        for (window, aggregate) in &again {
            if let Some(before) = published.get(window) {
                prop_assert_eq!(before, aggregate, "a window was published twice with different bits");
            }
        }
        published.extend(again);
        prop_assert_eq!(published, undisturbed);
    }

    #[test]
    fn every_accepted_sample_is_in_exactly_one_window(seed in prop::collection::vec(any::<u8>(), 20..80)) {
        let mut frames = frames(&seed);
        let end = frames.last().map_or(0, |frame| frame.scraped.as_millis() / 1_000) + 1_000;
        for collector in ["a", "b"] {
            frames.push(Source::new(collector).frame(end, &[]));
        }
        let mut state = windows();
        let (mut n_accepted, mut n_counted) = (0, 0);
        for (offset, frame) in frames.iter().enumerate() {
            let outcome = state.apply(offset as u64, frame, &Rules::default());
            n_accepted += outcome.n_accepted;
            for closed in outcome.closed.iter().filter(|closed| closed.window.resolution == Resolution::TenSeconds) {
                for rollup in &closed.rollups {
                    n_counted += match &rollup.aggregate {
                        Aggregate::Single(_) => 1,
                        Aggregate::Summary(summary) => summary.count,
                    };
                }
            }
        }
        prop_assert_eq!(n_counted, n_accepted);
    }
}
