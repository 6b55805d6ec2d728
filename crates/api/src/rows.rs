//! States → rows of the contract. Each conversion is one function.

use sentinel_model::{Condition, ObjectState, OwnerRef, Timestamp};

use crate::dto::node::ConditionDto;
use crate::dto::object::{ObjectRow, OwnerDto};
use crate::usage;

mod node;
mod pod;
mod record;
mod workload;

pub use node::node_row;
pub use pod::{container_rows, pod_row};
pub use record::{event_of_document, event_of_record, log_of_document, log_of_record};
pub use workload::{
    KINDS as WORKLOAD_KINDS, PodGroups, is_finished, is_top_level, pod_usage, pod_used, workload_row,
};

/// What rows are made with besides the states.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub now: Timestamp,
    pub usage: &'a usage::Table,
}

pub fn condition(condition: &Condition) -> ConditionDto {
    ConditionDto {
        kind: condition.kind.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: condition.since.map(Into::into),
    }
}

pub fn owner(owner: &OwnerRef) -> OwnerDto {
    OwnerDto {
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        is_controller: owner.is_controller,
    }
}

pub fn object_row(state: &ObjectState) -> ObjectRow {
    let (workload_kind, workload) = workload_of(state);
    ObjectRow {
        cluster: state.key.cluster.to_string(),
        kind: state.key.kind.to_string(),
        namespace: state.namespace.clone(),
        name: state.name.clone(),
        uid: state.key.uid.clone(),
        created: state.created.map(Into::into),
        observed: state.observed.into(),
        labels: state.labels.clone(),
        workload_kind,
        workload,
    }
}

/// Kind and name of the top of the owner chain; empty when there is none.
pub fn workload_of(state: &ObjectState) -> (String, String) {
    state.workload.as_ref().map(|workload| (workload.kind.clone(), workload.name.clone())).unwrap_or_default()
}
