//! From the text of a series to its number in the stream, so that known series are never parsed again.

use sentinel_model::MetricKind;

/// A series as an exposition writes it: name and labels verbatim, with the kind that its family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSeries<'a> {
    pub text: &'a str,
    pub kind: MetricKind,
}
