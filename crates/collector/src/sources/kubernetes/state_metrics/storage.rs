//! `kube_persistentvolumeclaim_*`.

use serde_json::Value;

use super::super::json::{at, list, text};
use super::super::quantity::whole;
use super::Family;
use super::replicas::created;

pub(super) fn claim(claim: &Value, family: &mut Family<'_>) {
    let class = match text(claim, "spec.storageClassName") {
        "" => claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"]
            .as_str()
            .unwrap_or_default(),
        class => class,
    };
    let info = [
        ("storageclass", class),
        ("volumename", text(claim, "spec.volumeName")),
        ("volumemode", text(claim, "spec.volumeMode")),
    ];
    family.gauge("kube_persistentvolumeclaim_info", &info, 1.0);
    created("kube_persistentvolumeclaim_created", claim, family);
    let phase = text(claim, "status.phase");
    if !phase.is_empty() {
        let phases = ["Lost", "Bound", "Pending"];
        family.one_of("kube_persistentvolumeclaim_status_phase", "phase", &phases, phase);
    }
    if let Some(bytes) = at(claim, "spec.resources.requests.storage").and_then(whole) {
        family.gauge("kube_persistentvolumeclaim_resource_requests_storage_bytes", &[], bytes);
    }
    for mode in list(claim, "spec.accessModes").iter().filter_map(Value::as_str) {
        family.gauge("kube_persistentvolumeclaim_access_mode", &[("access_mode", mode)], 1.0);
    }
    for condition in list(claim, "status.conditions") {
        let kind = [("condition", text(condition, "type"))];
        let status = text(condition, "status");
        family.condition("kube_persistentvolumeclaim_status_condition", &kind, "status", status);
    }
}
