//! Rows of events and log lines, from the log store and from the bus: the same record is the same row.

use sentinel_log_store::{Document, DocumentId};
use sentinel_model::{EventRecord, Labels, LogRecord, Timestamp};
use serde::Deserialize;

use crate::dto::record::{EventRow, LogRow};

/// What the processor keeps of an event beside the fields of a document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EventExtra {
    #[serde(rename = "type")]
    kind: String,
    count: u32,
    reporter: String,
    first_seen_ms: Option<i64>,
}

/// Identity of an event's document: every repeat replaces the state before it.
pub fn event_id(cluster: &str, uid: &str) -> DocumentId {
    let identity = [("cluster", cluster), ("uid", uid)];
    DocumentId(Labels::from_pairs(identity).map_or(0, |labels| labels.id().as_u128()))
}

pub fn event_of_record(record: EventRecord, cluster: &str) -> EventRow {
    EventRow {
        id: hex(event_id(cluster, &record.uid)),
        cluster: cluster.to_owned(),
        namespace: record.regarding.namespace,
        kind: record.kind,
        severity: record.severity.as_str().to_owned(),
        reason: record.reason,
        message: record.message,
        object_kind: record.regarding.kind,
        object_name: record.regarding.name,
        workload_kind: record.workload_kind,
        workload: record.workload,
        node: record.node,
        reporter: record.reporter,
        count: record.count,
        first_seen: Some(record.first_seen.into()),
        last_seen: record.last_seen.into(),
    }
}

pub fn event_of_document(document: Document) -> EventRow {
    let extra: EventExtra = serde_json::from_str(&document.extra).unwrap_or_default();
    EventRow {
        id: hex(document.id),
        cluster: document.cluster.to_string(),
        namespace: document.namespace.to_string(),
        kind: extra.kind,
        severity: document.severity.to_string(),
        reason: document.reason.to_string(),
        message: document.body,
        object_kind: document.object_kind.to_string(),
        object_name: document.object_name.to_string(),
        workload_kind: document.workload_kind.to_string(),
        workload: document.workload.to_string(),
        node: document.node.to_string(),
        reporter: extra.reporter,
        count: extra.count.max(1),
        first_seen: extra.first_seen_ms.map(|millis| Timestamp::from_millis(millis).into()),
        last_seen: millis_of(document.timestamp_ns).into(),
    }
}

pub fn log_of_record(record: LogRecord, cluster: &str, id: DocumentId) -> LogRow {
    LogRow {
        id: hex(id),
        timestamp: millis_of(record.timestamp_ns).into(),
        cluster: cluster.to_owned(),
        namespace: record.namespace.to_string(),
        workload_kind: record.workload_kind.to_string(),
        workload: record.workload.to_string(),
        pod: record.pod.to_string(),
        container: record.container.to_string(),
        node: record.node.to_string(),
        severity: record.severity.as_str().to_owned(),
        body: record.body,
    }
}

pub fn log_of_document(document: Document) -> LogRow {
    LogRow {
        id: hex(document.id),
        timestamp: millis_of(document.timestamp_ns).into(),
        cluster: document.cluster.to_string(),
        namespace: document.namespace.to_string(),
        workload_kind: document.workload_kind.to_string(),
        workload: document.workload.to_string(),
        pod: document.pod.to_string(),
        container: document.container.to_string(),
        node: document.node.to_string(),
        severity: document.severity.to_string(),
        body: document.body,
    }
}

fn hex(id: DocumentId) -> String {
    format!("{:032x}", id.0)
}

const fn millis_of(nanos: i64) -> Timestamp {
    Timestamp::from_millis(nanos.div_euclid(1_000_000))
}
