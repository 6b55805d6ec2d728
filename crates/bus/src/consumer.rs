//! Reading messages of one type.

use sentinel_proto::{Wire, WireError};

use crate::Delivered;

impl Delivered {
    /// The message, or `None` for a tombstone of a compacted topic: its key is gone.
    ///
    /// # Errors
    /// Anything that is not a message of this type.
    pub fn decode<T: Wire>(&self) -> Result<Option<T>, WireError> {
        if self.position.at.topic.is_compacted() && self.record.value.is_empty() {
            return Ok(None);
        }
        T::decode(&self.record.value).map(Some)
    }
}
