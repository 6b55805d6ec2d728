//! Between the thread of a consumer and the application: what was read, and who owns what. Bounded by
//! whoever puts something in, who asks for [`Mailbox::is_full`].

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::{BusError, Commit, Delivered, PollLimit, Polled, TopicPartition};

/// Messages that wait, whatever their size.
const MAX_RECORDS: usize = 10_000;

pub(super) struct Mailbox {
    state: Mutex<State>,
    max_bytes: usize,
    /// For the application.
    arrived: Notify,
    /// For the thread.
    taken: Condvar,
}

#[derive(Default)]
struct State {
    notices: VecDeque<Notice>,
    items: VecDeque<Item>,
    n_records: usize,
    n_bytes: usize,
    /// Partitions of which the application has been told, and that have not been revoked since.
    owned: BTreeSet<TopicPartition>,
    /// Revocations that were announced, and of which the application knows.
    n_revoked: u64,
    n_revoked_taken: u64,
    is_asked: bool,
    last_asked: Option<Instant>,
    is_closed: bool,
}

enum Notice {
    Assigned(Vec<(TopicPartition, Option<Commit>)>),
    Revoked { partitions: Vec<TopicPartition>, is_lost: bool },
}

enum Item {
    Record(Delivered),
    /// The end of this partition was reached.
    End(TopicPartition),
}

/// Number of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What lay in the box.
pub(super) enum Taken {
    Polled(Polled),
    /// Perhaps none, with ends of partitions that were reached behind them.
    Records(Vec<Delivered>, Vec<TopicPartition>),
}

// === The thread's side ===

impl Mailbox {
    pub fn new(max_bytes: u64) -> Self {
        Self {
            state: Mutex::default(),
            max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            arrived: Notify::new(),
            taken: Condvar::new(),
        }
    }

    pub fn assign(&self, partitions: Vec<(TopicPartition, Option<Commit>)>) {
        if !partitions.is_empty() {
            self.state.lock().notices.push_back(Notice::Assigned(partitions));
            self.arrived.notify_one();
        }
    }

    /// From now on, nothing of these partitions is given out and no commit for them is taken.
    pub fn revoke(&self, partitions: Vec<TopicPartition>, is_lost: bool) -> Ticket {
        let mut state = self.state.lock();
        if !partitions.is_empty() {
            state.retain(|at| !partitions.contains(&at));
            state.owned.retain(|at| !partitions.contains(at));
            state.notices.push_back(Notice::Revoked { partitions, is_lost });
            state.n_revoked += 1;
            self.arrived.notify_one();
        }
        Ticket(state.n_revoked)
    }

    /// Whether the application knows of a revocation.
    pub fn is_known(&self, ticket: Ticket) -> bool {
        self.state.lock().n_revoked_taken >= ticket.0
    }

    pub fn put(&self, records: Vec<Delivered>) {
        let mut state = self.state.lock();
        for record in records {
            state.n_records += 1;
            state.n_bytes += record.record.size();
            state.items.push_back(Item::Record(record));
        }
        self.arrived.notify_one();
    }

    pub fn put_end(&self, at: TopicPartition) {
        let mut state = self.state.lock();
        // One is enough: nothing came between.
        if !matches!(state.items.back(), Some(Item::End(last)) if *last == at) {
            state.items.push_back(Item::End(at));
        }
        self.arrived.notify_one();
    }

    pub fn is_full(&self) -> bool {
        self.is_filled(&self.state.lock(), 1)
    }

    /// Whether so much was taken that reading may go on after it was paused.
    pub fn is_half_empty(&self) -> bool {
        !self.is_filled(&self.state.lock(), 2)
    }

    fn is_filled(&self, state: &State, divisor: usize) -> bool {
        state.n_records >= MAX_RECORDS / divisor || state.n_bytes >= self.max_bytes / divisor
    }

    /// When the application, having taken everything, asked for more last; now, if it waits.
    pub fn last_hungry(&self) -> Option<Instant> {
        let state = self.state.lock();
        let last = if state.is_asked { Some(Instant::now()) } else { state.last_asked };
        last.filter(|_| state.items.is_empty() && state.notices.is_empty())
    }

    /// Until something is taken, or the application has gone.
    pub fn wait_taken(&self, timeout: Duration) {
        let mut state = self.state.lock();
        if !state.is_closed {
            self.taken.wait_for(&mut state, timeout);
        }
    }

    pub fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }
}

// === The application's side ===

impl Mailbox {
    /// `None` when nothing has come within the wait.
    pub async fn take(&self, limit: PollLimit) -> Option<Taken> {
        let end = tokio::time::Instant::now() + limit.wait;
        let _asking = Asking::begin(self);
        loop {
            let arrived = self.arrived.notified();
            if let Some(taken) = self.take_now(limit) {
                return Some(taken);
            }
            if tokio::time::timeout_at(end, arrived).await.is_err() {
                return None;
            }
        }
    }

    fn take_now(&self, limit: PollLimit) -> Option<Taken> {
        let mut state = self.state.lock();
        let taken = match state.notices.pop_front() {
            Some(Notice::Assigned(partitions)) => {
                state.own(&partitions);
                Taken::Polled(Polled::Assigned(partitions))
            }
            Some(Notice::Revoked { partitions, is_lost }) => {
                state.n_revoked_taken += 1;
                Taken::Polled(if is_lost { Polled::Lost(partitions) } else { Polled::Revoked(partitions) })
            }
            None if state.items.is_empty() => return None,
            None => state.take_items(limit),
        };
        self.taken.notify_one();
        Some(taken)
    }

    /// # Errors
    /// The first partition that the application does not own, as far as is known here.
    pub fn check_owner(&self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        let state: MutexGuard<'_, State> = self.state.lock();
        match commits.iter().find(|(at, _)| !state.owned.contains(at)) {
            Some((at, _)) => Err(BusError::NotOwner { at: *at }),
            None => Ok(()),
        }
    }

    /// The application has gone.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.items.clear();
        self.taken.notify_one();
    }
}

/// As long as the application waits.
struct Asking<'a>(&'a Mailbox);

impl<'a> Asking<'a> {
    fn begin(mailbox: &'a Mailbox) -> Self {
        mailbox.state.lock().is_asked = true;
        Self(mailbox)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_asked = false;
        state.last_asked = Some(Instant::now());
    }
}

impl State {
    /// Those of them that have not been revoked already.
    fn own(&mut self, partitions: &[(TopicPartition, Option<Commit>)]) {
        let is_revoked = |at: &TopicPartition| {
            self.notices
                .iter()
                .any(|notice| matches!(notice, Notice::Revoked { partitions, .. } if partitions.contains(at)))
        };
        let owned: Vec<_> = partitions.iter().map(|(at, _)| *at).filter(|at| !is_revoked(at)).collect();
        self.owned.extend(owned);
    }

    fn take_items(&mut self, limit: PollLimit) -> Taken {
        let (mut records, mut ends, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(item) = self.items.pop_front() {
            match item {
                Item::End(at) => ends.push(at),
                Item::Record(delivered) => {
                    let size = delivered.record.size();
                    let is_over = records.len() >= limit.max_records || bytes + size > limit.max_bytes;
                    if is_over && !records.is_empty() {
                        self.items.push_front(Item::Record(delivered));
                        break;
                    }
                    bytes += size;
                    self.n_records -= 1;
                    self.n_bytes -= size;
                    records.push(delivered);
                }
            }
        }
        Taken::Records(records, ends)
    }

    fn retain(&mut self, is_kept: impl Fn(TopicPartition) -> bool) {
        let (mut n_records, mut n_bytes) = (0, 0);
        self.items.retain(|item| match item {
            Item::End(at) => is_kept(*at),
            Item::Record(delivered) if is_kept(delivered.position.at) => {
                n_records += 1;
                n_bytes += delivered.record.size();
                true
            }
            Item::Record(_) => false,
        });
        (self.n_records, self.n_bytes) = (n_records, n_bytes);
    }
}

#[cfg(test)]
mod tests;
