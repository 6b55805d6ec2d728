//! Between the sources and the dispatcher: bounded in bytes, so that a slow bus slows the sources down.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::OutletError;
use super::entry::Entry;

/// Messages in the queue at most, whatever their bytes.
const MAX_ITEMS: usize = 8_192;

/// What the sources hold.
#[derive(Clone)]
pub(super) struct Sender {
    items: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
    capacity: u32,
    bytes: Gauge,
}

/// Entries that are acknowledged together.
pub(super) struct Item {
    pub entries: Vec<Entry>,
    acknowledge: oneshot::Sender<Result<(), OutletError>>,
    permit: OwnedSemaphorePermit,
    bytes: Gauge,
}

/// Something that the queue took.
#[must_use]
pub(super) struct Queued(oneshot::Receiver<Result<(), OutletError>>);

pub(super) fn bounded(capacity: u64, bytes: Gauge) -> (Sender, mpsc::Receiver<Item>) {
    let capacity = u32::try_from(capacity).unwrap_or(u32::MAX >> 4).max(1);
    let (items, receiver) = mpsc::channel(MAX_ITEMS);
    (Sender { items, room: Arc::new(Semaphore::new(capacity as usize)), capacity, bytes }, receiver)
}

impl Sender {
    /// Waits for room. Something larger than the whole queue has it to itself.
    pub async fn send(&self, entries: Vec<Entry>) -> Result<Queued, OutletError> {
        let size: usize = entries.iter().map(Entry::size).sum();
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.capacity);
        let permit = Arc::clone(&self.room).acquire_many_owned(size).await;
        let permit = permit.map_err(|_| OutletError::Closed)?;
        let (acknowledge, acknowledged) = oneshot::channel();
        self.bytes.inc_by(i64::from(size));
        let item = Item { entries, acknowledge, permit, bytes: self.bytes.clone() };
        self.items.send(item).await.map_err(|_| OutletError::Closed)?;
        Ok(Queued(acknowledged))
    }
}

impl Item {
    pub fn size(&self) -> usize {
        self.permit.num_permits()
    }

    /// Tells the source how it ended. Who no longer waits for it does not mind.
    pub fn acknowledge(self, result: Result<(), OutletError>) {
        let Self { entries: _, acknowledge, permit, bytes } = self;
        bytes.dec_by(permit.num_permits() as i64);
        drop(permit);
        let _ = acknowledge.send(result);
    }
}

impl Queued {
    /// Waits until the entries survive a crash.
    pub async fn acknowledged(self) -> Result<(), OutletError> {
        self.0.await.unwrap_or(Err(OutletError::Closed))
    }
}
