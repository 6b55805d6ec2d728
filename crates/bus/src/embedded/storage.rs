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
/// More than the sequence numbers that one run can take without any of them reaching the journal's disk.
const SKIPPED_NUMBERS: u64 = 1 << 28;

/// Opens the database in a folder, or creates it there.
pub(super) fn open(path: &Path, config: &EmbeddedConfig) -> Result<Database, BusError> {
    if is_missing_or_empty(path) {
        create(path, config).map_err(|error| BusError::Open {
            message: format!("create {}: {error}; give another place with --data-dir", path.display()),
        })?;
    }
    builder(path, config).open().map_err(|error| BusError::Open {
        message: match error {
            fjall::Error::Locked => {
                format!("{} is in use by another process; stop it or give another --data-dir", path.display())
            }
            error => format!(
                "{} holds no log of the bus that this version reads ({error}); move it away, or give \
                 another --data-dir",
                path.display()
            ),
        },
    })
}

/// Creates a database beside and moves it into its place when it is whole: fjall could not open one
/// that it was killed in the middle of creating.
fn create(path: &Path, config: &EmbeddedConfig) -> fjall::Result<()> {
    let beside = path.with_extension("creating");
    if beside.exists() {
        std::fs::remove_dir_all(&beside)?;
    }
    drop(builder(&beside, config).open()?);
    std::fs::rename(&beside, path)?;
    if let Some(parent) = path.parent() {
        std::fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn is_missing_or_empty(path: &Path) -> bool {
    std::fs::read_dir(path).map_or_else(
        |error| error.kind() == std::io::ErrorKind::NotFound,
        |mut entries| entries.next().is_none(),
    )
}

fn builder(path: &Path, config: &EmbeddedConfig) -> fjall::DatabaseBuilder<Database> {
    Database::builder(path)
        .cache_size(config.cache_bytes)
        .worker_threads(1)
        .max_cached_files(Some(OPEN_FILES))
        .max_journaling_size(JOURNAL_BYTES)
        .journal_compression(CompressionType::None)
        .manual_journal_persist(true)
}

/// Lets fjall go on with sequence numbers that no earlier run can have used; to be followed by a durable
/// write before any keyspace is created or deleted.
///
/// fjall 3.1.13 takes up its sequence after the highest number in the user's keyspaces and forgets its
/// own list of keyspaces, which may be ahead after a crash. A keyspace that is created then is hidden by
/// older deletions with higher numbers, and removed with all its rows at the start after that. (Found by
/// `tests/crash.rs`; the field is public but undocumented.)
pub(super) fn skip_sequence_numbers(database: &Database) {
    database.supervisor.seqno.fetch_max(database.seqno() + SKIPPED_NUMBERS);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_anew_after_a_crash_in_the_middle_of_creating() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bus");
        std::fs::create_dir_all(path.with_extension("creating")).expect("a folder");
        std::fs::write(path.with_extension("creating").join("0.jnl"), "half").expect("a file");
        for _ in 0..2 {
            drop(open(&path, &EmbeddedConfig::default()).expect("open"));
        }
        assert!(!path.with_extension("creating").exists());
    }

    #[test]
    fn a_second_process_is_told_what_to_do() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("bus");
        let _first = open(&path, &EmbeddedConfig::default()).expect("open");
        let error = open(&path, &EmbeddedConfig::default()).err().expect("in use").to_string();
        assert!(error.contains("in use by another process; stop it"), "{error}");
    }
}
