//! What waits for the writer thread. Everything that comes while it works is handed over at once,
//! which makes one batch and one fsync of many publishers.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use sentinel_model::Topic;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::groups::{Group, MemberId};
use crate::{BusError, Commit, Position, TopicPartition};

/// Bytes of messages that may wait; publishers beyond it wait for their turn.
const PENDING_BYTES: usize = 8 << 20;
/// What a message counts at least, so that the number of messages is bounded too.
const MESSAGE_COST: usize = 256;

pub(super) enum Request {
    Publish(Publish),
    Commit(CommitRequest),
    /// Lets the open segment of a topic take no more rows.
    Seal {
        topic: Topic,
        reply: oneshot::Sender<Result<(), BusError>>,
    },
}

pub(super) struct Publish {
    pub rows: Vec<PendingRow>,
    pub reply: oneshot::Sender<Result<Vec<Position>, BusError>>,
    /// Given back once the rows are written.
    pub permit: OwnedSemaphorePermit,
}

pub(super) struct PendingRow {
    pub at: TopicPartition,
    /// As [`super::codec::encode`] leaves it.
    pub row: Vec<u8>,
}

pub(super) struct CommitRequest {
    pub group: Arc<Group>,
    pub member: MemberId,
    pub commits: Vec<(TopicPartition, Commit)>,
    pub reply: oneshot::Sender<Result<(), BusError>>,
}

pub(super) enum Work {
    Requests(Vec<Request>),
    /// The time that was given has come.
    Due,
    /// Nothing waits and nothing more will come.
    Closed,
}

pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    is_closed: bool,
}

impl Queue {
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            room: Arc::new(Semaphore::new(PENDING_BYTES)),
        }
    }

    /// Waits until there is room for this many messages of these bytes. More than there is room for at
    /// all goes alone.
    pub async fn reserve(&self, n_messages: usize, bytes: usize) -> Result<OwnedSemaphorePermit, BusError> {
        let cost = (bytes + n_messages * MESSAGE_COST).min(PENDING_BYTES);
        let room = Arc::clone(&self.room);
        room.acquire_many_owned(cost as u32).await.map_err(|_| BusError::Closed)
    }

    pub fn submit(&self, request: Request) -> Result<(), BusError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(BusError::Closed);
        }
        state.requests.push(request);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Everything that waits; waits for something itself, until `due` if that is given.
    pub fn take(&self, due: Option<Instant>) -> Work {
        let mut state = self.state.lock();
        loop {
            if !state.requests.is_empty() {
                return Work::Requests(std::mem::take(&mut state.requests));
            }
            if state.is_closed {
                return Work::Closed;
            }
            match due {
                None => self.filled.wait(&mut state),
                Some(due) if self.filled.wait_until(&mut state, due).timed_out() => return Work::Due,
                Some(_) => {}
            }
        }
    }

    /// What waits is still taken; nothing more is let in.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.room.close();
        self.filled.notify_one();
    }
}
