//! Metrics: names, series and answers to queries.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKindDto {
    Gauge,
    Counter,
    Unknown,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub enum Unit {
    #[serde(rename = "none")]
    None,
    #[serde(rename = "bytes")]
    Bytes,
    #[serde(rename = "bytes/s")]
    BytesPerSecond,
    #[serde(rename = "seconds")]
    Seconds,
    #[serde(rename = "cores")]
    Cores,
    /// 1 is 100 %.
    #[serde(rename = "ratio")]
    Ratio,
    #[serde(rename = "celsius")]
    Celsius,
    /// A moment, in seconds since the Unix epoch.
    #[serde(rename = "timestamp")]
    Timestamp,
    #[serde(rename = "1/s")]
    PerSecond,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MetricRow {
    pub name: String,
    pub kind: MetricKindDto,
    /// Of the values as they are stored, before any function.
    pub unit: Unit,
    pub n_series: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SeriesLabels {
    pub labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LatestRow {
    pub labels: BTreeMap<String, String>,
    pub kind: MetricKindDto,
    /// Start of the 10 s window that the value is the last one of.
    pub timestamp_ms: i64,
    pub value: Option<f64>,
    /// The window is still open.
    pub is_provisional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunctionDto {
    /// The last value of each step.
    Value,
    /// Growth of a counter per second, resets handled.
    Rate,
    /// Growth of a counter in each step, resets handled.
    Increase,
    Avg,
    Min,
    Max,
    P50,
    P90,
    P95,
    P99,
    /// Of an answer only: rate of the counters and value of the others, since several metrics are chosen.
    ByKind,
}

/// `[unix_ms, value]`; `null` where there is no data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PointDto(pub i64, pub Option<f64>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct SeriesStats {
    pub last: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub avg: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct QueriedSeries {
    pub labels: BTreeMap<String, String>,
    /// One for each step from `from_ms`, at the start of the step.
    pub points: Vec<PointDto>,
    pub stats: SeriesStats,
}

/// The sum of the series beyond the `limit`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Others {
    pub n: usize,
    pub points: Vec<PointDto>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RangeAnswer {
    /// Empty when the selector does not demand one name.
    pub metric: String,
    /// Of the answer's values.
    pub unit: Unit,
    pub function: FunctionDto,
    pub step_ms: i64,
    /// Width of the stored windows that were read: `10s`, `1m`, `5m` or `1h`.
    pub resolution: String,
    pub from_ms: i64,
    pub to_ms: i64,
    /// Points from here on may still change.
    pub provisional_from_ms: Option<i64>,
    pub total_series: usize,
    pub series: Vec<QueriedSeries>,
    pub others: Option<Others>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InstantSeries {
    pub labels: BTreeMap<String, String>,
    pub timestamp_ms: i64,
    pub value: Option<f64>,
    pub is_provisional: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InstantAnswer {
    pub metric: String,
    pub unit: Unit,
    pub function: FunctionDto,
    pub at_ms: i64,
    pub total_series: usize,
    pub series: Vec<InstantSeries>,
}

// === impl PointDto ===

impl PartialSchema for PointDto {
    /// The derived one would lose that the two places differ.
    fn schema() -> RefOr<Schema> {
        let moment = ObjectBuilder::new().schema_type(Type::Integer);
        let value = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Number, Type::Null]));
        ArrayBuilder::new()
            .description(Some("`[unix_ms, value]`; `null` where there is no data."))
            .prefix_items([Schema::from(moment.build()), Schema::from(value.build())])
            .items(ArrayItems::False)
            .min_items(Some(2))
            .max_items(Some(2))
            .into()
    }
}

impl ToSchema for PointDto {}
