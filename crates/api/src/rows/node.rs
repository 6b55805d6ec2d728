//! Rows of nodes.

use sentinel_model::{ObjectDetail, ObjectState};

use super::{View, condition};
use crate::dto::Usage;
use crate::dto::node::NodeRow;
use crate::status::node_state;
use crate::usage;

/// `on_it`: number of its unfinished pods and what they ask for. `None` for what is not a node.
pub fn node_row(state: &ObjectState, on_it: Option<&(usize, Usage)>, view: View<'_>) -> Option<NodeRow> {
    let ObjectDetail::Node(node) = &state.detail else { return None };
    let told = node_state(node);
    let (n_pods, asked) = on_it.copied().unwrap_or_default();
    let mut usage = usage::offered(node);
    usage.add(&asked);
    Some(NodeRow {
        cluster: state.key.cluster.to_string(),
        name: state.name.clone(),
        status: told.status,
        reason: told.reason,
        conditions: node.conditions.iter().map(condition).collect(),
        pressures: told.pressures,
        is_unschedulable: node.is_unschedulable,
        taints: node.taints.clone(),
        roles: node.roles.clone(),
        kubelet_version: node.kubelet_version.clone(),
        os_image: node.os_image.clone(),
        kernel_version: node.kernel_version.clone(),
        container_runtime: node.container_runtime.clone(),
        architecture: node.architecture.clone(),
        internal_ip: node.internal_ip.clone(),
        created: state.created.map(Into::into),
        n_pods,
        pods_allocatable: node.allocatable.pods,
        usage: usage.with_used(view.usage.node(&state.key.cluster, &state.name).unwrap_or_default()),
    })
}
