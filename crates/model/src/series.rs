//! Series: labels plus what kind of number they carry.

use std::fmt;

use crate::Labels;

/// A 128-bit hash of a series' labels; see [`Labels::id`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u128);

impl SeriesId {
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }

    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for SeriesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The small number of a series inside one stream, valid from its definition to the stream's next
/// key frame. Dense: an encoder numbers its series 0, 1, 2, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesRef(pub u32);

/// Kinds of metric as OpenMetrics names them. It decides how windows aggregate: counters get rate and
/// increase with reset handling. `_bucket`, `_count` and `_sum` of a histogram or summary are counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    #[default]
    Unknown,
    Gauge,
    Counter,
}

impl MetricKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// What a stream defines once and then refers to by a [`SeriesRef`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Series {
    pub labels: Labels,
    pub kind: MetricKind,
}
