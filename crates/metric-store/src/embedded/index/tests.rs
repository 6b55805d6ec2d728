//! Tests of the series index.

use proptest::prelude::*;
use sentinel_model::{LabelMatcher, MatchOp};

use super::*;

fn index(series: &[Labels]) -> Index {
    let mut index = Index::default();
    for (number, labels) in series.iter().enumerate() {
        let series = Series { labels: labels.clone(), kind: MetricKind::Gauge };
        index.define(number as u32, labels.id(), &series);
        index.touch(number as u32, 0, number as i64);
    }
    index
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[a-c]", "[x-z]{0,2}", 0..4)
        .prop_map(|pairs| Labels::from_pairs(&pairs).expect("a map has unique names"))
}

/// Different series, in the order in which they come.
fn population() -> impl Strategy<Value = Vec<Labels>> {
    prop::collection::hash_set(labels(), 0..30).prop_map(|set| set.into_iter().collect())
}

fn selector() -> impl Strategy<Value = Selector> {
    let op = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    let value = prop::sample::select(vec!["", "x", "xy", "x.*", ".*", ".+", "y|z", "[xy]?"]);
    let matcher = ("[a-d]", op, value)
        .prop_map(|(name, op, value)| LabelMatcher::new(name, op, value).expect("a valid expression"));
    prop::collection::vec(matcher, 0..4).prop_map(Selector::new)
}

proptest! {
    #[test]
    fn selects_what_the_selector_matches(series in population(), selector in selector()) {
        let index = index(&series);
        let expected: Vec<u32> =
            (0..).zip(&series).filter(|(_, labels)| selector.matches(labels)).map(|(n, _)| n).collect();
        prop_assert_eq!(index.select(&selector), expected);
    }

    #[test]
    fn lists_labels_as_a_scan_would(series in population(), selector in selector(), limit in 0..5usize) {
        let index = index(&series);
        let chosen = || series.iter().filter(|labels| selector.matches(labels));
        let names: std::collections::BTreeSet<_> =
            chosen().flat_map(|labels| labels.iter().map(|(name, _)| name.to_owned())).collect();
        prop_assert_eq!(index.label_names(&selector), names.into_iter().collect::<Vec<_>>());
        let values: std::collections::BTreeSet<_> =
            chosen().filter_map(|labels| labels.get("a").map(str::to_owned)).collect();
        let values: Vec<_> = values.into_iter().take(limit).collect();
        prop_assert_eq!(index.label_values("a", &selector, limit), values);
    }

    #[test]
    fn sorts_as_labels_do(series in population(), limit in 0..40usize) {
        let index = index(&series);
        let mut numbers = index.all.clone();
        index.sort(&mut numbers, limit);
        let found: Vec<_> = numbers.iter().map(|n| index.series(*n).expect("known").labels).collect();
        let mut expected = series;
        expected.sort();
        expected.truncate(limit);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn forgets_without_a_trace(series in population(), selector in selector(), first_kept in 0..30i64) {
        let mut forgetful = index(&series);
        let n_dead = forgetful.forget_before([first_kept; 4]);
        prop_assert_eq!(n_dead + forgetful.len(), series.len());
        let expected: Vec<u32> =
            (0..).zip(&series).skip(first_kept as usize).filter(|(_, l)| selector.matches(l)).map(|(n, _)| n).collect();
        prop_assert_eq!(forgetful.select(&selector), expected);
        for (number, labels) in (0..).zip(&series) {
            let is_kept = i64::from(number) >= first_kept;
            prop_assert_eq!(forgetful.find(labels.id()), is_kept.then_some(number));
            prop_assert_eq!(forgetful.series(number).is_some(), is_kept);
        }
        forgetful.forget_before([i64::MAX; 4]);
        prop_assert!(forgetful.postings.is_empty() && forgetful.label_names(&Selector::default()).is_empty());
    }
}

#[test]
fn names_tell_the_kind_that_is_known() {
    let mut index = Index::default();
    for (number, kind) in [(0, MetricKind::Unknown), (1, MetricKind::Counter)] {
        let labels = Labels::from_pairs([(METRIC_NAME, "hits"), ("n", &number.to_string())]).expect("unique");
        index.define(number, labels.id(), &Series { labels, kind });
    }
    let expected = MetricName { name: "hits".to_owned(), kind: MetricKind::Counter, n_series: 2 };
    assert_eq!(index.names(), [expected]);
}
