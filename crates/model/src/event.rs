//! Kubernetes events.

use std::sync::Arc;

use crate::Timestamp;

/// Severity of an event; FEATURES' table maps type and reason to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventSeverity {
    #[default]
    Info,
    Warning,
    Error,
    Critical,
}

impl EventSeverity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// A reference to an object of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// One state of one Kubernetes Event. Its identity is `uid`; a repeat raises `count`.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    pub uid: String,
    pub resource_version: String,
    /// `Normal` or `Warning`.
    pub kind: String,
    pub severity: EventSeverity,
    pub reason: String,
    pub message: String,
    pub regarding: ObjectRef,
    /// Workload that `regarding` belongs to (`Deployment`, `web`), empty when unknown.
    pub workload_kind: String,
    pub workload: String,
    /// Component that reported it, such as `kubelet`.
    pub reporter: String,
    /// Node of the reporter, if it has one.
    pub node: String,
    pub count: u32,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct EventBatch {
    pub cluster: Arc<str>,
    pub collector: Arc<str>,
    pub epoch: u64,
    pub sequence: u64,
    pub observed: Timestamp,
    pub records: Vec<EventRecord>,
}
