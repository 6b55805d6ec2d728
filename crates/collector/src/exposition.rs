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

    /// By the body itself, for files: OpenMetrics if any line begins with `# EOF`.
    pub fn detect(body: &str) -> Self {
        let is_eof = |line: &str| line.starts_with("# EOF");
        if body.lines().any(is_eof) { Self::OpenMetrics } else { Self::Text }
    }
}

/// The samples of a body in order of lines, ending after the first error.
pub struct Samples<'a>(Reader<'a>);

enum Reader<'a> {
    Text(TextSamples<'a>),
    OpenMetrics(Box<OpenMetricsSamples<'a>>),
    Done,
}

/// Reads a body piece by piece.
pub fn samples(body: &str, format: Format) -> Samples<'_> {
    Samples(match format {
        Format::Text => Reader::Text(TextSamples::new(body)),
        Format::OpenMetrics => Reader::OpenMetrics(Box::new(OpenMetricsSamples::strict(body))),
        Format::OpenMetricsLenient => Reader::OpenMetrics(Box::new(OpenMetricsSamples::lenient(body))),
    })
}

impl<'a> Iterator for Samples<'a> {
    type Item = Result<Sample<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = match &mut self.0 {
            Reader::Text(samples) => samples.next_sample(),
            Reader::OpenMetrics(samples) => samples.next_sample(),
            Reader::Done => return None,
        };
        if !matches!(result, Ok(Some(_))) {
            self.0 = Reader::Done;
        }
        result.transpose()
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
            while let Some(sample) = samples.next_sample()? {
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
