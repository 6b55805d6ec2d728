//! The one thread that writes: it gathers writes into commits and keeps the retention.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use sentinel_runtime::{Component, clock};
use tantivy::IndexWriter;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::day::{Day, storage};
use super::{Days, Limits};
use crate::day::DayNumber;
use crate::metrics::Metrics;
use crate::{Document, DocumentId, DocumentKind, LogStoreError, WriteReport};

/// Hands writes to the thread.
pub(super) struct Writer {
    jobs: SyncSender<Job>,
}

enum Job {
    Write(Write),
    KeepRetention(oneshot::Sender<Result<(), LogStoreError>>),
}

struct Write {
    documents: Vec<Document>,
    done: oneshot::Sender<Result<WriteReport, LogStoreError>>,
}

/// Writes waiting for the thread; more are refused for the caller to try again.
const MAX_JOBS: usize = 64;

/// A commit happens at the latest after so many documents.
const MAX_UNCOMMITTED: usize = 50_000;

/// Between two looks at what is past its retention.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A day's writer that was not used for so many commits gives its memory back.
const IDLE_COMMITS: u32 = 60;

impl Writer {
    pub(super) fn start(
        days: Arc<Days>,
        limits: Limits,
        health: Component,
        metrics: Metrics,
    ) -> Result<Self, LogStoreError> {
        let (jobs, receiver) = sync_channel(MAX_JOBS);
        let worker = Worker {
            days,
            limits,
            health,
            metrics,
            writers: BTreeMap::new(),
            cleared: BTreeMap::new(),
            waiting: Vec::new(),
            n_uncommitted: 0,
            look_at: Instant::now() + LOOK_EVERY,
        };
        std::thread::Builder::new()
            .name("log-store".to_owned())
            .spawn(move || worker.run(&receiver))
            .map_err(|error| LogStoreError::Open {
                message: format!("start the writer's thread: {error}"),
            })?;
        Ok(Self { jobs })
    }

    pub(super) async fn write(&self, documents: Vec<Document>) -> Result<WriteReport, LogStoreError> {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Write(Write { documents, done }), answer).await
    }

    /// Deletes what is past its retention, now.
    pub(super) async fn keep_retention(&self) -> Result<(), LogStoreError> {
        let (done, answer) = oneshot::channel();
        self.ask(Job::KeepRetention(done), answer).await
    }

    async fn ask<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, LogStoreError>>,
    ) -> Result<T, LogStoreError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                LogStoreError::Storage { message: "too many writes are waiting".to_owned() }
            }
            TrySendError::Disconnected(_) => {
                LogStoreError::Storage { message: "the writer has ended".to_owned() }
            }
        })?;
        answer.await.map_err(|_| LogStoreError::Storage { message: "the writer has ended".to_owned() })?
    }
}

struct Worker {
    days: Arc<Days>,
    limits: Limits,
    health: Component,
    metrics: Metrics,
    writers: BTreeMap<DayNumber, DayWriter>,
    /// Days of which all documents of a kind have been deleted.
    cleared: BTreeMap<DayNumber, DocumentKind>,
    waiting: Vec<(oneshot::Sender<Result<WriteReport, LogStoreError>>, WriteReport)>,
    n_uncommitted: usize,
    /// When to look for what is past its retention, however busy the store is.
    look_at: Instant,
}

struct DayWriter {
    day: Arc<Day>,
    writer: IndexWriter,
    /// What was added since the last commit, which no reader sees yet.
    uncommitted: HashSet<DocumentId>,
    is_dirty: bool,
    n_idle: u32,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        self.health.ready();
        let mut commit_at = Instant::now() + self.limits.commit_interval;
        loop {
            let wait = if self.waiting.is_empty() {
                LOOK_EVERY
            } else {
                commit_at.saturating_duration_since(Instant::now())
            };
            match jobs.recv_timeout(wait) {
                Ok(Job::KeepRetention(done)) => {
                    self.commit();
                    let _ = done.send(self.delete_expired());
                }
                Ok(Job::Write(job)) => {
                    if self.waiting.is_empty() {
                        commit_at = Instant::now() + self.limits.commit_interval;
                    }
                    self.accept(job);
                }
                Err(RecvTimeoutError::Timeout) => self.commit(),
                Err(RecvTimeoutError::Disconnected) => return self.commit(),
            }
            if self.n_uncommitted >= MAX_UNCOMMITTED || Instant::now() >= commit_at {
                self.commit();
            }
        }
    }

    fn accept(&mut self, job: Write) {
        if let Err(full) = self.days.folder.room() {
            self.health.degraded(full.to_string());
            let _ = job.done.send(Err(full.into()));
            return;
        }
        let mut report = WriteReport::default();
        for document in &job.documents {
            match self.add(document) {
                Ok(true) => report.n_written += 1,
                Ok(false) => report.n_expired += 1,
                Err(error) => {
                    // What was added of this job is written again under the same ids, and so is what
                    // others wait for: a writer that has failed once takes nothing any more.
                    self.waiting.push((job.done, report));
                    return self.answer(&Err(error));
                }
            }
        }
        self.n_uncommitted += job.documents.len();
        self.waiting.push((job.done, report));
    }

    /// `false`: older than the retention.
    fn add(&mut self, document: &Document) -> Result<bool, LogStoreError> {
        let number = DayNumber::holding_ns(document.timestamp_ns);
        if number < self.first_kept(document.kind) {
            return Ok(false);
        }
        if document.kind == DocumentKind::Event {
            self.remove_from_other_days(document, number)?;
        }
        self.cleared.remove(&number);
        let target = self.writer(number)?;
        // A deletion costs more memory than a document: it is asked for only where there is one to delete.
        if !target.uncommitted.insert(document.id) || target.day.has(document.id)? {
            target.writer.delete_term(target.day.id_term(document.id));
        }
        target.writer.add_document(target.day.fields().to_tantivy(document)).map_err(storage)?;
        target.is_dirty = true;
        Ok(true)
    }

    /// An event that is seen again moves to the day of its last sight.
    fn remove_from_other_days(
        &mut self,
        document: &Document,
        number: DayNumber,
    ) -> Result<(), LogStoreError> {
        for day in self.days.all() {
            if day.number() == number {
                continue;
            }
            let is_uncommitted = |writer: &DayWriter| writer.uncommitted.contains(&document.id);
            let has = self.writers.get(&day.number()).is_some_and(is_uncommitted) || day.has(document.id)?;
            if has {
                let other = self.writer(day.number())?;
                other.writer.delete_term(day.id_term(document.id));
                other.is_dirty = true;
            }
        }
        Ok(())
    }

    fn writer(&mut self, number: DayNumber) -> Result<&mut DayWriter, LogStoreError> {
        if !self.writers.contains_key(&number) {
            let day = self.days.day(number)?;
            let writer = day.writer()?;
            self.writers.insert(
                number,
                DayWriter { day, writer, uncommitted: HashSet::new(), is_dirty: false, n_idle: 0 },
            );
        }
        let writer = self.writers.get_mut(&number).expect("it was put there");
        writer.n_idle = 0;
        Ok(writer)
    }

    fn commit(&mut self) {
        if Instant::now() >= self.look_at {
            self.look_at = Instant::now() + LOOK_EVERY;
            self.keep_retention();
        }
        if self.waiting.is_empty() {
            return;
        }
        let result = self.writers.values_mut().filter(|writer| writer.is_dirty).try_for_each(|writer| {
            writer.writer.commit().map_err(storage)?;
            writer.is_dirty = false;
            // Anew, not cleared: a burst's room is not kept.
            writer.uncommitted = HashSet::new();
            writer.day.reload()
        });
        self.answer(&result);
        self.writers.retain(|_, writer| {
            writer.n_idle += 1;
            writer.n_idle < IDLE_COMMITS
        });
        self.report();
    }

    /// Tells all that wait. After a failure nothing of what they wrote is kept.
    fn answer(&mut self, result: &Result<(), LogStoreError>) {
        match result {
            Ok(()) => self.health.ready(),
            Err(error) => {
                warn!(%error, "writing failed, the writers start anew");
                self.health.degraded(format!("{error}; is the disk full?"));
                self.writers.clear();
            }
        }
        for (done, report) in self.waiting.drain(..) {
            let answer = match result {
                Ok(()) => {
                    self.metrics.written_documents.inc_by(report.n_written as u64);
                    self.metrics.expired_documents.inc_by(report.n_expired as u64);
                    Ok(report)
                }
                Err(error) => Err(LogStoreError::Storage { message: error.to_string() }),
            };
            let _ = done.send(answer);
        }
        self.n_uncommitted = 0;
    }

    fn report(&self) {
        let stats = self.days.stats();
        self.metrics.documents.set(i64::try_from(stats.n_documents).unwrap_or(i64::MAX));
        self.metrics.disk_bytes.set(i64::try_from(stats.disk_bytes).unwrap_or(i64::MAX));
    }

    fn first_kept(&self, kind: DocumentKind) -> DayNumber {
        self.limits.retention.first_kept(kind, clock::now_millis())
    }

    fn keep_retention(&mut self) {
        if let Err(error) = self.delete_expired() {
            warn!(%error, "cannot delete a day past its retention");
        }
    }

    /// Whole days, and of days that are past the retention of one kind only, the documents of that kind.
    fn delete_expired(&mut self) -> Result<(), LogStoreError> {
        let (logs, events) = (self.first_kept(DocumentKind::Log), self.first_kept(DocumentKind::Event));
        let first = logs.min(events);
        self.writers.retain(|number, _| *number >= first);
        self.cleared.retain(|number, _| *number >= first);
        let dropped = self.days.drop_before(first);
        let kind = if logs < events { DocumentKind::Event } else { DocumentKind::Log };
        let is_partly = |day: &Arc<Day>| (first..logs.max(events)).contains(&day.number());
        let partly = self.days.all().into_iter().filter(is_partly);
        for day in partly.collect::<Vec<_>>() {
            if self.cleared.get(&day.number()) == Some(&kind) {
                continue;
            }
            // Most days have only ever had the other kind, or were cleared before the last start.
            let is_dirty = self.writers.get(&day.number()).is_some_and(|writer| writer.is_dirty);
            if is_dirty || day.has_any(kind)? {
                self.clear(&day, kind)?;
            }
            self.cleared.insert(day.number(), kind);
        }
        dropped
    }

    /// Deletes all documents of a kind. A writer that is made for it is not kept: each has threads and memory, and there
    /// may be hundreds of days.
    fn clear(&mut self, day: &Day, kind: DocumentKind) -> Result<(), LogStoreError> {
        let number = day.number();
        info!(day = number.name(), ?kind, "deleting what is past its retention of a day");
        let was_there = self.writers.contains_key(&number);
        let target = self.writer(number)?;
        target.writer.delete_term(day.kind_term(kind));
        let committed = target.writer.commit().map_err(storage);
        if !was_there {
            self.writers.remove(&number);
        }
        committed?;
        day.reload()
    }
}
