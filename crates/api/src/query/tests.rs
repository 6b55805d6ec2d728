//! Tests of evaluation and combination; the whole way through the store is tested with the routes.

use proptest::prelude::*;
use sentinel_model::{Labels, Selector, Timestamp};

use super::combine::{Line, combine, stats, top};
use super::evaluate::{Piece, evaluate};
use super::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn plan(from_s: i64, to_s: i64, step_s: i64) -> Plan {
    Plan::new(at(from_s), at(to_s), Step::Millis(step_s * 1_000), Function::Value).expect("a plan")
}

fn pieces(values: &[(i64, f64)]) -> Vec<Piece> {
    values
        .iter()
        .map(|(start_s, value)| Piece { start: at(*start_s), span_ms: 10_000, value: *value })
        .collect()
}

#[test]
fn each_function_makes_one_value_of_the_windows_of_a_step() {
    let three = pieces(&[(0, 30.0), (10, 10.0), (20, 20.0)]);
    let of = |function| evaluate(&three, function, &plan(0, 30, 30))[0];
    assert_eq!(of(Function::Value), Some(20.0));
    assert_eq!(of(Function::Avg), Some(20.0));
    assert_eq!(of(Function::Min), Some(10.0));
    assert_eq!(of(Function::Max), Some(30.0));
    assert_eq!(of(Function::Increase), Some(60.0));
    assert_eq!(of(Function::Rate), Some(2.0));
}

#[test]
fn gaps_stay_gaps() {
    let broken = pieces(&[(0, 1.0), (10, 1.0), (20, 1.0), (60, 2.0)]);
    let steps = evaluate(&broken, Function::Value, &plan(0, 80, 10));
    assert_eq!(steps, [Some(1.0), Some(1.0), Some(1.0), None, None, None, Some(2.0), None]);
}

#[test]
fn a_series_that_comes_rarely_holds_its_value_until_the_next_is_due() {
    let rare = pieces(&[(0, 1.0), (30, 2.0), (60, 3.0), (150, 4.0)]);
    let steps = evaluate(&rare, Function::Value, &plan(0, 170, 10));
    assert_eq!(steps[..6], [Some(1.0), Some(1.0), Some(1.0), Some(2.0), Some(2.0), Some(2.0)]);
    assert_eq!(steps[9], Some(3.0), "a little late is not gone");
    assert_eq!(steps[12], None, "three periods late is gone");
    assert_eq!(steps[16], None, "nobody knows the future");
    let increases = evaluate(&rare, Function::Increase, &plan(0, 170, 10));
    assert_eq!(increases.iter().flatten().sum::<f64>(), 10.0, "growth is not counted twice");
}

#[test]
fn pieces_outside_of_the_span_do_not_count() {
    let around = pieces(&[(-10, 9.0), (0, 1.0), (10, 9.0)]);
    assert_eq!(evaluate(&around, Function::Max, &plan(0, 10, 10)), [Some(1.0)]);
}

fn lines() -> Vec<(Labels, Vec<Option<f64>>)> {
    [(["a", "x"], [Some(1.0), None]), (["b", "x"], [Some(3.0), None]), (["c", "y"], [Some(5.0), Some(7.0)])]
        .into_iter()
        .map(|([pod, node], steps)| {
            let labels = Labels::from_pairs([("__name__", "m"), ("pod", pod), ("node", node)]);
            (labels.expect("unique names"), steps.to_vec())
        })
        .collect()
}

fn ask(selector: &str, aggregation: Aggregation, by: &[&str]) -> Ask {
    Ask {
        selector: Selector::parse(selector).expect("a selector"),
        function: Chosen::ByKind,
        aggregation,
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        limit: 50,
    }
}

#[test]
fn groups_by_labels() {
    let by_node = |aggregation| {
        let lines = combine(lines(), &ask("m", aggregation, &["node"]));
        lines.into_iter().map(|line| (line.labels["node"].clone(), line.steps)).collect::<Vec<_>>()
    };
    let x = |aggregation| by_node(aggregation)[0].1[0];
    assert_eq!(x(Aggregation::Sum), Some(4.0));
    assert_eq!(x(Aggregation::Avg), Some(2.0));
    assert_eq!(x(Aggregation::Min), Some(1.0));
    assert_eq!(x(Aggregation::Max), Some(3.0));
    assert_eq!(x(Aggregation::Count), Some(2.0));
    assert_eq!(by_node(Aggregation::Sum)[0].1[1], None, "no value at all stays none");
    let all = combine(lines(), &ask("m", Aggregation::Sum, &[]));
    assert_eq!(all, [Line { labels: Default::default(), steps: vec![Some(9.0), Some(7.0)] }]);
    let each = combine(lines(), &ask("m", Aggregation::None, &[]));
    assert_eq!(each.len(), 3);
    assert!(!each[0].labels.contains_key("__name__"));
    let several = combine(lines(), &ask("{__name__=~\"m.*\"}", Aggregation::None, &[]));
    assert_eq!(several[0].labels["__name__"], "m", "it may be what tells them apart");
}

#[test]
fn keeps_the_largest_and_sums_the_others() {
    let (kept, others) = top(combine(lines(), &ask("m", Aggregation::None, &[])), 1);
    assert_eq!(kept[0].labels["pod"], "c");
    assert_eq!(others, Some((2, vec![Some(4.0), None])));
    assert_eq!(top(combine(lines(), &ask("m", Aggregation::None, &[])), 3).1, None);
}

#[test]
fn statistics_look_at_known_values_only() {
    let told = stats(&[None, Some(1.0), Some(3.0), None]);
    assert_eq!((told.last, told.min, told.max, told.avg), (Some(3.0), Some(1.0), Some(3.0), Some(2.0)));
    assert_eq!(stats(&[None]).avg, None);
}

proptest! {
    #[test]
    fn the_kept_and_the_others_sum_to_everything(
        values in prop::collection::vec(prop::collection::vec(prop::option::of(0u32..1_000), 4), 1..20),
        limit in 1usize..25,
    ) {
        let lines: Vec<Line> = values
            .iter()
            .map(|steps| Line {
                labels: Default::default(),
                steps: steps.iter().map(|value| value.map(f64::from)).collect(),
            })
            .collect();
        let total = |lines: &[Line]| lines.iter().flat_map(|line| &line.steps).flatten().sum::<f64>();
        let everything = total(&lines);
        let (kept, others) = top(lines, limit);
        let rest = others.map_or(0.0, |(_, steps)| steps.iter().flatten().sum());
        prop_assert_eq!(total(&kept) + rest, everything);
    }

    #[test]
    fn a_rate_is_between_the_rates_of_its_windows(values in prop::collection::vec(0u32..1_000, 1..30)) {
        let known: Vec<_> =
            values.iter().enumerate().map(|(i, value)| (i as i64 * 10, f64::from(*value))).collect();
        let steps = evaluate(&pieces(&known), Function::Rate, &plan(0, 300, 60));
        let bound = f64::from(*values.iter().max().expect("not empty")) / 10.0;
        prop_assert!(steps.iter().flatten().all(|rate| (0.0..=bound).contains(rate)));
    }
}
