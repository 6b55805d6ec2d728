//! What tables and rules read of an object: `ObjectDetail` ⇄ wire.

use sentinel_model::{
    Condition, ContainerKind, ContainerState, ContainerStatus, NodeDetail, ObjectDetail, PodDetail,
    Resources, WorkloadDetail,
};

use super::super::{timestamp, unix_ms};
use crate::WireError;
use crate::pb::objects::v1 as pb;
use crate::pb::objects::v1::container_state::{Running, State, Terminated, Waiting};
use crate::pb::objects::v1::object_state::Detail;

pub(super) fn to_wire(detail: &ObjectDetail) -> Option<Detail> {
    match detail {
        ObjectDetail::Pod(pod) => Some(Detail::Pod(pod_to_wire(pod))),
        ObjectDetail::Node(node) => Some(Detail::Node(node_to_wire(node))),
        ObjectDetail::Workload(workload) => Some(Detail::WorkloadDetail(workload_to_wire(workload))),
        ObjectDetail::Other => None,
    }
}

pub(super) fn from_wire(detail: Option<Detail>) -> Result<ObjectDetail, WireError> {
    Ok(match detail {
        Some(Detail::Pod(pod)) => ObjectDetail::Pod(Box::new(pod_from_wire(pod)?)),
        Some(Detail::Node(node)) => ObjectDetail::Node(Box::new(node_from_wire(node))),
        Some(Detail::WorkloadDetail(workload)) => {
            ObjectDetail::Workload(Box::new(workload_from_wire(workload)))
        }
        None => ObjectDetail::Other,
    })
}

// === Pods ===

fn pod_to_wire(pod: &PodDetail) -> pb::PodDetail {
    pb::PodDetail {
        phase: pod.phase.clone(),
        status: pod.status.clone(),
        node: pod.node.clone(),
        pod_ip: pod.pod_ip.clone(),
        qos_class: pod.qos_class.clone(),
        service_account: pod.service_account.clone(),
        started_unix_ms: unix_ms(pod.started),
        deletion_requested_unix_ms: unix_ms(pod.deletion_requested),
        conditions: pod.conditions.iter().map(condition_to_wire).collect(),
        containers: pod.containers.iter().map(container_to_wire).collect(),
    }
}

fn pod_from_wire(pod: pb::PodDetail) -> Result<PodDetail, WireError> {
    Ok(PodDetail {
        phase: pod.phase,
        status: pod.status,
        node: pod.node,
        pod_ip: pod.pod_ip,
        qos_class: pod.qos_class,
        service_account: pod.service_account,
        started: timestamp(pod.started_unix_ms),
        deletion_requested: timestamp(pod.deletion_requested_unix_ms),
        conditions: pod.conditions.into_iter().map(condition_from_wire).collect(),
        containers: pod.containers.into_iter().map(container_from_wire).collect::<Result<_, _>>()?,
    })
}

fn container_to_wire(container: &ContainerStatus) -> pb::ContainerStatus {
    let kind = match container.kind {
        ContainerKind::App => pb::ContainerKind::App,
        ContainerKind::Init => pb::ContainerKind::Init,
        ContainerKind::Sidecar => pb::ContainerKind::Sidecar,
        ContainerKind::Ephemeral => pb::ContainerKind::Ephemeral,
    };
    pb::ContainerStatus {
        name: container.name.clone(),
        kind: kind.into(),
        image: container.image.clone(),
        is_ready: container.is_ready,
        is_started: container.is_started,
        restart_count: container.restart_count,
        state: state_to_wire(&container.state),
        last_state: state_to_wire(&container.last_state),
        requests: Some(resources_to_wire(container.requests)),
        limits: Some(resources_to_wire(container.limits)),
    }
}

fn container_from_wire(container: pb::ContainerStatus) -> Result<ContainerStatus, WireError> {
    let kind = match pb::ContainerKind::try_from(container.kind) {
        Ok(pb::ContainerKind::App) => ContainerKind::App,
        Ok(pb::ContainerKind::Init) => ContainerKind::Init,
        Ok(pb::ContainerKind::Sidecar) => ContainerKind::Sidecar,
        Ok(pb::ContainerKind::Ephemeral) => ContainerKind::Ephemeral,
        Err(_) => return Err(WireError::Corrupt { detail: "the kind of a container is unknown" }),
    };
    Ok(ContainerStatus {
        name: container.name,
        kind,
        image: container.image,
        is_ready: container.is_ready,
        is_started: container.is_started,
        restart_count: container.restart_count,
        state: state_from_wire(container.state),
        last_state: state_from_wire(container.last_state),
        requests: resources_from_wire(container.requests),
        limits: resources_from_wire(container.limits),
    })
}

fn state_to_wire(state: &ContainerState) -> Option<pb::ContainerState> {
    let state = match state.clone() {
        ContainerState::Absent => return None,
        ContainerState::Waiting { reason, message } => State::Waiting(Waiting { reason, message }),
        ContainerState::Running { started } => State::Running(Running { started_unix_ms: unix_ms(started) }),
        ContainerState::Terminated { reason, message, exit_code, signal, started, finished } => {
            State::Terminated(Terminated {
                reason,
                message,
                exit_code,
                signal,
                started_unix_ms: unix_ms(started),
                finished_unix_ms: unix_ms(finished),
            })
        }
    };
    Some(pb::ContainerState { state: Some(state) })
}

fn state_from_wire(state: Option<pb::ContainerState>) -> ContainerState {
    match state.and_then(|state| state.state) {
        None => ContainerState::Absent,
        Some(State::Waiting(Waiting { reason, message })) => ContainerState::Waiting { reason, message },
        Some(State::Running(running)) => {
            ContainerState::Running { started: timestamp(running.started_unix_ms) }
        }
        Some(State::Terminated(terminated)) => ContainerState::Terminated {
            reason: terminated.reason,
            message: terminated.message,
            exit_code: terminated.exit_code,
            signal: terminated.signal,
            started: timestamp(terminated.started_unix_ms),
            finished: timestamp(terminated.finished_unix_ms),
        },
    }
}

// === Nodes ===

fn node_to_wire(node: &NodeDetail) -> pb::NodeDetail {
    pb::NodeDetail {
        conditions: node.conditions.iter().map(condition_to_wire).collect(),
        capacity: Some(resources_to_wire(node.capacity)),
        allocatable: Some(resources_to_wire(node.allocatable)),
        is_unschedulable: node.is_unschedulable,
        taints: node.taints.clone(),
        kubelet_version: node.kubelet_version.clone(),
        os_image: node.os_image.clone(),
        kernel_version: node.kernel_version.clone(),
        container_runtime: node.container_runtime.clone(),
        architecture: node.architecture.clone(),
        internal_ip: node.internal_ip.clone(),
        roles: node.roles.clone(),
    }
}

fn node_from_wire(node: pb::NodeDetail) -> NodeDetail {
    NodeDetail {
        conditions: node.conditions.into_iter().map(condition_from_wire).collect(),
        capacity: resources_from_wire(node.capacity),
        allocatable: resources_from_wire(node.allocatable),
        is_unschedulable: node.is_unschedulable,
        taints: node.taints,
        kubelet_version: node.kubelet_version,
        os_image: node.os_image,
        kernel_version: node.kernel_version,
        container_runtime: node.container_runtime,
        architecture: node.architecture,
        internal_ip: node.internal_ip,
        roles: node.roles,
    }
}

// === Workloads ===

fn workload_to_wire(workload: &WorkloadDetail) -> pb::WorkloadDetail {
    pb::WorkloadDetail {
        desired: workload.desired,
        current: workload.current,
        ready: workload.ready,
        available: workload.available,
        updated: workload.updated,
        failed: workload.failed,
        generation: workload.generation,
        observed_generation: workload.observed_generation,
        is_paused: workload.is_paused,
        schedule: workload.schedule.clone(),
        images: workload.images.clone(),
        conditions: workload.conditions.iter().map(condition_to_wire).collect(),
        selector: workload.selector.clone(),
    }
}

fn workload_from_wire(workload: pb::WorkloadDetail) -> WorkloadDetail {
    WorkloadDetail {
        desired: workload.desired,
        current: workload.current,
        ready: workload.ready,
        available: workload.available,
        updated: workload.updated,
        failed: workload.failed,
        generation: workload.generation,
        observed_generation: workload.observed_generation,
        is_paused: workload.is_paused,
        schedule: workload.schedule,
        images: workload.images,
        conditions: workload.conditions.into_iter().map(condition_from_wire).collect(),
        selector: workload.selector,
    }
}

// === Shared parts ===

fn condition_to_wire(condition: &Condition) -> pb::Condition {
    pb::Condition {
        kind: condition.kind.clone(),
        status: condition.status.clone(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since_unix_ms: unix_ms(condition.since),
    }
}

fn condition_from_wire(condition: pb::Condition) -> Condition {
    Condition {
        kind: condition.kind,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
        since: timestamp(condition.since_unix_ms),
    }
}

fn resources_to_wire(resources: Resources) -> pb::Resources {
    pb::Resources {
        cpu_cores: resources.cpu_cores,
        memory_bytes: resources.memory_bytes,
        ephemeral_storage_bytes: resources.ephemeral_storage_bytes,
        pods: resources.pods,
    }
}

fn resources_from_wire(resources: Option<pb::Resources>) -> Resources {
    resources.map_or_else(Resources::default, |resources| Resources {
        cpu_cores: resources.cpu_cores,
        memory_bytes: resources.memory_bytes,
        ephemeral_storage_bytes: resources.ephemeral_storage_bytes,
        pods: resources.pods,
    })
}
