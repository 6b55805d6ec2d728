//! Reading of the Prometheus text format (leniently, as Prometheus does) and of OpenMetrics (strictly).
//! Nothing is copied: a sample borrows the text of its series from the body, and labels are only taken
//! apart when somebody asks for them.

mod checks;
mod error;
mod family;
mod histogram;
mod number;
mod openmetrics;
mod rules;
mod sample;
mod scan;
mod text;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod properties;

pub use error::ParseError;
pub use sample::Sample;

use openmetrics::OpenMetricsSamples;
use text::TextSamples;

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `text/plain; version=0.0.4`, read as leniently as Prometheus does.
    Text,
    /// `application/openmetrics-text; version=1.0.0`, every rule enforced.
    OpenMetrics,
    /// OpenMetrics' grammar and its `# EOF`, without the rules about families: what Prometheus enforces.
    OpenMetricsLenient,
}

impl Format {
    /// By the media type of an answer; `None` for what is no exposition in text.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "text/plain" | "" => Some(Self::Text),
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            _ => None,
        }
    }

    /// By the body itself, for files: OpenMetrics if any line only makes sense there. A body that was cut
    /// off before its `# EOF` is known by its other lines.
    pub fn detect(body: &str) -> Self {
        if body.lines().any(is_of_openmetrics) { Self::OpenMetrics } else { Self::Text }
    }
}

/// `# EOF`, a unit, a type that the text format lacks, or a sample with an exemplar.
fn is_of_openmetrics(line: &str) -> bool {
    match line.strip_prefix("# ") {
        // With anything behind it: a slip that should be told.
        Some(rest) if rest.starts_with("EOF") => true,
        Some(rest) => {
            let mut words = rest.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("UNIT"), Some(_), Some(_)) => true,
                (Some("TYPE"), Some(_), Some(kind)) => {
                    matches!(kind, "info" | "stateset" | "gaugehistogram" | "unknown")
                }
                _ => false,
            }
        }
        None if line.starts_with('#') => false,
        None => line.split_once(" # {").is_some_and(|(sample, _)| is_outside_quotes(sample)),
    }
}

/// Whether every quote of `text` is closed.
fn is_outside_quotes(text: &str) -> bool {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for byte in text.bytes() {
        is_quoted ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
    }
    !is_quoted
}

/// The samples of a body in order of lines, ending after the first error.
pub struct Samples<'a> {
    body: &'a str,
    reader: Reader<'a>,
}

enum Reader<'a> {
    Text(TextSamples<'a>),
    OpenMetrics(Box<OpenMetricsSamples<'a>>),
    Done,
}

/// Reads a body piece by piece.
pub fn samples(body: &str, format: Format) -> Samples<'_> {
    let reader = match format {
        Format::Text => Reader::Text(TextSamples::new(body)),
        Format::OpenMetrics => Reader::OpenMetrics(Box::new(OpenMetricsSamples::strict(body))),
        Format::OpenMetricsLenient => Reader::OpenMetrics(Box::new(OpenMetricsSamples::lenient(body))),
    };
    Samples { body, reader }
}

impl<'a> Iterator for Samples<'a> {
    type Item = Result<Sample<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = match &mut self.reader {
            Reader::Text(samples) => samples.next_sample(),
            Reader::OpenMetrics(samples) => samples.next_sample(),
            Reader::Done => return None,
        };
        if !matches!(result, Ok(Some(_))) {
            self.reader = Reader::Done;
        }
        result.map_err(|error| error.with_hint(self.body)).transpose()
    }
}

/// Reads a whole body, giving each sample to `each` in order of lines.
///
/// # Errors
/// The first line that breaks the format; samples before it have been given already, so that the
/// caller must drop them.
pub fn parse<'a>(body: &'a str, format: Format, mut each: impl FnMut(&Sample<'a>)) -> Result<(), ParseError> {
    match format {
        Format::Text => {
            let mut samples = TextSamples::new(body);
            while let Some(sample) = samples.next_sample().map_err(|error| error.with_hint(body))? {
                each(&sample);
            }
        }
        Format::OpenMetrics | Format::OpenMetricsLenient => {
            for sample in samples(body, format) {
                each(&sample?);
            }
        }
    }
    Ok(())
}

/// The body as text.
///
/// # Errors
/// The first line that is not UTF-8.
pub fn decode_utf8(body: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(body).map_err(|error| {
        let valid = &body[..error.valid_up_to()];
        let line = 1 + memchr::memchr_iter(b'\n', valid).count();
        ParseError::new(line, "utf8", "a byte is not UTF-8; write the exposition in UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_of_windows_are_called_by_their_name() {
        for (body, format) in [
            ("a 1\r\n", Format::Text),
            ("# TYPE a gauge\r\na 1\r\n", Format::Text),
            ("a 1\r\n# EOF\r\n", Format::OpenMetrics),
            ("a 1\n# EOF\r\n", Format::OpenMetricsLenient),
        ] {
            let error = parse(body, format, |_| {}).expect_err(body);
            assert!(error.message.ends_with("(tr -d '\\r')"), "{error}");
        }
        let error = parse("a\nb 1\r\n", Format::Text, |_| {}).expect_err("no value");
        assert!(!error.message.contains("tr -d"), "the line itself ends well: {error}");
    }

    #[test]
    fn a_counter_without_its_ending_is_told_its_name() {
        let error = parse("# TYPE a counter\na 1\n# EOF\n", Format::OpenMetrics, |_| {}).expect_err("a rule");
        assert_eq!((error.line, error.reason), (2, "clash"));
        assert!(error.message.contains("must be named \"a_total\""), "{error}");
    }

    #[test]
    fn knows_openmetrics_by_what_only_it_has() {
        for body in [
            "a 1\n# EOF\n",
            "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds 1\n",
            "# TYPE build info\nbuild_info{v=\"1\"} 1\n",
            "# TYPE a counter\na_total 1 # {trace_id=\"x\"} 1\n",
            "a_bucket{le=\"+Inf\",p=\"\\\"\"} 1 # {} 0.5 1.0\n",
        ] {
            assert_eq!(Format::detect(body), Format::OpenMetrics, "{body}");
        }
        for body in [
            "",
            "# TYPE go_info gauge\ngo_info{version=\"1\"} 1\n",
            "# the EOF is missing\na 1\n",
            "# UNIT\n# free comment # {\na{b=\"x # {\"} 1\n",
            "# TYPE a untyped\na 1\n",
        ] {
            assert_eq!(Format::detect(body), Format::Text, "{body}");
        }
    }
}
