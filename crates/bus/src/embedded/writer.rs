//! The one thread that appends: it takes all that waits, writes it as one atomic batch, makes it
//! durable as configured, then lets readers see it and answers the publishers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fjall::PersistMode;
use sentinel_runtime::{Component, ComponentState};
use tokio::sync::oneshot;
use tracing::warn;

use super::buffers::Buffers;
use super::draft::Draft;
use super::queue::{Queue, Request, Work};
use super::store::Store;
use crate::{BusError, Fsync};

pub(super) struct Writer {
    store: Arc<Store>,
    health: Component,
    buffers: Buffers,
    has_failed: bool,
    /// When an fsync is due for what was written since the last one.
    sync_due: Option<Instant>,
}

/// Lets nobody wait for a writer that is gone.
struct CloseOnExit<'a>(&'a Queue);

impl Writer {
    pub fn new(store: Arc<Store>, health: Component) -> Self {
        let buffers = Buffers::new(store.config.write_buffer_bytes);
        Self { store, health, buffers, has_failed: false, sync_due: None }
    }

    /// Runs until the queue is closed and empty.
    pub fn run(mut self) {
        let store = Arc::clone(&self.store);
        let _close = CloseOnExit(&store.queue);
        loop {
            match store.queue.take(self.sync_due) {
                Work::Requests(requests) => self.write(requests),
                Work::Due => self.sync_or_report(),
                Work::Closed => break,
            }
        }
        if store.config.fsync != Fsync::Never {
            self.sync_or_report();
        }
    }

    fn write(&mut self, mut requests: Vec<Request>) {
        let store = Arc::clone(&self.store);
        let is_full = self.refuse_if_full(&mut requests);
        let mut draft = Draft::new(&store);
        for request in requests {
            draft.add(request);
        }
        let result = self.make_durable(&mut draft);
        if !is_full || result.is_err() {
            self.report(&result);
        }
        draft.finish(&result);
        for buffered in draft.into_buffered() {
            self.buffers.add(&store.database, buffered);
        }
        if let Some(due) = self.sync_due
            && due <= Instant::now()
        {
            self.sync_or_report();
        }
    }

    /// Takes the publishes out while the disk is nearly full. Commits are small, and let go of what fills it.
    fn refuse_if_full(&mut self, requests: &mut Vec<Request>) -> bool {
        let Err(full) = self.store.folder.room() else { return false };
        self.report(&Err(full.clone().into()));
        for request in std::mem::take(requests) {
            match request {
                Request::Publish(publish) => answer(publish.reply, Err(full.clone().into())),
                other => requests.push(other),
            }
        }
        true
    }

    fn make_durable(&mut self, draft: &mut Draft<'_>) -> Result<(), BusError> {
        if !draft.commit()? {
            return Ok(());
        }
        match self.store.config.fsync {
            Fsync::Always => self.sync(),
            Fsync::Interval => {
                let interval = self.store.config.fsync_interval;
                self.sync_due.get_or_insert_with(|| Instant::now() + interval);
                Ok(())
            }
            Fsync::Never => Ok(()),
        }
    }

    fn sync(&mut self) -> Result<(), BusError> {
        self.sync_due = None;
        let started = Instant::now();
        self.store.database.persist(PersistMode::SyncData)?;
        self.store.metrics.fsync_seconds.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    fn sync_or_report(&mut self) {
        let result = self.sync();
        self.report(&result);
    }

    /// fjall writes nothing any more after most failures, because it cannot know what the disk has.
    fn report(&mut self, result: &Result<(), BusError>) {
        match result {
            Ok(()) if self.has_failed => self.health.ready(),
            Ok(()) => {}
            Err(error @ BusError::DiskFull(_)) => self.health.degraded(error.to_string()),
            Err(error) => {
                let reason = format!("{error}; check the disk's space and restart");
                self.health.set(ComponentState::Failed(reason));
            }
        }
        self.has_failed = result.is_err();
    }
}

impl Drop for CloseOnExit<'_> {
    fn drop(&mut self) {
        self.0.close();
        // Requests that came in while it failed: dropping them answers `Closed`.
        drop(self.0.take(Some(Instant::now() + Duration::ZERO)));
    }
}

/// A caller that has gone away needs no answer.
pub(super) fn answer<T>(reply: oneshot::Sender<Result<T, BusError>>, result: Result<T, BusError>) {
    if let Err(Err(error)) = reply.send(result) {
        warn!(%error, "nobody waited for the answer to a failed write");
    }
}
