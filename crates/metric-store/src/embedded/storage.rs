//! How fjall is opened, and under which keys everything lies.

use std::path::Path;

use fjall::config::{BlockSizePolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use sentinel_model::Resolution;

use super::codec::CodecError;
use super::span::{Span, index_of};
use crate::{EmbeddedConfig, MetricStoreError};

/// Smallest that fjall takes: at most two journals of this size lie on disk.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Of each keyspace. Chunks come in bursts of this order.
const MEMTABLE_BYTES: u64 = 1 << 20;
/// Chunks are found by ranges and are larger than most blocks: one chunk a block.
const BLOCK_BYTES: u32 = 8 << 10;
/// Files held open.
const OPEN_FILES: usize = 128;

pub(crate) struct Storage {
    database: Database,
    /// Format and grid.
    pub(crate) meta: Keyspace,
    /// Record number → definitions of series.
    pub(crate) series: Keyspace,
    /// Span, sequence → rows that are not in chunks yet.
    pub(crate) wal: Keyspace,
    /// Span → what its chunks hold.
    pub(crate) spans: Keyspace,
    /// Start of span, first series → chunk; by resolution.
    chunks: [Keyspace; 4],
}

impl Storage {
    pub(crate) fn open(path: &Path, config: &EmbeddedConfig) -> Result<Self, MetricStoreError> {
        let failed = |error: fjall::Error| match error {
            fjall::Error::Locked => MetricStoreError::Open {
                message: format!(
                    "{} is in use by another process; stop it or give --data-dir",
                    path.display()
                ),
            },
            error => MetricStoreError::Open {
                message: format!(
                    "{} holds no metrics that this version reads ({error}); move it away, or give another \
                     --data-dir",
                    path.display()
                ),
            },
        };
        let database = Database::builder(path)
            .cache_size(config.cache_bytes)
            .worker_threads(1)
            .max_cached_files(Some(OPEN_FILES))
            .max_journaling_size(JOURNAL_BYTES)
            .journal_compression(CompressionType::None)
            .open()
            .map_err(failed)?;
        let keyspace = |name: &str| database.keyspace(name, options).map_err(failed);
        let chunks = |resolution: Resolution| keyspace(&format!("chunks-{}", resolution.as_str()));
        let [a, b, c, d] = Resolution::ALL;
        Ok(Self {
            meta: keyspace("meta")?,
            series: keyspace("series")?,
            wal: keyspace("wal")?,
            spans: keyspace("spans")?,
            chunks: [chunks(a)?, chunks(b)?, chunks(c)?, chunks(d)?],
            database,
        })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn chunks(&self, resolution: Resolution) -> &Keyspace {
        &self.chunks[index_of(resolution)]
    }

    /// A batch that has reached the operating system when it is committed.
    pub(crate) fn batch(&self) -> OwnedWriteBatch {
        self.database.batch().durability(Some(PersistMode::Buffer))
    }

    /// Everything committed so far reaches the disk.
    pub(crate) fn sync(&self) -> Result<(), MetricStoreError> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
        .data_block_compression_policy(CompressionPolicy::disabled())
        .filter_policy(FilterPolicy::all(FilterPolicyEntry::None))
}

/// In order of time, also before 1970.
const fn ordered(millis: i64) -> [u8; 8] {
    (millis as u64 ^ (1 << 63)).to_be_bytes()
}

pub(crate) fn span_key(span: Span) -> [u8; 9] {
    let mut key = [0; 9];
    key[0] = index_of(span.resolution) as u8;
    key[1..].copy_from_slice(&ordered(span.start_ms));
    key
}

pub(crate) fn read_span_key(key: &[u8]) -> Option<Span> {
    let (resolution, rest) = key.split_first()?;
    let (start, _) = rest.split_first_chunk::<8>()?;
    let resolution = *Resolution::ALL.get(usize::from(*resolution))?;
    Some(Span { resolution, start_ms: (u64::from_be_bytes(*start) ^ (1 << 63)) as i64 })
}

pub(crate) fn wal_key(span: Span, sequence: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..9].copy_from_slice(&span_key(span));
    key[9..].copy_from_slice(&sequence.to_be_bytes());
    key
}

pub(crate) fn read_wal_key(key: &[u8]) -> Option<(Span, u64)> {
    let sequence = key.get(9..)?.try_into().ok()?;
    Some((read_span_key(key)?, u64::from_be_bytes(sequence)))
}

pub(crate) fn chunk_key(span: Span, first_series: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&ordered(span.start_ms));
    key[8..].copy_from_slice(&first_series.to_be_bytes());
    key
}

impl From<fjall::Error> for MetricStoreError {
    fn from(error: fjall::Error) -> Self {
        Self::Storage { message: error.to_string() }
    }
}

impl From<CodecError> for MetricStoreError {
    fn from(error: CodecError) -> Self {
        Self::Corrupt { message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_read_back_and_sort_by_time(a: i64, b: i64, at in 0usize..4, sequence: u64) {
            let span = |start_ms| Span { resolution: Resolution::ALL[at], start_ms };
            prop_assert_eq!(read_wal_key(&wal_key(span(a), sequence)), Some((span(a), sequence)));
            prop_assert_eq!(span_key(span(a)).cmp(&span_key(span(b))), a.cmp(&b));
            prop_assert_eq!(chunk_key(span(a), 0).cmp(&chunk_key(span(b), 0)), a.cmp(&b));
        }
    }
}
