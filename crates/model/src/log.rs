//! Log lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::Timestamp;

/// Severity as read from the line, OpenTelemetry's short names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogSeverity {
    #[default]
    Unspecified,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl LogSeverity {
    pub const ALL: [Self; 7] =
        [Self::Unspecified, Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// One line (or one joined multi-line record) of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// When the container wrote it, by the kubelet's clock. Nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    pub namespace: Arc<str>,
    pub workload_kind: Arc<str>,
    pub workload: Arc<str>,
    pub pod: Arc<str>,
    pub container: Arc<str>,
    pub node: Arc<str>,
    pub severity: LogSeverity,
    pub body: String,
}

/// Lines of one source (a container) in order.
#[derive(Clone, Debug, PartialEq)]
pub struct LogBatch {
    pub cluster: Arc<str>,
    pub collector: Arc<str>,
    pub epoch: u64,
    pub sequence: u64,
    pub observed: Timestamp,
    pub records: Vec<LogRecord>,
}

impl LogBatch {
    /// Identity of each line, 128 bits: who wrote it, when, and what. The same line has the same identity whoever
    /// reads it and however often it is published (ADR 0004). Lines of this batch that are equal in all of that
    /// are told apart by their order.
    pub fn line_ids(&self) -> Vec<u128> {
        let mut occurrences: BTreeMap<u128, u32> = BTreeMap::new();
        let id = |record: &LogRecord| {
            let first = line_id(&self.cluster, record, 0);
            let n_before = occurrences.entry(first).or_default();
            let id = if *n_before == 0 { first } else { line_id(&self.cluster, record, *n_before) };
            *n_before += 1;
            id
        };
        self.records.iter().map(id).collect()
    }
}

fn line_id(cluster: &str, record: &LogRecord, n_before: u32) -> u128 {
    let mut hash = Xxh3::new();
    // Lengths first, so that no two lists of texts run together into the same bytes.
    let texts = [cluster, &record.namespace, &record.pod, &record.container, &record.body];
    texts.iter().for_each(|text| hash.update(&(text.len() as u64).to_le_bytes()));
    texts.iter().for_each(|text| hash.update(text.as_bytes()));
    hash.update(&record.timestamp_ns.to_le_bytes());
    hash.update(&n_before.to_le_bytes());
    hash.digest128()
}
