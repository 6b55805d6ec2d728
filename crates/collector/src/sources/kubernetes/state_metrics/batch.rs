//! `kube_job_*` and `kube_cronjob_*`.

use serde_json::Value;

use super::super::json::{flag, integer, list, text, time};
use super::replicas::{created, optional, owners};
use super::{Family, bit};

/// Reasons of a failed Job that have rows of their own.
const FAILURES: [&str; 3] = ["BackoffLimitExceeded", "DeadlineExceeded", "Evicted"];

pub(super) fn job(job: &Value, family: &mut Family<'_>) {
    family.gauge("kube_job_info", &[], 1.0);
    created("kube_job_created", job, family);
    owners("kube_job_owner", job, family);
    for (name, field) in [
        ("kube_job_spec_parallelism", "spec.parallelism"),
        ("kube_job_spec_completions", "spec.completions"),
        ("kube_job_spec_active_deadline_seconds", "spec.activeDeadlineSeconds"),
    ] {
        optional(name, integer(job, field), family);
    }
    for (name, field) in
        [("kube_job_status_active", "status.active"), ("kube_job_status_succeeded", "status.succeeded")]
    {
        family.gauge(name, &[], integer(job, field).unwrap_or_default() as f64);
    }
    family.instant("kube_job_status_start_time", &[], time(job, "status.startTime"));
    family.instant("kube_job_status_completion_time", &[], time(job, "status.completionTime"));
    failures(job, family);
    for condition in list(job, "status.conditions") {
        match text(condition, "type") {
            "Complete" => family.condition("kube_job_complete", &[], "condition", text(condition, "status")),
            "Failed" => family.condition("kube_job_failed", &[], "condition", text(condition, "status")),
            _ => {}
        }
    }
}

/// The number of failed pods; with a known reason, which one it is.
fn failures(job: &Value, family: &mut Family<'_>) {
    let name = "kube_job_status_failed";
    let failed = integer(job, "status.failed").unwrap_or_default() as f64;
    let reason = list(job, "status.conditions")
        .iter()
        .filter(|condition| text(condition, "type") == "Failed")
        .map(|condition| text(condition, "reason"))
        .find(|reason| FAILURES.contains(reason));
    match reason {
        Some(reason) if failed > 0.0 => family.one_of(name, "reason", &FAILURES, reason),
        _ => family.gauge(name, &[], failed),
    }
}

pub(super) fn cron_job(cron_job: &Value, family: &mut Family<'_>) {
    let time_zone = match text(cron_job, "spec.timeZone") {
        "" => "local",
        zone => zone,
    };
    let info = [
        ("schedule", text(cron_job, "spec.schedule")),
        ("concurrency_policy", text(cron_job, "spec.concurrencyPolicy")),
        ("timezone", time_zone),
    ];
    family.gauge("kube_cronjob_info", &info, 1.0);
    created("kube_cronjob_created", cron_job, family);
    family.gauge("kube_cronjob_spec_suspend", &[], bit(flag(cron_job, "spec.suspend")));
    family.gauge("kube_cronjob_status_active", &[], list(cron_job, "status.active").len() as f64);
    for (name, field) in [
        ("kube_cronjob_spec_starting_deadline_seconds", "spec.startingDeadlineSeconds"),
        ("kube_cronjob_spec_successful_job_history_limit", "spec.successfulJobsHistoryLimit"),
        ("kube_cronjob_spec_failed_job_history_limit", "spec.failedJobsHistoryLimit"),
    ] {
        optional(name, integer(cron_job, field), family);
    }
    let last = time(cron_job, "status.lastScheduleTime");
    family.instant("kube_cronjob_status_last_schedule_time", &[], last);
    let succeeded = time(cron_job, "status.lastSuccessfulTime");
    family.instant("kube_cronjob_status_last_successful_time", &[], succeeded);
}
