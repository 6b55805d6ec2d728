//! What a replay read and what came of it, to be compared with the recording's own counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Counts by target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetCounts {
    pub scrapes: u64,
    pub failed: u64,
    /// Sample lines of its bodies.
    pub samples: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    pub targets: BTreeMap<String, TargetCounts>,
    /// Lines of the watches by resource and type.
    pub watch: BTreeMap<(String, String), u64>,
    /// Different objects by kind, events left out.
    pub objects: BTreeMap<&'static str, u64>,
    pub events: u64,
    /// States of events that were published: a repeated event is one more.
    pub event_records: u64,
    pub log_lines: u64,
    /// Lines of one stack trace are one record.
    pub log_records: u64,
    pub redacted_lines: u64,
    /// Samples computed from objects.
    pub state_samples: u64,
    /// Samples of kubelets that others give too.
    pub left_out: u64,
    /// Lines of the recording that could not be used.
    pub refused: u64,
    pub(super) event_uids: BTreeSet<String>,
    pub(super) object_uids: BTreeSet<(&'static str, String)>,
}

impl ReplayCounts {
    /// Of all targets.
    pub fn samples(&self) -> u64 {
        self.targets.values().map(|target| target.samples).sum()
    }

    pub fn watch_lines(&self) -> u64 {
        self.watch.values().sum()
    }
}

impl fmt::Display for ReplayCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "samples {} events {} log lines {}", self.samples(), self.events, self.log_lines)?;
        for (target, counts) in &self.targets {
            let TargetCounts { scrapes, failed, samples } = counts;
            writeln!(f, "  {target}: {scrapes} scrapes, {failed} failed, {samples} samples")?;
        }
        writeln!(f, "watch lines {}", self.watch_lines())?;
        let resources: BTreeSet<&String> = self.watch.keys().map(|(resource, _)| resource).collect();
        for resource in resources {
            write!(f, "  {resource}:")?;
            for kind in ["LIST", "ADDED", "MODIFIED", "DELETED", "BOOKMARK"] {
                let n = self.watch.get(&(resource.clone(), kind.to_owned())).unwrap_or(&0);
                write!(f, " {kind} {n}")?;
            }
            writeln!(f)?;
        }
        write!(f, "objects {}", self.objects.values().sum::<u64>())?;
        for (kind, n) in &self.objects {
            write!(f, ", {kind} {n}")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "published: {} states of events, {} log records ({} lines redacted), {} samples of state metrics",
            self.event_records, self.log_records, self.redacted_lines, self.state_samples
        )?;
        writeln!(f, "left out {} samples of kubelets that others give too", self.left_out)?;
        write!(f, "refused {}", self.refused)
    }
}
