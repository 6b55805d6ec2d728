//! Publishing messages of one type.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use sentinel_model::Timestamp;
use sentinel_proto::Wire;

use crate::{Bus, BusError, Outgoing, Position, Record, Route};

/// Publishes messages of one type on its topic, each by its own key.
pub struct Publisher<T> {
    bus: Arc<dyn Bus>,
    message: PhantomData<fn(&T)>,
}

impl<T: Wire + Sync> Publisher<T> {
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, message: PhantomData }
    }

    /// Returns once the messages survive a crash of this process.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish(&self, messages: &[T], timestamp: Timestamp) -> Result<Vec<Position>, BusError> {
        let messages =
            messages.iter().map(|message| outgoing::<T>(message.key(), message.encode(), timestamp));
        self.bus.publish(messages.collect()).await
    }

    /// Removes keys from a compacted topic.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    ///
    /// # Panics
    /// If the topic is not compacted.
    pub async fn remove(&self, keys: &[Bytes], timestamp: Timestamp) -> Result<Vec<Position>, BusError> {
        assert!(T::TOPIC.is_compacted(), "{} has no keys to remove", T::TOPIC);
        let tombstones = keys.iter().map(|key| outgoing::<T>(key.clone(), Bytes::new(), timestamp));
        self.bus.publish(tombstones.collect()).await
    }
}

fn outgoing<T: Wire>(key: Bytes, value: Bytes, timestamp: Timestamp) -> Outgoing {
    let record = Record { key, value, headers: Vec::new(), timestamp };
    Outgoing { topic: T::TOPIC, route: Route::ByKey, record }
}

#[cfg(test)]
mod tests {
    use sentinel_model::{DeadLetter, Topic};
    use sentinel_proto::WireError;
    use sentinel_runtime::{Health, Registry};

    use super::*;
    use crate::contract::read_all;
    use crate::{Config, open};

    #[derive(Debug, PartialEq)]
    struct Light(&'static str);

    impl Wire for Light {
        const TOPIC: Topic = Topic::Objects;

        fn key(&self) -> Bytes {
            Bytes::from_static(b"light")
        }

        fn encode(&self) -> Bytes {
            Bytes::from_static(self.0.as_bytes())
        }

        fn decode(bytes: &[u8]) -> Result<Self, WireError> {
            [Self("red"), Self("green")]
                .into_iter()
                .find(|light| light.0.as_bytes() == bytes)
                .ok_or(WireError::Corrupt { detail: "no such light" })
        }
    }

    fn bus() -> (Arc<dyn Bus>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bus = open(&Config::default(), folder.path(), &Health::default(), &mut Registry::default());
        (bus.expect("open"), folder)
    }

    #[tokio::test]
    async fn what_is_published_is_read_by_its_type() {
        let (bus, _folder) = bus();
        let now = Timestamp::from_secs(1);
        let publisher = Publisher::<Light>::new(Arc::clone(&bus));
        let positions = publisher.publish(&[Light("red"), Light("green")], now).await.expect("publish");
        assert_eq!(positions[0].at, positions[1].at, "one key, one partition");
        publisher.remove(&[Light("red").key()], now).await.expect("publish");
        let delivered = read_all(&*bus, Topic::Objects).await;
        let read: Vec<_> = delivered.iter().map(|delivered| delivered.decode().expect("a light")).collect();
        assert_eq!(read, [Some(Light("red")), Some(Light("green")), None]);
    }

    #[tokio::test]
    async fn bytes_that_are_not_a_message_are_an_error_and_no_tombstone() {
        let (bus, _folder) = bus();
        let message = outgoing::<DeadLetter>(Bytes::new(), Bytes::new(), Timestamp::from_secs(1));
        bus.publish(vec![message]).await.expect("publish");
        let delivered = read_all(&*bus, Topic::DeadLetters).await;
        assert!(delivered[0].decode::<DeadLetter>().is_err());
    }
}
