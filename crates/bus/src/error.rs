//! What can go wrong with the bus.

use sentinel_model::Topic;
use sentinel_runtime::DiskFull;

use crate::TopicPartition;

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the bus cannot be opened: {message}")]
    Open { message: String },
    #[error("storage of the bus failed: {message}")]
    Storage { message: String },
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    /// The broker is away, or not set up for this: nothing is known to be wrong with what was asked.
    #[error("Kafka does not take this now: {message}")]
    Unavailable { message: String },
    #[error("{}/{} belongs to another consumer now", at.topic, at.partition)]
    NotOwner { at: TopicPartition },
    #[error("topic {topic} has {n_partitions} partitions, there is no partition {partition}")]
    UnknownPartition { topic: Topic, partition: u32, n_partitions: u32 },
    #[error("a message of {bytes} bytes exceeds bus.max_message_bytes ({limit})")]
    TooLarge { bytes: usize, limit: usize },
    #[error("commit metadata of {bytes} bytes exceeds {limit}")]
    MetadataTooLarge { bytes: usize, limit: usize },
    #[error("the bus is closed")]
    Closed,
}

impl BusError {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::DiskFull(_) | Self::Unavailable { .. })
    }
}
