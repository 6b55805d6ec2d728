//! Which warning events still say something: an event tells what was, a state tells what is.

use sentinel_model::{ObjectDetail, ObjectState};

use crate::dto::node::NodeStatus;
use crate::dto::record::EventRow;
use crate::dto::workload::WorkloadStatus;
use crate::objects::{Objects, Place};
use crate::rows::{PodGroups, View, workload_row};
use crate::status::{node_state, pod_state};

/// What keeps failing is warned about again within this, but for the longest back-offs, and those show in
/// a state.
pub const RECENT_MS: i64 = 5 * 60 * 1_000;

/// It is recent, and its object is there and does not say that it is well.
pub fn stands(event: &EventRow, objects: &Objects, groups: &PodGroups, view: View<'_>) -> bool {
    if view.now.millis_since(event.last_seen.0) > RECENT_MS {
        return false;
    }
    let place = Place {
        kind: event.object_kind.as_str().into(),
        cluster: event.cluster.as_str().into(),
        namespace: event.namespace.clone(),
        name: event.object_name.clone(),
    };
    match objects.at(&place) {
        Some(entry) => !is_well(&entry.state, groups, view),
        // Of a kind that is not collected, nobody can tell whether it is gone.
        None => !objects.has_kind(&event.object_kind, &event.cluster),
    }
}

/// False, too, for what has no state that could tell: a Service, a CronJob.
fn is_well(state: &ObjectState, groups: &PodGroups, view: View<'_>) -> bool {
    match &state.detail {
        ObjectDetail::Pod(pod) => {
            let told = pod_state(pod, state.created, view.now);
            // One that is starting is not unwell, but what keeps it from being ready is worth a word.
            told.is_healthy && (told.is_ready() || pod.phase == "Succeeded")
        }
        ObjectDetail::Node(node) => {
            let told = node_state(node);
            told.status == NodeStatus::Ready && told.pressures.is_empty()
        }
        ObjectDetail::Workload(_) => workload_row(state, groups, view).is_some_and(|row| {
            matches!(
                row.status,
                WorkloadStatus::Available | WorkloadStatus::Complete | WorkloadStatus::ScaledToZero
            )
        }),
        ObjectDetail::Other => false,
    }
}
