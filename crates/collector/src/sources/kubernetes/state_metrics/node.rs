//! `kube_node_*`, `kube_namespace_*`, and how quantities of resources are written.

use serde_json::Value;

use super::super::json::{flag, list, text, time};
use super::super::objects::{internal_ip, roles};
use super::super::quantity::{from_json, whole};
use super::{Family, bit, sanitized};

/// One entry of `capacity`, `limits` and the like.
pub(super) struct Quantity {
    pub(super) resource: String,
    pub(super) unit: &'static str,
    pub(super) value: f64,
}

/// Those that have a known unit.
pub(super) fn quantities(list: Option<&Value>) -> impl Iterator<Item = Quantity> {
    list.and_then(Value::as_object).into_iter().flatten().filter_map(|(resource, value)| {
        let unit = match resource.as_str() {
            "cpu" => "core",
            "memory" | "storage" | "ephemeral-storage" => "byte",
            "pods" => "integer",
            name if name.starts_with("hugepages-") || name.starts_with("attachable-volumes-") => "byte",
            name if name.contains('/') => "integer",
            _ => return None,
        };
        let value = if unit == "core" { from_json(value) } else { whole(value) };
        Some(Quantity { resource: sanitized(resource), unit, value: value? })
    })
}

pub(super) fn node(node: &Value, family: &mut Family<'_>) {
    let info = [
        ("kernel_version", text(node, "status.nodeInfo.kernelVersion")),
        ("os_image", text(node, "status.nodeInfo.osImage")),
        ("container_runtime_version", text(node, "status.nodeInfo.containerRuntimeVersion")),
        ("kubelet_version", text(node, "status.nodeInfo.kubeletVersion")),
        ("provider_id", text(node, "spec.providerID")),
        ("pod_cidr", text(node, "spec.podCIDR")),
        ("system_uuid", text(node, "status.nodeInfo.systemUUID")),
        ("internal_ip", internal_ip(node)),
    ];
    family.gauge("kube_node_info", &info, 1.0);
    family.instant("kube_node_created", &[], time(node, "metadata.creationTimestamp"));
    family.instant("kube_node_deletion_timestamp", &[], time(node, "metadata.deletionTimestamp"));
    for role in roles(node) {
        family.gauge("kube_node_role", &[("role", &role)], 1.0);
    }
    family.gauge("kube_node_spec_unschedulable", &[], bit(flag(node, "spec.unschedulable")));
    for taint in list(node, "spec.taints") {
        let labels =
            [("key", text(taint, "key")), ("value", text(taint, "value")), ("effect", text(taint, "effect"))];
        family.gauge("kube_node_spec_taint", &labels, 1.0);
    }
    for address in list(node, "status.addresses") {
        let labels = [("type", text(address, "type")), ("address", text(address, "address"))];
        family.gauge("kube_node_status_addresses", &labels, 1.0);
    }
    family.conditions("kube_node_status_condition", node);
    for (kind, name) in
        [("capacity", "kube_node_status_capacity"), ("allocatable", "kube_node_status_allocatable")]
    {
        for quantity in quantities(node.get("status").and_then(|status| status.get(kind))) {
            let labels = [("resource", quantity.resource.as_str()), ("unit", quantity.unit)];
            family.gauge(name, &labels, quantity.value);
        }
    }
}

pub(super) fn namespace(namespace: &Value, family: &mut Family<'_>) {
    family.instant("kube_namespace_created", &[], time(namespace, "metadata.creationTimestamp"));
    let phase = text(namespace, "status.phase");
    family.one_of("kube_namespace_status_phase", "phase", &["Active", "Terminating"], phase);
}
