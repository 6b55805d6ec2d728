//! Why bytes from the bus could not be read.

use sentinel_model::StreamKey;

/// Why a self-contained message could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    #[error("the message is empty")]
    Empty,
    #[error("the message has version {found}, this program reads {known}")]
    UnknownVersion { found: u8, known: u8 },
    #[error("the message is corrupt: {detail}")]
    Corrupt { detail: &'static str },
    #[error("the message is {bytes} bytes, more than {limit}")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("decode the protobuf message {message}")]
    Protobuf {
        message: &'static str,
        #[source]
        source: prost::DecodeError,
    },
}

impl WireError {
    /// A short stable word for dead letters and counters.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Empty | Self::Corrupt { .. } | Self::Protobuf { .. } => "corrupt",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// Why a frame could not be read. Streams of rollups are named by `target` alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame was read before, or comes from an encoder that a later one has replaced.
    #[error("frame {sequence} of epoch {epoch} of {} was read already", name(stream))]
    Duplicate { stream: Box<StreamKey>, epoch: u64, sequence: u64 },
    /// The frame continues one that this reader has not seen; the next key frame can be read.
    /// `expected` is the sequence that was missed, `None` when nothing of this epoch was read.
    #[error("frame {found} of epoch {epoch} of {} needs a frame that was not read", name(stream))]
    MissingBase { stream: Box<StreamKey>, epoch: u64, expected: Option<u64>, found: u64 },
    #[error("the frame is corrupt: {detail}")]
    Corrupt { detail: &'static str },
    #[error("the frame has version {found}, this program reads {known}")]
    UnknownVersion { found: u8, known: u8 },
    #[error("the frame has {found} {what}, more than {limit}")]
    TooLarge { what: &'static str, found: u64, limit: u64 },
}

impl DecodeError {
    /// A short stable word for dead letters and counters.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "duplicate",
            Self::MissingBase { .. } => "missing_base",
            Self::Corrupt { .. } => "corrupt",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

impl From<WireError> for DecodeError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Empty => Self::Corrupt { detail: "it is empty" },
            WireError::UnknownVersion { found, known } => Self::UnknownVersion { found, known },
            WireError::Corrupt { detail } => Self::Corrupt { detail },
            WireError::TooLarge { bytes, limit } => Self::TooLarge { what: "bytes", found: bytes, limit },
            WireError::Protobuf { .. } => Self::Corrupt { detail: "its protobuf header" },
        }
    }
}

fn name(stream: &StreamKey) -> String {
    let parts = [&*stream.cluster, &*stream.collector, &*stream.target];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}
