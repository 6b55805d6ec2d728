//! CronJobs and Jobs.

use super::{Meta, OwnerRef, whole};
use crate::catalogue::AppKind;
use crate::json::Object;
use crate::store::Kind;
use crate::world::{Job, JobPhase, Workload};

/// A Job's pod template, labelled with the Job's own name and identity.
fn job_template(job: &Job) -> String {
    let mut labels: Vec<(&str, &str)> = super::pairs(&job.template.labels);
    let uid = job.uid.to_string();
    labels.extend(job_labels(&uid, &job.name));
    labels.sort_unstable();
    let spec_at = job.template.json.find("\"spec\":").unwrap_or_default();
    let labels = crate::json::object(|o| o.map("labels", labels));
    format!("{{\"metadata\":{labels},{}", &job.template.json[spec_at..])
}

/// Labels that the Job controller adds to its pods.
pub fn job_labels<'a>(uid: &'a str, name: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("job-name", name),
    ]
}

pub fn job(workload: &Workload, job: &Job, version: u64) -> String {
    let uid = job.uid.to_string();
    let mut labels = super::pairs(&job.template.labels);
    labels.extend(job_labels(&uid, &job.name));
    labels.sort_unstable();
    let scheduled = crate::time::seconds_text(job.scheduled);
    let meta = Meta {
        name: &job.name,
        namespace: &workload.namespace,
        uid: Some(job.uid),
        version,
        generation: 1,
        created: job.created,
        labels,
        annotations: vec![("batch.kubernetes.io/cronjob-scheduled-timestamp", scheduled)],
        owner: Some(OwnerRef {
            kind: Kind::CronJob,
            name: &workload.name,
            uid: workload.uid,
            is_controller: true,
        }),
        ..Meta::default()
    };
    whole(Kind::Job, &meta, |object| {
        object.object("spec", |spec| {
            spec.number("parallelism", 1);
            spec.number("completions", 1);
            spec.number("backoffLimit", 0);
            spec.object("selector", |selector| {
                selector.map("matchLabels", [("batch.kubernetes.io/controller-uid", &uid)]);
            });
            spec.flag("manualSelector", false);
            spec.raw("template", &job_template(job));
            spec.text("completionMode", "NonIndexed");
            spec.flag("suspend", false);
            spec.text("podReplacementPolicy", "TerminatingOrFailed");
        });
        object.object("status", |status| write_job_status(status, job));
    })
}

fn write_job_status(status: &mut Object<'_>, job: &Job) {
    let conditions: &[(&str, &str, &str)] = match job.phase {
        JobPhase::New | JobPhase::Active { .. } => &[],
        JobPhase::Counting { is_success: true } => &[REACHED],
        JobPhase::Counting { is_success: false } => &[("FailureTarget", LIMIT.1, LIMIT.2)],
        JobPhase::Complete => &[REACHED, ("Complete", REACHED.1, REACHED.2)],
        JobPhase::Failed => &[("FailureTarget", LIMIT.1, LIMIT.2), LIMIT],
    };
    let at = job.finished.unwrap_or(job.created);
    if !conditions.is_empty() {
        status.array("conditions", |array| {
            for (name, reason, message) in conditions {
                array.object(|c| {
                    c.text("type", name);
                    c.text("status", "True");
                    c.time("lastProbeTime", at);
                    c.time("lastTransitionTime", at);
                    c.text("reason", reason);
                    c.text("message", message);
                });
            }
        });
    }
    if job.phase == JobPhase::New {
        return;
    }
    status.time("startTime", job.created);
    if job.phase == JobPhase::Complete {
        status.time("completionTime", at);
    }
    let is_active = matches!(job.phase, JobPhase::Active { .. });
    status.number_if("active", i64::from(is_active));
    status.number_if("succeeded", i64::from(job.phase == JobPhase::Complete));
    status.number_if("failed", i64::from(job.phase == JobPhase::Failed));
    status.number("terminating", 0);
    status.raw("uncountedTerminatedPods", "{}");
    status.number("ready", i64::from(job.phase == JobPhase::Active { is_ready: true }));
}

const REACHED: (&str, &str, &str) =
    ("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods");
const LIMIT: (&str, &str, &str) =
    ("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");

pub fn cron_job(workload: &Workload, version: u64) -> String {
    let template = &workload.current().template;
    let meta = Meta {
        name: &workload.name,
        namespace: &workload.namespace,
        uid: Some(workload.uid),
        version,
        generation: workload.generation,
        created: workload.created,
        labels: super::pairs(&template.labels),
        ..Meta::default()
    };
    whole(Kind::CronJob, &meta, |object| {
        object.object("spec", |spec| {
            spec.text("schedule", &schedule(workload));
            spec.text("concurrencyPolicy", "Forbid");
            spec.flag("suspend", false);
            spec.object("jobTemplate", |job| {
                job.raw("metadata", "{}");
                job.object("spec", |spec| {
                    spec.number("backoffLimit", 0);
                    spec.raw("template", &template.json);
                });
            });
            spec.number("successfulJobsHistoryLimit", crate::catalogue::KEPT_RUNS as i64);
            spec.number("failedJobsHistoryLimit", 1);
        });
        object.object("status", |status| {
            let is_active = |job: &&Job| !matches!(job.phase, JobPhase::Complete | JobPhase::Failed);
            let mut active = workload.jobs.iter().filter(is_active).peekable();
            if active.peek().is_some() {
                status.array("active", |array| {
                    active
                        .for_each(|job| array.object(|reference| write_reference(reference, workload, job)));
                });
            }
            if let Some(at) = workload.last_run {
                status.time("lastScheduleTime", at);
            }
            if let Some(at) = workload.last_success {
                status.time("lastSuccessfulTime", at);
            }
        });
    })
}

fn write_reference(reference: &mut Object<'_>, workload: &Workload, job: &Job) {
    reference.text("kind", "Job");
    reference.text("namespace", &workload.namespace);
    reference.text("name", &job.name);
    reference.uid("uid", job.uid);
    reference.text("apiVersion", "batch/v1");
    reference.text("resourceVersion", &job.written.to_string());
}

/// Cron expression of a CronJob that runs every so many minutes.
fn schedule(workload: &Workload) -> String {
    match workload.app.kind {
        AppKind::CronJob(1, _) => "* * * * *".to_owned(),
        AppKind::CronJob(minutes, _) => format!("*/{minutes} * * * *"),
        _ => String::new(),
    }
}
