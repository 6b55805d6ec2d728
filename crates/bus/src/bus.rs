//! The contract of the bus.

use async_trait::async_trait;
use bytes::Bytes;
use sentinel_model::{Timestamp, Topic};
use std::time::Duration;

use crate::BusError;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub key: Bytes,
    /// Empty on a compacted topic: a tombstone, which removes the key.
    pub value: Bytes,
    pub headers: Vec<(String, Bytes)>,
    pub timestamp: Timestamp,
}

impl Record {
    /// Bytes of key, value and headers: what [`PollLimit::max_bytes`] and `bus.max_message_bytes` count.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.len() + self.value.len() + headers
    }
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The partition that the key's hash (murmur2, as Kafka's clients do) falls into.
    ByKey,
    Partition(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    pub topic: Topic,
    pub route: Route,
    pub record: Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Topic,
    pub partition: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub at: TopicPartition,
    pub offset: u64,
}

/// A message as a consumer gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    pub position: Position,
    pub record: Record,
    /// When the log took it, by the log's own clock; every reader is told the same. `None` where the log has no
    /// clock but its publishers'.
    pub appended: Option<Timestamp>,
}

/// What a group has done with a partition: the next offset to read, and a note (at most 4 KiB).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Commit {
    pub offset: u64,
    pub metadata: String,
}

/// Where reading begins when nothing is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Earliest,
    Latest,
}

/// Bounds of one poll. It returns as soon as there is anything, at the latest after `wait`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollLimit {
    pub max_records: usize,
    pub max_bytes: usize,
    pub wait: Duration,
}

/// What a poll brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// These partitions are this consumer's from now on, to be read from the committed offset (or from
    /// `Start`). The commit's metadata comes along.
    Assigned(Vec<(TopicPartition, Option<Commit>)>),
    /// These are no longer: whatever was in hand for them must be dropped, and commits for them fail.
    Revoked(Vec<TopicPartition>),
    /// As `Revoked`, without having been asked: this consumer was out of touch with its group, and others may
    /// have them already, or nobody has while the broker is away.
    Lost(Vec<TopicPartition>),
    /// In order of offset within each partition, without holes except where retention or compaction
    /// removed messages.
    Records(Vec<Delivered>),
    /// Nothing arrived within the wait.
    Idle,
}

/// First offset that is still there and the offset that the next message will get. Where compaction has
/// removed the first messages, the first offset may be one of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Offsets {
    pub earliest: u64,
    pub next: u64,
}

/// A durable, partitioned log.
///
/// Every implementation keeps this (and `contract.rs` tests it):
/// - `publish` returns once the messages survive a crash of this process, in the order given within a
///   partition; it appends all or, on error, may have appended some (callers retry; readers drop
///   repeats by their sequence numbers).
/// - A message is delivered to every group at least once, and to a group only through the partition's
///   one owner at a time. After a crash, delivery resumes at the last commit.
/// - Consumers of a group share the partitions of their topics; when one joins or leaves, ownership
///   moves within seconds, announced by `Revoked` before anybody gets `Assigned`.
/// - A commit for a partition that the consumer does not own fails with [`BusError::NotOwner`].
/// - Compacted topics keep at least the last message of each key; others keep at least the configured
///   time, and a reader whose offset is gone continues at the earliest one. What it has read ahead until
///   then may still come.
#[async_trait]
pub trait Bus: Send + Sync {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError>;

    fn n_partitions(&self, topic: Topic) -> u32;

    async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError>;

    /// Last commit of each partition of `topic`, in order of partition.
    async fn committed(&self, group: &str, topic: Topic) -> Result<Vec<Option<Commit>>, BusError>;

    /// Joins a consumer group.
    async fn join(&self, group: &str, topics: &[Topic], start: Start) -> Result<Box<dyn Consumer>, BusError>;

    /// Reads every partition of a topic by itself, without a group and without commits.
    async fn follow(&self, topic: Topic, start: Start) -> Result<Box<dyn Follower>, BusError>;

    /// Bytes of a topic on disk; `None` where the broker does not tell.
    async fn stored_bytes(&self, topic: Topic) -> Result<Option<u64>, BusError>;
}

/// A member of a consumer group. Dropping it leaves the group.
#[async_trait]
pub trait Consumer: Send {
    async fn poll(&mut self, limit: PollLimit) -> Result<Polled, BusError>;

    /// Durable on return. Offsets may go backwards only by an explicit lower commit.
    async fn commit(&mut self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError>;
}

/// Reads a whole topic for itself.
#[async_trait]
pub trait Follower: Send {
    /// Empty when nothing arrived within the wait.
    async fn poll(&mut self, limit: PollLimit) -> Result<Vec<Delivered>, BusError>;

    /// Everything that was in the topic when following began has been delivered.
    fn is_caught_up(&self) -> bool;
}
