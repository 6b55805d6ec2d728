//! Port: the durable, partitioned log that every role talks through.

use std::path::Path;
use std::sync::Arc;

use sentinel_runtime::{DataDir, Health, Registry};

mod bus;
mod config;
mod consumer;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod embedded;
mod error;
#[cfg(feature = "kafka")]
mod kafka;
mod metered;
mod partitioner;
mod publisher;
pub mod trace;

pub use bus::{
    Bus, Commit, Consumer, Delivered, Follower, Offsets, Outgoing, PollLimit, Polled, Position, Record,
    Route, Start, TopicPartition,
};
pub use config::{
    Compression, Config, EmbeddedConfig, Fsync, GroupProtocol, KafkaConfig, MaxBytes, Mechanism, Retention,
    Sasl, Tls,
};
pub use error::BusError;
pub use publisher::Publisher;

/// Folder of the embedded log in the data folder.
const FOLDER: &str = "bus";

/// Whether another process has the bus of this data folder open. Opens and changes nothing.
pub fn is_in_use(config: &Config, data_dir: &Path) -> bool {
    match config {
        Config::Embedded(_) => embedded::is_locked(&data_dir.join(FOLDER)),
        Config::Kafka(_) => false,
    }
}

/// Opens the bus that `config` chooses, within a runtime. Its own metrics go into `registry`, its state into `health`.
///
/// # Errors
/// [`BusError::Open`] with what to do about it.
pub fn open(
    config: &Config,
    data_dir: impl Into<DataDir>,
    health: &Health,
    registry: &mut Registry,
) -> Result<Arc<dyn Bus>, BusError> {
    let inner: Arc<dyn Bus> = match config {
        Config::Embedded(config) => {
            let folder = data_dir.into().join(FOLDER);
            Arc::new(embedded::EmbeddedBus::open(folder, config.clone(), health, registry)?)
        }
        #[cfg(feature = "kafka")]
        Config::Kafka(config) => Arc::new(kafka::KafkaBus::open(config.clone(), health, registry)?),
        #[cfg(not(feature = "kafka"))]
        Config::Kafka(_) => {
            let message = "this build has no Kafka: build it with --features kafka".to_owned();
            return Err(BusError::Open { message });
        }
    };
    Ok(Arc::new(metered::Metered::new(inner, registry)))
}

/// Removes every topic of `config`, and these of its groups: for installations that are made to be thrown away,
/// such as a benchmark's. Of the embedded bus nothing is removed, it goes with its data folder.
///
/// # Errors
/// A prefix that is empty, as these topics may be anybody's; a cluster that does not answer or permit it.
pub async fn remove(config: &Config, groups: &[&str]) -> Result<(), BusError> {
    match config {
        Config::Embedded(_) => Ok(()),
        Config::Kafka(config) if config.topic_prefix.is_empty() => {
            let message = "topics without bus.topic_prefix are not removed".to_owned();
            Err(BusError::Unavailable { message })
        }
        #[cfg(feature = "kafka")]
        Config::Kafka(config) => kafka::remove(config.clone(), groups).await,
        #[cfg(not(feature = "kafka"))]
        Config::Kafka(_) => {
            let _ = groups;
            Ok(())
        }
    }
}
