//! Rows of pods and containers.

use sentinel_model::{ContainerKind, ContainerState, ObjectDetail, ObjectState, PodDetail};

use super::{View, pod_used, workload_of};
use crate::dto::pod::{
    ContainerDto, ContainerKindDto, ContainerStateDto, ContainerStateKind, LastTermination, PodRow,
};
use crate::status::{PodState, pod_state};
use crate::usage;

/// `None` for what is not a pod.
pub fn pod_row(state: &ObjectState, view: View<'_>) -> Option<PodRow> {
    let ObjectDetail::Pod(pod) = &state.detail else { return None };
    let told = pod_state(pod, state.created, view.now);
    let used = pod_used(state, pod, view);
    let (workload_kind, workload) = workload_of(state);
    Some(PodRow {
        cluster: state.key.cluster.to_string(),
        namespace: state.namespace.clone(),
        name: state.name.clone(),
        uid: state.key.uid.clone(),
        phase: pod.phase.clone(),
        is_healthy: told.is_healthy,
        ready_containers: told.n_ready,
        total_containers: told.n_containers,
        n_restarts: told.n_restarts,
        last_restart: told.last_restart.map(Into::into),
        last_termination: last_termination(&told),
        status: told.status,
        reason: told.reason,
        message: told.message,
        node: pod.node.clone(),
        workload_kind,
        workload,
        pod_ip: pod.pod_ip.clone(),
        created: state.created.map(Into::into),
        usage: usage::asked(pod).with_used(used.map(|used| used.total).unwrap_or_default()),
    })
}

fn last_termination(told: &PodState) -> Option<LastTermination> {
    let last = told.last_termination.as_ref()?;
    Some(LastTermination {
        container: last.container.clone(),
        reason: last.reason.clone(),
        exit_code: last.exit_code,
        finished: last.finished.map(Into::into),
    })
}

/// Init containers first, in their order.
pub fn container_rows(state: &ObjectState, pod: &PodDetail, view: View<'_>) -> Vec<ContainerDto> {
    let used = pod_used(state, pod, view);
    let mut containers: Vec<_> = pod.containers.iter().collect();
    containers.sort_by_key(|container| match container.kind {
        ContainerKind::Init | ContainerKind::Sidecar => 0,
        ContainerKind::App => 1,
        ContainerKind::Ephemeral => 2,
    });
    let row = |container: &sentinel_model::ContainerStatus| ContainerDto {
        name: container.name.clone(),
        kind: kind(container.kind),
        image: container.image.clone(),
        is_ready: container.is_ready,
        is_started: container.is_started,
        restart_count: container.restart_count,
        state: container_state(&container.state),
        last_state: container_state(&container.last_state),
        usage: usage::asked_by_container(container)
            .with_used(used.map(|used| used.of_container(&container.name)).unwrap_or_default()),
    };
    containers.into_iter().map(row).collect()
}

const fn kind(kind: ContainerKind) -> ContainerKindDto {
    match kind {
        ContainerKind::App => ContainerKindDto::App,
        ContainerKind::Init => ContainerKindDto::Init,
        ContainerKind::Sidecar => ContainerKindDto::Sidecar,
        ContainerKind::Ephemeral => ContainerKindDto::Ephemeral,
    }
}

fn container_state(state: &ContainerState) -> ContainerStateDto {
    let mut row = ContainerStateDto {
        kind: ContainerStateKind::Absent,
        reason: String::new(),
        message: String::new(),
        exit_code: None,
        signal: None,
        started: None,
        finished: None,
    };
    match state {
        ContainerState::Absent => {}
        ContainerState::Waiting { reason, message } => {
            row.kind = ContainerStateKind::Waiting;
            row.reason.clone_from(reason);
            row.message.clone_from(message);
        }
        ContainerState::Running { started } => {
            row.kind = ContainerStateKind::Running;
            row.started = started.map(Into::into);
        }
        ContainerState::Terminated { reason, message, exit_code, signal, started, finished } => {
            row.kind = ContainerStateKind::Terminated;
            row.reason.clone_from(reason);
            row.message.clone_from(message);
            row.exit_code = Some(*exit_code);
            row.signal = Some(*signal).filter(|signal| *signal != 0);
            row.started = started.map(Into::into);
            row.finished = finished.map(Into::into);
        }
    }
    row
}
