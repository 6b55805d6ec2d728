//! Kubernetes events of both forms: core/v1 (`involvedObject`, `source`, `count`) and events.k8s.io
//! (`regarding`, `reportingController`, `series`), each possibly filled by halves.

use sentinel_model::{EventRecord, EventSeverity, ObjectRef, Timestamp, WorkloadRef};
use serde_json::Value;

use super::json::{at, clamp_count, integer, owned, text, time};
use super::objects::Refusal;

/// Warnings that mean that something did not work.
const ERRORS: [&str; 13] = [
    "Failed",
    "FailedScheduling",
    "FailedMount",
    "FailedAttachVolume",
    "FailedDetachVolume",
    "FailedCreate",
    "FailedDelete",
    "Unhealthy",
    "BackOff",
    "Evicted",
    "Preempting",
    "OutOfDisk",
    "FreeDiskSpaceFailed",
];

/// Warnings that mean that a node or something running does not live on.
const CRITICAL: [&str; 7] = [
    "Killing",
    "NetworkNotReady",
    "NodeNotReady",
    "Rebooted",
    "NodeAllocatableEnforced",
    "SystemOOM",
    "ContainerGCFailed",
];

/// The event as it is now. Its identity is `uid`, that of this state `uid` and `resource_version`.
///
/// # Errors
/// It lacks what identifies it.
pub(crate) fn event_record(event: &Value, workload: Option<&WorkloadRef>) -> Result<EventRecord, Refusal> {
    if !event.is_object() {
        return Err(Refusal::NotAnObject);
    }
    let uid = owned(event, "metadata.uid");
    if uid.is_empty() {
        return Err(Refusal::NoUid);
    }
    let kind = owned(event, "type");
    let reason = owned(event, "reason");
    let (first_seen, last_seen) = span(event);
    Ok(EventRecord {
        uid,
        resource_version: owned(event, "metadata.resourceVersion"),
        severity: severity(&kind, &reason),
        kind,
        reason,
        message: first_text(event, &["message", "note"]).to_owned(),
        regarding: regarding(event),
        workload_kind: workload.map_or_else(String::new, |workload| workload.kind.clone()),
        workload: workload.map_or_else(String::new, |workload| workload.name.clone()),
        reporter: first_text(
            event,
            &["reportingComponent", "reportingController", "source.component", "deprecatedSource.component"],
        )
        .to_owned(),
        node: node(event).to_owned(),
        count: occurrences(event),
        first_seen,
        last_seen,
    })
}

/// What the event is about.
pub(crate) fn regarding(event: &Value) -> ObjectRef {
    let Some(object) = at(event, "involvedObject").or_else(|| at(event, "regarding")) else {
        return ObjectRef::default();
    };
    ObjectRef {
        kind: owned(object, "kind"),
        namespace: owned(object, "namespace"),
        name: owned(object, "name"),
        uid: owned(object, "uid"),
    }
}

/// The table of FEATURES: only warnings are more than information.
pub(crate) fn severity(kind: &str, reason: &str) -> EventSeverity {
    match kind {
        "Warning" if CRITICAL.contains(&reason) => EventSeverity::Critical,
        "Warning" if ERRORS.contains(&reason) => EventSeverity::Error,
        "Warning" => EventSeverity::Warning,
        _ => EventSeverity::Info,
    }
}

/// First and last occurrence. New events have only `eventTime`, series only `lastObservedTime`, old
/// ones the other two; the time of creation is always there.
fn span(event: &Value) -> (Timestamp, Timestamp) {
    let first_of = |paths: &[&str]| paths.iter().find_map(|path| time(event, path));
    let created = time(event, "metadata.creationTimestamp");
    let first = first_of(&["firstTimestamp", "deprecatedFirstTimestamp", "eventTime"])
        .or(created)
        .or_else(|| first_of(&["lastTimestamp", "deprecatedLastTimestamp", "series.lastObservedTime"]))
        .unwrap_or_default();
    let last = ["series.lastObservedTime", "lastTimestamp", "deprecatedLastTimestamp", "eventTime"]
        .iter()
        .filter_map(|path| time(event, path))
        .max()
        .unwrap_or(first);
    (first, last.max(first))
}

fn occurrences(event: &Value) -> u32 {
    ["series.count", "count", "deprecatedCount"]
        .iter()
        .filter_map(|path| integer(event, path))
        .map(clamp_count)
        .max()
        .unwrap_or(1)
        .max(1)
}

/// A kubelet names its node as its instance; others name their pod there.
fn node(event: &Value) -> &str {
    match first_text(event, &["source.host", "deprecatedSource.host"]) {
        "" if first_text(event, &["reportingComponent", "reportingController"]) == "kubelet" => {
            text(event, "reportingInstance")
        }
        host => host,
    }
}

fn first_text<'a>(event: &'a Value, paths: &[&str]) -> &'a str {
    paths.iter().map(|path| text(event, path)).find(|text| !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::sources::kubernetes::testing::{any_json, replace_nth};

    fn core_event() -> Value {
        json!({
            "metadata": {"name": "web.17", "namespace": "shop", "uid": "e1", "resourceVersion": "42",
                "creationTimestamp": "2025-11-04T19:00:00Z"},
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "p1"},
            "reason": "BackOff", "message": "Back-off restarting failed container", "type": "Warning",
            "source": {"component": "kubelet", "host": "node-1"},
            "firstTimestamp": "2025-11-04T19:00:00Z", "lastTimestamp": "2025-11-04T19:05:00Z", "count": 7,
        })
    }

    fn record(event: &Value) -> EventRecord {
        event_record(event, None).expect("an identified event")
    }

    #[test]
    fn reads_a_core_event_with_its_workload() {
        let workload = WorkloadRef { kind: "Deployment".into(), name: "web".into() };
        let record = event_record(&core_event(), Some(&workload)).expect("an identified event");
        assert_eq!((record.uid.as_str(), record.resource_version.as_str()), ("e1", "42"));
        assert_eq!((record.kind.as_str(), record.severity), ("Warning", EventSeverity::Error));
        assert_eq!((record.regarding.kind.as_str(), record.regarding.name.as_str()), ("Pod", "web-1"));
        assert_eq!((record.workload_kind.as_str(), record.workload.as_str()), ("Deployment", "web"));
        assert_eq!((record.reporter.as_str(), record.node.as_str()), ("kubelet", "node-1"));
        assert_eq!(record.count, 7);
        assert_eq!(record.last_seen.millis_since(record.first_seen), 300_000);
    }

    #[test]
    fn reads_a_new_event_with_null_times_and_a_series() {
        let event = json!({
            "metadata": {"uid": "e2", "creationTimestamp": "2025-11-04T19:00:01Z"},
            "regarding": {"kind": "Node", "name": "node-1"}, "note": "not ready", "type": "Normal",
            "reason": "NodeReady", "eventTime": "2025-11-04T19:00:00.25Z",
            "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": null,
            "reportingController": "kubelet", "reportingInstance": "node-1",
            "series": {"count": 3, "lastObservedTime": "2025-11-04T19:01:00.5Z"},
        });
        let record = record(&event);
        assert_eq!((record.message.as_str(), record.severity), ("not ready", EventSeverity::Info));
        assert_eq!((record.count, record.node.as_str()), (3, "node-1"));
        assert_eq!(record.last_seen.millis_since(record.first_seen), 60_250);
    }

    #[test]
    fn falls_back_to_the_time_of_creation() {
        let mut event = core_event();
        event["firstTimestamp"] = Value::Null;
        event["lastTimestamp"] = Value::Null;
        event["count"] = Value::Null;
        let record = record(&event);
        assert_eq!(record.first_seen, Timestamp::from_millis(1_762_282_800_000));
        assert_eq!((record.last_seen, record.count), (record.first_seen, 1));
    }

    #[test]
    fn tells_states_of_the_same_second_apart_by_their_version() {
        let first = record(&core_event());
        let mut again = core_event();
        again["metadata"]["resourceVersion"] = "43".into();
        let second = record(&again);
        assert_eq!((first.uid.clone(), first.last_seen), (second.uid.clone(), second.last_seen));
        assert_ne!(first.resource_version, second.resource_version);
    }

    #[test]
    fn maps_type_and_reason_to_a_severity() {
        let cases = [
            ("Warning", "FailedMount", EventSeverity::Error),
            ("Warning", "NodeNotReady", EventSeverity::Critical),
            ("Warning", "DNSConfigForming", EventSeverity::Warning),
            ("Normal", "Killing", EventSeverity::Info),
            ("Normal", "Failed", EventSeverity::Info),
            ("", "", EventSeverity::Info),
        ];
        for (kind, reason, expected) in cases {
            assert_eq!(severity(kind, reason), expected, "{kind} {reason}");
        }
    }

    #[test]
    fn does_not_take_a_pods_name_for_a_node() {
        let mut event = core_event();
        event["source"] = json!({});
        event["reportingComponent"] = "job-controller".into();
        event["reportingInstance"] = "job-controller-abc".into();
        assert_eq!((record(&event).node.as_str(), record(&event).reporter.as_str()), ("", "job-controller"));
    }

    #[test]
    fn refuses_an_event_without_identity() {
        assert_eq!(event_record(&json!({"reason": "x"}), None), Err(Refusal::NoUid));
        assert_eq!(event_record(&json!("x"), None), Err(Refusal::NotAnObject));
    }

    proptest! {
        #[test]
        fn never_panics_on_odd_events(at in 0_usize..30, junk in any_json()) {
            let mut event = core_event();
            replace_nth(&mut event, at, &junk);
            let _ = event_record(&event, None);
        }
    }
}
