//! How fjall is opened: small buffers, one worker, nothing compressed (messages already are).

use std::path::Path;
use std::time::Duration;

use fjall::config::{CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::{BusError, EmbeddedConfig};

/// Smallest that fjall takes: at most two journals of this size lie on disk.
const JOURNAL_BYTES: u64 = 64 << 20;
/// fjall's own rotation runs behind under load (its worker competes for the journal's lock), so the
/// writer rotates by `write_buffer_bytes` instead and fjall never should.
const MEMTABLE_BYTES: u64 = 64 << 20;
/// Files held open: a segment has a handful.
const OPEN_FILES: usize = 128;
const FLUSH_POLL: Duration = Duration::from_millis(1);

pub(super) fn open(path: &Path, config: &EmbeddedConfig) -> Result<Database, BusError> {
    Database::builder(path)
        .cache_size(config.cache_bytes)
        .worker_threads(1)
        .max_cached_files(Some(OPEN_FILES))
        .max_journaling_size(JOURNAL_BYTES)
        .journal_compression(CompressionType::None)
        .manual_journal_persist(true)
        .open()
        .map_err(|error| match error {
            fjall::Error::Locked => BusError::Open {
                message: format!(
                    "{} is in use by another process; stop it or give --data-dir",
                    path.display()
                ),
            },
            error => BusError::Open { message: format!("{}: {error}", path.display()) },
        })
}

/// Rows are found by ranges, never by single keys, so filters would only cost memory.
pub(super) fn segment_options() -> KeyspaceCreateOptions {
    options().filter_policy(FilterPolicy::all(FilterPolicyEntry::None))
}

pub(super) fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .manual_journal_persist(true)
        .data_block_compression_policy(CompressionPolicy::disabled())
}

/// Moves what a keyspace holds in memory into files, by fjall's worker. (Not part of fjall's documented
/// interface, but of its public one; without it each idle segment would keep its memory.)
pub(super) fn rotate(keyspace: &Keyspace) -> fjall::Result<()> {
    keyspace.rotate_memtable().map(|_| ())
}

/// Waits until what [`rotate`] handed over is in files: the bound on memory when publishers are faster
/// than the disk. Ends early when fjall has given up writing.
pub(super) fn wait_until_flushed(database: &Database, keyspace: &Keyspace) {
    while keyspace.sealed_memtable_count() > 0 && database.persist(PersistMode::Buffer).is_ok() {
        // fjall tells nobody when a flush ends.
        std::thread::park_timeout(FLUSH_POLL);
    }
}

impl From<fjall::Error> for BusError {
    fn from(error: fjall::Error) -> Self {
        Self::Storage { message: error.to_string() }
    }
}
