//! From an object as the API gives it to the state that tables, rules and topology read.

mod manifest;
mod node;
mod pod;
mod pod_status;
mod workload;

use std::sync::Arc;

pub(crate) use node::{internal_ip, roles};
use sentinel_model::{Condition, ObjectDetail, ObjectKey, ObjectState, Timestamp, WorkloadRef};
use serde_json::Value;

use super::json::{list, map, owned, time};
use super::kind::Kind;
use super::owners::owner_refs;

/// Why something that the API gave is left out; counted, never fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it is not an object")]
    NotAnObject,
    #[error("it has no metadata.uid")]
    NoUid,
    #[error("it has no metadata.name")]
    NoName,
}

impl Refusal {
    /// Stable short name for counters.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::NoUid => "no_uid",
            Self::NoName => "no_name",
        }
    }
}

/// What an object does not tell of itself.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) cluster: Arc<str>,
    /// When the collector saw it.
    pub(crate) observed: Timestamp,
    pub(crate) workload: Option<WorkloadRef>,
}

/// The state of an object.
///
/// # Errors
/// It lacks what identifies it. Anything else that is missing or odd becomes an absent field.
pub(crate) fn object_state(kind: Kind, object: &Value, sighting: Sighting) -> Result<ObjectState, Refusal> {
    if !object.is_object() {
        return Err(Refusal::NotAnObject);
    }
    let uid = owned(object, "metadata.uid");
    let name = owned(object, "metadata.name");
    if uid.is_empty() {
        return Err(Refusal::NoUid);
    }
    if name.is_empty() {
        return Err(Refusal::NoName);
    }
    Ok(ObjectState {
        key: ObjectKey { cluster: sighting.cluster, kind: kind.as_str().into(), uid },
        namespace: owned(object, "metadata.namespace"),
        name,
        resource_version: owned(object, "metadata.resourceVersion"),
        created: time(object, "metadata.creationTimestamp"),
        observed: sighting.observed,
        is_deleted: false,
        labels: map(object, "metadata.labels"),
        owners: owner_refs(object),
        workload: sighting.workload,
        detail: detail(kind, object),
        manifest: manifest::manifest(kind, object),
    })
}

/// What tables and rules read, by kind.
pub(crate) fn detail(kind: Kind, object: &Value) -> ObjectDetail {
    match kind {
        Kind::Pod => ObjectDetail::Pod(Box::new(pod::pod(object))),
        Kind::Node => ObjectDetail::Node(Box::new(node::node(object))),
        Kind::Deployment
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::Job
        | Kind::CronJob => ObjectDetail::Workload(Box::new(workload::workload(kind, object))),
        _ => ObjectDetail::Other,
    }
}

/// `status.conditions`.
fn conditions(object: &Value) -> Vec<Condition> {
    list(object, "status.conditions")
        .iter()
        .map(|condition| Condition {
            kind: owned(condition, "type"),
            status: owned(condition, "status"),
            reason: owned(condition, "reason"),
            message: owned(condition, "message"),
            since: time(condition, "lastTransitionTime"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
