//! Status of a pod, as `kubectl get pods` derives it, with two differences that operators need: a
//! container that keeps failing counts as `CrashLoopBackOff` during its whole back-off (the kubelet
//! shows `terminated` for nearly all of it), and a crash stays visible for a while after the restart.

use sentinel_model::{Condition, ContainerKind, ContainerState, ContainerStatus, PodDetail, Timestamp};

/// A crash is news for this long after the restart.
const RECENT_MS: i64 = 10 * 60 * 1_000;
/// A pod may be starting for this long before it counts as unwell.
const STARTING_MS: i64 = 60 * 1_000;
/// A deleted pod may be terminating for this long: twice the default grace period, and some.
const TERMINATING_MS: i64 = 2 * 60 * 1_000;

/// Waiting reasons of a container that is only being started.
const STARTING: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodState {
    pub status: String,
    /// Empty when it is well.
    pub reason: String,
    pub message: String,
    pub is_healthy: bool,
    /// Since when it is unwell.
    pub since: Option<Timestamp>,
    pub n_ready: usize,
    pub n_containers: usize,
    pub n_restarts: u64,
    pub last_restart: Option<Timestamp>,
    pub last_termination: Option<Termination>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Termination {
    pub container: String,
    pub reason: String,
    pub exit_code: i32,
    pub finished: Option<Timestamp>,
}

impl PodState {
    /// Every container that should run is ready.
    pub const fn is_ready(&self) -> bool {
        self.n_containers > 0 && self.n_ready == self.n_containers
    }

    pub fn is_crash_looping(&self) -> bool {
        self.status.ends_with("CrashLoopBackOff")
    }

    /// The one word to show: that it keeps crashing says more than that it ended in an error.
    pub fn headline(&self) -> &str {
        if self.is_crash_looping() && self.reason != "OOMKilled" { "CrashLoopBackOff" } else { &self.reason }
    }
}

/// `created` is the pod's creation; `now` decides what is recent.
pub fn pod_state(pod: &PodDetail, created: Option<Timestamp>, now: Timestamp) -> PodState {
    let long_running =
        || pod.containers.iter().filter(|c| matches!(c.kind, ContainerKind::App | ContainerKind::Sidecar));
    let trouble = trouble(pod, created, now);
    let last_restart = last_restart(pod);
    let since = || {
        let unready = condition(pod, "Ready").filter(|ready| ready.status != "True");
        unready.and_then(|ready| ready.since).or(last_restart).or(created)
    };
    PodState {
        status: status(pod),
        is_healthy: trouble.is_none(),
        since: trouble.as_ref().and_then(|_| since()),
        n_ready: long_running().filter(|container| container.is_ready).count(),
        n_containers: long_running().count(),
        n_restarts: pod.containers.iter().map(|container| u64::from(container.restart_count)).sum(),
        last_restart,
        last_termination: last_termination(pod),
        reason: trouble.as_ref().map(|trouble| trouble.0.clone()).unwrap_or_default(),
        message: trouble.map(|trouble| trouble.1).unwrap_or_default(),
    }
}

// === STATUS ===

fn status(pod: &PodDetail) -> String {
    let is_over = matches!(pod.phase.as_str(), "Succeeded" | "Failed");
    if pod.deletion_requested.is_some() && !is_over {
        return if pod.status == "NodeLost" { "Unknown" } else { "Terminating" }.to_owned();
    }
    // The API server's own word (`Evicted`, `NodeAffinity`, `Shutdown`) is in no container.
    if pod.phase == "Failed" && !pod.status.is_empty() && pod.containers.iter().all(is_absent) {
        return pod.status.clone();
    }
    init_status(pod).unwrap_or_else(|| app_status(pod))
}

/// `None` once every init container is through.
fn init_status(pod: &PodDetail) -> Option<String> {
    let inits: Vec<_> = pod
        .containers
        .iter()
        .filter(|container| matches!(container.kind, ContainerKind::Init | ContainerKind::Sidecar))
        .collect();
    for (i, container) in inits.iter().enumerate() {
        let is_through = match (&container.state, container.kind) {
            (ContainerState::Terminated { exit_code: 0, .. }, ContainerKind::Init) => true,
            (_, ContainerKind::Sidecar) => container.is_started || pod.phase != "Pending",
            (ContainerState::Absent, _) => pod.phase != "Pending",
            _ => false,
        };
        if is_through {
            continue;
        }
        return Some(match word(container, pod) {
            Some(word) if word != "PodInitializing" => format!("Init:{word}"),
            _ => format!("Init:{i}/{}", inits.len()),
        });
    }
    None
}

fn app_status(pod: &PodDetail) -> String {
    let apps = || pod.containers.iter().filter(|container| container.kind == ContainerKind::App);
    let is_running = |c: &ContainerStatus| c.is_ready && matches!(c.state, ContainerState::Running { .. });
    match apps().find_map(|container| word(container, pod)) {
        Some(word) if word == "Completed" && apps().any(is_running) => {
            let is_ready = condition(pod, "Ready").is_some_and(|ready| ready.status == "True");
            if is_ready { "Running" } else { "NotReady" }.to_owned()
        }
        Some(word) => word,
        None => pod.phase.clone(),
    }
}

/// What a container contributes to its pod's status.
fn word(container: &ContainerStatus, pod: &PodDetail) -> Option<String> {
    match &container.state {
        ContainerState::Waiting { reason, .. } => Some(reason.clone()).filter(|reason| !reason.is_empty()),
        ContainerState::Terminated { .. } if is_backing_off(container, pod) => {
            Some("CrashLoopBackOff".to_owned())
        }
        ContainerState::Terminated { reason, exit_code, signal, .. } => {
            Some(match (reason.as_str(), signal) {
                ("", 0) => format!("ExitCode:{exit_code}"),
                ("", signal) => format!("Signal:{signal}"),
                (reason, _) => reason.to_owned(),
            })
        }
        ContainerState::Running { .. } | ContainerState::Absent => None,
    }
}

/// Failed, failed before, and will be started again.
fn is_backing_off(container: &ContainerStatus, pod: &PodDetail) -> bool {
    let failed = matches!(container.state, ContainerState::Terminated { exit_code, .. } if exit_code != 0);
    failed && container.restart_count > 0 && matches!(pod.phase.as_str(), "Running" | "Pending")
}

fn is_absent(container: &ContainerStatus) -> bool {
    container.state == ContainerState::Absent
}

// === Trouble ===

/// Reason and message of the worst thing about a pod.
fn trouble(pod: &PodDetail, created: Option<Timestamp>, now: Timestamp) -> Option<(String, String)> {
    if pod.phase == "Succeeded" {
        return None;
    }
    if let Some(requested) = pod.deletion_requested {
        let is_stuck = now.millis_since(requested) > TERMINATING_MS;
        return is_stuck.then(|| ("Terminating".into(), "it was deleted but does not go away".into()));
    }
    if pod.phase == "Failed" {
        return Some(failure(pod));
    }
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|condition| condition.status == "False") {
        let reason = if scheduled.reason.is_empty() { "Unschedulable" } else { &scheduled.reason };
        return Some((reason.to_owned(), scheduled.message.clone()));
    }
    if let Some(trouble) = pod.containers.iter().find_map(|container| container_trouble(container, now)) {
        return Some(trouble);
    }
    if is_starting(pod, created, now) {
        return None;
    }
    let not_ready =
        |c: &&ContainerStatus| matches!(c.kind, ContainerKind::App | ContainerKind::Sidecar) && !c.is_ready;
    let laggard = pod.containers.iter().find(not_ready);
    match (pod.phase.as_str(), laggard) {
        ("Running", None) => unready_condition(pod),
        ("Running", Some(container)) => {
            Some(("NotReady".into(), format!("container {} is not ready", container.name)))
        }
        ("Unknown", _) => Some(("Unknown".into(), "its node does not report".into())),
        (_, Some(container)) => {
            let reason = word(container, pod).unwrap_or_else(|| "Pending".to_owned());
            Some((reason, format!("container {} does not start", container.name)))
        }
        _ => Some(("Pending".into(), "its containers do not start".into())),
    }
}

/// All containers say they are ready, and yet the pod is not (a readiness gate, or its node is away).
fn unready_condition(pod: &PodDetail) -> Option<(String, String)> {
    let ready = condition(pod, "Ready").filter(|condition| condition.status != "True")?;
    let reason = if ready.reason.is_empty() { "NotReady" } else { &ready.reason };
    let message = if ready.message.is_empty() { "the pod is not ready" } else { &ready.message };
    Some((reason.to_owned(), message.to_owned()))
}

fn container_trouble(container: &ContainerStatus, now: Timestamp) -> Option<(String, String)> {
    match &container.state {
        ContainerState::Waiting { reason, message } if reason == "CrashLoopBackOff" => {
            Some(crash(container, &container.last_state).unwrap_or((reason.clone(), message.clone())))
        }
        ContainerState::Waiting { reason, message } if !STARTING.contains(&reason.as_str()) => {
            Some((reason.clone(), message.clone()))
        }
        ContainerState::Terminated { .. } if crash(container, &container.state).is_some() => {
            crash(container, &container.state)
        }
        _ => match &container.last_state {
            ContainerState::Terminated { finished: Some(finished), .. }
                if now.millis_since(*finished) <= RECENT_MS =>
            {
                crash(container, &container.last_state)
            }
            _ => None,
        },
    }
}

/// In words, if that state is a failure.
fn crash(container: &ContainerStatus, state: &ContainerState) -> Option<(String, String)> {
    let ContainerState::Terminated { reason, exit_code, message, .. } = state else { return None };
    if *exit_code == 0 && reason != "OOMKilled" {
        return None;
    }
    let reason = if reason.is_empty() { "Error" } else { reason };
    let times = match container.restart_count {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        n => format!(", restarted {n} times"),
    };
    let said = if message.is_empty() { String::new() } else { format!(": {}", message.trim_end()) };
    Some((
        reason.to_owned(),
        format!("container {} exited with code {exit_code}{times}{said}", container.name),
    ))
}

fn failure(pod: &PodDetail) -> (String, String) {
    let crashed = pod.containers.iter().find_map(|container| crash(container, &container.state));
    crashed.unwrap_or_else(|| {
        let reason = if pod.status.is_empty() { "Failed" } else { &pod.status };
        (reason.to_owned(), "the pod failed".to_owned())
    })
}

fn is_starting(pod: &PodDetail, created: Option<Timestamp>, now: Timestamp) -> bool {
    let since = pod.started.or(created);
    since.is_some_and(|since| now.millis_since(since) <= STARTING_MS)
}

fn condition<'a>(pod: &'a PodDetail, kind: &str) -> Option<&'a Condition> {
    pod.conditions.iter().find(|condition| condition.kind == kind)
}

// === Past ===

fn last_restart(pod: &PodDetail) -> Option<Timestamp> {
    let restarted = pod.containers.iter().filter(|container| container.restart_count > 0);
    restarted.filter_map(|container| terminated(container, &container.last_state)?.finished).max()
}

fn last_termination(pod: &PodDetail) -> Option<Termination> {
    let states = |c: &ContainerStatus| [terminated(c, &c.last_state), terminated(c, &c.state)];
    pod.containers.iter().flat_map(states).flatten().max_by_key(|termination| termination.finished)
}

fn terminated(container: &ContainerStatus, state: &ContainerState) -> Option<Termination> {
    let ContainerState::Terminated { reason, exit_code, finished, .. } = state else { return None };
    Some(Termination {
        container: container.name.clone(),
        reason: reason.clone(),
        exit_code: *exit_code,
        finished: *finished,
    })
}

#[cfg(test)]
#[path = "pod/tests.rs"]
mod tests;
