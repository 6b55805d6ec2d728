//! The Prometheus text format 0.0.4, as leniently as Prometheus reads it: blanks between tokens, free
//! comments, samples in any order, no closing mark.

use memchr::memchr;
use sentinel_model::Timestamp;

use super::error::{Fault, quote};
use super::family::{Families, FamilyType};
use super::scan::{Grammar, labels_end, name_end, quoted_end, skip_blanks};
use super::{ParseError, Sample, number};

pub(super) struct TextSamples<'a> {
    body: &'a str,
    at: usize,
    line: usize,
    families: Families<'a>,
}

impl<'a> TextSamples<'a> {
    pub fn new(body: &'a str) -> Self {
        Self { body, at: 0, line: 1, families: Families::default() }
    }

    #[inline]
    pub fn next_sample(&mut self) -> Result<Option<Sample<'a>>, ParseError> {
        let bytes = self.body.as_bytes();
        loop {
            self.at = skip_blanks(bytes, self.at);
            match bytes.get(self.at) {
                None => return Ok(None),
                Some(b'\n') => {
                    self.at += 1;
                    self.line += 1;
                }
                Some(b'#') => self.comment()?,
                Some(_) => {
                    let sample = self.sample().map_err(|fault| fault.locate(self.body, self.line))?;
                    return Ok(Some(sample));
                }
            }
        }
    }

    #[inline]
    fn sample(&mut self) -> Result<Sample<'a>, Fault> {
        let bytes = self.body.as_bytes();
        let start = self.at;
        let name_end = name_end(bytes, start);
        let has_name = name_end > start;
        let brace = skip_blanks(bytes, name_end);
        let (series_end, at) = if bytes.get(brace) == Some(&b'{') {
            let end = labels_end(bytes, brace + 1, Grammar::Lenient, has_name)?;
            (end, skip_blanks(bytes, end))
        } else {
            (name_end, brace)
        };
        if series_end == start {
            let is_bom = self.body[start..].starts_with('\u{feff}');
            let message = if is_bom {
                "the body begins with a byte order mark; leave it out"
            } else {
                "expected a metric name (letters, digits, '_' and ':'), '{' or '#'"
            };
            return Err(Fault::new(start, "syntax", message));
        }
        let (value, at) = value(bytes, at)?;
        let (timestamp, at) = timestamp(bytes, at)?;
        self.at = at;
        let series = &self.body[start..series_end];
        let kind =
            if has_name { self.families.kind(&self.body[start..name_end]) } else { Default::default() };
        Ok(Sample { series, kind, value, timestamp })
    }

    /// A comment; only `# TYPE` matters, but a broken one or a broken `# HELP` is refused.
    fn comment(&mut self) -> Result<(), ParseError> {
        let bytes = self.body.as_bytes();
        let start = self.at;
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
        self.at = end;
        let Some(keyword) = self.body[start + 1..end].strip_prefix([' ', '\t']) else { return Ok(()) };
        let keyword = keyword.trim_start_matches([' ', '\t']);
        let blanks = [' ', '\t'];
        let fault = |message: String| Err(ParseError::new(self.line, "metadata", message));
        let (is_type, rest) = match (keyword.strip_prefix("TYPE"), keyword.strip_prefix("HELP")) {
            (Some(rest), _) if rest.starts_with(blanks) => (true, rest),
            (_, Some(rest)) if rest.starts_with(blanks) => (false, rest),
            _ => return Ok(()),
        };
        let rest = rest.trim_start_matches(blanks);
        let Some((name, text)) = split_name(rest) else {
            return fault(format!("expected a metric name after TYPE or HELP, found {}", quote(rest)));
        };
        if !is_type {
            return Ok(());
        }
        let text = text.trim_matches(blanks);
        match FamilyType::from_name(text) {
            Some(family) => self.families.declare(name, family),
            None => {
                let known = "counter, gauge, histogram, summary or untyped";
                return fault(format!("{} is no type of a metric; write {known}", quote(text)));
            }
        }
        Ok(())
    }
}

/// A name, quoted or not, and what follows it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('"') {
        let end = quoted_end(text.as_bytes(), 0).ok()?;
        return Some((&text[1..end - 1], &text[end..]));
    }
    let end = name_end(text.as_bytes(), 0);
    let (name, rest) = text.split_at(end);
    (end > 0 && (rest.is_empty() || rest.starts_with([' ', '\t']))).then_some((name, rest))
}

#[inline]
fn token_end(bytes: &[u8], at: usize) -> usize {
    let is_inside = |byte: &&u8| !matches!(**byte, b' ' | b'\t' | b'\n');
    at + bytes.get(at..).unwrap_or_default().iter().take_while(is_inside).count()
}

#[inline]
fn value(bytes: &[u8], at: usize) -> Result<(f64, usize), Fault> {
    let end = token_end(bytes, at);
    match number::parse_value(&bytes[at..end]) {
        Some(value) => Ok((value, end)),
        None => Err(Fault::new(at, "value", "expected a number such as 1, 2.5e-3, NaN or +Inf as the value")),
    }
}

/// The timestamp, if there is one; the line must end behind it.
#[inline]
fn timestamp(bytes: &[u8], at: usize) -> Result<(Option<Timestamp>, usize), Fault> {
    let at = skip_blanks(bytes, at);
    if matches!(bytes.get(at), None | Some(b'\n')) {
        return Ok((None, at));
    }
    let end = token_end(bytes, at);
    let Some(millis) = number::parse_millis(&bytes[at..end]) else {
        return Err(Fault::new(
            at,
            "timestamp",
            "expected a timestamp in whole milliseconds or the line's end",
        ));
    };
    let after = skip_blanks(bytes, end);
    if !matches!(bytes.get(after), None | Some(b'\n')) {
        return Err(Fault::new(after, "syntax", "expected the line's end after the timestamp"));
    }
    Ok((Some(Timestamp::from_millis(millis)), after))
}

#[cfg(test)]
mod tests {
    use sentinel_model::MetricKind;

    use super::super::{Format, parse};
    use super::*;

    fn read(body: &str) -> Result<Vec<(String, f64, Option<i64>, MetricKind)>, ParseError> {
        let mut samples = Vec::new();
        parse(body, Format::Text, |sample| {
            let labels = sample.labels().expect("unique labels").to_string();
            samples.push((labels, sample.value, sample.timestamp.map(Timestamp::as_millis), sample.kind));
        })?;
        Ok(samples)
    }

    fn refusal(body: &str) -> ParseError {
        read(body).expect_err(body)
    }

    #[test]
    fn reads_what_prometheus_tolerates() {
        let body = "\n  \t\n# comment\n#HELP\n# HELP\n# EOF\n# UNIT a b c\n\ta \t{ b = \"1\" , c=\"2\" d=\"3\",}\t5 \t7 \nb{}1\nc 2";
        let samples = read(body).expect("tolerated");
        let names: Vec<&str> = samples.iter().map(|sample| sample.0.as_str()).collect();
        assert_eq!(names, [r#"a{b="1",c="2",d="3"}"#, "b", "c"]);
        assert_eq!((samples[0].1, samples[0].2), (5.0, Some(7)));
        assert_eq!((samples[2].1, samples[2].2), (2.0, None));
    }

    #[test]
    fn gives_each_sample_its_kind() {
        let body = "# TYPE a counter\na 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n\
            # TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 1\na 2\nh_count{x=\"1\"} 2\nloose 1\n# TYPE g gauge\ng 1\n";
        let kinds: Vec<MetricKind> = read(body).expect("valid").into_iter().map(|sample| sample.3).collect();
        let (counter, gauge, unknown) = (MetricKind::Counter, MetricKind::Gauge, MetricKind::Unknown);
        assert_eq!(
            kinds,
            [counter, counter, counter, counter, gauge, counter, counter, counter, unknown, gauge]
        );
    }

    #[test]
    fn names_the_line_and_what_to_change() {
        let error = refusal("a 1\n# TYPE b gauge\nb{x=1} 2\n");
        assert_eq!(error.line, 3);
        assert_eq!(error.reason, "labels");
        assert_eq!(error.to_string(), "line 3: expected the label's value in double quotes, found \"1} 2\"");
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for (body, reason) in [
            ("a", "value"),
            ("a\n", "value"),
            ("a{b=\"1\"}\n", "value"),
            ("a 1 2 3\n", "syntax"),
            ("a 1 1.5\n", "timestamp"),
            ("a 1 9223372036854775808\n", "timestamp"),
            ("a 1\r\nb 1\r\n", "value"),
            ("\u{feff}a 1\n", "syntax"),
            ("a-b 1\n", "value"),
            ("a.b 1\n", "value"),
            ("0a 1\n", "syntax"),
            ("{} 1\n", "syntax"),
            ("{a=\"b\"} 1\n", "syntax"),
            ("a{b=\"1\"", "labels"),
            ("a{b=\"1} 1\nc{d=\"2\"} 1\n", "labels"),
            ("a{b=\"1\\\n\"} 1\n", "labels"),
            ("a{b} 1\n", "labels"),
            ("a{,b=\"1\"} 1\n", "labels"),
            ("a{b=\"1\",,c=\"1\"} 1\n", "labels"),
            ("a{b:c=\"1\"} 1\n", "labels"),
            ("a{\"b\"} 1\n", "labels"),
            ("a 0x1p-3\n", "value"),
            ("a 1_000\n", "value"),
            ("a 1e999\n", "value"),
            ("# TYPE a foo\n", "metadata"),
            ("# TYPE a gauge\r\n", "metadata"),
            ("# TYPE a\n", "metadata"),
            ("# TYPE 0a gauge\n", "metadata"),
            ("# HELP \n", "metadata"),
            ("a 1 # {x=\"y\"} 1\n", "timestamp"),
            ("<!DOCTYPE html>\n<html>", "syntax"),
        ] {
            assert_eq!(refusal(body).reason, reason, "{body:?}");
        }
    }
}
