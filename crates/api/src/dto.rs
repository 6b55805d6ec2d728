//! What the API answers with. Every shape here is part of the contract in `openapi.json`: fields are
//! only added, names are snake_case, and an absent value is `null`, never a missing key.

use std::fmt;

use sentinel_model::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

pub mod cluster;
pub mod metric;
pub mod node;
pub mod object;
pub mod overview;
pub mod pipeline;
pub mod pod;
pub mod record;
pub mod settings;
pub mod verify;
pub mod workload;

/// An instant in RFC 3339, UTC, with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-21T10:00:00.000Z")]
pub struct Time(#[schema(inline)] pub Timestamp);

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Give it back as `page_token`, with the same other parameters, for the next page; `null` at the
    /// end.
    pub next_page_token: Option<String>,
}

/// A whole, bounded list.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Items<T> {
    pub items: Vec<T>,
}

/// What is used of what was asked for, of CPU (cores) or memory (bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ResourceUsage {
    /// Newest measurement: CPU as the rate over at most 60 s, memory as the working set.
    pub used: Option<f64>,
    /// Sum of the requests of what is not finished.
    pub requested: Option<f64>,
    /// Sum of the limits; `null` where nothing sets one.
    pub limit: Option<f64>,
    /// What a node offers to pods; only for nodes and clusters.
    pub allocatable: Option<f64>,
}

/// CPU in cores, memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Usage {
    pub cpu: ResourceUsage,
    pub memory: ResourceUsage,
}

/// An RFC 9457 problem.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem; `code` is its last part.
    #[serde(rename = "type")]
    #[schema(example = "urn:sentinel:problem:invalid_parameter")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// Names this occurrence; the same id is in `X-Request-Id` and in the log.
    #[schema(example = "urn:sentinel:request:5c1f0d2e9a7b4c38")]
    pub instance: String,
    /// A short stable word for programs.
    #[schema(example = "invalid_parameter")]
    pub code: String,
    /// The parameter or field that is wrong, where there is one.
    pub field: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

// === impl Time ===

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0.as_millis()) {
            Ok(time) => write!(f, "{time:.3}"),
            // Outside of the years −9999 to 9999, where RFC 3339 has no way to write it.
            Err(_) => f.write_str("1970-01-01T00:00:00.000Z"),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_instants_with_milliseconds_and_survives_the_end_of_time() {
        assert_eq!(Time(Timestamp::from_millis(1_795_255_200_000)).to_string(), "2026-11-21T10:00:00.000Z");
        assert_eq!(Time(Timestamp::from_millis(-1)).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Time(Timestamp::MAX).to_string(), "1970-01-01T00:00:00.000Z");
    }
}
