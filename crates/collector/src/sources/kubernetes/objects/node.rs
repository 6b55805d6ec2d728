//! Nodes.

use sentinel_model::NodeDetail;
use serde_json::Value;

use super::super::json::{at, flag, list, owned, pairs, text};
use super::super::quantity::resources;
use super::conditions;

/// A label of this prefix names a role; the other names its value.
const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE_LABEL: &str = "kubernetes.io/role";

pub(super) fn node(node: &Value) -> NodeDetail {
    NodeDetail {
        conditions: conditions(node),
        capacity: resources(at(node, "status.capacity")),
        allocatable: resources(at(node, "status.allocatable")),
        is_unschedulable: flag(node, "spec.unschedulable"),
        taints: list(node, "spec.taints").iter().map(taint).collect(),
        kubelet_version: owned(node, "status.nodeInfo.kubeletVersion"),
        os_image: owned(node, "status.nodeInfo.osImage"),
        kernel_version: owned(node, "status.nodeInfo.kernelVersion"),
        container_runtime: owned(node, "status.nodeInfo.containerRuntimeVersion"),
        architecture: owned(node, "status.nodeInfo.architecture"),
        internal_ip: internal_ip(node).to_owned(),
        roles: roles(node),
    }
}

/// First address of type `InternalIP`.
pub(crate) fn internal_ip(node: &Value) -> &str {
    list(node, "status.addresses")
        .iter()
        .find(|address| text(address, "type") == "InternalIP")
        .map_or("", |address| text(address, "address"))
}

/// As kubectl finds them, in order of name.
pub(crate) fn roles(node: &Value) -> Vec<String> {
    let mut roles: Vec<String> = pairs(node, "metadata.labels")
        .filter_map(|(label, value)| match label.strip_prefix(ROLE_PREFIX) {
            Some(role) => Some(role),
            None => (label == ROLE_LABEL).then_some(value),
        })
        .filter(|role| !role.is_empty())
        .map(str::to_owned)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// `key=value:Effect`, without `=` when there is no value.
fn taint(taint: &Value) -> String {
    let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
    let separator = if value.is_empty() { "" } else { "=" };
    format!("{key}{separator}{value}:{effect}")
}
