//! Records that could not be handled.

use bytes::Bytes;

use crate::Timestamp;

/// One record that could not be handled, with where it came from and why.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    pub topic: String,
    pub partition: u32,
    pub offset: u64,
    /// A short stable word: `corrupt`, `late`, `missing_base`, `mapping_conflict`, …
    pub reason: String,
    /// What a person needs to know: the decoder's message, the series, by how much it was late.
    pub detail: String,
    pub observed: Timestamp,
    /// Who gave up: `processor`.
    pub role: String,
    /// Key and value as they lay on the bus; for late samples one self-contained frame of them.
    pub key: Bytes,
    pub value: Bytes,
}
