//! What each group has committed.

use bytes::{Buf as _, BufMut as _};
use fjall::{Database, Keyspace, OwnedWriteBatch};

use super::storage;
use crate::{BusError, Commit, TopicPartition};

const KEYSPACE: &str = "commits";

pub(super) struct Commits {
    rows: Keyspace,
}

impl Commits {
    pub fn open(database: &Database) -> Result<Self, BusError> {
        Ok(Self { rows: database.keyspace(KEYSPACE, storage::options)? })
    }

    pub const fn keyspace(&self) -> &Keyspace {
        &self.rows
    }

    pub fn get(&self, group: &str, at: TopicPartition) -> Result<Option<Commit>, BusError> {
        let Some(row) = self.rows.get(key(group, at))? else { return Ok(None) };
        let commit = decode(&row).ok_or_else(|| BusError::Storage {
            message: format!("the commit of {group} for {}/{} cannot be read", at.topic, at.partition),
        })?;
        Ok(Some(commit))
    }

    /// Returns how many bytes the row takes.
    pub fn put(
        &self,
        batch: &mut OwnedWriteBatch,
        group: &str,
        (at, commit): &(TopicPartition, Commit),
    ) -> usize {
        let key = key(group, *at);
        let row = encode(commit);
        let bytes = key.len() + row.len();
        batch.insert(&self.rows, key, row);
        bytes
    }
}

/// The group's length comes first: no group's keys can pass for another's.
fn key(group: &str, at: TopicPartition) -> Vec<u8> {
    let mut key = Vec::with_capacity(group.len() + 40);
    key.put_u32(group.len() as u32);
    key.put_slice(group.as_bytes());
    key.put_slice(at.topic.as_str().as_bytes());
    key.put_u8(0);
    key.put_u32(at.partition);
    key
}

fn encode(commit: &Commit) -> Vec<u8> {
    let mut row = Vec::with_capacity(8 + commit.metadata.len());
    row.put_u64_le(commit.offset);
    row.put_slice(commit.metadata.as_bytes());
    row
}

fn decode(mut row: &[u8]) -> Option<Commit> {
    let offset = row.try_get_u64_le().ok()?;
    Some(Commit { offset, metadata: std::str::from_utf8(row).ok()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use sentinel_model::Topic;

    use super::*;

    #[test]
    fn keys_of_different_groups_topics_and_partitions_differ() {
        let at = |topic, partition| TopicPartition { topic, partition };
        let keys = [
            key("a", at(Topic::Logs, 0)),
            key("a", at(Topic::Logs, 1)),
            key("a", at(Topic::Live, 0)),
            key("as", at(Topic::Logs, 0)),
            key("", at(Topic::Logs, 0)),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn reads_the_rows_it_writes() {
        let commit = Commit { offset: u64::MAX, metadata: "watermark=ü".to_owned() };
        assert_eq!(decode(&encode(&commit)), Some(commit));
        assert_eq!(decode(b"short"), None);
    }
}
