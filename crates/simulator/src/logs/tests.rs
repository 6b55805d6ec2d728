//! Lines that are made on demand are as if they had been stored.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::catalogue::APPS;
use crate::load::Shape;
use crate::testing::START;

fn source(app: &'static App) -> Source {
    Source {
        app,
        pod: Arc::from("pod-0"),
        is_sidecar: false,
        key: 42,
        origin: Origin::before(START),
        curve: Curve::new(Shape::Level, &mut Dice::new(1)),
        rate: 2.0,
        started: START.saturating_sub_millis(3 * HOUR),
        ended: None,
        notes: Vec::new(),
        troubles: Vec::new(),
        upstream: Vec::new(),
    }
}

fn app(name: &str) -> &'static App {
    APPS.iter().find(|app| app.name == name).expect("an application")
}

fn errors(source: &Source) -> f64 {
    let lines = source.lines(START.saturating_sub_millis(HOUR), START);
    let n_errors = lines.iter().filter(|line| line.text.contains("\"level\":\"error\"")).count();
    n_errors as f64 / lines.len() as f64
}

#[test]
fn lines_come_at_about_their_rate() {
    let lines = source(app("ingest")).lines(START.saturating_sub_millis(HOUR), START);
    let rate = lines.len() as f64 / 3_600.0;
    assert!((1.6..2.4).contains(&rate), "{rate}");
}

#[test]
fn json_lines_are_json_and_logfmt_lines_have_pairs() {
    let from = START.saturating_sub_millis(HOUR);
    for line in source(app("ingest")).lines(from, START) {
        let value: serde_json::Value = serde_json::from_str(&line.text).expect(&line.text);
        assert_eq!(value["service"], "ingest");
    }
    for line in source(app("gateway")).lines(from, START) {
        assert!(line.text.starts_with("ts=2026-11-21T") && line.text.contains(" level="), "{}", line.text);
    }
}

#[test]
fn every_application_writes_something_of_its_own() {
    for app in &APPS {
        let lines = source(app).lines(START.saturating_sub_millis(60 * SECOND), START);
        assert!(lines.len() > 30, "{}: {}", app.name, lines.len());
        assert!(lines.iter().all(|line| !line.text.is_empty() && !line.text.contains('\n')), "{}", app.name);
    }
}

#[test]
fn troubles_show_from_their_beginning_on() {
    let healthy = source(app("ingest"));
    assert!(errors(&healthy) < 0.02, "{}", errors(&healthy));
    let troubled = Source {
        troubles: vec![(START.saturating_sub_millis(HOUR / 2), Trouble::DiskFull)],
        ..healthy.clone()
    };
    assert!((0.2..0.4).contains(&errors(&troubled)), "{}", errors(&troubled));
    let from = START.saturating_sub_millis(HOUR);
    let middle = START.saturating_sub_millis(HOUR / 2);
    assert_eq!(healthy.lines(from, middle), troubled.lines(from, middle), "the past stays as it was");
    let failing = Source { upstream: vec![(from, 0.5), (middle, 0.0)], ..healthy };
    assert!((0.15..0.35).contains(&errors(&failing)), "{}", errors(&failing));
}

#[test]
fn java_errors_have_stack_traces_in_order() {
    let source = Source {
        troubles: vec![(START.saturating_sub_millis(HOUR), Trouble::DiskFull)],
        ..source(app("cart"))
    };
    let lines = source.lines(START.saturating_sub_millis(60 * SECOND), START);
    let first = lines.iter().position(|line| line.text.contains(" ERROR ")).expect("an error");
    assert!(lines[first + 1].text.starts_with("java."), "{:?}", lines[first + 1]);
    assert!(lines[first + 2].text.starts_with("\tat "), "{:?}", lines[first + 2]);
}

#[test]
fn secrets_are_planted_rarely_and_only_where_somebody_is_careless() {
    let from = START.saturating_sub_millis(HOUR);
    let planted = |source: &Source| {
        let secrets = [
            "hunter2",
            "AKIAIOSFODNN7EXAMPLE",
            "4111111111111111",
            "ada@example.com",
            "Bearer eyJ",
            "sk_test_",
        ];
        let lines = source.lines(from, START);
        (
            lines.iter().filter(|line| secrets.iter().any(|secret| line.text.contains(secret))).count(),
            lines.len(),
        )
    };
    let (n_planted, n_lines) = planted(&source(app("checkout")));
    assert!(n_planted > 5 && n_planted < n_lines / 50, "{n_planted} of {n_lines}");
    assert_eq!(planted(&source(app("ingest"))).0, 0);
}

#[test]
fn nothing_is_older_than_the_container_or_the_rotation() {
    let young = Source { started: START.saturating_sub_millis(20 * SECOND), ..source(app("ingest")) };
    let lines = young.lines(Timestamp::from_millis(0), START);
    assert!(lines.iter().all(|line| line.at >= young.started));
    let old = source(app("ingest")).lines(Timestamp::from_millis(0), START);
    assert!(old.iter().all(|line| line.at >= START.saturating_sub_millis(KEPT)));
    let ended = Source { ended: Some(START.saturating_sub_millis(60 * SECOND)), ..source(app("ingest")) };
    assert!(ended.lines(START.saturating_sub_millis(50 * SECOND), START).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn spans_put_together_give_the_whole(key: u64, cuts in prop::collection::vec(1_i64..120_000, 1..8)) {
        let source = Source { key, ..source(app("cart")) };
        let start = START.saturating_sub_millis(HOUR / 2);
        let mut parts = Vec::new();
        let mut at = start;
        for cut in cuts {
            let next = at.saturating_add_millis(cut);
            parts.extend(source.lines(at, next));
            at = next;
        }
        prop_assert_eq!(parts, source.lines(start, at));
    }

    #[test]
    fn a_tail_is_the_end_of_everything(key: u64, n in 0_usize..300) {
        let source = Source { key, rate: 0.3, ..source(app("gateway")) };
        let all = source.lines(START.saturating_sub_millis(KEPT), START);
        let tail = source.tail(n, START);
        prop_assert_eq!(&tail[..], &all[all.len().saturating_sub(n)..]);
    }
}
