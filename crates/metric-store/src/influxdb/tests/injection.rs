//! Text of others in lines and queries: it is data, or nothing.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sentinel_model::{
    Aggregate, Field, LabelMatcher, Labels, METRIC_NAME, MatchOp, MetricKind, Resolution, Selector, Series,
    Window,
};

use super::real::{now, place};
use crate::contract::query;
use crate::{Handles, Row, WindowRows};

/// FAULTS.md, F11, as far as it is of Flux and InfluxQL.
const HOSTILE: [&str; 34] = [
    "\") |> yield()",
    "\" or true or r.x==\"",
    "${1+1}",
    "${string(v: http.post)}",
    "\") import \"http\"",
    "import \"sql\"",
    "import \"influxdata/influxdb/secrets\"",
    "|> to(bucket:\"x\")",
    "from(bucket:\"_monitoring\")",
    "// comment",
    "/* */",
    "\n",
    "\r\n",
    "\\\"",
    "\\\\\"",
    "\\x22",
    "\\u0022",
    "“quoted”",
    "\0",
    "../x",
    "' OR 1=1 --",
    "\"; DROP MEASUREMENT cpu",
    "DROP DATABASE",
    "SELECT * INTO",
    "SHOW USERS",
    "/.*/",
    "=~ /(a+)+$/",
    "/",
    "\\",
    "a\\",
    "1\nadmin,x=y v=1",
    "%0A",
    "#",
    " ,=",
];

fn series(pairs: &[(&str, &str)]) -> Series {
    let labels = Labels::from_pairs(pairs.iter().copied()).expect("different names");
    Series { labels, kind: MetricKind::Unknown }
}

async fn write(store: &Handles, all: &[Series]) {
    let window = Window::holding(now(), Resolution::TenSeconds);
    let row = |(n, series): (usize, &Series)| Row {
        id: series.labels.id(),
        series: series.clone(),
        aggregate: Aggregate::Single(n as f64),
    };
    let rows: Vec<Row> = all.iter().enumerate().map(row).collect();
    let n_rows = rows.len();
    let report = store.writer.write([WindowRows { window, rows }].into()).await.expect("written");
    assert_eq!((report.n_written, &report.rejected[..]), (n_rows, &[][..]));
}

async fn found(store: &Handles, selector: Selector) -> Vec<Series> {
    let query = crate::RangeQuery { selector, ..query("", now(), Field::Last) };
    let found = store.reader.range(&query).await;
    let found = found.unwrap_or_else(|error| panic!("{}: {error}", query.selector));
    found.into_iter().map(|found| found.series).collect()
}

#[tokio::test]
async fn hostile_text_comes_back_as_it_went_and_chooses_only_itself() {
    let Some(place) = place("hostile") else { return };
    let store = place.open();
    let all: Vec<Series> =
        HOSTILE.iter().map(|text| series(&[(METRIC_NAME, "hostile"), ("v", text)])).collect();
    write(&store, &all).await;
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| a.labels.cmp(&b.labels));
    assert_eq!(store.reader.series(&Selector::metric("hostile"), 100).await.expect("an answer"), sorted);
    for (text, series) in HOSTILE.iter().zip(&all) {
        let selector = Selector::metric("hostile").and(LabelMatcher::equal("v", *text));
        assert_eq!(found(&store, selector).await, std::slice::from_ref(series), "{text:?}");
        let escaped = regex::escape(text);
        let matcher = LabelMatcher::new("v", MatchOp::Regex, escaped).expect("an expression");
        let selector = Selector::metric("hostile").and(matcher);
        assert_eq!(found(&store, selector).await, std::slice::from_ref(series), "=~ {text:?}");
        for name in [METRIC_NAME, "absent", text] {
            let selector = Selector::metric("hostile").and(LabelMatcher::equal(name, format!("{text}x")));
            assert_eq!(found(&store, selector).await, [], "{name}={text:?}");
        }
        let values = store.reader.label_values(text, &Selector::metric(*text), 10).await.expect("an answer");
        assert_eq!(values, [""; 0], "{text:?}");
    }
    let long = Selector::metric("hostile").and(LabelMatcher::equal("v", "x".repeat(64 << 10)));
    assert_eq!(found(&store, long).await, []);
    place.clean_up().await;
}

#[tokio::test]
async fn any_label_comes_back_as_it_went() {
    let Some(place) = place("labels") else { return };
    let store = place.open();
    let text = || prop_oneof!["(?s).{1,12}", "[,= \\\\\"'%\n\r#_a-c]{1,8}"];
    let labels = prop::collection::btree_map(text(), text(), 0..5);
    let mut runner = TestRunner::deterministic();
    let mut all = Vec::new();
    for (n, name) in
        ["_field", "_measurement", "_time", "_value", "_start", "time", "table", "result", "error", ""]
            .into_iter()
            .enumerate()
    {
        all.push(series(&[(METRIC_NAME, "reserved"), (name, &n.to_string())]));
    }
    for n in 0..300 {
        let mut labels = labels.new_tree(&mut runner).expect("labels").current();
        // One name in ten is missing.
        if n % 10 != 0 {
            labels.insert(METRIC_NAME.to_owned(), text().new_tree(&mut runner).expect("a name").current());
        }
        labels.insert("n".to_owned(), n.to_string());
        all.push(Series {
            labels: Labels::from_pairs(&labels).expect("different names"),
            kind: MetricKind::Unknown,
        });
    }
    write(&store, &all).await;
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    assert_eq!(store.reader.series(&Selector::default(), 1_000).await.expect("an answer"), all);
    assert_eq!(found(&store, Selector::default()).await, all);
    let names = store.reader.label_names(&Selector::metric("reserved")).await.expect("an answer");
    let expected = [
        "",
        METRIC_NAME,
        "_field",
        "_measurement",
        "_start",
        "_time",
        "_value",
        "error",
        "result",
        "table",
        "time",
    ];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(names, expected);
    place.clean_up().await;
}
