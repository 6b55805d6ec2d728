//! Samples on their way from a collector to a processor.

use std::sync::Arc;

use crate::{Series, SeriesRef, Timestamp};

/// Who produces a stream of frames: one target as seen by one collector. All frames of a stream lie
/// in one partition, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    pub cluster: Arc<str>,
    pub collector: Arc<str>,
    /// What is scraped, such as `kubelet/cadvisor/node-1`; empty for punctuation.
    pub target: Arc<str>,
}

/// Whether a frame can be read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Defines every series that it and later frames use, and carries full values.
    Key,
    /// Continues the frame before it (`sequence − 1` of the same stream and epoch).
    Delta,
    /// Carries no samples: only tells the collector's progress.
    Punctuation,
    /// Punctuation of a collector that ends: all that it had is sent, nobody needs to wait for more.
    Farewell,
}

impl FrameKind {
    /// Carries samples, and belongs to a stream.
    pub const fn has_samples(self) -> bool {
        matches!(self, Self::Key | Self::Delta)
    }
}

/// One sample of a series of the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub series: SeriesRef,
    pub timestamp: Timestamp,
    pub value: f64,
}

/// One frame of a stream: usually one scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricBatch {
    pub stream: StreamKey,
    /// Start of the producing encoder; a later epoch replaces an earlier one.
    pub epoch: u64,
    /// Position in the epoch, from 0, without holes: a hole is a loss, a repeat a duplicate.
    pub sequence: u64,
    pub frame: FrameKind,
    /// When the scrape began, by the collector's clock.
    pub scraped: Timestamp,
    /// The collector's promise: it sends nothing older than this any more, but for samples that the
    /// source itself stamped late. See the processor's watermark.
    pub progress: Timestamp,
    /// Series that this frame defines: all of them in a key frame, new ones in a delta.
    pub defined: Vec<(SeriesRef, Series)>,
    pub points: Vec<Point>,
}
