//! Takes entries from the queue to the bus, in order; to the spool and from there while the bus is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sentinel_bus::{Bus, BusError, Outgoing};
use sentinel_runtime::{Backoff, Component, Shutdown, spawn_blocking};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::OutletError;
use super::entry::Entry;
use super::queue::Item;
use super::spool::{Losses, Spool, SpoolError};
use crate::OutletPolicy;
use crate::metrics::Metrics;

/// One publish takes up to so many bytes: fsyncs are shared, memory stays bounded.
const BATCH_BYTES: usize = 2 << 20;
/// A bus that has not answered by then is away.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
const LAST_PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);
/// A shorter failure of the bus is waited out in memory.
const SPOOL_AFTER: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// A spool file that cannot be read so many times is given up.
const READ_ATTEMPTS: u32 = 5;

pub(super) struct Dispatcher {
    ports: Ports,
    queue: mpsc::Receiver<Item>,
    /// `None` only while its work is done on another thread.
    spool: Option<Spool>,
    backoff: Backoff,
    retry_at: Instant,
    is_away: bool,
    is_closing: bool,
    n_read_failures: u32,
    /// Taken from the queue; neither on the bus nor in the spool yet.
    waiting: Vec<Item>,
}

/// What the dispatcher works with.
pub(super) struct Ports {
    pub bus: Arc<dyn Bus>,
    pub policy: OutletPolicy,
    pub metrics: Arc<Metrics>,
    pub component: Component,
    /// Counts moments at which entries were lost: streams then send a key frame.
    pub n_losses: Arc<AtomicU64>,
}

/// The bus does not take messages now; it may later.
struct Away(String);

/// Messages, by index, that the bus will never take.
type Refused = Vec<(usize, BusError)>;

impl Dispatcher {
    pub fn new(ports: Ports, queue: mpsc::Receiver<Item>, spool: Spool) -> Self {
        Self {
            ports,
            queue,
            spool: Some(spool),
            backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
            retry_at: Instant::now(),
            is_away: false,
            is_closing: false,
            n_read_failures: 0,
            waiting: Vec::new(),
        }
    }

    /// Runs until `closing` and everything in hand is on the bus or, if that is away, in the spool.
    pub async fn run(mut self, closing: Shutdown) {
        self.report_state();
        loop {
            if closing.is_requested() && !self.is_closing {
                // The bus may be back: it is asked once more, and not for long.
                self.is_closing = true;
                self.is_away = false;
                self.retry_at = Instant::now();
            }
            if self.waiting.is_empty() && self.is_spool_empty() {
                self.deliver_next(&closing).await;
            } else {
                self.retry(&closing).await;
            }
            let is_settled = self.waiting.is_empty() && (self.is_spool_empty() || self.is_away);
            if self.is_closing && is_settled && self.queue.is_empty() {
                self.queue.close();
                if self.queue.is_empty() {
                    return;
                }
            }
        }
    }

    /// With the bus at hand: waits for entries and publishes them.
    async fn deliver_next(&mut self, closing: &Shutdown) {
        tokio::select! {
            biased;
            item = self.queue.recv() => self.waiting.extend(item),
            () = closing.requested() => {}
        }
        self.take_more();
        let started = Instant::now();
        while !self.waiting.is_empty() {
            let Err(Away(reason)) = self.publish_waiting().await else { return };
            let waited = started.elapsed();
            if waited >= SPOOL_AFTER || closing.is_requested() {
                tracing::warn!(reason, "the bus is away, spooling");
                self.note_away();
                return self.spool_waiting().await;
            }
            tokio::time::sleep(self.backoff.next_delay().min(SPOOL_AFTER - waited)).await;
        }
    }

    /// With the bus away, or entries still in the spool: what comes goes behind them.
    async fn retry(&mut self, closing: &Shutdown) {
        let is_blocked = !self.waiting.is_empty();
        if Instant::now() >= self.retry_at {
            self.retry_bus().await;
        } else {
            tokio::select! {
                item = self.queue.recv(), if !is_blocked => self.waiting.extend(item),
                () = tokio::time::sleep_until(self.retry_at) => {}
                () = closing.requested() => {
                    if is_blocked {
                        return self.drop_waiting("shutdown");
                    }
                }
            }
        }
        if self.waiting.is_empty() {
            self.take_more();
        }
        if !self.waiting.is_empty() {
            self.spool_waiting().await;
        }
    }

    /// Offers the bus the oldest entries.
    async fn retry_bus(&mut self) {
        if self.is_spool_empty() {
            if self.publish_waiting().await.is_err() {
                self.note_away();
            }
            return self.report_state();
        }
        let entries = match self.with_spool(|spool| spool.peek(BATCH_BYTES)).await {
            Ok(entries) => entries,
            Err(error) => return self.give_up_unreadable(&error).await,
        };
        self.n_read_failures = 0;
        self.count_losses("spool_damaged");
        let published = self.publish(entries.iter().map(|entry| entry.outgoing.clone()).collect()).await;
        match published {
            Err(Away(reason)) => {
                tracing::debug!(reason, "the bus is still away");
                self.note_away();
            }
            Ok(refused) => {
                self.count_refused(&refused, |index| entries[index].n_samples);
                let n_entries = entries.len();
                if let Err(error) = self.with_spool(move |spool| spool.advance(n_entries)).await {
                    self.blame_disk(&error);
                }
            }
        }
        self.report_state();
    }

    /// Publishes and acknowledges what waits.
    async fn publish_waiting(&mut self) -> Result<(), Away> {
        let entries =
            || self.waiting.iter().enumerate().flat_map(|(i, item)| item.entries.iter().map(move |e| (i, e)));
        let owners: Vec<(usize, u32)> = entries().map(|(item, entry)| (item, entry.n_samples)).collect();
        let messages = entries().map(|(_, entry)| entry.outgoing.clone()).collect();
        let refused = self.publish(messages).await?;
        self.count_refused(&refused, |index| owners[index].1);
        for (number, item) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
            let is_refused = refused.iter().any(|(index, _)| owners[*index].0 == number);
            item.acknowledge(if is_refused {
                Err(OutletError::Dropped { reason: "refused" })
            } else {
                Ok(())
            });
        }
        Ok(())
    }

    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Refused, Away> {
        let error = match self.publish_once(messages.clone()).await? {
            None => return Ok(Vec::new()),
            Some(error) => error,
        };
        if messages.len() == 1 {
            return Ok(vec![(0, error)]);
        }
        // One of them is at fault; asked one by one, the bus tells which. Readers recognise repeats.
        let mut refused = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            refused.extend(self.publish_once(vec![message]).await?.map(|error| (index, error)));
        }
        Ok(refused)
    }

    /// `Some` if the bus will never take them.
    async fn publish_once(&mut self, messages: Vec<Outgoing>) -> Result<Option<BusError>, Away> {
        let patience = if self.is_closing { LAST_PUBLISH_TIMEOUT } else { PUBLISH_TIMEOUT };
        let published = tokio::time::timeout(patience, self.ports.bus.publish(messages)).await;
        match published {
            Ok(Ok(_)) => {
                self.backoff.reset();
                self.is_away = false;
                Ok(None)
            }
            Ok(Err(error @ (BusError::TooLarge { .. } | BusError::UnknownPartition { .. }))) => {
                Ok(Some(error))
            }
            Ok(Err(error)) => Err(Away(error.to_string())),
            Err(_) => Err(Away(format!("no answer within {patience:?}"))),
        }
    }

    /// Makes what waits durable on disk; by the policy if there is no room.
    async fn spool_waiting(&mut self) {
        let entries: Vec<Entry> = self.waiting.iter().flat_map(|item| item.entries.iter().cloned()).collect();
        loop {
            let batch = entries.clone();
            let error = match self.with_spool(move |spool| spool.append(&batch)).await {
                Ok(()) => {
                    for item in self.waiting.drain(..) {
                        item.acknowledge(Ok(()));
                    }
                    return self.report_state();
                }
                Err(error) => error,
            };
            match (&error, self.ports.policy) {
                (SpoolError::Io { .. } | SpoolError::DiskFull(_), _) => return self.blame_disk(&error),
                (SpoolError::Full { .. }, OutletPolicy::Block) => return self.report_state(),
                (SpoolError::Full { .. }, OutletPolicy::DropOldest) if self.is_spool_empty() => {
                    return self.drop_waiting("spool_full");
                }
                (SpoolError::Full { .. }, OutletPolicy::DropOldest) => {
                    if let Err(error) = self.with_spool(Spool::drop_oldest).await {
                        return self.blame_disk(&error);
                    }
                    self.count_losses("spool_full");
                }
            }
        }
    }

    fn take_more(&mut self) {
        let mut size: usize = self.waiting.iter().map(Item::size).sum();
        while size < BATCH_BYTES {
            let Ok(item) = self.queue.try_recv() else { return };
            size += item.size();
            self.waiting.push(item);
        }
    }

    fn drop_waiting(&mut self, reason: &'static str) {
        for item in self.waiting.drain(..) {
            let n_samples = item.entries.iter().map(|entry| u64::from(entry.n_samples)).sum();
            let n_entries = item.entries.len() as u64;
            self.ports
                .metrics
                .drop_entries(reason, Losses { entries: n_entries, samples: n_samples, quarantined: 0 });
            item.acknowledge(Err(OutletError::Dropped { reason }));
        }
        self.ports.n_losses.fetch_add(1, Ordering::AcqRel);
        self.report_state();
    }

    async fn give_up_unreadable(&mut self, error: &SpoolError) {
        self.blame_disk(error);
        self.n_read_failures += 1;
        if self.n_read_failures >= READ_ATTEMPTS {
            self.n_read_failures = 0;
            self.with_spool(Spool::give_up_oldest).await;
            self.count_losses("spool_damaged");
        }
    }

    fn blame_disk(&mut self, error: &SpoolError) {
        self.is_away |= self.is_closing;
        self.retry_at = Instant::now() + self.backoff.next_delay();
        self.ports.component.degraded(format!("{error}; free or mend the disk, it is tried again by itself"));
    }

    fn note_away(&mut self) {
        self.is_away = true;
        self.retry_at = Instant::now() + self.backoff.next_delay();
    }

    fn count_refused(&self, refused: &Refused, n_samples: impl Fn(usize) -> u32) {
        for (index, error) in refused {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the bus refuses a message, it is dropped"
            );
            let samples = u64::from(n_samples(*index));
            self.ports.metrics.drop_entries("refused", Losses { entries: 1, samples, quarantined: 0 });
            self.ports.n_losses.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn count_losses(&mut self, reason: &'static str) {
        let losses = self.spool.as_mut().map(Spool::take_losses).unwrap_or_default();
        if losses != Losses::default() {
            tracing::warn!(
                losses.entries,
                losses.samples,
                losses.quarantined,
                reason,
                "spooled entries were lost"
            );
            self.ports.metrics.drop_entries(reason, losses);
            self.ports.n_losses.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Health and gauge follow what waits.
    fn report_state(&self) {
        let bytes = self.spool.as_ref().map_or(0, Spool::bytes);
        self.ports.metrics.spool_bytes.set(bytes as i64);
        if !self.waiting.is_empty() {
            let reason = "the bus is away and the spool is full: sources wait (policy = \"block\")";
            self.ports.component.degraded(reason);
        } else if self.is_away {
            self.ports.component.degraded("the bus is away: data wait in the spool");
        } else {
            self.ports.component.ready();
        }
    }

    fn is_spool_empty(&self) -> bool {
        self.spool.as_ref().is_some_and(Spool::is_empty)
    }

    /// Files are read and written off the async threads.
    async fn with_spool<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> T {
        let mut spool = self.spool.take().expect("it is put back below");
        let (spool, result) = spawn_blocking("spool", move || {
            let result = work(&mut spool);
            (spool, result)
        })
        .await;
        self.spool = Some(spool);
        result
    }
}
