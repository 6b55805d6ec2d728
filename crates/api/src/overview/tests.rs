//! Tests of the overview.

use sentinel_model::{
    Condition, ContainerState, ContainerStatus, NodeDetail, ObjectKey, ObjectState, PodDetail, Resources,
    WorkloadDetail, WorkloadRef,
};

use super::*;
use crate::dto::overview::{ProblemRow, Severity};
use crate::objects::Objects;
use crate::usage::Table;

const NOW: Timestamp = Timestamp::from_secs(10_000);

fn state(kind: &str, name: &str, detail: ObjectDetail) -> ObjectState {
    let workload = (kind == "Pod").then(|| WorkloadRef { kind: "Deployment".into(), name: "web".into() });
    ObjectState {
        key: ObjectKey { cluster: "a".into(), kind: kind.into(), uid: format!("{kind}-{name}") },
        namespace: if kind == "Node" { String::new() } else { "shop".into() },
        name: name.into(),
        resource_version: "1".into(),
        created: Some(Timestamp::from_secs(10)),
        observed: Timestamp::from_secs(20),
        is_deleted: false,
        labels: Default::default(),
        owners: Vec::new(),
        workload,
        detail,
        manifest: String::new(),
    }
}

fn node(name: &str, ready: &str) -> ObjectState {
    let condition = Condition {
        kind: "Ready".into(),
        status: ready.into(),
        reason: "NodeStatusUnknown".into(),
        message: "Kubelet stopped posting node status.".into(),
        since: Some(Timestamp::from_secs(9_000)),
    };
    let allocatable =
        Resources { cpu_cores: Some(4.0), memory_bytes: Some(8e9), pods: Some(110.0), ..Default::default() };
    let detail = NodeDetail { conditions: vec![condition], allocatable, ..Default::default() };
    state("Node", name, ObjectDetail::Node(Box::new(detail)))
}

fn pod(name: &str, container: ContainerState, restart_count: u32) -> ObjectState {
    let is_ready = matches!(container, ContainerState::Running { .. });
    let requests = Resources { cpu_cores: Some(0.5), ..Default::default() };
    let container = ContainerStatus {
        name: "app".into(),
        is_ready,
        restart_count,
        state: container,
        requests,
        ..Default::default()
    };
    let detail = PodDetail { phase: "Running".into(), containers: vec![container], ..Default::default() };
    state("Pod", name, ObjectDetail::Pod(Box::new(detail)))
}

fn killed() -> ContainerState {
    ContainerState::Terminated {
        reason: "OOMKilled".into(),
        message: String::new(),
        exit_code: 137,
        signal: 0,
        started: None,
        finished: Some(Timestamp::from_secs(9_990)),
    }
}

fn event(object_name: &str) -> EventRow {
    EventRow {
        id: "1".into(),
        cluster: "a".into(),
        namespace: "shop".into(),
        kind: "Warning".into(),
        severity: "warning".into(),
        reason: "FailedMount".into(),
        message: "no volume".into(),
        object_kind: "Pod".into(),
        object_name: object_name.into(),
        workload_kind: String::new(),
        workload: String::new(),
        node: String::new(),
        reporter: "kubelet".into(),
        count: 3,
        first_seen: None,
        last_seen: NOW.into(),
    }
}

fn tell(states: Vec<ObjectState>, events: &[EventRow]) -> Overview {
    let objects = Objects::default();
    states.into_iter().for_each(|state| objects.apply(state, false));
    let facts = Facts {
        objects: &objects,
        nodes: &objects.of_kind("Node"),
        pods: &objects.of_kind("Pod"),
        workloads: &objects.of_kind("Deployment"),
        n_namespaces: 1,
        is_part_of_nodes: false,
        events,
    };
    overview(&facts, View { now: NOW, usage: &Table::default() })
}

fn told(problems: &[ProblemRow]) -> Vec<(Severity, &str, &str)> {
    problems.iter().map(|p| (p.severity, p.object_name.as_str(), p.reason.as_str())).collect()
}

fn running() -> ContainerState {
    ContainerState::Running { started: Some(Timestamp::from_secs(100)) }
}

#[test]
fn a_calm_cluster_has_no_problems() {
    let overview = tell(vec![node("n1", "True"), pod("web-1", running(), 0)], &[]);
    assert_eq!(overview.problems, []);
    assert_eq!((overview.health.n_pods, overview.health.n_pods_healthy), (1, 1));
    assert_eq!(overview.capacity.cpu.allocatable, Some(4.0));
    assert_eq!(overview.capacity.cpu.requested, Some(0.5));
    assert_eq!((overview.capacity.pods.allocatable, overview.capacity.pods.used), (Some(110.0), 1));
}

#[test]
fn the_worst_comes_first_and_each_object_once() {
    let workload = WorkloadDetail { desired: 2, ready: 1, available: 1, updated: 2, ..Default::default() };
    let states = vec![
        node("n1", "Unknown"),
        pod("web-1", killed(), 4),
        pod("web-2", running(), 0),
        state("Deployment", "web", ObjectDetail::Workload(Box::new(workload))),
    ];
    let overview = tell(states, &[event("web-1"), event("web-2")]);
    assert_eq!(
        told(&overview.problems),
        [
            (Severity::Critical, "n1", "NodeStatusUnknown"),
            (Severity::Error, "web-1", "OOMKilled"),
            (Severity::Warning, "web", "OOMKilled"),
        ],
        "web-2 is well, whatever was warned"
    );
    assert_eq!((overview.counts.n_problems, overview.counts.n_warnings), (3, 0));
    assert_eq!(overview.top.restarts[0].value, 4.0);
    assert_eq!((overview.health.n_workloads, overview.health.n_workloads_healthy), (1, 0));
}

#[test]
fn the_list_has_an_end_but_the_count_does_not() {
    let pods = (0..MAX_PROBLEMS + 5).map(|i| pod(&format!("web-{i}"), killed(), 2)).collect();
    let overview = tell(pods, &[]);
    assert_eq!(overview.problems.len(), MAX_PROBLEMS);
    assert_eq!(overview.counts.n_problems, MAX_PROBLEMS + 5);
}

#[test]
fn an_event_stands_while_it_is_recent_and_its_object_does_not_say_that_it_is_well() {
    let mut starting = pod("starting", ContainerState::default(), 0);
    starting.created = Some(NOW.saturating_sub_millis(5_000));
    let states = vec![
        node("n1", "True"),
        pod("well", running(), 0),
        starting,
        state("Service", "front", ObjectDetail::Other),
    ];
    let of = |kind: &str, name: &str| EventRow { object_kind: kind.into(), ..event(name) };
    let long_ago = NOW.saturating_sub_millis(warnings::RECENT_MS + 1);
    let events = [
        event("well"),
        event("gone"),
        event("starting"),
        of("Service", "front"),
        of("Service", "gone"),
        of("Gateway", "of a kind that is not collected"),
        EventRow { last_seen: long_ago.into(), ..of("Gateway", "old") },
        EventRow { namespace: String::new(), ..of("Node", "n1") },
    ];
    let overview = tell(states, &events);
    let mut names: Vec<_> = overview.problems.iter().map(|problem| problem.object_name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["front", "of a kind that is not collected", "starting"]);
    assert_eq!((overview.counts.n_problems, overview.counts.n_warnings), (0, 3));
}

#[test]
fn what_is_wrong_now_comes_before_what_was_warned_about() {
    let critical = EventRow { severity: "critical".into(), object_kind: "Gateway".into(), ..event("edge") };
    let mut unready = pod("web-1", ContainerState::Running { started: None }, 0);
    if let ObjectDetail::Pod(pod) = &mut unready.detail {
        pod.containers[0].is_ready = false;
    }
    let overview = tell(vec![unready], &[critical]);
    assert_eq!(
        told(&overview.problems),
        [(Severity::Warning, "web-1", "NotReady"), (Severity::Critical, "edge", "FailedMount")]
    );
}

#[test]
fn a_crash_is_as_bad_as_what_it_leaves_of_the_workload() {
    let of = |pod: ObjectState, kind: &str| ObjectState {
        workload: Some(WorkloadRef { kind: kind.into(), name: format!("all-{kind}") }),
        ..pod
    };
    let severity = |states: Vec<ObjectState>| {
        let overview = tell(states, &[]);
        let found = overview.problems.iter().find(|problem| problem.object_name == "x");
        found.expect("it is a problem").severity
    };
    let crashing = || pod("x", killed(), 3);
    assert_eq!(severity(vec![of(crashing(), "Deployment")]), Severity::Critical);
    assert_eq!(severity(vec![ObjectState { workload: None, ..crashing() }]), Severity::Critical);
    let beside = of(pod("y", running(), 0), "Deployment");
    assert_eq!(severity(vec![of(crashing(), "Deployment"), beside]), Severity::Error);
    let elsewhere = of(pod("y", running(), 0), "DaemonSet");
    assert_eq!(severity(vec![of(crashing(), "Deployment"), elsewhere]), Severity::Critical);
    assert_eq!(severity(vec![of(crashing(), "Job")]), Severity::Error, "a Job serves nobody");
    let mut again = pod("x", running(), 3);
    if let ObjectDetail::Pod(pod) = &mut again.detail {
        pod.containers[0].last_state = killed();
    }
    assert_eq!(severity(vec![of(again, "Deployment")]), Severity::Warning, "it is ready again");
}

#[test]
fn a_degraded_deployment_says_since_when() {
    let with = |ready: u32, observed_s: i64, available: &str| {
        let available = Condition {
            kind: "Available".into(),
            status: available.into(),
            reason: String::new(),
            message: String::new(),
            since: Some(Timestamp::from_secs(777)),
        };
        let detail = WorkloadDetail {
            desired: 3,
            ready,
            available: ready,
            updated: 3,
            conditions: vec![available],
            ..Default::default()
        };
        ObjectState {
            observed: Timestamp::from_secs(observed_s),
            ..state("Deployment", "web", ObjectDetail::Workload(Box::new(detail)))
        }
    };
    let since = |states: Vec<ObjectState>| {
        let crashing = pod("web-1", killed(), 3);
        let overview = tell([states, vec![crashing]].concat(), &[]);
        let found = overview.problems.iter().find(|problem| problem.object_kind == "Deployment");
        found.expect("it is degraded").since.expect("a time").0.as_millis() / 1_000
    };
    assert_eq!(since(vec![with(2, 8_000, "False")]), 777, "its own condition knows best");
    let short = [with(3, 7_000, "True"), with(2, 8_000, "True"), with(1, 9_000, "True")];
    assert_eq!(since(short.to_vec()), 8_000, "first seen with too few");
    let again = [with(2, 8_000, "True"), with(3, 8_500, "True"), with(2, 9_000, "True")];
    assert_eq!(since(again.to_vec()), 9_000, "it was well in between");
    let pods_only = [with(3, 9_000, "True")];
    assert_eq!(since(pods_only.to_vec()), 10, "then as its pods say: this one since its creation");
}
