//! `DeadLetter` ⇄ `sentinel.deadletters.v1`.

use bytes::Bytes;
use sentinel_model::{DeadLetter, Timestamp, Topic};

use crate::pb::deadletters::v1 as pb;
use crate::{Wire, WireError, wire};

impl Wire for DeadLetter {
    const TOPIC: Topic = Topic::DeadLetters;

    /// The origin.
    fn key(&self) -> Bytes {
        format!("{}/{}/{}", self.topic, self.partition, self.offset).into()
    }

    fn encode(&self) -> Bytes {
        wire::seal(&pb::DeadLetter {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.offset,
            reason: self.reason.clone(),
            detail: self.detail.clone(),
            observed_unix_ms: self.observed.as_millis(),
            role: self.role.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let message: pb::DeadLetter = wire::open(bytes, "DeadLetter")?;
        Ok(Self {
            topic: message.topic,
            partition: message.partition,
            offset: message.offset,
            reason: message.reason,
            detail: message.detail,
            observed: Timestamp::from_millis(message.observed_unix_ms),
            role: message.role,
            key: message.key,
            value: message.value,
        })
    }
}
