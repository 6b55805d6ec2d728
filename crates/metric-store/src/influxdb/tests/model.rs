//! The real server against what it should say.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sentinel_model::{
    Aggregate, Field, Labels, METRIC_NAME, MetricKind, Resolution, Selector, Series, Timestamp, Window,
};

use super::real::{now, place};
use crate::contract::{query, row};
use crate::embedded::testing::aggregate;
use crate::{Handles, RangeQuery, Row, TimeRange, WindowRows};

#[tokio::test]
async fn a_rewrite_replaces_whatever_was_there() {
    let Some(place) = place("rewrite") else { return };
    let store = place.open();
    let window = Window::holding(now(), Resolution::OneMinute);
    let mut runner = TestRunner::deterministic();
    let mut last: Vec<Aggregate> = Vec::new();
    for _ in 0..4 {
        let some = prop::collection::vec(aggregate(), 60).new_tree(&mut runner);
        last = some.expect("aggregates").current();
        let rows = last.iter().enumerate().map(|(n, one)| row("m", &format!("{n:02}"), one.clone()));
        let windows = vec![WindowRows { window, rows: rows.collect() }];
        assert_eq!(store.writer.write(windows.into()).await.expect("written").n_written, 60);
    }
    for field in Field::ALL {
        let query = RangeQuery { resolution: Resolution::OneMinute, ..query("m", now(), field) };
        let expected: Vec<(String, u64)> = last
            .iter()
            .enumerate()
            .filter_map(|(n, one)| Some((format!("{n:02}"), one.field(field)?.to_bits())))
            .collect();
        for answer in [store.reader.range(&query).await, store.reader.latest(&query).await] {
            let found: Vec<(String, u64)> = answer
                .expect("an answer")
                .into_iter()
                .map(|one| {
                    (one.series.labels.get("n").unwrap_or_default().to_owned(), one.points[0].1.to_bits())
                })
                .collect();
            assert_eq!(found, expected, "{field:?}");
        }
    }
    place.clean_up().await;
}

fn some_series() -> Vec<Series> {
    let pairs: [&[(&str, &str)]; 8] = [
        &[(METRIC_NAME, "up")],
        &[(METRIC_NAME, "up"), ("pod", "web-1"), ("ns", "shop")],
        &[(METRIC_NAME, "up"), ("pod", "web-22"), ("ns", "shop")],
        &[(METRIC_NAME, "up"), ("pod", "db%0A1"), ("ns", "data")],
        &[(METRIC_NAME, "up"), ("pod", "a\nb"), ("ns", "data")],
        &[(METRIC_NAME, "down"), ("pod", "web-1")],
        &[(METRIC_NAME, "down"), ("ns", "shop"), ("_x", "y/z")],
        &[("pod", "nameless")],
    ];
    let series = |pairs: &&[(&str, &str)]| Series {
        labels: Labels::from_pairs(pairs.iter().copied()).expect("different names"),
        kind: MetricKind::Unknown,
    };
    pairs.iter().map(series).collect()
}

async fn check(store: &Handles, all: &[Series], text: &str) {
    let selector = Selector::parse(text).expect("a selector");
    let mut chosen: Vec<&Series> = all.iter().filter(|one| selector.matches(&one.labels)).collect();
    chosen.sort_by(|a, b| a.labels.cmp(&b.labels));
    let found = store.reader.series(&selector, 100).await.expect("an answer");
    assert_eq!(found.iter().collect::<Vec<_>>(), chosen, "{text}");
    for field in [Field::Last, Field::Avg] {
        let query = RangeQuery { selector: selector.clone(), ..query("", now(), field) };
        for answer in [store.reader.range(&query).await, store.reader.latest(&query).await] {
            let found: Vec<Series> = answer.expect("an answer").into_iter().map(|one| one.series).collect();
            assert_eq!(found.iter().collect::<Vec<_>>(), chosen, "{text}");
        }
    }
    let mut names: Vec<&str> =
        chosen.iter().flat_map(|one| one.labels.iter().map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(store.reader.label_names(&selector).await.expect("an answer"), names, "{text}");
    for label in ["pod", METRIC_NAME, "_x"] {
        let mut values: Vec<&str> = chosen.iter().filter_map(|one| one.labels.get(label)).collect();
        values.sort_unstable();
        values.dedup();
        let found = store.reader.label_values(label, &selector, 100).await.expect("an answer");
        assert_eq!(found, values, "{label} of {text}");
    }
}

#[tokio::test]
async fn selectors_choose_the_same_as_everywhere() {
    let Some(place) = place("selectors") else { return };
    let store = place.open();
    let all = some_series();
    let row = |series: &Series| Row {
        id: series.labels.id(),
        series: series.clone(),
        aggregate: Aggregate::Single(1.0),
    };
    let window = Window::holding(now(), Resolution::TenSeconds);
    let windows = vec![WindowRows { window, rows: all.iter().map(row).collect() }];
    store.writer.write(windows.into()).await.expect("written");
    let selectors = [
        "",
        "up",
        r#"{pod="web-1"}"#,
        r#"up{pod=""}"#,
        r#"{pod!=""}"#,
        r#"{pod!="web-1"}"#,
        r#"{pod=~"web-.*"}"#,
        r#"{pod=~"web-\\d"}"#,
        r#"{pod=~"web-\\w+"}"#,
        r#"{pod=~".*"}"#,
        r#"{pod=~".+"}"#,
        r#"{pod!~"web-.*"}"#,
        r#"{pod!~"|web-1"}"#,
        r#"{pod!~""}"#,
        r#"{pod=~"a.b"}"#,
        r#"{pod=~"db%0A1"}"#,
        r#"{pod="a\nb"}"#,
        r#"{__name__=~"u.|down"}"#,
        r#"{__name__!="up"}"#,
        r#"{__name__=""}"#,
        r#"{_x="y/z"}"#,
        r#"{_x=~"y/."}"#,
        r#"{ns="shop",ns="data"}"#,
        r#"{ns="shop",pod!="web-1"}"#,
        r#"{none="x"}"#,
        r#"{none=""}"#,
        r#"{__name__=~"up",ns=~"s.*|data",pod=~"web-(1|2+)"}"#,
        r#"{pod=~"(?i)WEB-1"}"#,
    ];
    for selector in selectors {
        check(&store, &all, selector).await;
    }
    place.clean_up().await;
}

#[tokio::test]
async fn any_range_is_an_answer() {
    let Some(place) = place("ranges") else { return };
    let store = place.open();
    let window = Window::holding(now(), Resolution::TenSeconds);
    let rows = vec![row("m", "0", Aggregate::Single(1.0))];
    store.writer.write([WindowRows { window, rows }].into()).await.expect("written");
    let at = window.start;
    let (before, after) = (at.saturating_sub_millis(1), at.saturating_add_millis(1));
    let ranges = [
        (Timestamp::MIN, Timestamp::MAX, 1),
        (at, after, 1),
        (before, at, 0),
        (at, at, 0),
        (after, before, 0),
        (Timestamp::MAX, Timestamp::MIN, 0),
        (Timestamp::MAX, Timestamp::MAX, 0),
        (Timestamp::MIN, Timestamp::MIN, 0),
    ];
    for (start, end, n_series) in ranges {
        let query = RangeQuery { range: TimeRange { start, end }, ..query("m", now(), Field::Last) };
        for answer in [store.reader.range(&query).await, store.reader.latest(&query).await] {
            assert_eq!(answer.expect("an answer").len(), n_series, "{start}..{end}");
        }
    }
    place.clean_up().await;
}
