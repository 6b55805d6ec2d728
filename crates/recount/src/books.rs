//! A recount from beginning to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use sentinel_bus::{Bus, BusError};
use sentinel_log_store::{LogReader, LogStoreError};
use sentinel_metric_store::{MetricReader, MetricStoreError};
use sentinel_model::{Timestamp, Topic};

use crate::events;
use crate::finals::Finals;
use crate::frames::Frames;
use crate::letters::Letters;
use crate::lines;
use crate::mailbox::Topics;
use crate::report::{Report, Step, Totals};
use crate::rules::Rule;
use crate::samples;

/// What is read. Nothing is written.
#[derive(Clone)]
pub struct Books {
    pub bus: Arc<dyn Bus>,
    pub metrics: Arc<dyn MetricReader>,
    pub logs: Arc<dyn LogReader>,
    /// As the processor has them.
    pub rules: Vec<Rule>,
}

/// Event time: start inclusive, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    pub(crate) fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RecountError {
    #[error("the bus cannot be read: {0}")]
    Bus(#[from] BusError),
    #[error("the metric store cannot be read: {0}")]
    Metrics(#[from] MetricStoreError),
    #[error("the log store cannot be read: {0}")]
    Logs(#[from] LogStoreError),
    #[error("topic {topic} gave nothing for a minute before its end")]
    Stalled { topic: Topic },
    #[error("the recount was cancelled")]
    Cancelled,
}

/// How far a recount is; also the way to stop it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_cancelled: AtomicBool,
    step: Mutex<Option<Step>>,
    n_read: AtomicU64,
    n_expected: AtomicU64,
}

impl Progress {
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// The step that is under way, and the share of its messages that has been read.
    pub fn read(&self) -> (Option<Step>, f64) {
        let n_expected = self.0.n_expected.load(Ordering::Relaxed).max(1);
        let share = self.0.n_read.load(Ordering::Relaxed) as f64 / n_expected as f64;
        (*self.0.step.lock(), share.min(1.0))
    }

    pub(crate) fn begin(&self, step: Step, n_expected: u64) {
        *self.0.step.lock() = Some(step);
        self.0.n_read.store(0, Ordering::Relaxed);
        self.0.n_expected.store(n_expected, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, n_read: u64) {
        self.0.n_read.fetch_add(n_read, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<(), RecountError> {
        if self.0.is_cancelled.load(Ordering::Relaxed) { Err(RecountError::Cancelled) } else { Ok(()) }
    }
}

/// Counts everything of `span` anew. What comes while it reads is not looked at; what cannot be judged (windows
/// that are open, messages that the bus does not hold any more) is told, never passed in silence.
///
/// Memory is bounded: samples are taken slice by slice of time and the bus is read once for each slice.
///
/// # Errors
/// Something cannot be read, or [`Progress::cancel`] was called.
pub async fn recount(books: &Books, span: Span, progress: &Progress) -> Result<Report, RecountError> {
    let mut report = Report::default();
    let bus = &*books.bus;
    // Letters, results and what they are made of, in this order backwards: whatever is new in one is not missed in
    // another.
    let metrics = Topics::look(bus, Topic::Metrics).await?;
    let logs = Topics::look(bus, Topic::Logs).await?;
    let events = Topics::look(bus, Topic::Events).await?;
    for (topics, step) in [(&metrics, Step::Frames), (&logs, Step::Lines), (&events, Step::Events)] {
        note_removed(bus, (topics, step), span, (progress, &mut report)).await?;
    }
    let frames = Frames::read(books, &metrics, span, (progress, &mut report)).await?;
    let letters = Letters::read(books, span, (progress, &mut report)).await?;
    let finals = Finals::read(books, progress).await?;
    samples::compare(books, span, (&frames, &letters, &finals), (progress, &mut report)).await?;
    lines::compare(books, span, (&logs, &letters), (progress, &mut report)).await?;
    events::compare(books, span, (&events, &letters), (progress, &mut report)).await?;
    let Totals { n_frames, n_lines, n_events, .. } = report.totals;
    if n_frames + n_lines + n_events == 0 {
        report.leave_out(Step::Frames, samples::told(span), "the bus holds nothing of this time");
    }
    Ok(report)
}

/// What retention has removed of the span cannot be compared with anything, whether it was stored or not.
async fn note_removed(
    bus: &dyn Bus,
    (topics, step): (&Topics, Step),
    span: Span,
    (progress, report): (&Progress, &mut Report),
) -> Result<(), RecountError> {
    for first in topics.cuts(bus, progress).await? {
        if first.is_none_or(|first| first > span.from) {
            let until = first.map_or(span.to, |first| first.min(span.to));
            let what = samples::told(Span { from: span.from, to: until });
            let reason = format!(
                "{} no longer holds all of it; raise bus.retention to check longer back",
                topics.topic
            );
            report.leave_out(step, what, reason);
        }
    }
    Ok(())
}
