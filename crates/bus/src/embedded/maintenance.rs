//! Retention and compaction, every so often, on a thread of their own.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use sentinel_model::Topic;
use tokio::sync::oneshot;
use tracing::error;

use super::queue::Request;
use super::store::Store;
use super::{compaction, retention};
use crate::BusError;
use crate::config::Keep;

/// Tells the thread to stop.
#[derive(Default)]
pub(super) struct Stop {
    is_requested: Mutex<bool>,
    requested: Condvar,
}

impl Stop {
    pub fn request(&self) {
        *self.is_requested.lock() = true;
        self.requested.notify_all();
    }

    /// True if the thread was told to stop before `due`.
    fn wait_until(&self, due: Instant) -> bool {
        let mut is_requested = self.is_requested.lock();
        while !*is_requested {
            if self.requested.wait_until(&mut is_requested, due).timed_out() {
                break;
            }
        }
        *is_requested
    }
}

/// Runs until told to stop.
pub(super) fn run(store: &Arc<Store>, stop: &Stop) {
    while !stop.wait_until(Instant::now() + store.config.maintenance_interval) {
        match maintain(store) {
            // Closing.
            Ok(()) | Err(BusError::Closed) => {}
            Err(error) => error!(%error, "maintenance of the bus failed, it is tried again"),
        }
    }
}

/// One round.
pub(super) fn maintain(store: &Store) -> Result<(), BusError> {
    for log in store.topics() {
        match log.keep {
            Keep::LastOfKey => compaction::compact(store, log)?,
            Keep::Recent { .. } => retention::expire(store, log)?,
        }
    }
    store.observe();
    Ok(())
}

/// Lets the writer seal a topic's open segment, and waits for it.
pub(super) fn seal(store: &Store, topic: Topic) -> Result<(), BusError> {
    let (reply, answer) = oneshot::channel();
    store.queue.submit(Request::Seal { topic, reply })?;
    answer.blocking_recv().map_err(|_| BusError::Closed)?
}
