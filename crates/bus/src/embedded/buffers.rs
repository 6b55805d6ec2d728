//! Bounds what fjall holds in memory. Its own limit is per keyspace and runs behind under load; this
//! one is for all of them together and holds publishers back instead.

use fjall::{Database, Keyspace};
use tracing::error;

use super::storage;

/// What a row costs in memory besides its bytes: a node of the tree, two reference counts.
const ROW_OVERHEAD: usize = 160;

pub(super) struct Buffers {
    limit: u64,
    total: u64,
    open: Vec<Buffered>,
    /// Handed to fjall's worker, probably not written yet.
    flushing: Option<Keyspace>,
}

/// Rows that were written to a keyspace.
pub(super) struct Buffered {
    pub keyspace: Keyspace,
    pub bytes: u64,
    /// Nothing more will come.
    pub is_last: bool,
}

impl Buffered {
    pub const fn cost(row_bytes: usize) -> u64 {
        (row_bytes + ROW_OVERHEAD) as u64
    }
}

impl Buffers {
    pub const fn new(limit: u64) -> Self {
        Self { limit, total: 0, open: Vec::new(), flushing: None }
    }

    pub fn add(&mut self, database: &Database, buffered: Buffered) {
        self.total += buffered.bytes;
        let is_last = buffered.is_last;
        let index = self.open.iter().position(|open| open.keyspace.id() == buffered.keyspace.id());
        let index = match index {
            Some(index) => {
                self.open[index].bytes += buffered.bytes;
                index
            }
            None => {
                self.open.push(buffered);
                self.open.len() - 1
            }
        };
        if is_last {
            self.flush(database, index);
        }
        while self.total > self.limit {
            let largest = (0..self.open.len()).max_by_key(|index| self.open[*index].bytes);
            let Some(largest) = largest else { break };
            self.flush(database, largest);
        }
    }

    /// One flush at a time: at most the limit is in memory twice.
    fn flush(&mut self, database: &Database, index: usize) {
        let Buffered { keyspace, bytes, .. } = self.open.swap_remove(index);
        self.total -= bytes;
        if let Some(before) = self.flushing.take() {
            storage::wait_until_flushed(database, &before);
        }
        match storage::rotate(&keyspace) {
            Ok(()) => self.flushing = Some(keyspace),
            Err(error) => error!(%error, "messages in memory could not be handed over to be written"),
        }
    }
}
