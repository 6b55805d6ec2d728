//! Problems: what a state or an event says is wrong, with how bad it is.

use sentinel_model::{NodeDetail, ObjectState, PodDetail};

use crate::dto::node::NodeStatus;
use crate::dto::overview::{ProblemRow, Severity};
use crate::dto::record::EventRow;
use crate::dto::workload::{WorkloadRow, WorkloadStatus};
use crate::objects::Entry;
use crate::rows::is_finished;
use crate::status::{PodState, PodsOf, node_state};

fn problem(state: &ObjectState, kind: &str, severity: Severity) -> ProblemRow {
    ProblemRow {
        severity,
        kind: kind.to_owned(),
        cluster: state.key.cluster.to_string(),
        namespace: state.namespace.clone(),
        object_kind: state.key.kind.to_string(),
        object_name: state.name.clone(),
        reason: String::new(),
        message: String::new(),
        since: None,
    }
}

pub fn problem_of_node(state: &ObjectState, node: &NodeDetail) -> Option<ProblemRow> {
    let told = node_state(node);
    let since = |kind: &str| {
        let condition = node.conditions.iter().find(|condition| condition.kind == kind);
        condition.and_then(|condition| condition.since).map(Into::into)
    };
    if told.status != NodeStatus::Ready {
        let mut problem = problem(state, "node", Severity::Critical);
        problem.since = since("Ready");
        problem.reason = if told.reason.is_empty() { "NotReady".to_owned() } else { told.reason };
        problem.message = told.message;
        return Some(problem);
    }
    let pressure = told.pressures.first()?;
    let mut problem = problem(state, "node", Severity::Error);
    problem.since = since(pressure);
    problem.message = format!("the node reports {}", told.pressures.join(", "));
    problem.reason.clone_from(pressure);
    Some(problem)
}

/// `beside`: what the pods of its workload say.
pub fn problem_of_pod(
    state: &ObjectState,
    pod: &PodDetail,
    told: &PodState,
    beside: Option<&PodsOf>,
) -> Option<ProblemRow> {
    if told.is_healthy {
        return None;
    }
    let mut problem = problem(state, "pod", severity_of_pod(state, pod, told, beside));
    told.headline().clone_into(&mut problem.reason);
    problem.message.clone_from(&told.message);
    problem.since = told.since.map(Into::into);
    Some(problem)
}

/// [`Severity`] states the rule.
fn severity_of_pod(
    state: &ObjectState,
    pod: &PodDetail,
    told: &PodState,
    beside: Option<&PodsOf>,
) -> Severity {
    let is_crashing = told.is_crash_looping() || told.reason == "OOMKilled";
    if is_crashing && told.is_ready() {
        return Severity::Warning;
    }
    if is_crashing {
        let serves = !state.workload.as_ref().is_some_and(|of| matches!(&*of.kind, "Job" | "CronJob"));
        let is_alone = beside.is_none_or(|pods| pods.n_ready == 0);
        let is_over = is_finished(pod);
        return if serves && is_alone && !is_over { Severity::Critical } else { Severity::Error };
    }
    let does_not_mend = pod.phase == "Failed"
        || matches!(told.reason.as_str(), "Unschedulable" | "CreateContainerConfigError")
        || told.reason.contains("Image");
    if does_not_mend { Severity::Error } else { Severity::Warning }
}

pub fn problem_of_workload(entry: &Entry, row: &WorkloadRow, pods: &PodsOf) -> Option<ProblemRow> {
    let state = &entry.state;
    let severity = match row.status {
        WorkloadStatus::Unavailable => Severity::Critical,
        WorkloadStatus::Failed => Severity::Error,
        WorkloadStatus::Degraded => Severity::Warning,
        _ => return None,
    };
    let mut problem = problem(state, "workload", severity);
    problem.reason = if row.reason.is_empty() { format!("{:?}", row.status) } else { row.reason.clone() };
    problem.message = match row.status {
        WorkloadStatus::Failed => row.message.clone(),
        _ => format!("{} of {} replicas are ready: {}", row.ready, row.desired, row.message),
    };
    let sentinel_model::ObjectDetail::Workload(workload) = &state.detail else { return Some(problem) };
    let wrong = |kind: &str, status: &str| {
        let found = workload.conditions.iter().find(|c| c.kind == kind && c.status == status);
        found.and_then(|condition| condition.since)
    };
    let since = wrong("Available", "False").or_else(|| wrong("Failed", "True"));
    let since = since.or_else(|| wrong("Progressing", "False"));
    // A Deployment short of a few replicas still says that it is available.
    problem.since =
        since.or(entry.short_since).or(pods.failing_since).or(Some(state.observed)).map(Into::into);
    Some(problem)
}

pub fn problem_of_event(event: &EventRow) -> ProblemRow {
    ProblemRow {
        severity: match event.severity.as_str() {
            "critical" => Severity::Critical,
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => Severity::Info,
        },
        kind: "event".to_owned(),
        cluster: event.cluster.clone(),
        namespace: event.namespace.clone(),
        object_kind: event.object_kind.clone(),
        object_name: event.object_name.clone(),
        reason: event.reason.clone(),
        message: event.message.clone(),
        since: event.first_seen.or(Some(event.last_seen)),
    }
}
