//! Log lines.

use std::sync::Arc;

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
