//! What a recount has found.

use std::collections::BTreeMap;

/// Findings that are told one by one; all are counted.
pub const MAX_FINDINGS: usize = 1_000;

/// Reasons for which something could not be checked that are told one by one.
const MAX_NOT_CHECKED: usize = 200;

/// Steps in the order of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Frames,
    Windows,
    Lines,
    Events,
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Frames, Self::Windows, Self::Lines, Self::Events];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Windows => "windows",
            Self::Lines => "lines",
            Self::Events => "events",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// Numbers that a collector gave and the bus does not hold.
    Hole,
    /// A number that lies on the bus more than once. Readers drop the second one.
    Double,
    /// A message of the bus that cannot be read.
    Unreadable,
    WindowMissing,
    /// One window of one series published twice by one owner, or by two partitions.
    WindowDouble,
    WindowDiffers,
    /// Stored, though the bus holds no sample of it.
    WindowUnexpected,
    LineMissing,
    LineDouble,
    LineUnexpected,
    EventMissing,
    EventDiffers,
}

impl FindingKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hole => "hole",
            Self::Double => "double",
            Self::Unreadable => "unreadable",
            Self::WindowMissing => "window_missing",
            Self::WindowDouble => "window_double",
            Self::WindowDiffers => "window_differs",
            Self::WindowUnexpected => "window_unexpected",
            Self::LineMissing => "line_missing",
            Self::LineDouble => "line_double",
            Self::LineUnexpected => "line_unexpected",
            Self::EventMissing => "event_missing",
            Self::EventDiffers => "event_differs",
        }
    }

    /// What to do about it.
    pub const fn next(self) -> &'static str {
        match self {
            Self::Hole => {
                "look at sentinel_collector_dropped_entries_total and the collector's log of that time: its outlet \
                 dropped the frames, or the bus lost them after it had acknowledged them"
            }
            Self::Double => {
                "nothing is counted twice by it: a publish whose answer was lost was sent again; many of them speak \
                 of a bus that answers too slowly"
            }
            Self::Unreadable => "look at the dead letters (`sentinel dlq list`): what wrote to this topic?",
            Self::WindowMissing => {
                "look for drops on purpose first (sentinel_processor_over_limit_samples_total, \
                 sentinel_metric_store_refused_windows_total, sentinel_processor_cut_windows_total), then at the \
                 processor's log of that time"
            }
            Self::WindowDouble => {
                "two targets send the same series: give them labels that tell them apart; if one owner published \
                 it twice, report a bug with this line"
            }
            Self::WindowDiffers | Self::WindowUnexpected => {
                "the store was changed by somebody else, or the processor computed something else: report a bug \
                 with this line"
            }
            Self::LineMissing | Self::EventMissing => {
                "look at /ready and the processor's log for the log store; put the message back by reading the \
                 topic again from that offset (reset the group sentinel-logs or sentinel-events)"
            }
            Self::LineDouble | Self::LineUnexpected | Self::EventDiffers => {
                "somebody else writes into the log store, or it kept an older state: report a bug with this line"
            }
        }
    }
}

/// One hole, double or difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    /// Stream, series, pod or event that it is about.
    pub subject: String,
    /// What was expected and what is there.
    pub detail: String,
}

/// What could not be judged, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotChecked {
    pub step: Step,
    pub what: String,
    pub reason: String,
}

/// How much was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub n_streams: u64,
    pub n_frames: u64,
    pub n_punctuations: u64,
    pub n_samples: u64,
    pub n_series: u64,
    /// Of `n_series`, those whose windows were compared.
    pub n_series_checked: u64,
    pub n_windows: u64,
    /// Numbers of windows that were compared with a store's or the bus'.
    pub n_values: u64,
    /// Windows that a new owner published once more, bit by bit the same.
    pub n_republished: u64,
    pub n_lines: u64,
    pub n_events: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub totals: Totals,
    /// The first [`MAX_FINDINGS`] of them.
    pub findings: Vec<Finding>,
    /// All of them, by kind.
    pub n_findings: BTreeMap<FindingKind, u64>,
    pub not_checked: Vec<NotChecked>,
    /// Dead letters of the span by topic and reason: loss that is accounted for.
    pub dead_letters: BTreeMap<(String, String), u64>,
}

impl Report {
    pub(crate) fn find(&mut self, kind: FindingKind, subject: impl Into<String>, detail: impl Into<String>) {
        *self.n_findings.entry(kind).or_default() += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { kind, subject: subject.into(), detail: detail.into() });
        }
    }

    pub(crate) fn leave_out(&mut self, step: Step, what: impl Into<String>, reason: impl Into<String>) {
        let left_out = NotChecked { step, what: what.into(), reason: reason.into() };
        if self.not_checked.len() < MAX_NOT_CHECKED && !self.not_checked.contains(&left_out) {
            self.not_checked.push(left_out);
        }
    }

    /// Everything was checked and agrees.
    pub fn is_clean(&self) -> bool {
        self.n_findings.is_empty() && self.not_checked.is_empty()
    }
}
