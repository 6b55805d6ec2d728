//! OpenMetrics 1.0: one blank between tokens, no free comments, `# EOF` at the end. The grammar is
//! here, the rules about families in `checks`.

use std::borrow::Cow;

use memchr::memchr;
use sentinel_model::Timestamp;

use super::checks::{Checks, Observed, Violation};
use super::error::{Fault, quote};
use super::family::{Families, FamilyType};
use super::sample::{label_pairs, unquote};
use super::scan::{Grammar, is_name, labels_end, name_end, quoted_end};
use super::{ParseError, Sample, number};

/// Characters that an exemplar's labels may have together.
const EXEMPLAR_CHARS: usize = 128;

pub(super) struct OpenMetricsSamples<'a> {
    body: &'a str,
    at: usize,
    line: usize,
    families: Families<'a>,
    checks: Option<Checks<'a>>,
}

/// A sample line taken apart.
struct Line<'a> {
    name: Cow<'a, str>,
    /// Between the braces.
    labels: &'a str,
    nanos: Option<i128>,
    has_exemplar: bool,
    sample: Sample<'a>,
}

impl<'a> OpenMetricsSamples<'a> {
    pub fn strict(body: &'a str) -> Self {
        Self { checks: Some(Checks::default()), ..Self::lenient(body) }
    }

    pub fn lenient(body: &'a str) -> Self {
        Self { body, at: 0, line: 0, families: Families::default(), checks: None }
    }

    pub fn next_sample(&mut self) -> Result<Option<Sample<'a>>, ParseError> {
        loop {
            self.line += 1;
            let rest = &self.body[self.at..];
            let length = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
            let line = &rest[..length];
            if line == "# EOF" {
                return self.end(&rest[length..]);
            }
            if rest.is_empty() {
                let message = "the body ends without \"# EOF\"; write that line at its end (it was cut off?)";
                return Err(ParseError::new(self.line, "eof", message));
            }
            if length == rest.len() {
                let message = "the last line has no line end and is not \"# EOF\"";
                return Err(ParseError::new(self.line, "eof", message));
            }
            if line.starts_with('#') {
                self.metadata(line)?;
                self.at += length + 1;
                continue;
            }
            let sample = self.sample(line, length)?;
            self.at += length + 1;
            return Ok(Some(sample));
        }
    }

    fn end(&mut self, rest: &str) -> Result<Option<Sample<'a>>, ParseError> {
        if !matches!(rest, "" | "\n") {
            let message = "there is text after \"# EOF\"; nothing may follow it";
            return Err(ParseError::new(self.line + 1, "eof", message));
        }
        let line = self.line;
        if let Some(checks) = &mut self.checks {
            checks.finish().map_err(|violation| violation.locate(line))?;
        }
        Ok(None)
    }

    /// `# HELP name text`, `# TYPE name type` or `# UNIT name unit`.
    fn metadata(&mut self, line: &'a str) -> Result<(), ParseError> {
        let number = self.line;
        let refuse = |message: String| ParseError::new(number, "metadata", message);
        let malformed = || {
            let forms = "# HELP name text, # TYPE name type, # UNIT name unit or # EOF";
            refuse(format!("{} is none of: {forms} (free comments are not allowed)", quote(line)))
        };
        let (keyword, rest) =
            line.strip_prefix("# ").and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
        let (name, text) = split_name(rest).ok_or_else(malformed)?;
        let text = text.strip_prefix(' ').ok_or_else(malformed)?;
        let family = match keyword {
            "TYPE" => Some(self.family_type(text)?),
            "HELP" | "UNIT" => None,
            _ => return Err(malformed()),
        };
        if let Some(family) = family {
            self.families.declare(name.trim_matches('"'), family);
        }
        let Some(checks) = &mut self.checks else { return Ok(()) };
        let name = unquote(name);
        let checked = match family {
            Some(family) => checks.declare_type(name, family),
            None if keyword == "HELP" => checks.declare_help(name),
            None => checks.declare_unit(name, text),
        };
        checked.map_err(|violation| violation.locate(number))
    }

    fn family_type(&self, text: &str) -> Result<FamilyType, ParseError> {
        let known = FamilyType::from_name(text).filter(|_| text != "untyped");
        known.ok_or_else(|| {
            let types = "counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown";
            let message = format!("{} is no type of a metric; write {types}", quote(text));
            ParseError::new(self.line, "metadata", message)
        })
    }

    fn sample(&mut self, line: &'a str, length: usize) -> Result<Sample<'a>, ParseError> {
        let located = |fault: Fault| fault.locate(&self.body[..self.at + length], self.line);
        let mut parsed = read_line(self.body, self.at, length).map_err(located)?;
        let text = &line[..name_end(line.as_bytes(), 0)];
        if !text.is_empty() {
            parsed.sample.kind = self.families.kind(text);
        }
        if let Some(checks) = &mut self.checks {
            let observed = Observed {
                name: parsed.name,
                pairs: label_pairs(parsed.labels).collect(),
                value: parsed.sample.value,
                nanos: parsed.nanos,
                has_exemplar: parsed.has_exemplar,
            };
            checks.sample(observed).map_err(|violation: Violation| violation.locate(self.line))?;
        }
        Ok(parsed.sample)
    }
}

/// A name, quoted or not, and what follows it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let end = if text.starts_with('"') {
        quoted_end(text.as_bytes(), 0).ok()?
    } else {
        text.find(' ').unwrap_or(text.len())
    };
    let (name, rest) = text.split_at(end);
    (name.starts_with('"') || is_name(name)).then_some((name, rest))
}

/// `name[{labels}] value [timestamp] [# {labels} value [timestamp]]`
fn read_line(body: &str, start: usize, length: usize) -> Result<Line<'_>, Fault> {
    let bytes = &body.as_bytes()[..start + length];
    let name_end = name_end(bytes, start);
    let has_name = name_end > start;
    let has_labels = bytes.get(name_end) == Some(&b'{');
    if !has_name && !has_labels {
        let message = "expected a metric name (letters, digits, '_' and ':'), '{' or '#'";
        return Err(Fault::new(start, "syntax", message));
    }
    let end = if has_labels { labels_end(bytes, name_end + 1, Grammar::Strict, has_name)? } else { name_end };
    let series = &body[start..end];
    let labels = if has_labels { &body[name_end + 1..end] } else { "" };
    let (token, mut at) = next_token(bytes, end, "value", "expected one blank and the value")?;
    let message = "expected a number such as 1, 2.5e-3, NaN or +Inf as the value";
    let value = number::parse_value(token).ok_or(Fault::new(end + 1, "value", message))?;
    let mut nanos = None;
    if at < bytes.len() && !bytes[at..].starts_with(b" # ") {
        let from = at + 1;
        let message = "expected one blank and the timestamp, or the line's end";
        let (token, end) = next_token(bytes, at, "timestamp", message)?;
        let message = "expected a timestamp in seconds such as 1520879607.789";
        nanos = Some(number::parse_seconds(token).ok_or(Fault::new(from, "timestamp", message))?);
        at = end;
    }
    let has_exemplar = at < bytes.len();
    if has_exemplar {
        read_exemplar(body, at, bytes.len())?;
    }
    let timestamp = nanos.map(|nanos| Timestamp::from_millis(number::nanos_to_millis(nanos)));
    let sample = Sample { series, kind: Default::default(), value, timestamp };
    let name = if has_name { Cow::Borrowed(&body[start..name_end]) } else { sample.name() };
    Ok(Line { name, labels, nanos, has_exemplar, sample })
}

/// The text behind one blank up to the next blank or the end, and where it ends.
fn next_token<'b>(
    bytes: &'b [u8],
    at: usize,
    reason: &'static str,
    message: &'static str,
) -> Result<(&'b [u8], usize), Fault> {
    let start = at + 1;
    let rest = bytes.get(start..).unwrap_or_default();
    let length = memchr(b' ', rest).unwrap_or(rest.len());
    if bytes.get(at) != Some(&b' ') || length == 0 {
        return Err(Fault::new(at, reason, message));
    }
    Ok((&rest[..length], start + length))
}

/// ` # {labels} value [timestamp]`, which must reach to `end`.
fn read_exemplar(body: &str, at: usize, end: usize) -> Result<(), Fault> {
    const REASON: &str = "exemplar";
    let bytes = &body.as_bytes()[..end];
    if !bytes[at..].starts_with(b" # {") {
        return Err(Fault::new(at, REASON, "expected an exemplar such as ' # {trace_id=\"1\"} 0.5'"));
    }
    let start = at + 4;
    let labels_end = labels_end(bytes, start, Grammar::Strict, true)?;
    let n_chars: usize = label_pairs(&body[start..labels_end])
        .map(|(name, value)| name.chars().count() + value.chars().count())
        .sum();
    if n_chars > EXEMPLAR_CHARS {
        return Err(Fault::new(
            at,
            REASON,
            "an exemplar's labels have more than 128 characters; shorten them",
        ));
    }
    let (token, at) = next_token(bytes, labels_end, REASON, "expected one blank and the exemplar's value")?;
    if number::parse_value(token).is_none() {
        return Err(Fault::new(labels_end, REASON, "expected a number as the exemplar's value"));
    }
    if at == end {
        return Ok(());
    }
    let (token, after) = next_token(bytes, at, REASON, "expected one blank and the exemplar's timestamp")?;
    if number::parse_seconds(token).is_none() || after != end {
        return Err(Fault::new(at, REASON, "expected a timestamp in seconds at the line's end"));
    }
    Ok(())
}
