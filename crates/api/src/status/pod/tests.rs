//! Tests of pod states: the cases that a real cluster shows.

use sentinel_model::ContainerState::{Absent, Running};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(10_000);

fn ago(secs: i64) -> Timestamp {
    NOW.saturating_sub_millis(secs * 1_000)
}

fn waiting(reason: &str) -> ContainerState {
    ContainerState::Waiting { reason: reason.into(), message: format!("about {reason}") }
}

fn ended(reason: &str, exit_code: i32, secs_ago: i64) -> ContainerState {
    ContainerState::Terminated {
        reason: reason.into(),
        message: String::new(),
        exit_code,
        signal: 0,
        started: Some(ago(secs_ago + 5)),
        finished: Some(ago(secs_ago)),
    }
}

fn running() -> ContainerState {
    Running { started: Some(ago(100)) }
}

fn container(state: ContainerState) -> ContainerStatus {
    let is_ready = matches!(state, Running { .. });
    ContainerStatus { name: "app".into(), state, is_ready, is_started: is_ready, ..Default::default() }
}

fn restarted(state: ContainerState, last_state: ContainerState, restart_count: u32) -> ContainerStatus {
    ContainerStatus { last_state, restart_count, ..container(state) }
}

fn pod(phase: &str, containers: Vec<ContainerStatus>) -> PodDetail {
    PodDetail { phase: phase.into(), started: Some(ago(3_000)), containers, ..Default::default() }
}

fn state(pod: &PodDetail) -> PodState {
    pod_state(pod, Some(ago(3_000)), NOW)
}

fn told(pod: &PodDetail) -> (String, String, bool) {
    let state = state(pod);
    (state.status, state.reason, state.is_healthy)
}

fn expect(pod: &PodDetail, status: &str, reason: &str, is_healthy: bool) {
    assert_eq!(told(pod), (status.into(), reason.into(), is_healthy));
}

#[test]
fn a_running_pod_is_well() {
    let pod = pod("Running", vec![container(running()), container(running())]);
    expect(&pod, "Running", "", true);
    assert_eq!((state(&pod).n_ready, state(&pod).n_containers), (2, 2));
}

#[test]
fn a_container_that_failed_again_is_in_a_crash_loop_although_the_api_says_terminated() {
    let failing = restarted(ended("Error", 1, 3), ended("Error", 1, 60), 4);
    let pod = pod("Running", vec![failing]);
    expect(&pod, "CrashLoopBackOff", "Error", false);
    let state = state(&pod);
    assert_eq!(state.message, "container app exited with code 1, restarted 4 times");
    assert_eq!(state.n_restarts, 4);
    assert_eq!(state.last_restart, Some(ago(60)));
    let last = state.last_termination.expect("it ended");
    assert_eq!((last.exit_code, last.finished), (1, Some(ago(3))));
}

#[test]
fn a_waiting_crash_loop_names_what_killed_it() {
    let killed = restarted(waiting("CrashLoopBackOff"), ended("OOMKilled", 137, 20), 7);
    expect(&pod("Running", vec![killed]), "CrashLoopBackOff", "OOMKilled", false);
}

#[test]
fn the_first_failure_is_shown_as_it_is() {
    expect(&pod("Running", vec![container(ended("OOMKilled", 137, 1))]), "OOMKilled", "OOMKilled", false);
    expect(&pod("Running", vec![container(ended("Error", 2, 1))]), "Error", "Error", false);
}

#[test]
fn a_recent_crash_stays_visible_after_the_restart_and_an_old_one_does_not() {
    let fresh = restarted(running(), ended("Error", 137, 30), 3);
    expect(&pod("Running", vec![fresh]), "Running", "Error", false);
    let old = restarted(running(), ended("Error", 137, 3_600), 3);
    expect(&pod("Running", vec![old]), "Running", "", true);
    let clean = restarted(running(), ended("Completed", 0, 30), 1);
    expect(&pod("Running", vec![clean]), "Running", "", true);
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_with_its_message() {
    for reason in ["ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "CreateContainerConfigError"] {
        let pod = pod("Pending", vec![container(waiting(reason))]);
        expect(&pod, reason, reason, false);
        assert_eq!(state(&pod).message, format!("about {reason}"));
    }
}

#[test]
fn an_unschedulable_pod_is_pending_for_that_reason() {
    let mut pod = pod("Pending", Vec::new());
    pod.conditions.push(Condition {
        kind: "PodScheduled".into(),
        status: "False".into(),
        reason: "Unschedulable".into(),
        message: "0/1 nodes are available".into(),
        since: None,
    });
    expect(&pod, "Pending", "Unschedulable", false);
    assert_eq!(state(&pod).message, "0/1 nodes are available");
}

#[test]
fn a_starting_pod_is_well_until_it_takes_too_long() {
    let mut pod = pod("Pending", vec![container(waiting("ContainerCreating"))]);
    pod.started = Some(ago(5));
    expect(&pod, "ContainerCreating", "", true);
    pod.started = Some(ago(120));
    expect(&pod, "ContainerCreating", "ContainerCreating", false);
}

#[test]
fn a_pod_whose_probe_fails_is_not_ready() {
    let mut unready = container(running());
    unready.is_ready = false;
    expect(&pod("Running", vec![unready, container(running())]), "Running", "NotReady", false);
}

#[test]
fn a_pod_of_a_lost_node_is_not_ready_although_its_containers_are() {
    let mut pod = pod("Running", vec![container(running())]);
    pod.conditions.push(Condition {
        kind: "Ready".into(),
        status: "False".into(),
        reason: String::new(),
        message: String::new(),
        since: None,
    });
    expect(&pod, "Running", "NotReady", false);
}

#[test]
fn finished_pods_are_well_or_failed() {
    expect(&pod("Succeeded", vec![container(ended("Completed", 0, 5))]), "Completed", "", true);
    expect(&pod("Failed", vec![container(ended("Error", 3, 5))]), "Error", "Error", false);
    let mut evicted = pod("Failed", vec![container(Absent)]);
    evicted.status = "Evicted".into();
    expect(&evicted, "Evicted", "Evicted", false);
}

#[test]
fn init_containers_show_their_progress_and_their_failures() {
    let init = |state| ContainerStatus { kind: ContainerKind::Init, ..container(state) };
    let app = || container(waiting("PodInitializing"));
    let mut starting = pod("Pending", vec![init(ended("Completed", 0, 9)), init(running()), app()]);
    starting.started = Some(ago(9));
    expect(&starting, "Init:1/2", "", true);
    let failed = pod("Pending", vec![init(ended("Error", 1, 2)), app()]);
    expect(&failed, "Init:Error", "Error", false);
    let looping = ContainerStatus { restart_count: 3, ..init(ended("Error", 1, 2)) };
    expect(&pod("Pending", vec![looping, app()]), "Init:CrashLoopBackOff", "Error", false);
    let image = pod("Pending", vec![init(waiting("ImagePullBackOff")), app()]);
    expect(&image, "Init:ImagePullBackOff", "ImagePullBackOff", false);
}

#[test]
fn a_sidecar_counts_as_a_container_and_blocks_nothing_once_started() {
    let sidecar = ContainerStatus { kind: ContainerKind::Sidecar, ..container(running()) };
    let pod = pod("Running", vec![sidecar, container(running())]);
    expect(&pod, "Running", "", true);
    assert_eq!((state(&pod).n_ready, state(&pod).n_containers), (2, 2));
}

#[test]
fn a_deleted_pod_is_terminating_and_unwell_only_when_it_stays() {
    let mut pod = pod("Running", vec![restarted(running(), ended("Error", 1, 9), 1)]);
    pod.deletion_requested = Some(ago(20));
    expect(&pod, "Terminating", "", true);
    pod.deletion_requested = Some(ago(600));
    expect(&pod, "Terminating", "Terminating", false);
}

#[test]
fn a_finished_container_beside_a_running_one_does_not_finish_the_pod() {
    let mut pod = pod("Running", vec![container(ended("Completed", 0, 9)), container(running())]);
    assert_eq!(state(&pod).status, "NotReady");
    pod.conditions.push(Condition {
        kind: "Ready".into(),
        status: "True".into(),
        reason: String::new(),
        message: String::new(),
        since: None,
    });
    assert_eq!(state(&pod).status, "Running");
}

#[test]
fn a_container_without_a_reason_shows_its_exit_code_or_signal() {
    assert_eq!(state(&pod("Failed", vec![container(ended("", 3, 1))])).status, "ExitCode:3");
    let killed = ContainerState::Terminated {
        reason: String::new(),
        message: String::new(),
        exit_code: 137,
        signal: 9,
        started: None,
        finished: None,
    };
    assert_eq!(state(&pod("Failed", vec![container(killed)])).status, "Signal:9");
}
