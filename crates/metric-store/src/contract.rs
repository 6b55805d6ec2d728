//! What every metric store keeps, as tests that any adapter runs.

use std::time::Duration;

use sentinel_model::{
    Aggregate, Field, Kept, Labels, METRIC_NAME, MetricKind, Resolution, RetentionSetting, Selector, Series,
    Sketch, Summary, Timestamp, Window,
};

use crate::{Handles, MetricStoreError, RangeQuery, Row, SeriesPoints, TimeRange, WindowRows, WriteReport};

/// Runs every test on one fresh store without particular limits. `now` is an instant within its
/// retention.
///
/// # Panics
/// Where the store breaks the contract.
pub async fn suite(store: &Handles, now: Timestamp) {
    gives_back_every_field_bit_by_bit(store, now).await;
    a_repeat_changes_nothing_and_a_rewrite_replaces(store, now).await;
    takes_windows_in_any_order_of_time(store, now).await;
    resolutions_are_apart(store, now).await;
    finds_series_by_their_labels(store, now).await;
    keeps_the_first_kind_that_is_known(store, now).await;
    refuses_answers_beyond_the_bounds(store, now).await;
    latest_is_the_newest_window_in_the_range(store, now).await;
    counts_what_it_holds(store).await;
}

/// Runs the tests of limits on a fresh store that takes `series_limit` series (2 at least) and keeps
/// windows of 10 s for `retention_ms`; where a server has a retention of its own, for longer.
///
/// # Panics
/// Where the store breaks the contract.
pub async fn limits(store: &Handles, series_limit: usize, retention_ms: i64, now: Timestamp) {
    let window = Window::holding(now, Resolution::TenSeconds);
    let old = Window::holding(window.start.saturating_sub_millis(retention_ms + 60_000), window.resolution);

    // Until it is told, nothing is refused or deleted for its age.
    for early in [window, old] {
        let report = write(store, early, vec![row("limited", "0", Aggregate::Single(1.0))]).await;
        assert_eq!(report, WriteReport { n_written: 1, ..WriteReport::default() }, "{early:?}");
    }
    assert_eq!(only(store, query("limited", old.start, Field::Last)).await[0].0, old.start);
    store.writer.keep(&RetentionSetting::default()).await.expect("as configured");
    let rows: Vec<Row> =
        (0..series_limit + 3).map(|n| row("limited", &n.to_string(), Aggregate::Single(n as f64))).collect();
    let report = write(store, window, rows.clone()).await;
    assert_eq!(report, WriteReport { n_written: series_limit, n_over_limit: 3, ..WriteReport::default() });
    let report = write(store, window, rows).await;
    assert_eq!(report.n_written, series_limit, "series that are known stay welcome");
    assert_eq!(points(store, query("limited", now, Field::Last)).await.len(), series_limit);

    let late = vec![row("limited", "0", Aggregate::Single(1.0)), row("limited", "1", Aggregate::Single(1.0))];
    let report = write(store, old, late.clone()).await;
    assert_eq!(report, WriteReport { n_expired: 2, ..WriteReport::default() });

    // What somebody has set goes before what is configured, without a restart, and back again.
    let span = Duration::from_millis(retention_ms.unsigned_abs()) * 2;
    let set =
        RetentionSetting::new([(Kept::Metrics(Resolution::TenSeconds), span)]).expect("within the bounds");
    store.writer.keep(&set).await.expect("longer");
    let report = write(store, old, late.clone()).await;
    assert_eq!(report, WriteReport { n_written: 2, ..WriteReport::default() });
    let span = Duration::from_millis(retention_ms.unsigned_abs());
    let set =
        RetentionSetting::new([(Kept::Metrics(Resolution::TenSeconds), span)]).expect("within the bounds");
    store.writer.keep(&set).await.expect("shorter");
    assert_eq!(write(store, old, late).await.n_expired, 2);
}

/// One series of a metric, told apart by its label `n`.
pub fn series(metric: &str, n: &str) -> Series {
    let labels = Labels::from_pairs([(METRIC_NAME, metric), ("n", n)]).expect("different names");
    Series { labels, kind: MetricKind::Gauge }
}

pub fn row(metric: &str, n: &str, aggregate: Aggregate) -> Row {
    let series = series(metric, n);
    Row { id: series.labels.id(), series, aggregate }
}

/// Values of a metric in windows of 10 s around an instant.
pub fn query(metric: &str, around: Timestamp, field: Field) -> RangeQuery {
    RangeQuery {
        selector: Selector::metric(metric),
        range: TimeRange {
            start: around.saturating_sub_millis(3_600_000),
            end: around.saturating_add_millis(3_600_000),
        },
        resolution: Resolution::TenSeconds,
        field,
        max_series: 10_000,
        max_points: 1_000_000,
    }
}

async fn write(store: &Handles, window: Window, rows: Vec<Row>) -> WriteReport {
    store.writer.write([WindowRows { window, rows }].into()).await.expect("a write")
}

async fn points(store: &Handles, query: RangeQuery) -> Vec<SeriesPoints> {
    store.reader.range(&query).await.expect("an answer")
}

/// Window starts and bits of the only series.
async fn only(store: &Handles, query: RangeQuery) -> Vec<(Timestamp, u64)> {
    let answer = points(store, query).await;
    assert!(answer.len() <= 1, "one series was expected: {answer:?}");
    let points = answer.into_iter().flat_map(|series| series.points);
    points.map(|(start, value)| (start, value.to_bits())).collect()
}

fn summary(sketch: Option<Sketch>) -> Aggregate {
    Aggregate::Summary(Box::new(Summary {
        count: 3,
        sum: 0.1 + 0.2,
        min: -0.0,
        max: f64::INFINITY,
        last: f64::from_bits(0x7ff8_dead_beef_0001),
        m2: 2.5,
        increase: Some(1e-300),
        sketch,
    }))
}

async fn gives_back_every_field_bit_by_bit(store: &Handles, now: Timestamp) {
    let window = Window::holding(now, Resolution::TenSeconds);
    let mut sketch = Sketch::default();
    [1.0, 2.0, 300.0].iter().for_each(|value| sketch.insert(*value));
    let odd = f64::from_bits(0xfff0_0000_0000_0001);
    let aggregates = [Aggregate::Single(-0.0), Aggregate::Single(odd), summary(None), summary(Some(sketch))];
    for (n, aggregate) in aggregates.into_iter().enumerate() {
        let metric = format!("bits_{n}");
        let report = write(store, window, vec![row(&metric, "0", aggregate.clone())]).await;
        assert_eq!(report, WriteReport { n_written: 1, ..WriteReport::default() });
        for field in Field::ALL {
            let expected: Vec<_> =
                aggregate.field(field).map(|value| (window.start, value.to_bits())).into_iter().collect();
            assert_eq!(only(store, query(&metric, now, field)).await, expected, "{field:?} of {aggregate:?}");
        }
    }
}

async fn a_repeat_changes_nothing_and_a_rewrite_replaces(store: &Handles, now: Timestamp) {
    let window = Window::holding(now, Resolution::TenSeconds);
    for value in [1.0, 1.0, 2.0, 2.0, 1.0] {
        let report = write(store, window, vec![row("rewritten", "0", Aggregate::Single(value))]).await;
        assert_eq!(report.n_written, 1);
        let found = only(store, query("rewritten", now, Field::Last)).await;
        assert_eq!(found, [(window.start, f64::to_bits(value))]);
    }
    let both = [3.0, 1.0].map(|value| row("rewritten", "0", Aggregate::Single(value)));
    write(store, window, both.to_vec()).await;
    let found = only(store, query("rewritten", now, Field::Last)).await;
    assert_eq!(found, [(window.start, 1f64.to_bits())], "the last one of a write counts");
}

async fn takes_windows_in_any_order_of_time(store: &Handles, now: Timestamp) {
    let start = |n: i64| Timestamp::from_millis(now.floor(10_000).as_millis() + n * 10_000);
    for n in [5, -3, 0, 7, -300, 6, 300] {
        let window = Window { resolution: Resolution::TenSeconds, start: start(n) };
        write(store, window, vec![row("unordered", "0", Aggregate::Single(n as f64))]).await;
    }
    let expected = [-300, -3, 0, 5, 6, 7, 300].map(|n| (start(n), f64::to_bits(n as f64)));
    assert_eq!(only(store, query("unordered", now, Field::Last)).await, expected);
    let mut narrow = query("unordered", now, Field::Last);
    narrow.range = TimeRange { start: start(-3), end: start(6) };
    assert_eq!(only(store, narrow).await, expected[1..4], "the start is in the range, the end is not");
}

async fn resolutions_are_apart(store: &Handles, now: Timestamp) {
    for (n, resolution) in Resolution::ALL.into_iter().enumerate() {
        let window = Window::holding(now, resolution);
        write(store, window, vec![row("resolved", "0", Aggregate::Single(n as f64))]).await;
    }
    for (n, resolution) in Resolution::ALL.into_iter().enumerate() {
        let found = only(store, RangeQuery { resolution, ..query("resolved", now, Field::Last) }).await;
        assert_eq!(found, [(Window::holding(now, resolution).start, f64::to_bits(n as f64))]);
    }
}

async fn finds_series_by_their_labels(store: &Handles, now: Timestamp) {
    let window = Window::holding(now, Resolution::TenSeconds);
    let rows = ["web-1", "web-2", "db"].map(|n| row("found", n, Aggregate::Single(0.0)));
    write(store, window, rows.to_vec()).await;
    let found = async |selector: &str| {
        let selector = Selector::parse(selector).expect("a selector");
        let found = store.reader.series(&selector, 100).await.expect("an answer");
        found.iter().filter_map(|series| series.labels.get("n").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(found("found").await, ["db", "web-1", "web-2"], "in order of labels");
    assert_eq!(found(r#"found{n="db"}"#).await, ["db"]);
    assert_eq!(found(r#"found{n!="db"}"#).await, ["web-1", "web-2"]);
    assert_eq!(found(r#"found{n=~"web-.*"}"#).await, ["web-1", "web-2"]);
    assert_eq!(found(r#"found{n!~"web-.*|x"}"#).await, ["db"]);
    assert_eq!(found(r#"found{other=""}"#).await.len(), 3, "an absent label counts as empty");
    assert_eq!(found(r#"found{other!=""}"#).await.len(), 0);

    let selector = Selector::metric("found");
    let first = store.reader.series(&selector, 1).await.expect("an answer");
    assert_eq!(first, [series("found", "db")]);
    assert_eq!(store.reader.label_names(&selector).await.expect("an answer"), [METRIC_NAME, "n"]);
    assert_eq!(store.reader.label_values("n", &selector, 2).await.expect("an answer"), ["db", "web-1"]);
    let names = store.reader.names().await.expect("an answer");
    assert!(names.is_sorted_by(|a, b| a.name < b.name), "each name once, sorted: {names:?}");
    let name = names.iter().find(|name| name.name == "found").expect("the name");
    assert_eq!((name.kind, name.n_series), (MetricKind::Gauge, 3));
}

async fn keeps_the_first_kind_that_is_known(store: &Handles, now: Timestamp) {
    let window = Window::holding(now, Resolution::TenSeconds);
    for kind in [MetricKind::Unknown, MetricKind::Counter, MetricKind::Unknown, MetricKind::Gauge] {
        let mut row = row("kinds", "0", Aggregate::Single(0.0));
        row.series.kind = kind;
        write(store, window, vec![row]).await;
    }
    let found = store.reader.series(&Selector::metric("kinds"), 10).await.expect("an answer");
    assert_eq!(found[0].kind, MetricKind::Counter);
}

async fn refuses_answers_beyond_the_bounds(store: &Handles, now: Timestamp) {
    let window = Window::holding(now, Resolution::TenSeconds);
    let rows = ["0", "1", "2"].map(|n| row("bounded", n, Aggregate::Single(0.0)));
    write(store, window, rows.to_vec()).await;
    let bounded =
        |max_series, max_points| RangeQuery { max_series, max_points, ..query("bounded", now, Field::Last) };
    assert_eq!(points(store, bounded(3, 3)).await.len(), 3);
    for answer in [store.reader.range(&bounded(2, 9)).await, store.reader.latest(&bounded(2, 9)).await] {
        assert!(
            matches!(answer, Err(MetricStoreError::TooManySeries { n_series: 3, limit: 2 })),
            "{answer:?}"
        );
    }
    for answer in [store.reader.range(&bounded(9, 2)).await, store.reader.latest(&bounded(9, 2)).await] {
        assert!(matches!(answer, Err(MetricStoreError::TooManyPoints { limit: 2 })), "{answer:?}");
    }
}

async fn latest_is_the_newest_window_in_the_range(store: &Handles, now: Timestamp) {
    let start = |n: i64| Timestamp::from_millis(now.floor(10_000).as_millis() + n * 10_000);
    for n in [-300, -2, 4] {
        let window = Window { resolution: Resolution::TenSeconds, start: start(n) };
        write(store, window, vec![row("newest", "0", Aggregate::Single(n as f64))]).await;
    }
    let latest = async |end: i64| {
        let mut query = query("newest", now, Field::Last);
        query.range.end = start(end);
        let answer = store.reader.latest(&query).await.expect("an answer");
        answer.into_iter().flat_map(|series| series.points).collect::<Vec<_>>()
    };
    assert_eq!(latest(5).await, [(start(4), 4.0)]);
    assert_eq!(latest(4).await, [(start(-2), -2.0)]);
    assert_eq!(latest(-2).await, [(start(-300), -300.0)]);
    assert_eq!(latest(-300).await, []);
    let increase = store.reader.latest(&query("newest", now, Field::Increase)).await.expect("an answer");
    assert_eq!(increase, [], "the newest window knows of no increase");
}

async fn counts_what_it_holds(store: &Handles) {
    let stats = store.reader.stats().await.expect("an answer");
    let all = store.reader.series(&Selector::default(), usize::MAX).await.expect("an answer");
    assert_eq!(stats.n_series, all.len());
    for (resolution, of) in stats.resolutions {
        let query = RangeQuery {
            selector: Selector::default(),
            range: TimeRange { start: Timestamp::MIN, end: Timestamp::MAX },
            resolution,
            field: Field::Count,
            max_series: usize::MAX,
            max_points: usize::MAX,
        };
        let starts: Vec<Timestamp> = points(store, query)
            .await
            .into_iter()
            .flat_map(|series| series.points)
            .map(|(start, _)| start)
            .collect();
        assert_eq!(of.n_windows, starts.len() as u64, "{resolution:?}");
        assert_eq!(of.oldest, starts.into_iter().min(), "{resolution:?}");
    }
}
