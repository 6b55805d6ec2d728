//! The CronJob and Job controllers.

use std::sync::Arc;

use super::pods::Wanted;
use super::{Action, Job, JobPhase, Owner, Phase, PodId, Subject, WorkloadId, World};
use crate::catalogue::{AppKind, KEPT_RUNS};
use crate::dice::Dice;
use crate::store::{Key, Kind};
use crate::time::MINUTE;

const CRON: &str = "cronjob-controller";
const JOBS: &str = "job-controller";

impl World {
    pub(super) fn run_job(&mut self, id: WorkloadId) {
        let now = self.now;
        let workload = &self.workloads[id.0 as usize];
        let AppKind::CronJob(minutes, _) = workload.app.kind else { return };
        if workload.is_deleted {
            return;
        }
        let is_running =
            workload.jobs.iter().any(|job| !matches!(job.phase, JobPhase::Complete | JobPhase::Failed));
        if !is_running {
            self.start_job(id);
        }
        let next = now.floor(minutes * MINUTE).saturating_add_millis(minutes * MINUTE + 40);
        self.agenda.plan(next, Action::RunJob(id));
    }

    fn start_job(&mut self, id: WorkloadId) {
        let now = self.now;
        let workload = &mut self.workloads[id.0 as usize];
        let scheduled = now.floor(MINUTE);
        let name: Arc<str> = Arc::from(format!("{}-{}", workload.name, scheduled.as_millis() / MINUTE));
        let mut dice = Dice::keyed(self.seed ^ 0x4a4f, format!("{}/{name}", workload.namespace));
        let template = Arc::clone(&workload.current().template);
        let uid = dice.uid();
        workload.jobs.push(Job {
            name: Arc::clone(&name),
            uid,
            created: now,
            scheduled,
            written: 0,
            pod: None,
            template: Arc::clone(&template),
            phase: JobPhase::New,
            finished: None,
        });
        workload.last_run = Some(scheduled);
        self.publish_job(id, &name);
        self.publish_workload(id);
        let subject = Subject::workload(&self.workloads[id.0 as usize]);
        self.record_about(subject, (CRON, "SuccessfulCreate", format!("Created job {name}")));
        let owner = Owner { kind: Kind::Job, name: Arc::clone(&name), uid };
        let pod = self.create_pod(Wanted { workload: id, owner, template, ordinal: None, target: None });
        if let Some(job) = self.workloads[id.0 as usize].jobs.last_mut() {
            job.pod = Some(pod);
            job.phase = JobPhase::Active { is_ready: false };
        }
        self.publish_job(id, &name);
        let message = format!("Created pod: {}", self.pods[&pod].key.name);
        self.tell_job(id, &name, ("SuccessfulCreate", message));
    }

    fn tell_job(&mut self, id: WorkloadId, name: &Arc<str>, (reason, message): (&'static str, String)) {
        let workload = &self.workloads[id.0 as usize];
        let Some(job) = workload.jobs.iter().find(|job| job.name == *name) else { return };
        let subject = Subject::owned(workload, Kind::Job, (&job.name, job.uid), job.written);
        self.record_about(subject, (JOBS, reason, message));
    }

    /// Writes whether a Job's pod is ready.
    pub(super) fn reconcile_jobs(&mut self, id: WorkloadId) {
        let workload = &self.workloads[id.0 as usize];
        let changed: Vec<(Arc<str>, bool)> = workload
            .jobs
            .iter()
            .filter_map(|job| {
                let JobPhase::Active { is_ready } = job.phase else { return None };
                let is = self.pods.get(&job.pod?).is_some_and(super::Pod::is_ready);
                (is != is_ready).then(|| (Arc::clone(&job.name), is))
            })
            .collect();
        for (name, is_ready) in changed {
            let jobs = &mut self.workloads[id.0 as usize].jobs;
            if let Some(job) = jobs.iter_mut().find(|job| job.name == name) {
                job.phase = JobPhase::Active { is_ready };
            }
            self.publish_job(id, &name);
        }
    }

    /// The Job's pod has finished: it is counted, its finalizer goes, old Jobs are removed.
    pub(super) fn count_job(&mut self, id: WorkloadId, pod: u32) {
        let now = self.now;
        let pod = PodId(pod);
        let is_success = self.pods.get(&pod).is_some_and(|pod| pod.phase == Phase::Succeeded);
        let jobs = &mut self.workloads[id.0 as usize].jobs;
        let Some(job) = jobs.iter_mut().find(|job| job.pod == Some(pod)) else { return };
        let name = Arc::clone(&job.name);
        job.finished = Some(now);
        job.phase = JobPhase::Counting { is_success };
        self.publish_job(id, &name);
        if let Some(pod) = self.pods.get_mut(&pod) {
            pod.is_uncounted = false;
        }
        self.publish_pod(pod);
        let workload = &mut self.workloads[id.0 as usize];
        if let Some(job) = workload.jobs.iter_mut().find(|job| job.name == name) {
            job.phase = if is_success { JobPhase::Complete } else { JobPhase::Failed };
        }
        if is_success {
            workload.last_success = Some(now);
        }
        self.publish_job(id, &name);
        let (reason, message) = match is_success {
            true => ("Completed", "Job completed"),
            false => ("BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        };
        self.tell_job(id, &name, (reason, message.to_owned()));
        self.publish_workload(id);
        let subject = Subject::workload(&self.workloads[id.0 as usize]);
        let condition = if is_success { "Complete" } else { "Failed" };
        let message = format!("Saw completed job: {name}, condition: {condition}");
        self.record_about(subject, (CRON, "SawCompletedJob", message));
        self.remove_old_jobs(id);
    }

    fn remove_old_jobs(&mut self, id: WorkloadId) {
        for (phase, n_kept) in [(JobPhase::Complete, KEPT_RUNS), (JobPhase::Failed, 1)] {
            loop {
                let jobs = &self.workloads[id.0 as usize].jobs;
                let n_jobs = jobs.iter().filter(|job| job.phase == phase).count();
                let Some(place) = jobs.iter().position(|job| job.phase == phase).filter(|_| n_jobs > n_kept)
                else {
                    break;
                };
                self.remove_job(id, place);
            }
        }
    }

    fn remove_job(&mut self, id: WorkloadId, place: usize) {
        let workload = &self.workloads[id.0 as usize];
        let job = &workload.jobs[place];
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&job.name));
        self.store.remove(Kind::Job, &key, |version| crate::objects::job(workload, job, version));
        let (name, pod) = (Arc::clone(&job.name), job.pod);
        self.workloads[id.0 as usize].jobs.remove(place);
        if let Some(pod) = pod {
            self.delete_pod(pod);
        }
        let subject = Subject::workload(&self.workloads[id.0 as usize]);
        self.record_about(subject, (CRON, "SuccessfulDelete", format!("Deleted job {name}")));
    }
}
