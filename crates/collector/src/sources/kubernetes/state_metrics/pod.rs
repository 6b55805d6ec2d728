//! `kube_pod_*`.

use serde_json::Value;

use super::super::json::{flag, list, text, time};
use super::super::owners::{controller, owner_refs};
use super::{Family, bit, container};

const PHASES: [&str; 5] = ["Pending", "Succeeded", "Failed", "Running", "Unknown"];
const QOS_CLASSES: [&str; 3] = ["BestEffort", "Burstable", "Guaranteed"];
const REASONS: [&str; 5] = ["Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"];

pub(super) fn pod(pod: &Value, family: &mut Family<'_>) {
    identity(pod, family);
    status(pod, family);
    conditions(pod, family);
    volumes(pod, family);
    container::containers(pod, family);
}

fn identity(pod: &Value, family: &mut Family<'_>) {
    let owners = owner_refs(pod);
    let owner = controller(&owners);
    let (kind, name) = owner.map_or(("", ""), |owner| (&owner.kind, &owner.name));
    let host_network = if flag(pod, "spec.hostNetwork") { "true" } else { "false" };
    let info = [
        ("host_ip", text(pod, "status.hostIP")),
        ("pod_ip", text(pod, "status.podIP")),
        ("node", text(pod, "spec.nodeName")),
        ("created_by_kind", kind),
        ("created_by_name", name),
        ("priority_class", text(pod, "spec.priorityClassName")),
        ("host_network", host_network),
    ];
    family.gauge("kube_pod_info", &info, 1.0);
    super::replicas::owners("kube_pod_owner", pod, family);
    family.instant("kube_pod_created", &[], time(pod, "metadata.creationTimestamp"));
    family.instant("kube_pod_start_time", &[], time(pod, "status.startTime"));
    family.instant("kube_pod_deletion_timestamp", &[], time(pod, "metadata.deletionTimestamp"));
    family.gauge("kube_pod_restart_policy", &[("type", text(pod, "spec.restartPolicy"))], 1.0);
    let account = text(pod, "spec.serviceAccountName");
    family.gauge("kube_pod_service_account", &[("service_account", account)], 1.0);
}

fn status(pod: &Value, family: &mut Family<'_>) {
    let phase = text(pod, "status.phase");
    if !phase.is_empty() {
        family.one_of("kube_pod_status_phase", "phase", &PHASES, phase);
    }
    family.one_of("kube_pod_status_reason", "reason", &REASONS, text(pod, "status.reason"));
    let qos_class = text(pod, "status.qosClass");
    if !qos_class.is_empty() {
        family.one_of("kube_pod_status_qos_class", "qos_class", &QOS_CLASSES, qos_class);
    }
    let finished = list(pod, "status.containerStatuses")
        .iter()
        .filter_map(|status| time(status, "state.terminated.finishedAt"))
        .max();
    family.instant("kube_pod_completion_time", &[], finished);
}

fn conditions(pod: &Value, family: &mut Family<'_>) {
    for condition in list(pod, "status.conditions") {
        let status = text(condition, "status");
        let since = || time(condition, "lastTransitionTime").filter(|_| status == "True");
        match text(condition, "type") {
            "Ready" => {
                family.condition("kube_pod_status_ready", &[], "condition", status);
                family.instant("kube_pod_status_ready_time", &[], since());
            }
            "ContainersReady" => family.instant("kube_pod_status_container_ready_time", &[], since()),
            "Initialized" => family.instant("kube_pod_status_initialized_time", &[], since()),
            "PodScheduled" => {
                family.condition("kube_pod_status_scheduled", &[], "condition", status);
                family.instant("kube_pod_status_scheduled_time", &[], since());
                if status == "False" && text(condition, "reason") == "Unschedulable" {
                    family.gauge("kube_pod_status_unschedulable", &[], 1.0);
                }
            }
            _ => {}
        }
    }
}

/// Which claims the pod mounts: joins volume statistics to pods.
fn volumes(pod: &Value, family: &mut Family<'_>) {
    for volume in list(pod, "spec.volumes") {
        let claim = text(volume, "persistentVolumeClaim.claimName");
        if claim.is_empty() {
            continue;
        }
        let labels = [("volume", text(volume, "name")), ("persistentvolumeclaim", claim)];
        family.gauge("kube_pod_spec_volumes_persistentvolumeclaims_info", &labels, 1.0);
        let is_read_only = flag(volume, "persistentVolumeClaim.readOnly");
        family.gauge("kube_pod_spec_volumes_persistentvolumeclaims_readonly", &labels, bit(is_read_only));
    }
}
