//! Properties of the reader on arbitrary input.

use proptest::prelude::*;
use sentinel_model::{Labels, METRIC_NAME};

use super::{Format, ParseError, decode_utf8, parse, samples};

const FORMATS: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::OpenMetricsLenient];

/// What an exposition line holds.
#[derive(Clone, Debug)]
struct Line {
    labels: Labels,
    value: f64,
    millis: Option<i64>,
}

fn a_line() -> impl Strategy<Value = Line> {
    let pairs = prop::collection::btree_map("[a-z][a-z0-9_]{0,6}", "[^\\x00]{1,12}", 0..6);
    let value = prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from), Just(f64::INFINITY)];
    (pairs, "[a-zA-Z_:][a-zA-Z0-9_:]{0,12}", value, prop::option::of(0_i64..4_000_000_000_000)).prop_map(
        |(mut pairs, name, value, millis)| {
            pairs.insert(METRIC_NAME.to_owned(), name);
            Line { labels: Labels::from_pairs(pairs).expect("a map has unique names"), value, millis }
        },
    )
}

fn print_value(value: f64) -> String {
    if value.is_infinite() {
        format!("{}Inf", if value > 0.0 { '+' } else { '-' })
    } else {
        format!("{value:?}")
    }
}

fn print(lines: &[Line], format: Format) -> String {
    let mut body = String::new();
    for Line { labels, value, millis } in lines {
        body.push_str(&format!("{labels} {}", print_value(*value)));
        match (millis, format) {
            (Some(millis), Format::Text) => body.push_str(&format!(" {millis}")),
            (Some(millis), _) => body.push_str(&format!(" {}.{:03}", millis / 1_000, millis % 1_000)),
            (None, _) => {}
        }
        body.push('\n');
    }
    if format != Format::Text {
        body.push_str("# EOF\n");
    }
    body
}

/// Text that looks like an exposition more often than chance would have it.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        Just("a"),
        Just("{"),
        Just("}"),
        Just("\""),
        Just("\\"),
        Just("="),
        Just(","),
        Just(" "),
        Just("\n"),
        Just("# "),
        Just("TYPE a histogram\n"),
        Just("# EOF\n"),
        Just("le=\"+Inf\""),
        Just("a_bucket"),
        Just("1"),
        Just("NaN"),
        Just("é"),
        Just("\u{feff}"),
        Just("\r"),
    ];
    prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
}

fn reads_without_panic(body: &str) {
    for format in FORMATS {
        let result = parse(body, format, |sample| {
            let _ = (sample.labels(), sample.name(), sample.pairs().count());
        });
        if let Err(ParseError { line, message, .. }) = result {
            assert!(line >= 1 && line <= body.lines().count() + 1, "line {line} of {body:?}");
            assert!(!message.is_empty() && message.len() < 600, "{message}");
        }
    }
}

proptest! {
    #[test]
    fn never_panics_on_text(body in "\\PC{0,200}") {
        reads_without_panic(&body);
    }

    #[test]
    fn never_panics_on_scraps_of_the_grammar(body in scraps()) {
        reads_without_panic(&body);
    }

    #[test]
    fn never_panics_on_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = decode_utf8(&body) {
            reads_without_panic(text);
        }
    }

    #[test]
    fn never_panics_on_a_body_cut_anywhere(lines in prop::collection::vec(a_line(), 1..4), at in 0_usize..400) {
        for format in FORMATS {
            let body = print(&lines, format);
            let cut = body.char_indices().map(|(i, _)| i).take_while(|i| *i <= at).last().unwrap_or(0);
            reads_without_panic(&body[..cut]);
            if format != Format::Text && cut + "# EOF\n".len() < body.len() {
                prop_assert!(parse(&body[..cut], format, |_| ()).is_err(), "a cut body must not pass");
            }
        }
    }

    #[test]
    fn gives_back_what_was_printed(lines in prop::collection::vec(a_line(), 0..8)) {
        for format in [Format::Text, Format::OpenMetricsLenient] {
            let body = print(&lines, format);
            let read: Vec<_> = samples(&body, format).collect::<Result<_, _>>().expect("a valid body");
            prop_assert_eq!(read.len(), lines.len());
            for (sample, line) in read.iter().zip(&lines) {
                prop_assert_eq!(&sample.labels().expect("unique labels"), &line.labels);
                prop_assert!(sample.value == line.value || (sample.value.is_nan() && line.value.is_nan()));
                prop_assert_eq!(sample.timestamp.map(sentinel_model::Timestamp::as_millis), line.millis);
            }
        }
    }
}

#[test]
fn names_the_line_that_is_not_utf8() {
    let error = decode_utf8(b"a 1\nb{x=\"\xff\"} 2\n").expect_err("not UTF-8");
    assert_eq!((error.line, error.reason), (2, "utf8"));
}

#[test]
fn tells_formats_apart() {
    assert_eq!(Format::from_content_type("text/plain; version=0.0.4; charset=utf-8"), Some(Format::Text));
    assert_eq!(
        Format::from_content_type("application/openmetrics-text; version=1.0.0"),
        Some(Format::OpenMetrics)
    );
    assert_eq!(Format::from_content_type("text/html; charset=utf-8"), None);
    assert_eq!(Format::detect("a 1\n# EOF\n"), Format::OpenMetrics);
    assert_eq!(Format::detect("a 1\n# EOFblah"), Format::OpenMetrics);
    assert_eq!(Format::detect("a 1\n"), Format::Text);
}
