//! Windows and what is known of a series in one.

mod field;
mod sketch;

use std::sync::Arc;

use crate::{Series, SeriesRef, Timestamp};

/// Widths of the windows that are computed and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    TenSeconds,
    OneMinute,
    FiveMinutes,
    OneHour,
}

impl Resolution {
    pub const ALL: [Self; 4] = [Self::TenSeconds, Self::OneMinute, Self::FiveMinutes, Self::OneHour];

    pub const fn as_millis(self) -> i64 {
        match self {
            Self::TenSeconds => 10_000,
            Self::OneMinute => 60_000,
            Self::FiveMinutes => 300_000,
            Self::OneHour => 3_600_000,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::OneHour => "1h",
        }
    }
}

/// A tumbling window: `[start, start + resolution)` of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    pub resolution: Resolution,
    pub start: Timestamp,
}

impl Window {
    pub fn holding(timestamp: Timestamp, resolution: Resolution) -> Self {
        Self { resolution, start: timestamp.floor(resolution.as_millis()) }
    }

    pub const fn end(self) -> Timestamp {
        self.start.saturating_add_millis(self.resolution.as_millis())
    }
}

/// What a window says about one series. A window that saw one sample costs one value.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// Exactly one sample, and no increase to report.
    Single(f64),
    /// Two or more samples, or a counter.
    Summary(Box<Summary>),
}

/// Aggregates of the samples of a window, taken in order of their timestamps.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    pub last: f64,
    /// Σ(x − mean)², for the standard deviation and for merging (Chan et al., 1979).
    pub m2: f64,
    /// Counters only: growth from the last sample before the window (if there is one within the
    /// look-back) to the last sample in it, a fall counted as a reset to zero.
    pub increase: Option<f64>,
    /// Distribution of the samples; absent when they are all equal.
    pub sketch: Option<Sketch>,
}

/// A DDSketch with relative accuracy 1 % (Masson et al., VLDB 2019): value `x > 0` falls into bucket
/// `ceil(ln x / ln γ)`, γ = 1.01 / 0.99. Buckets are sorted by index; counts are at least 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    pub zeros: u64,
    pub positive: Vec<(i32, u64)>,
    /// Buckets of `−x`.
    pub negative: Vec<(i32, u64)>,
}

/// A number that a window can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Stddev,
    Increase,
    P50,
    P90,
    P95,
    P99,
}

/// One series in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    pub series: SeriesRef,
    pub aggregate: Aggregate,
}

/// Results of one window, published when it closes (final) or while it is open (provisional).
#[derive(Clone, Debug, PartialEq)]
pub struct RollupBatch {
    /// Producer of the stream: the processor's input partition.
    pub stream: Arc<str>,
    pub epoch: u64,
    pub sequence: u64,
    pub is_key: bool,
    pub window: Window,
    /// Final batches are complete and never change; provisional values may be replaced.
    pub is_final: bool,
    pub defined: Vec<(SeriesRef, Series)>,
    pub rollups: Vec<Rollup>,
}
