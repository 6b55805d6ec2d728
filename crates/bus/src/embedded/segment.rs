//! A stretch of a topic's log, all partitions of it: one keyspace, which retention drops as a whole.
//! (Deleting row by row would leave the space to whenever the tree is rewritten.)

use fjall::{Keyspace, UserKey, UserValue};
use parking_lot::Mutex;

use super::codec::{self, Header};

pub(super) struct Segment {
    /// Never used twice in a data folder.
    pub id: u64,
    /// Offset at which each partition begins here.
    pub bases: Vec<u64>,
    keyspace: Keyspace,
    stats: Mutex<Stats>,
}

/// What retention and compaction go by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub bytes: u64,
    pub n_records: u64,
    /// Rows without value, counted by compaction only.
    pub n_tombstones: u64,
    /// Milliseconds since the epoch. Of a compacted segment: when it was compacted.
    pub first_append: i64,
    pub last_append: i64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Rows are appended to it. Only the last segment of a topic can be open.
    #[default]
    Open,
    Sealed,
    /// Written by compaction: the last row of each key.
    Compacted,
}

impl Segment {
    pub fn new(id: u64, bases: Vec<u64>, keyspace: Keyspace, stats: Stats) -> Self {
        Self { id, bases, keyspace, stats: Mutex::new(stats) }
    }

    pub fn keyspace_name(id: u64) -> String {
        format!("segment-{id:016x}")
    }

    pub const fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    pub fn stats(&self) -> Stats {
        *self.stats.lock()
    }

    pub fn seal(&self) {
        self.stats.lock().state = State::Sealed;
    }

    pub fn is_open(&self) -> bool {
        self.stats().state == State::Open
    }

    /// Accounts for one more row and tells its position.
    pub fn append(&self, row_bytes: usize, now: i64) -> u64 {
        let mut stats = self.stats.lock();
        let position = stats.bytes;
        if stats.n_records == 0 {
            stats.first_append = now;
        }
        stats.bytes += row_bytes as u64;
        stats.n_records += 1;
        stats.last_append = stats.last_append.max(now);
        position
    }

    /// Rows of a partition with offsets in `from..to`, in order.
    pub fn scan(
        &self,
        partition: u32,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = fjall::Result<(UserKey, UserValue)>> {
        self.keyspace
            .range(codec::row_key(partition, from)..codec::row_key(partition, to))
            .map(fjall::Guard::into_inner)
    }

    /// Offset after the last row of a partition, if there is a row.
    pub fn end(&self, partition: u32) -> fjall::Result<Option<u64>> {
        self.keyspace
            .range(codec::row_key(partition, 0)..=codec::row_key(partition, u64::MAX))
            .next_back()
            .map(|guard| Ok(codec::offset_of(&guard.key()?) + 1))
            .transpose()
    }

    /// Size and age of a segment that was open when the process died, from its first and last rows.
    pub fn recover_stats(&self) -> fjall::Result<()> {
        let mut stats = Stats { first_append: i64::MAX, ..Stats::default() };
        for (partition, base) in (0..).zip(&self.bases) {
            let rows =
                || self.keyspace.range(codec::row_key(partition, 0)..=codec::row_key(partition, u64::MAX));
            if let Some((header, _)) = read(rows().next())? {
                stats.first_append = stats.first_append.min(header.appended);
            }
            if let Some((header, length)) = read(rows().next_back())? {
                stats.bytes = stats.bytes.max(header.position + length as u64);
                stats.last_append = stats.last_append.max(header.appended);
            }
            stats.n_records += self.end(partition)?.map_or(0, |end| end.saturating_sub(*base));
        }
        *self.stats.lock() = stats;
        Ok(())
    }
}

/// A corrupt row has no header to tell; readers will report it.
fn read(row: Option<fjall::Guard>) -> fjall::Result<Option<(Header, usize)>> {
    let Some(row) = row else { return Ok(None) };
    let (key, value) = row.into_inner()?;
    Ok(codec::check(&key, &value).ok().map(|header| (header, value.len())))
}
