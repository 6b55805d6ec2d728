//! What frames of samples and frames of rollups have in common.

use bytes::Bytes;
use prost::Message;
use sentinel_model::{FrameKind, MetricKind, Series};

use crate::columns::PositionWriter;
use crate::definitions::continues_histogram;
use crate::limits::FRAME_BYTES;
use crate::{DecodeError, envelope};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// A key frame at least every so many frames. More often costs bytes; less often makes readers that
    /// start in the middle wait longer, and replays go back further.
    pub key_interval: u32,
    pub zstd_level: i32,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self { key_interval: 30, zstd_level: 3 }
    }
}

/// One frame, ready for the bus.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    pub bytes: Bytes,
    pub frame: FrameKind,
    pub sequence: u64,
    /// Points or rollups that are not in the frame: their series is not in the table, or the frame is full
    /// (see [`crate::MAX_SERIES`], [`crate::MAX_POINTS`]).
    pub n_dropped: usize,
}

/// Numbers the frames of an encoder and says which ones are key frames.
#[derive(Debug)]
pub(crate) struct Pace {
    key_interval: u32,
    next: u64,
    since_key: u32,
    is_key_due: bool,
}

impl Pace {
    pub(crate) const fn new(config: EncoderConfig) -> Self {
        Self { key_interval: config.key_interval, next: 0, since_key: 0, is_key_due: true }
    }

    pub(crate) const fn force_key(&mut self) {
        self.is_key_due = true;
    }

    /// Sequence of the frame that is begun, and whether it is a key frame.
    pub(crate) const fn begin(&mut self) -> (u64, bool) {
        let is_key = self.is_key_due || self.since_key >= self.key_interval;
        self.since_key = if is_key { 1 } else { self.since_key + 1 };
        self.is_key_due = false;
        let sequence = self.next;
        self.next += 1;
        (sequence, is_key)
    }
}

/// What follows from a series' definition alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trait {
    pub(crate) is_gauge: bool,
    /// The bucket after the series before it, in the same histogram.
    pub(crate) is_next_bucket: bool,
}

impl Trait {
    pub(crate) fn of(series: &Series, before: Option<&Series>) -> Self {
        Self {
            is_gauge: series.kind == MetricKind::Gauge,
            is_next_bucket: before.is_some_and(|before| continues_histogram(&before.labels, &series.labels)),
        }
    }
}

/// Notes in `flips` when a series begins or ceases to have a value.
pub(crate) fn note_presence(flips: &mut PositionWriter, position: usize, was: &mut bool, is: bool) {
    if *was != is {
        flips.put(position);
        *was = is;
    }
}

pub(crate) fn seal(message: &impl Message, zstd_level: i32) -> Bytes {
    envelope::seal(&message.encode_to_vec(), zstd_level).into()
}

pub(crate) fn open<M: Message + Default>(bytes: &[u8]) -> Result<M, DecodeError> {
    let payload = envelope::open(bytes, FRAME_BYTES)?;
    // Columns share the payload instead of copying it.
    M::decode(Bytes::from(payload)).map_err(|_| DecodeError::Corrupt { detail: "its protobuf fields" })
}
