//! Port: the durable, partitioned log that every role talks through.

mod bus;
mod error;

pub use bus::{
    Bus, Commit, Consumer, Delivered, Follower, Offsets, Outgoing, PollLimit, Polled, Position, Record,
    Route, Start, TopicPartition,
};
pub use error::BusError;
