//! Recounts that were asked for: one at a time, the last few are remembered.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_model::Timestamp;
use sentinel_recount::{Books, Progress, RecountError, Report, Span, Step, recount};
use sentinel_runtime::{Task, spawn};

use crate::app::App;
use crate::dto::verify::{
    Verification, VerifyFinding, VerifyLeftOut, VerifyLetters, VerifyReport, VerifyState, VerifyTotals,
};
use crate::error::ApiError;

/// Recounts that can be read again.
const MAX_REMEMBERED: usize = 8;

#[derive(Debug, Default)]
pub struct Verifications(Mutex<VecDeque<Job>>);

#[derive(Debug)]
struct Job {
    id: String,
    span: Span,
    started: Timestamp,
    progress: Progress,
    outcome: Arc<Mutex<Option<(Timestamp, Outcome)>>>,
    /// Ends with the server.
    _task: Task<()>,
}

#[derive(Clone, Debug)]
enum Outcome {
    Done(VerifyReport),
    Cancelled,
    Failed(String),
}

impl Verifications {
    /// Begins a recount.
    ///
    /// # Errors
    /// Another one is under way.
    pub fn start(&self, app: &App, span: Span) -> Result<Verification, ApiError> {
        let mut jobs = self.0.lock();
        if jobs.iter().any(|job| job.outcome.lock().is_none()) {
            let message = "another recount is under way; wait for it, or cancel it";
            return Err(ApiError::Busy { message });
        }
        let books = Books {
            bus: Arc::clone(&app.bus),
            metrics: Arc::clone(&app.metrics),
            logs: Arc::clone(&app.logs),
            rules: app.rules.clone(),
        };
        let started = app.now();
        let (progress, outcome) = (Progress::default(), Arc::<Mutex<_>>::default());
        let work = {
            let (app, progress, outcome) = (app.clone(), progress.clone(), Arc::clone(&outcome));
            async move {
                let found = match recount(&books, span, &progress).await {
                    Ok(report) => Outcome::Done(told(report)),
                    Err(RecountError::Cancelled) => Outcome::Cancelled,
                    Err(error) => Outcome::Failed(error.to_string()),
                };
                *outcome.lock() = Some((app.now(), found));
            }
        };
        let id = format!("{:016x}", rand::random::<u64>());
        tracing::info!(%id, from_ms = span.from.as_millis(), to_ms = span.to.as_millis(), "recounting");
        let job = Job { id, span, started, progress, outcome, _task: spawn("verify", work) };
        let told = job.tell();
        jobs.push_back(job);
        if jobs.len() > MAX_REMEMBERED {
            jobs.pop_front();
        }
        Ok(told)
    }

    pub fn read(&self, id: &str) -> Option<Verification> {
        self.0.lock().iter().find(|job| job.id == id).map(Job::tell)
    }

    /// Asks a recount to end; it does with its next message.
    pub fn cancel(&self, id: &str) -> Option<Verification> {
        let jobs = self.0.lock();
        let job = jobs.iter().find(|job| job.id == id)?;
        job.progress.cancel();
        Some(job.tell())
    }
}

impl Job {
    fn tell(&self) -> Verification {
        let outcome = self.outcome.lock().clone();
        let (step, share) = self.progress.read();
        let (state, error, report) = match outcome.as_ref().map(|(_, outcome)| outcome.clone()) {
            None => (VerifyState::Running, None, None),
            Some(Outcome::Done(report)) => (VerifyState::Done, None, Some(report)),
            Some(Outcome::Cancelled) => (VerifyState::Cancelled, None, None),
            Some(Outcome::Failed(error)) => (VerifyState::Failed, Some(error), None),
        };
        Verification {
            id: self.id.clone(),
            state,
            from: self.span.from.into(),
            to: self.span.to.into(),
            started: self.started.into(),
            finished: outcome.map(|(finished, _)| finished.into()),
            step: step.map(Step::as_str).map(str::to_owned),
            progress: if state == VerifyState::Done { 1.0 } else { share },
            error,
            report,
        }
    }
}

fn told(report: Report) -> VerifyReport {
    let totals = report.totals;
    VerifyReport {
        totals: VerifyTotals {
            streams: totals.n_streams,
            frames: totals.n_frames,
            punctuations: totals.n_punctuations,
            samples: totals.n_samples,
            series: totals.n_series,
            series_checked: totals.n_series_checked,
            windows: totals.n_windows,
            values: totals.n_values,
            windows_republished: totals.n_republished,
            lines: totals.n_lines,
            events: totals.n_events,
        },
        findings: report
            .findings
            .into_iter()
            .map(|finding| VerifyFinding {
                kind: finding.kind.as_str().to_owned(),
                subject: finding.subject,
                detail: finding.detail,
                next: finding.kind.next().to_owned(),
            })
            .collect(),
        n_findings: report.n_findings.into_iter().map(|(kind, n)| (kind.as_str().to_owned(), n)).collect(),
        not_checked: report
            .not_checked
            .into_iter()
            .map(|left_out| VerifyLeftOut {
                step: left_out.step.as_str().to_owned(),
                what: left_out.what,
                reason: left_out.reason,
            })
            .collect(),
        dead_letters: report
            .dead_letters
            .into_iter()
            .map(|((topic, reason), n)| VerifyLetters { topic, reason, n })
            .collect(),
    }
}
