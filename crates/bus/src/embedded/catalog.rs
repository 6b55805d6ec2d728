//! What segments there are. A segment counts from the moment its row here is written, in the same
//! atomic batch as its first messages, and ends with it: a keyspace without a row is left over from a
//! crash and is removed at the next start.

use bytes::{Buf, BufMut as _};
use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use sentinel_model::Topic;
use sentinel_runtime::clock;

use super::segment::{Segment, State, Stats};
use super::storage;
use crate::BusError;

const KEYSPACE: &str = "catalog";
const PARTITIONS: &[u8] = b"partitions";
/// When the log was last opened. Nobody reads it; writing it settles the sequence numbers.
const OPENED: &[u8] = b"opened";
const HEADS: u8 = b'h';
const SEGMENT: u8 = b's';

pub(super) struct Catalog {
    rows: Keyspace,
}

/// A segment as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: u64,
    pub bases: Vec<u64>,
    /// Of an open segment: as it was when it was created.
    pub stats: Stats,
}

impl Catalog {
    /// Must be opened before anything else of the database.
    pub fn open(database: &Database) -> Result<Self, BusError> {
        let catalog = Self { rows: database.keyspace(KEYSPACE, storage::options)? };
        storage::skip_sequence_numbers(database);
        let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&catalog.rows, OPENED, clock::now_millis().to_le_bytes());
        batch.commit()?;
        Ok(catalog)
    }

    pub const fn keyspace(&self) -> &Keyspace {
        &self.rows
    }

    /// The number of partitions that this data folder was created with, which is `wanted` the first
    /// time. Keys would change partitions if it could change.
    pub fn n_partitions(&self, database: &Database, wanted: u32) -> Result<u32, BusError> {
        if let Some(stored) = self.rows.get(PARTITIONS)? {
            let stored = <[u8; 4]>::try_from(&*stored).map_err(|_| corrupt("the number of partitions"))?;
            return Ok(u32::from_le_bytes(stored));
        }
        let mut batch = database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&self.rows, PARTITIONS, wanted.to_le_bytes());
        batch.commit()?;
        Ok(wanted)
    }

    /// The segments of a topic, oldest first.
    pub fn segments(&self, topic: Topic) -> Result<Vec<Entry>, BusError> {
        let mut entries = Vec::new();
        for row in self.rows.prefix(topic_key(SEGMENT, topic)) {
            let (key, value) = row.into_inner()?;
            let id = key.last_chunk().map(|id| u64::from_be_bytes(*id));
            let entry = id.and_then(|id| decode(id, &value)).ok_or_else(|| corrupt("a segment"))?;
            entries.push(entry);
        }
        // A compacted segment has a younger id than the segments after it.
        entries.sort_by(|a, b| a.bases.cmp(&b.bases).then(a.id.cmp(&b.id)));
        Ok(entries)
    }

    /// Offsets that had been given out when segments were last removed: none is given again.
    pub fn heads(&self, topic: Topic) -> Result<Vec<u64>, BusError> {
        let Some(row) = self.rows.get(topic_key(HEADS, topic))? else { return Ok(Vec::new()) };
        get_offsets(&mut &*row).ok_or_else(|| corrupt("the offsets of a topic"))
    }

    pub fn put(&self, batch: &mut OwnedWriteBatch, topic: Topic, segment: &Segment) {
        let entry = Entry { id: segment.id, bases: segment.bases.clone(), stats: segment.stats() };
        batch.insert(&self.rows, segment_key(topic, segment.id), encode(&entry));
    }

    pub fn remove(&self, batch: &mut OwnedWriteBatch, topic: Topic, segment: &Segment) {
        batch.remove(&self.rows, segment_key(topic, segment.id));
    }

    pub fn put_heads(&self, batch: &mut OwnedWriteBatch, topic: Topic, heads: &[u64]) {
        let mut row = Vec::new();
        put_offsets(&mut row, heads);
        batch.insert(&self.rows, topic_key(HEADS, topic), row);
    }
}

fn corrupt(what: &str) -> BusError {
    BusError::Open {
        message: format!(
            "{what} cannot be read from the catalog of the bus; move the folder bus away, or give another --data-dir"
        ),
    }
}

fn topic_key(kind: u8, topic: Topic) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(topic.as_str().as_bytes());
    key.push(0);
    key
}

fn segment_key(topic: Topic, id: u64) -> Vec<u8> {
    let mut key = topic_key(SEGMENT, topic);
    key.put_u64(id);
    key
}

fn encode(entry: &Entry) -> Vec<u8> {
    let Stats { bytes, n_records, n_tombstones, first_append, last_append, state } = entry.stats;
    let mut row = Vec::new();
    row.put_u8(match state {
        State::Open => 0,
        State::Sealed => 1,
        State::Compacted => 2,
    });
    for number in [bytes, n_records, n_tombstones] {
        row.put_u64_le(number);
    }
    row.put_i64_le(first_append);
    row.put_i64_le(last_append);
    put_offsets(&mut row, &entry.bases);
    row
}

fn decode(id: u64, mut row: &[u8]) -> Option<Entry> {
    let state = match row.try_get_u8().ok()? {
        0 => State::Open,
        1 => State::Sealed,
        2 => State::Compacted,
        _ => return None,
    };
    let stats = Stats {
        state,
        bytes: row.try_get_u64_le().ok()?,
        n_records: row.try_get_u64_le().ok()?,
        n_tombstones: row.try_get_u64_le().ok()?,
        first_append: row.try_get_i64_le().ok()?,
        last_append: row.try_get_i64_le().ok()?,
    };
    Some(Entry { id, bases: get_offsets(&mut row)?, stats })
}

fn put_offsets(row: &mut Vec<u8>, offsets: &[u64]) {
    row.put_u32_le(offsets.len() as u32);
    for offset in offsets {
        row.put_u64_le(*offset);
    }
}

fn get_offsets(row: &mut &[u8]) -> Option<Vec<u64>> {
    let n = row.try_get_u32_le().ok()?;
    (0..n).map(|_| row.try_get_u64_le().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_rows_it_writes() {
        let stats = Stats {
            bytes: 1,
            n_records: 2,
            n_tombstones: 3,
            first_append: -4,
            last_append: 5,
            state: State::Compacted,
        };
        let entry = Entry { id: 9, bases: vec![0, 7, u64::MAX], stats };
        let row = encode(&entry);
        assert_eq!(decode(9, &row), Some(entry));
        for cut in 0..row.len() {
            assert_eq!(decode(9, &row[..cut]), None, "{cut} bytes");
        }
    }

    #[test]
    fn a_data_folder_keeps_its_number_of_partitions() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = storage::open(folder.path(), &crate::EmbeddedConfig::default()).expect("open");
        let catalog = Catalog::open(&database).expect("open");
        assert_eq!(catalog.n_partitions(&database, 4).expect("new"), 4);
        assert_eq!(catalog.n_partitions(&database, 8).expect("stored"), 4);
        assert_eq!(catalog.heads(Topic::Logs).expect("none yet"), Vec::<u64>::new());
    }
}
