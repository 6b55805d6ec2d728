//! One sample, and its series taken apart.

use std::borrow::Cow;

use sentinel_model::{Labels, LabelsError, METRIC_NAME, MetricKind, Timestamp};

use crate::RawSeries;

/// One sample, borrowed from the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name and labels verbatim: everything before the value, without the space.
    pub series: &'a str,
    pub kind: MetricKind,
    pub value: f64,
    pub timestamp: Option<Timestamp>,
}

impl<'a> Sample<'a> {
    pub const fn raw(&self) -> RawSeries<'a> {
        RawSeries { text: self.series, kind: self.kind }
    }

    /// The metric's name.
    pub fn name(&self) -> Cow<'a, str> {
        SeriesText::of(self.series).name
    }

    /// Names and values as written, unescaped, without the metric's name.
    pub fn pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        SeriesText::of(self.series).pairs
    }

    /// Labels with `__name__`; labels with an empty value are left out.
    ///
    /// # Errors
    /// A label given twice.
    pub fn labels(&self) -> Result<Labels, LabelsError> {
        let text = SeriesText::of(self.series);
        let name = (Cow::Borrowed(METRIC_NAME), text.name);
        Labels::from_pairs(std::iter::once(name).chain(text.pairs))
    }
}

/// Names and values of a label set, given the text behind its `{`.
pub(super) fn label_pairs(labels: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    Pairs { rest: labels }
}

/// A name as it is meant: without its quotes, if it has any.
pub(super) fn unquote(name: &str) -> Cow<'_, str> {
    split_quoted(name).map_or(Cow::Borrowed(name), |(name, _)| name)
}

/// The text of a series in two parts.
struct SeriesText<'a> {
    name: Cow<'a, str>,
    pairs: Pairs<'a>,
}

impl<'a> SeriesText<'a> {
    fn of(series: &'a str) -> Self {
        let Some((name, labels)) = series.split_once('{') else {
            return Self { name: Cow::Borrowed(series.trim_end_matches(BLANKS)), pairs: Pairs { rest: "" } };
        };
        let pairs = Pairs { rest: labels };
        let name = name.trim_matches(BLANKS);
        let name = if name.is_empty() { pairs.take_metric_name() } else { Cow::Borrowed(name) };
        Self { name, pairs }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// What stands between the braces. The text was read by the grammar before; anything else ends it.
struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Pairs<'a> {
    /// A quoted string that is not followed by `=`, wherever it stands among the labels.
    fn take_metric_name(&self) -> Cow<'a, str> {
        let mut pairs = Pairs { rest: self.rest };
        while let Some((name, value)) = pairs.next_token() {
            if value.is_none() {
                return name;
            }
        }
        Cow::Borrowed("")
    }

    /// A name and its value; no value for a metric's name.
    fn next_token(&mut self) -> Option<(Cow<'a, str>, Option<Cow<'a, str>>)> {
        let rest = self.rest.trim_start_matches([' ', '\t', ',']);
        let (name, rest) = if rest.starts_with('"') {
            split_quoted(rest)?
        } else {
            let end = rest.find(['=', ' ', '\t', '}'])?;
            (Cow::Borrowed(&rest[..end]), &rest[end..])
        };
        let rest = rest.trim_start_matches(BLANKS);
        let Some(value) = rest.strip_prefix('=') else {
            self.rest = rest;
            return (!name.is_empty()).then_some((name, None));
        };
        let (value, rest) = split_quoted(value.trim_start_matches(BLANKS))?;
        self.rest = rest;
        Some((name, Some(value)))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let (name, Some(value)) = self.next_token()? {
                return Some((name, value));
            }
        }
    }
}

/// The unescaped text between the quotes at the start, and what follows.
fn split_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut end = inner.find(['"', '\\'])?;
    let mut has_escape = false;
    while inner.as_bytes()[end] == b'\\' {
        has_escape = true;
        let escaped = inner[end + 1..].chars().next()?;
        let from = end + 1 + escaped.len_utf8();
        end = from + inner[from..].find(['"', '\\'])?;
    }
    let value = &inner[..end];
    let value = if has_escape { Cow::Owned(unescape(value)) } else { Cow::Borrowed(value) };
    Some((value, &inner[end + 1..]))
}

/// `\\`, `\"` and `\n`; any other backslash stays as it is.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some(c @ ('\\' | '"')) => plain.push(c),
            Some(c) => plain.extend(['\\', c]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(series: &str) -> Sample<'_> {
        Sample { series, kind: MetricKind::Unknown, value: 0.0, timestamp: None }
    }

    #[test]
    fn takes_a_series_apart() {
        let sample = sample(r#"http_requests_total{code="200",path="/a\"b\\c\nd\z",empty=""}"#);
        assert_eq!(sample.name(), "http_requests_total");
        let labels = sample.labels().expect("unique labels");
        assert_eq!(labels.get("path"), Some("/a\"b\\c\nd\\z"));
        assert_eq!(labels.len(), 3, "the empty label is absent");
        assert_eq!(sample.pairs().count(), 3);
    }

    #[test]
    fn finds_a_quoted_metric_name_among_the_labels() {
        for series in [r#"{"a.b",x="1"}"#, r#"{x="1","a.b"}"#, r#"{ "a.b" , x = "1" , }"#] {
            let labels = sample(series).labels().expect("unique labels");
            assert_eq!(
                (labels.metric_name(), labels.get("x"), labels.len()),
                ("a.b", Some("1"), 2),
                "{series}"
            );
        }
    }

    #[test]
    fn refuses_a_label_given_twice() {
        assert!(sample(r#"a{b="1",b="2"}"#).labels().is_err());
        assert!(sample(r#"a{__name__="b"}"#).labels().is_err());
    }

    #[test]
    fn ends_quietly_on_text_that_the_grammar_never_gives() {
        for series in ["", "a{", "a{b", "a{b=", "a{b=\"", "a{b=\"\\", "{", "a{=}", "a{}}"] {
            let _ = sample(series).labels();
        }
    }
}
