//! `EventBatch` ⇄ `sentinel.events.v1`.

use bytes::Bytes;
use sentinel_model::{EventBatch, EventRecord, EventSeverity, ObjectRef, Timestamp, Topic};

use super::key;
use crate::pb::events::v1 as pb;
use crate::{Wire, WireError, wire};

impl Wire for EventBatch {
    const TOPIC: Topic = Topic::Events;

    /// Cluster, namespace and workload of the first record; without a workload the object's name.
    fn key(&self) -> Bytes {
        let entity = self.records.first().map(|record| {
            let name = if record.workload.is_empty() { &record.regarding.name } else { &record.workload };
            (record.regarding.namespace.as_str(), name.as_str())
        });
        let (namespace, name) = entity.unwrap_or_default();
        key([&self.cluster, namespace, name])
    }

    fn encode(&self) -> Bytes {
        wire::seal(&pb::EventBatch {
            cluster: self.cluster.to_string(),
            collector: self.collector.to_string(),
            epoch: self.epoch,
            sequence: self.sequence,
            observed_unix_ms: self.observed.as_millis(),
            records: self.records.iter().map(to_wire).collect(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let message: pb::EventBatch = wire::open(bytes, "EventBatch")?;
        Ok(Self {
            cluster: message.cluster.into(),
            collector: message.collector.into(),
            epoch: message.epoch,
            sequence: message.sequence,
            observed: Timestamp::from_millis(message.observed_unix_ms),
            records: message.records.into_iter().map(from_wire).collect::<Result<_, _>>()?,
        })
    }
}

fn to_wire(record: &EventRecord) -> pb::EventRecord {
    let severity = match record.severity {
        EventSeverity::Info => pb::Severity::Info,
        EventSeverity::Warning => pb::Severity::Warning,
        EventSeverity::Error => pb::Severity::Error,
        EventSeverity::Critical => pb::Severity::Critical,
    };
    pb::EventRecord {
        uid: record.uid.clone(),
        resource_version: record.resource_version.clone(),
        kind: record.kind.clone(),
        severity: severity.into(),
        reason: record.reason.clone(),
        message: record.message.clone(),
        regarding: Some(pb::ObjectRef {
            kind: record.regarding.kind.clone(),
            namespace: record.regarding.namespace.clone(),
            name: record.regarding.name.clone(),
            uid: record.regarding.uid.clone(),
        }),
        workload_kind: record.workload_kind.clone(),
        workload: record.workload.clone(),
        reporter: record.reporter.clone(),
        node: record.node.clone(),
        count: record.count,
        first_seen_unix_ms: record.first_seen.as_millis(),
        last_seen_unix_ms: record.last_seen.as_millis(),
    }
}

fn from_wire(record: pb::EventRecord) -> Result<EventRecord, WireError> {
    let severity = match pb::Severity::try_from(record.severity) {
        Ok(pb::Severity::Info) => EventSeverity::Info,
        Ok(pb::Severity::Warning) => EventSeverity::Warning,
        Ok(pb::Severity::Error) => EventSeverity::Error,
        Ok(pb::Severity::Critical) => EventSeverity::Critical,
        Err(_) => return Err(WireError::Corrupt { detail: "the severity of an event is unknown" }),
    };
    let regarding = record.regarding.unwrap_or_default();
    Ok(EventRecord {
        uid: record.uid,
        resource_version: record.resource_version,
        kind: record.kind,
        severity,
        reason: record.reason,
        message: record.message,
        regarding: ObjectRef {
            kind: regarding.kind,
            namespace: regarding.namespace,
            name: regarding.name,
            uid: regarding.uid,
        },
        workload_kind: record.workload_kind,
        workload: record.workload,
        reporter: record.reporter,
        node: record.node,
        count: record.count,
        first_seen: Timestamp::from_millis(record.first_seen_unix_ms),
        last_seen: Timestamp::from_millis(record.last_seen_unix_ms),
    })
}
