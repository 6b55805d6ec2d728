//! The one way out: everything that sources take in goes through a bounded queue to the bus, and to a
//! bounded spool on disk while the bus is away.

mod dispatcher;
mod entry;
mod epoch;
mod progress;
mod queue;
mod records;
mod series_table;
mod spool;
mod stream;
#[cfg(test)]
mod tests;
mod wall;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sentinel_bus::{Bus, Outgoing, Record, Route};
use sentinel_model::{Timestamp, Topic};
use sentinel_proto::{farewell, punctuation};
use sentinel_runtime::{Component, DataDir, Shutdown, Task, spawn};

pub use progress::{Clock, Hold};
pub use series_table::RawSeries;
pub(crate) use spool::Losses;
pub use stream::{FrameBuilder, PendingFrame, TargetStream};

use crate::OutletConfig;
use crate::metrics::Metrics;
use dispatcher::{Dispatcher, Ports};
use entry::Entry;
use epoch::Epochs;
use progress::Progress;
use queue::{Queued, Sender};
use records::Sequences;
use spool::Spool;

const PUNCTUATION_INTERVAL: Duration = Duration::from_secs(1);

/// What a stream is scraped from; label `target_kind` of own metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// A plain Prometheus endpoint.
    Scrape,
    Kubelet,
    /// State metrics computed from watched objects.
    State,
    /// This process's own registry.
    Own,
    /// Numbered beats by which every hop is measured.
    Canary,
}

impl TargetKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scrape => "scrape",
            Self::Kubelet => "kubelet",
            Self::State => "state",
            Self::Own => "own",
            Self::Canary => "canary",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    #[error("the outlet is closed")]
    Closed,
    /// Counted already; the policy chose to lose it, or the bus will never take it.
    #[error("dropped: {reason}")]
    Dropped { reason: &'static str },
}

/// The spool cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the spool folder {path}: {message}")]
pub struct SpoolUnusable {
    pub path: PathBuf,
    pub message: String,
}

/// Who sends, and within which bounds.
#[derive(Clone, Debug)]
pub struct OutletSettings {
    pub cluster: Arc<str>,
    pub collector: Arc<str>,
    pub config: OutletConfig,
    pub series_per_target: usize,
    pub clock: Clock,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Outlet {
    shared: Arc<Shared>,
}

struct Shared {
    settings: OutletSettings,
    metrics: Arc<Metrics>,
    sender: Sender,
    progress: Progress,
    epochs: Epochs,
    /// Of the punctuation.
    epoch: u64,
    n_losses: Arc<AtomicU64>,
    sequences: Sequences,
    n_partitions: u32,
}

/// The outlet's far end, before it runs.
pub struct OutletService {
    outlet: Outlet,
    dispatcher: Dispatcher,
}

/// A running outlet.
pub struct RunningOutlet {
    outlet: Outlet,
    dispatcher: Task<()>,
    punctuator: Task<()>,
    stop_dispatcher: sentinel_runtime::ShutdownTrigger,
    stop_punctuator: sentinel_runtime::ShutdownTrigger,
}

// === impl Outlet ===

impl Outlet {
    /// Opens the spool in `folder`; nothing runs yet.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn build(
        settings: OutletSettings,
        bus: Arc<dyn Bus>,
        folder: DataDir,
        metrics: Arc<Metrics>,
        component: Component,
    ) -> Result<(Self, OutletService), SpoolUnusable> {
        let path = folder.path().to_owned();
        let unusable = |message: String| SpoolUnusable { path: path.clone(), message };
        let spool = Spool::open(folder, settings.config.spool_bytes).map_err(|e| unusable(e.to_string()))?;
        let epochs = Epochs::open(&path).map_err(|error| unusable(error.to_string()))?;
        let (sender, queue) = queue::bounded(settings.config.queue_bytes, metrics.queue_bytes.clone());
        let n_losses = Arc::<AtomicU64>::default();
        let policy = settings.config.policy;
        let shared = Shared {
            progress: Progress::new(settings.clock),
            metrics: Arc::clone(&metrics),
            sender,
            epoch: epochs.next(),
            epochs,
            n_losses: Arc::clone(&n_losses),
            sequences: Sequences::default(),
            n_partitions: bus.n_partitions(Topic::Metrics),
            settings,
        };
        let outlet = Self { shared: Arc::new(shared) };
        let dispatcher = Dispatcher::new(Ports { bus, policy, metrics, component, n_losses }, queue, spool);
        Ok((outlet.clone(), OutletService { outlet, dispatcher }))
    }

    /// A stream of frames of one target (`kubelet/cadvisor/node-1`); at most one at a time per name.
    pub fn target(&self, target: &str, kind: TargetKind) -> TargetStream {
        TargetStream::new(self.clone(), target, kind)
    }

    /// Take it before a fetch: until it is dropped, the collector promises no progress beyond now.
    pub fn hold(&self) -> Hold {
        self.shared.progress.hold()
    }

    /// For [`Clock::Recorded`]: everything up to `now` has been read.
    pub fn advance(&self, now: Timestamp) {
        self.shared.progress.advance(now);
    }

    fn hold_at(&self, scraped: Timestamp) -> Hold {
        self.shared.progress.hold_at(scraped)
    }

    fn now(&self) -> Timestamp {
        self.shared.progress.now()
    }

    fn promise(&self) -> Timestamp {
        self.shared.progress.promise()
    }

    fn identity(&self) -> (Arc<str>, Arc<str>) {
        let settings = &self.shared.settings;
        (Arc::clone(&settings.cluster), Arc::clone(&settings.collector))
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    fn sequences(&self) -> &Sequences {
        &self.shared.sequences
    }

    fn series_per_target(&self) -> usize {
        self.shared.settings.series_per_target
    }

    /// Larger than any before it, of earlier processes too.
    pub(crate) fn next_epoch(&self) -> u64 {
        self.shared.epochs.next()
    }

    fn n_losses(&self) -> u64 {
        self.shared.n_losses.load(Ordering::Acquire)
    }

    async fn queue(&self, entries: Vec<Entry>) -> Result<Queued, OutletError> {
        self.shared.sender.send(entries).await
    }

    async fn send(&self, entries: Vec<Entry>) -> Result<(), OutletError> {
        self.queue(entries).await?.acknowledged().await
    }

    /// Tells every partition how far the collector is. What was queued before arrives before.
    async fn punctuate(&self) -> Result<(), OutletError> {
        let progress = self.promise();
        let (cluster, collector) = self.identity();
        self.tell_progress(punctuation(&cluster, &collector, self.shared.epoch, progress), progress).await
    }

    /// Tells every partition that nothing more is to come.
    async fn say_farewell(&self) -> Result<(), OutletError> {
        let progress = self.promise();
        let (cluster, collector) = self.identity();
        self.tell_progress(farewell(&cluster, &collector, self.shared.epoch, progress), progress).await
    }

    async fn tell_progress(&self, value: Bytes, progress: Timestamp) -> Result<(), OutletError> {
        let entry = |partition| {
            let record = Record {
                key: Default::default(),
                value: value.clone(),
                headers: Vec::new(),
                timestamp: progress,
            };
            Entry {
                outgoing: Outgoing { topic: Topic::Metrics, route: Route::Partition(partition), record },
                n_samples: 0,
            }
        };
        self.send((0..self.shared.n_partitions).map(entry).collect()).await
    }

    async fn punctuate_regularly(self, stop: Shutdown) {
        let mut ticks = tokio::time::interval(PUNCTUATION_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.guard(ticks.tick()).await.is_some() {
            // A failure is the dispatcher's to report.
            let _ = self.punctuate().await;
        }
        let _ = self.punctuate().await;
    }
}

// === impl OutletService ===

impl OutletService {
    pub fn start(self) -> RunningOutlet {
        let (stop_dispatcher, closing) = Shutdown::new();
        let (stop_punctuator, stop) = Shutdown::new();
        RunningOutlet {
            dispatcher: spawn("outlet", self.dispatcher.run(closing)),
            punctuator: spawn("punctuation", self.outlet.clone().punctuate_regularly(stop)),
            outlet: self.outlet,
            stop_dispatcher,
            stop_punctuator,
        }
    }
}

// === impl RunningOutlet ===

impl RunningOutlet {
    /// Call when the sources have ended: sends the last punctuation and returns once everything is on the
    /// bus or, if that is away, in the spool.
    pub async fn drain(self) {
        self.end(async |_| Ok(())).await;
    }

    /// As [`Self::drain`], of a collector that leaves its work to others: readers need not wait for it.
    pub(crate) async fn leave(self) {
        self.end(async |outlet: &Outlet| outlet.say_farewell().await).await;
    }

    async fn end(self, last_words: impl AsyncFnOnce(&Outlet) -> Result<(), OutletError>) {
        let Self { outlet, dispatcher, punctuator, stop_dispatcher, stop_punctuator } = self;
        stop_punctuator.trigger();
        let last = async {
            punctuator.await;
            // A failure is the dispatcher's to report.
            let _ = last_words(&outlet).await;
        };
        // With the bus away and the spool full, punctuation would wait for ever.
        let _ = tokio::time::timeout(2 * PUNCTUATION_INTERVAL, last).await;
        stop_dispatcher.trigger();
        dispatcher.await;
        drop(outlet);
    }
}
