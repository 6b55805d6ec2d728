//! The thread that moves rows into chunks and drops what is too old.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use sentinel_model::Timestamp;
use sentinel_runtime::Component;
use tracing::warn;

use super::core::Core;
use super::head::Candidate;
use super::span::Span;
use crate::{Fsync, MetricStoreError};

/// Under pressure of memory, layers of fewer windows than this are left alone as long as possible:
/// moving them costs as much as moving many.
const WORTHWHILE_WINDOWS: usize = 8;
/// A span that newer windows have left behind is moved once nothing has come for this long.
const SETTLED: Duration = Duration::from_secs(30);

/// Stops the thread, and waits for it, when dropped.
pub(crate) struct Upkeep {
    signal: Arc<Signal>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Signal {
    request: Mutex<Request>,
    changed: Condvar,
}

#[derive(Default)]
struct Request {
    is_stopped: bool,
    is_due: bool,
}

// === impl Upkeep ===

impl Upkeep {
    pub(crate) fn start(core: Arc<Core>, health: Component) -> Result<Self, MetricStoreError> {
        let signal = Arc::new(Signal::default());
        let own = Arc::clone(&signal);
        let thread = std::thread::Builder::new()
            .name("metric-store".to_owned())
            .spawn(move || run(&core, &own, &health))
            .map_err(|error| MetricStoreError::Open { message: format!("start a thread: {error}") })?;
        Ok(Self { signal, thread: Some(thread) })
    }

    /// Looks now instead of at the next interval.
    pub(crate) fn wake(&self) {
        self.signal.request.lock().is_due = true;
        self.signal.changed.notify_all();
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.signal.request.lock().is_stopped = true;
        self.signal.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the upkeep of the metric store had panicked");
        }
    }
}

fn run(core: &Core, signal: &Signal, health: &Component) {
    let mut last_round = Instant::now();
    loop {
        let pause = match core.config.fsync {
            Fsync::Interval => core.config.fsync_interval.min(core.config.maintenance_interval),
            Fsync::Always | Fsync::Never => core.config.maintenance_interval,
        };
        let mut request = signal.request.lock();
        if !request.is_due && !request.is_stopped {
            signal.changed.wait_for(&mut request, pause);
        }
        if request.is_stopped {
            return;
        }
        let is_due = std::mem::take(&mut request.is_due);
        drop(request);
        let mut outcome = core.durability.tick(&core.storage);
        if is_due || last_round.elapsed() >= core.config.maintenance_interval {
            last_round = Instant::now();
            outcome = outcome.and_then(|()| core.maintain(last_round));
        }
        match outcome.map(|()| core.folder.room()) {
            Ok(Ok(())) => health.ready(),
            Ok(Err(full)) => health.degraded(full.to_string()),
            Err(error) => health.degraded(format!("windows stay in memory: {error}")),
        }
    }
}

// === impl Core ===

impl Core {
    /// One round: everything that is due is moved or dropped.
    pub(crate) fn maintain(&self, now: Instant) -> Result<(), MetricStoreError> {
        self.expire()?;
        while let Some(span) = self.due(now) {
            self.seal(span)?;
        }
        self.tidy_definitions()?;
        self.observe();
        Ok(())
    }

    /// Whether a write should wake the upkeep.
    pub(crate) fn is_due(&self) -> bool {
        self.due(Instant::now()).is_some()
    }

    /// The span that is to be moved first.
    fn due(&self, now: Instant) -> Option<Span> {
        let state = self.state.read();
        if let Some(failed) = state.head.frozen() {
            return Some(failed);
        }
        let candidates = state.head.candidates();
        let n_most = self.config.head_windows.min(self.grid.windows()) as usize;
        let is_ready = |candidate: &&Candidate| {
            candidate.n_windows >= n_most || self.is_settled(candidate, state.newest, now)
        };
        if let Some(ready) = candidates.iter().find(is_ready) {
            return Some(ready.span);
        }
        let bytes = state.head.bytes();
        let largest = |least: usize| {
            let worthwhile = candidates.iter().filter(|candidate| candidate.n_windows >= least);
            worthwhile.max_by_key(|candidate| candidate.bytes).map(|candidate| candidate.span)
        };
        if bytes > self.room(&state) / 2 {
            largest(1)
        } else if bytes as u64 > self.config.head_bytes {
            largest(WORTHWHILE_WINDOWS)
        } else {
            None
        }
    }

    /// Nothing more is expected for this span.
    fn is_settled(&self, candidate: &Candidate, newest: Option<Timestamp>, now: Instant) -> bool {
        let is_left_behind =
            newest.is_some_and(|newest| newest.as_millis() >= self.grid.end_ms(candidate.span));
        is_left_behind && now.saturating_duration_since(candidate.changed) >= SETTLED
    }
}
