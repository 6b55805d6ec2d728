//! Status of a workload, from its own counts and conditions and from what its pods say.

use sentinel_model::{Condition, Timestamp, WorkloadDetail};

use crate::dto::workload::WorkloadStatus;

/// A workload may be without any available replica for this long before it counts as unavailable.
const STARTING_MS: i64 = 60 * 1_000;

#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadState {
    pub status: WorkloadStatus,
    pub reason: String,
    pub message: String,
}

/// What the pods of a workload say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodsOf {
    pub n: usize,
    pub n_failing: usize,
    /// Pods with all of their containers ready.
    pub n_ready: usize,
    /// Since when the first of those that are failing is.
    pub failing_since: Option<Timestamp>,
    pub n_restarts: u64,
    /// Reason and message of one that is failing.
    pub trouble: Option<(String, String)>,
}

pub fn workload_state(
    kind: &str,
    workload: &WorkloadDetail,
    pods: &PodsOf,
    created: Option<Timestamp>,
    now: Timestamp,
) -> WorkloadState {
    match kind {
        "Job" => job(workload, pods),
        "CronJob" if workload.is_paused => plain(WorkloadStatus::Suspended),
        "CronJob" => plain(WorkloadStatus::Scheduled),
        _ => replicated(workload, pods, created, now),
    }
}

fn plain(status: WorkloadStatus) -> WorkloadState {
    WorkloadState { status, reason: String::new(), message: String::new() }
}

fn because(status: WorkloadStatus, (reason, message): (String, String)) -> WorkloadState {
    WorkloadState { status, reason, message }
}

fn job(job: &WorkloadDetail, pods: &PodsOf) -> WorkloadState {
    if let Some(failed) = holds(job, "Failed") {
        return because(WorkloadStatus::Failed, (failed.reason.clone(), failed.message.clone()));
    }
    if holds(job, "Complete").is_some() {
        return plain(WorkloadStatus::Complete);
    }
    if job.is_paused || holds(job, "Suspended").is_some() {
        return plain(WorkloadStatus::Suspended);
    }
    match &pods.trouble {
        Some(trouble) => because(WorkloadStatus::Degraded, trouble.clone()),
        None => plain(WorkloadStatus::Progressing),
    }
}

fn replicated(
    workload: &WorkloadDetail,
    pods: &PodsOf,
    created: Option<Timestamp>,
    now: Timestamp,
) -> WorkloadState {
    if workload.desired == 0 {
        return plain(WorkloadStatus::ScaledToZero);
    }
    let n_there = workload.available.max(workload.ready);
    let none_or_some = if n_there == 0 { WorkloadStatus::Unavailable } else { WorkloadStatus::Degraded };
    if let Some(stuck) = stuck(workload) {
        // A pod's reason says more than "the deadline is over".
        let reason = pods.trouble.clone().unwrap_or((stuck.reason.clone(), stuck.message.clone()));
        return because(none_or_some, reason);
    }
    let is_rolling =
        workload.observed_generation < workload.generation || workload.updated < workload.desired;
    if let Some(trouble) = &pods.trouble
        && (n_there < workload.desired || is_rolling || pods.n_failing >= pods.n.div_ceil(2))
    {
        return because(none_or_some, trouble.clone());
    }
    if n_there >= workload.desired && !is_rolling {
        return plain(WorkloadStatus::Available);
    }
    let missing = format!("{n_there} of {} replicas are available", workload.desired);
    let is_new = created.is_some_and(|created| now.millis_since(created) <= STARTING_MS);
    if is_rolling || is_new || !lasts(workload, now) {
        return because(WorkloadStatus::Progressing, ("Progressing".to_owned(), missing));
    }
    because(none_or_some, ("MissingReplicas".to_owned(), missing))
}

/// A rollout that missed its deadline, or pods that may not be created.
fn stuck(workload: &WorkloadDetail) -> Option<&Condition> {
    let late = |c: &&Condition| c.kind == "Progressing" && c.status == "False";
    let refused = |c: &&Condition| c.kind == "ReplicaFailure" && c.status == "True";
    let conditions = || workload.conditions.iter();
    conditions().find(late).or_else(|| conditions().find(refused))
}

/// It has been short of replicas for a while (or nobody says since when).
fn lasts(workload: &WorkloadDetail, now: Timestamp) -> bool {
    let available = workload.conditions.iter().find(|c| c.kind == "Available" && c.status == "False");
    let since = available.and_then(|condition| condition.since);
    since.is_none_or(|since| now.millis_since(since) > STARTING_MS)
}

fn holds<'a>(workload: &'a WorkloadDetail, kind: &str) -> Option<&'a Condition> {
    workload.conditions.iter().find(|condition| condition.kind == kind && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(10_000);
    const LONG_AGO: Option<Timestamp> = Some(Timestamp::from_secs(100));

    fn counts(desired: u32, ready: u32, updated: u32) -> WorkloadDetail {
        WorkloadDetail { desired, ready, available: ready, updated, ..Default::default() }
    }

    fn with(mut workload: WorkloadDetail, kind: &str, status: &str, reason: &str) -> WorkloadDetail {
        workload.conditions.push(Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: "told".into(),
            since: LONG_AGO,
        });
        workload
    }

    fn failing() -> PodsOf {
        PodsOf {
            n: 3,
            n_failing: 1,
            trouble: Some(("OOMKilled".into(), "killed".into())),
            ..PodsOf::default()
        }
    }

    fn told(kind: &str, workload: &WorkloadDetail, pods: &PodsOf) -> (WorkloadStatus, String) {
        let state = workload_state(kind, workload, pods, LONG_AGO, NOW);
        (state.status, state.reason)
    }

    #[test]
    fn counts_of_replicas_decide() {
        let none = PodsOf::default();
        let status = |workload: &WorkloadDetail| told("Deployment", workload, &none).0;
        assert_eq!(status(&counts(3, 3, 3)), WorkloadStatus::Available);
        assert_eq!(status(&counts(0, 0, 0)), WorkloadStatus::ScaledToZero);
        assert_eq!(status(&counts(3, 3, 1)), WorkloadStatus::Progressing, "a rollout");
        assert_eq!(status(&counts(3, 2, 3)), WorkloadStatus::Degraded);
        assert_eq!(status(&counts(3, 0, 3)), WorkloadStatus::Unavailable);
    }

    #[test]
    fn a_new_workload_is_progressing_for_its_first_minute() {
        let state = workload_state("StatefulSet", &counts(2, 0, 2), &PodsOf::default(), Some(NOW), NOW);
        assert_eq!(state.status, WorkloadStatus::Progressing);
        assert_eq!(state.message, "0 of 2 replicas are available");
    }

    #[test]
    fn a_failing_pod_gives_the_reason() {
        let (status, reason) = told("Deployment", &counts(3, 2, 3), &failing());
        assert_eq!((status, reason.as_str()), (WorkloadStatus::Degraded, "OOMKilled"));
        assert_eq!(told("Deployment", &counts(3, 3, 1), &failing()).0, WorkloadStatus::Degraded);
    }

    #[test]
    fn one_unwell_pod_of_many_does_not_degrade_what_is_complete() {
        assert_eq!(told("Deployment", &counts(3, 3, 3), &failing()).0, WorkloadStatus::Available);
    }

    #[test]
    fn a_stuck_rollout_is_degraded_while_old_pods_serve() {
        let late = with(counts(2, 2, 1), "Progressing", "False", "ProgressDeadlineExceeded");
        let (status, reason) = told("Deployment", &late, &PodsOf::default());
        assert_eq!((status, reason.as_str()), (WorkloadStatus::Degraded, "ProgressDeadlineExceeded"));
        assert_eq!(told("Deployment", &late, &failing()).1, "OOMKilled");
    }

    #[test]
    fn jobs_and_cron_jobs_have_their_own_words() {
        let none = PodsOf::default();
        assert_eq!(told("Job", &counts(1, 0, 0), &none).0, WorkloadStatus::Progressing);
        assert_eq!(told("Job", &counts(1, 0, 0), &failing()).0, WorkloadStatus::Degraded);
        let complete = with(counts(1, 1, 0), "Complete", "True", "");
        assert_eq!(told("Job", &complete, &none).0, WorkloadStatus::Complete);
        let failed = with(counts(1, 0, 0), "Failed", "True", "BackoffLimitExceeded");
        assert_eq!(told("Job", &failed, &none), (WorkloadStatus::Failed, "BackoffLimitExceeded".into()));
        let mut cron = WorkloadDetail::default();
        assert_eq!(told("CronJob", &cron, &none).0, WorkloadStatus::Scheduled);
        cron.is_paused = true;
        assert_eq!(told("CronJob", &cron, &none).0, WorkloadStatus::Suspended);
    }
}
