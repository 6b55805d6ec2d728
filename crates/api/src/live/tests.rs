//! Tests of the overlay.

use proptest::prelude::*;
use sentinel_model::{Labels, MetricKind, Rollup, SeriesRef, Summary, Window};

use super::*;

fn series(pod: &str, kind: MetricKind) -> Series {
    let labels = Labels::from_pairs([("__name__", "m"), ("pod", pod)]).expect("unique names");
    Series { labels, kind }
}

fn batch(start_s: i64, defined: &[&str], values: &[(u32, f64)]) -> RollupBatch {
    let define = |(i, pod): (usize, &&str)| (SeriesRef(i as u32), series(pod, MetricKind::Counter));
    RollupBatch {
        stream: "p0".into(),
        epoch: 1,
        sequence: 0,
        is_key: !defined.is_empty(),
        window: Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(start_s) },
        is_final: false,
        defined: defined.iter().enumerate().map(define).collect(),
        rollups: values
            .iter()
            .map(|(reference, value)| Rollup {
                series: SeriesRef(*reference),
                aggregate: Aggregate::Single(*value),
            })
            .collect(),
    }
}

fn all(live: &Live) -> Vec<LiveSeries> {
    live.range(&Selector::metric("m"), Timestamp::MIN)
}

fn values(series: &LiveSeries) -> Vec<(i64, f64)> {
    let seconds = |window: &LiveWindow| window.start.as_millis() / 1_000;
    series.windows.iter().map(|window| (seconds(window), window.aggregate.last())).collect()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

#[test]
fn a_later_state_of_a_window_replaces_the_earlier_one() {
    let live = Live::new(10);
    live.apply(batch(10, &["a"], &[(0, 1.0)]), at(11));
    live.apply(batch(10, &[], &[(0, 2.0)]), at(12));
    live.apply(batch(20, &[], &[(0, 3.0)]), at(21));
    assert_eq!(values(&all(&live)[0]), [(10, 2.0), (20, 3.0)]);
    assert_eq!(live.version(), 3);
}

#[test]
fn keeps_the_newest_windows_only() {
    let live = Live::new(10);
    live.apply(batch(0, &["a"], &[(0, 0.0)]), at(1));
    for i in 1..40 {
        live.apply(batch(i * 10, &[], &[(0, i as f64)]), at(i * 10));
    }
    live.apply(batch(50, &[], &[(0, 99.0)]), at(400));
    let kept = values(&all(&live)[0]);
    assert_eq!(kept.len(), N_WINDOWS);
    assert_eq!(kept.last(), Some(&(390, 39.0)));
    assert!(kept.iter().all(|(_, value)| *value != 99.0), "older than all that is kept");
}

#[test]
fn tells_who_moved_since_a_version() {
    let live = Live::new(10);
    live.apply(batch(10, &["a", "b"], &[(0, 1.0), (1, 1.0)]), at(11));
    let seen = live.version();
    live.apply(batch(20, &[], &[(1, 2.0)]), at(21));
    let moved = live.changed(&Selector::metric("m"), Timestamp::MIN, seen);
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].series.labels.get("pod"), Some("b"));
}

#[test]
fn a_new_epoch_gives_numbers_a_new_meaning() {
    let live = Live::new(10);
    live.apply(batch(10, &["a", "b"], &[(0, 1.0)]), at(11));
    let mut next = batch(20, &["c"], &[(0, 5.0), (1, 6.0)]);
    next.epoch = 2;
    live.apply(next, at(21));
    let pods: Vec<_> =
        all(&live).iter().map(|s| s.series.labels.get("pod").unwrap_or_default().to_owned()).collect();
    assert_eq!(pods, ["a", "c"], "number 1 means nothing in the new epoch");
}

#[test]
fn own_metrics_find_room_however_many_series_there_are() {
    let live = Live::new(2);
    live.apply(batch(10, &["a", "b", "c"], &[(0, 1.0), (1, 1.0), (2, 1.0)]), at(11));
    let labels = Labels::from_pairs([("__name__", "sentinel_api_live_series")]).expect("unique names");
    let mut own = batch(10, &[], &[(0, 2.0)]);
    own.stream = "p1".into();
    own.is_key = true;
    own.defined = vec![(SeriesRef(0), Series { labels, kind: MetricKind::Gauge })];
    live.apply(own, at(11));
    assert_eq!((live.n_series(), live.n_refused()), (3, 1));
    assert_eq!(live.sum(&Selector::metric("sentinel_api_live_series")), Some(2.0));
}

#[test]
fn forgets_what_does_not_move_and_refuses_what_is_too_much() {
    let live = Live::new(2);
    live.apply(batch(10, &["a", "b", "c"], &[(0, 1.0), (1, 1.0), (2, 1.0)]), at(11));
    assert_eq!((live.n_series(), live.n_refused()), (2, 1));
    live.apply(batch(300, &[], &[(0, 2.0)]), at(301));
    live.sweep();
    assert_eq!(live.n_series(), 1);
    live.apply(batch(310, &[], &[(2, 2.0)]), at(311));
    assert_eq!(live.n_series(), 2, "there is room again");
    assert_eq!(all(&live).len(), 2);
}

fn counter(start_s: i64, last: f64) -> CounterWindow {
    CounterWindow { start: at(start_s), last: Some(last), increase: None }
}

#[test]
fn growth_spans_the_distance_of_samples_and_survives_resets() {
    let windows = [counter(0, 10.0), counter(60, 70.0), counter(120, 5.0)];
    let grown = growths(windows.into_iter(), 10_000);
    assert_eq!(grown[0], Growth { start: at(60), span_ms: 60_000, increase: 60.0 });
    assert_eq!(grown[1].increase, 5.0, "a reset to zero");
}

#[test]
fn growth_is_not_guessed_over_a_long_silence() {
    let windows = [counter(0, 10.0), counter(1_000, 500.0)];
    assert!(growths(windows.into_iter(), 10_000).is_empty());
    let known = CounterWindow { start: at(1_000), last: None, increase: Some(4.0) };
    let grown = growths([counter(0, 1.0), known].into_iter(), 10_000);
    assert_eq!(grown, [Growth { start: at(1_000), span_ms: 10_000, increase: 4.0 }]);
}

#[test]
fn the_rate_covers_at_most_a_minute() {
    let live = Live::new(10);
    live.apply(batch(0, &["a"], &[(0, 0.0)]), at(1));
    for i in 1..=12 {
        // Ten a second at first, then one a second in the last minute.
        let value = if i <= 6 { i as f64 * 100.0 } else { 600.0 + (i - 6) as f64 * 10.0 };
        live.apply(batch(i * 10, &[], &[(0, value)]), at(i * 10));
    }
    assert_eq!(live.rate(&Selector::metric("m")), Some(1.0));
    assert_eq!(live.sum(&Selector::metric("m")), Some(660.0));
    assert_eq!(live.rate(&Selector::metric("other")), None);
}

#[test]
fn a_window_that_knows_its_increase_is_believed() {
    let summary = Summary {
        count: 2,
        sum: 9.0,
        min: 4.0,
        max: 5.0,
        last: 5.0,
        m2: 0.5,
        increase: Some(105.0),
        sketch: None,
    };
    let window = LiveWindow { start: at(10), aggregate: Aggregate::Summary(Box::new(summary)), version: 1 };
    assert_eq!(counter_window(&window).increase, Some(105.0));
}

proptest! {
    #[test]
    fn increases_are_never_negative_and_add_up_without_resets(steps in prop::collection::vec(0u32..100, 1..30)) {
        let mut value = 0.0;
        let windows: Vec<_> = steps.iter().enumerate().map(|(i, step)| {
            value += f64::from(*step);
            counter(i as i64 * 10, value)
        }).collect();
        let first = f64::from(steps[0]);
        let total: f64 = growths(windows.into_iter(), 10_000).iter().map(|growth| growth.increase).sum();
        prop_assert_eq!(total, value - first);
    }

    #[test]
    fn windows_stay_sorted_and_bounded(starts in prop::collection::vec(0i64..60, 1..80)) {
        let mut windows = Vec::new();
        for (i, start) in starts.iter().enumerate() {
            insert(&mut windows, LiveWindow {
                start: at(start * 10), aggregate: Aggregate::Single(0.0), version: i as u64,
            });
        }
        prop_assert!(windows.len() <= N_WINDOWS);
        prop_assert!(windows.windows(2).all(|pair| pair[0].start < pair[1].start));
    }
}
