//! Self-contained messages of the bus.

use bytes::Bytes;
use sentinel_model::Topic;

use crate::limits::MESSAGE_BYTES;
use crate::{WireError, envelope};

const ZSTD_LEVEL: i32 = 3;

/// A self-contained message of one topic. (Metrics and rollups are streams of frames instead: see
/// [`crate::MetricEncoder`] and [`crate::RollupEncoder`].)
pub trait Wire: Sized {
    const TOPIC: Topic;

    /// Key on the topic: records of one key lie in one partition, in order.
    fn key(&self) -> Bytes;

    fn encode(&self) -> Bytes;

    /// # Errors
    /// Anything that [`Wire::encode`] would not have written.
    fn decode(bytes: &[u8]) -> Result<Self, WireError>;
}

pub(crate) fn seal(message: &impl prost::Message) -> Bytes {
    envelope::seal(&message.encode_to_vec(), ZSTD_LEVEL).into()
}

/// A message that is there in bytes already.
pub(crate) fn seal_bytes(message: &[u8]) -> Bytes {
    envelope::seal(message, ZSTD_LEVEL).into()
}

/// A message and its bytes, which hold what this program does not know too.
pub(crate) fn open_with_bytes<M: prost::Message + Default>(
    bytes: &[u8],
    message: &'static str,
) -> Result<(M, Bytes), WireError> {
    let payload = Bytes::from(envelope::open(bytes, MESSAGE_BYTES)?);
    let read = M::decode(payload.clone()).map_err(|source| WireError::Protobuf { message, source })?;
    Ok((read, payload))
}

pub(crate) fn open<M: prost::Message + Default>(bytes: &[u8], message: &'static str) -> Result<M, WireError> {
    let payload = envelope::open(bytes, MESSAGE_BYTES)?;
    // `Bytes` fields share the payload instead of copying it.
    M::decode(Bytes::from(payload)).map_err(|source| WireError::Protobuf { message, source })
}
