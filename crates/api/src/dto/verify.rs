//! Recounts of the bus against the stores.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// Which span of event time to recount.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// RFC 3339, Unix milliseconds, or relative to now; `-1h` without it.
    #[serde(default)]
    #[schema(example = "-1h")]
    pub from: Option<String>,
    /// `-90s` without it: by then windows have closed and are stored.
    #[serde(default)]
    #[schema(example = "-90s")]
    pub to: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifyState {
    Running,
    Done,
    Cancelled,
    /// Something could not be read: see `error`.
    Failed,
}

/// A recount, under way or done.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Verification {
    pub id: String,
    pub state: VerifyState,
    pub from: Time,
    pub to: Time,
    pub started: Time,
    pub finished: Option<Time>,
    /// What is being counted: `frames`, `windows`, `lines` or `events`.
    pub step: Option<String>,
    /// Share of the step that is done.
    pub progress: f64,
    pub error: Option<String>,
    pub report: Option<VerifyReport>,
}

/// What was counted, and what does not agree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct VerifyReport {
    pub totals: VerifyTotals,
    /// The first 1,000.
    pub findings: Vec<VerifyFinding>,
    /// All of them by kind.
    pub n_findings: BTreeMap<String, u64>,
    /// What could not be judged, and why. It may be as it should, or not.
    pub not_checked: Vec<VerifyLeftOut>,
    /// Dead letters of the span by topic and reason: loss that is accounted for.
    pub dead_letters: Vec<VerifyLetters>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct VerifyTotals {
    pub streams: u64,
    pub frames: u64,
    pub punctuations: u64,
    pub samples: u64,
    pub series: u64,
    /// Series whose windows were compared; less than `series` only if there are too many samples.
    pub series_checked: u64,
    pub windows: u64,
    /// Numbers of windows that were compared with those published or stored.
    pub values: u64,
    /// Windows that a processor published once more after a restart, bit by bit the same.
    pub windows_republished: u64,
    pub lines: u64,
    pub events: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct VerifyFinding {
    /// `hole`, `double`, `unreadable`, `window_missing`, `window_double`, `window_differs`, `window_unexpected`,
    /// `line_missing`, `line_double`, `line_unexpected`, `event_missing` or `event_differs`.
    pub kind: String,
    /// Stream, series, pod or event.
    pub subject: String,
    pub detail: String,
    /// What to do about it.
    pub next: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct VerifyLeftOut {
    pub step: String,
    pub what: String,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct VerifyLetters {
    pub topic: String,
    pub reason: String,
    pub n: u64,
}
