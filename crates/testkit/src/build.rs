//! Builders of the nouns: short ways to say what a test is about.

use std::sync::Arc;

use sentinel_model::{
    Condition, ContainerState, ContainerStatus, EventBatch, EventRecord, EventSeverity, Labels, LogBatch,
    LogRecord, LogSeverity, MetricKind, NodeDetail, ObjectDetail, ObjectKey, ObjectRef, ObjectState,
    OwnerRef, PodDetail, Resources, Series, Timestamp, WorkloadDetail, WorkloadRef,
};

/// Cluster and namespace of everything built here.
pub const CLUSTER: &str = "test";
pub const NAMESPACE: &str = "shop";

/// A moment that tests may call now.
pub const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);

/// # Panics
/// On a label given twice.
pub fn labels(name: &str, pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied().chain([("__name__", name)])).expect("unique names")
}

pub fn series(kind: MetricKind, name: &str, pairs: &[(&str, &str)]) -> Series {
    Series { labels: labels(name, pairs), kind }
}

/// An object created and seen ten minutes before [`NOW`].
pub fn object(kind: &str, namespace: &str, name: &str) -> ObjectState {
    let earlier = NOW.saturating_sub_millis(600_000);
    ObjectState {
        key: ObjectKey {
            cluster: CLUSTER.into(),
            kind: kind.into(),
            uid: format!("{}-{namespace}-{name}", kind.to_lowercase()),
        },
        namespace: namespace.into(),
        name: name.into(),
        resource_version: "1".into(),
        created: Some(earlier),
        observed: earlier,
        is_deleted: false,
        labels: [("app".to_owned(), name.to_owned())].into(),
        owners: Vec::new(),
        workload: None,
        detail: ObjectDetail::Other,
        manifest: format!(r#"{{"kind":"{kind}","metadata":{{"name":"{name}"}}}}"#),
    }
}

pub fn condition(kind: &str, status: &str, reason: &str) -> Condition {
    Condition {
        kind: kind.into(),
        status: status.into(),
        reason: reason.into(),
        message: String::new(),
        since: Some(NOW.saturating_sub_millis(300_000)),
    }
}

/// A ready node with 4 cores and 8 GiB.
pub fn node(name: &str) -> ObjectState {
    let resources = Resources {
        cpu_cores: Some(4.0),
        memory_bytes: Some(8_589_934_592.0),
        ephemeral_storage_bytes: None,
        pods: Some(110.0),
    };
    let detail = NodeDetail {
        conditions: vec![condition("Ready", "True", "KubeletReady")],
        capacity: resources,
        allocatable: resources,
        kubelet_version: "v1.37.1".into(),
        os_image: "Debian".into(),
        architecture: "amd64".into(),
        internal_ip: "10.0.0.1".into(),
        ..Default::default()
    };
    ObjectState { detail: ObjectDetail::Node(Box::new(detail)), ..object("Node", "", name) }
}

pub fn running() -> ContainerState {
    ContainerState::Running { started: Some(NOW.saturating_sub_millis(590_000)) }
}

pub fn terminated(reason: &str, exit_code: i32) -> ContainerState {
    ContainerState::Terminated {
        reason: reason.into(),
        message: String::new(),
        exit_code,
        signal: 0,
        started: Some(NOW.saturating_sub_millis(20_000)),
        finished: Some(NOW.saturating_sub_millis(10_000)),
    }
}

pub fn waiting(reason: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.into(), message: format!("because of {reason}") }
}

/// A pod of Deployment `workload` on node `node-1`, with one container `app`.
pub fn pod(name: &str, workload: &str, state: ContainerState) -> ObjectState {
    let is_ready = matches!(state, ContainerState::Running { .. });
    let container = ContainerStatus {
        name: "app".into(),
        image: format!("{workload}:1"),
        is_ready,
        is_started: is_ready,
        state,
        requests: Resources { cpu_cores: Some(0.1), memory_bytes: Some(67_108_864.0), ..Default::default() },
        limits: Resources { cpu_cores: Some(0.5), memory_bytes: Some(134_217_728.0), ..Default::default() },
        ..Default::default()
    };
    let detail = PodDetail {
        phase: if matches!(container.state, ContainerState::Waiting { .. }) { "Pending" } else { "Running" }
            .into(),
        node: "node-1".into(),
        pod_ip: "10.1.0.7".into(),
        qos_class: "Burstable".into(),
        service_account: "default".into(),
        started: Some(NOW.saturating_sub_millis(600_000)),
        conditions: vec![condition("Ready", if is_ready { "True" } else { "False" }, "")],
        containers: vec![container],
        ..Default::default()
    };
    ObjectState {
        owners: vec![OwnerRef {
            kind: "ReplicaSet".into(),
            name: format!("{workload}-5d9"),
            uid: format!("replicaset-{workload}"),
            is_controller: true,
        }],
        workload: Some(WorkloadRef { kind: "Deployment".into(), name: workload.into() }),
        detail: ObjectDetail::Pod(Box::new(detail)),
        ..object("Pod", NAMESPACE, name)
    }
}

/// Edits the pod's only container.
///
/// # Panics
/// On what is not a pod.
#[must_use]
pub fn with_container(mut pod: ObjectState, edit: impl FnOnce(&mut ContainerStatus)) -> ObjectState {
    let ObjectDetail::Pod(detail) = &mut pod.detail else { panic!("{} is not a pod", pod.name) };
    edit(&mut detail.containers[0]);
    pod
}

/// A Deployment with these replicas wanted and ready.
pub fn deployment(name: &str, desired: u32, ready: u32) -> ObjectState {
    let detail = WorkloadDetail {
        desired,
        current: desired,
        ready,
        available: ready,
        updated: desired,
        images: vec![format!("{name}:1")],
        ..Default::default()
    };
    ObjectState { detail: ObjectDetail::Workload(Box::new(detail)), ..object("Deployment", NAMESPACE, name) }
}

/// A warning about a pod, last seen at `at`.
pub fn event(uid: &str, reason: &str, pod: &str, at: Timestamp) -> EventRecord {
    EventRecord {
        uid: uid.into(),
        resource_version: "1".into(),
        kind: "Warning".into(),
        severity: EventSeverity::Warning,
        reason: reason.into(),
        message: format!("{reason} of {pod}"),
        regarding: ObjectRef {
            kind: "Pod".into(),
            namespace: NAMESPACE.into(),
            name: pod.into(),
            uid: format!("pod-{NAMESPACE}-{pod}"),
        },
        workload_kind: "Deployment".into(),
        workload: "web".into(),
        reporter: "kubelet".into(),
        node: "node-1".into(),
        count: 3,
        first_seen: at.saturating_sub_millis(60_000),
        last_seen: at,
    }
}

pub fn event_batch(records: Vec<EventRecord>) -> EventBatch {
    EventBatch {
        cluster: CLUSTER.into(),
        collector: "c1".into(),
        epoch: 1,
        sequence: 0,
        observed: NOW,
        records,
    }
}

/// A line of container `app`.
pub fn line(pod: &str, severity: LogSeverity, body: &str, at: Timestamp) -> LogRecord {
    LogRecord {
        timestamp_ns: at.as_millis() * 1_000_000,
        namespace: NAMESPACE.into(),
        workload_kind: "Deployment".into(),
        workload: "web".into(),
        pod: pod.into(),
        container: "app".into(),
        node: "node-1".into(),
        severity,
        body: body.into(),
    }
}

pub fn log_batch(records: Vec<LogRecord>) -> LogBatch {
    LogBatch {
        cluster: Arc::from(CLUSTER),
        collector: "c1".into(),
        epoch: 1,
        sequence: 0,
        observed: NOW,
        records,
    }
}
