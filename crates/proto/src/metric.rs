//! Frames of samples: first, self-contained form.

use bytes::Bytes;
use prost::Message;
use sentinel_model::{
    FrameKind, Labels, MetricBatch, MetricKind, Point, Series, SeriesRef, StreamKey, Timestamp,
};

use crate::pb::metrics::v1 as pb;
use crate::{DecodeError, envelope};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderConfig {
    /// A key frame at least every so many frames.
    pub key_interval: u32,
    pub zstd_level: i32,
}

impl Default for EncoderConfig {
    fn default() -> Self {
        Self { key_interval: 30, zstd_level: 3 }
    }
}

/// One scrape of one target.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// When the scrape began.
    pub scraped: Timestamp,
    /// The collector's promise; see [`MetricBatch::progress`].
    pub progress: Timestamp,
    /// Indexed by [`SeriesRef`]. Only appended to, or renumbered followed by
    /// [`MetricEncoder::force_key`].
    pub series: &'a [Series],
    /// In any order; a series may occur more than once.
    pub points: &'a [Point],
}

#[derive(Clone, Debug)]
pub struct EncodedFrame {
    pub bytes: Bytes,
    pub frame: FrameKind,
    pub sequence: u64,
}

/// Writes the frames of one stream.
#[derive(Debug)]
pub struct MetricEncoder {
    stream: StreamKey,
    epoch: u64,
    config: EncoderConfig,
    sequence: u64,
}

impl MetricEncoder {
    pub fn new(stream: StreamKey, epoch: u64, config: EncoderConfig) -> Self {
        Self { stream, epoch, config, sequence: 0 }
    }

    /// Makes the next frame a key frame; needed after the series table was renumbered.
    pub fn force_key(&mut self) {}

    pub fn encode(&mut self, scrape: &Scrape<'_>) -> EncodedFrame {
        let sequence = self.sequence;
        self.sequence += 1;
        let mut points = scrape.points.to_vec();
        points.sort_by_key(|point| (point.series, point.timestamp));
        let message = pb::MetricBatch {
            cluster: self.stream.cluster.to_string(),
            collector: self.stream.collector.to_string(),
            target: self.stream.target.to_string(),
            epoch: self.epoch,
            sequence,
            frame: pb::FrameKind::Key.into(),
            scraped_unix_ms: scrape.scraped.as_millis(),
            progress_unix_ms: scrape.progress.as_millis(),
            defined: scrape.series.iter().enumerate().map(|(i, series)| define(i as u32, series)).collect(),
            points: points
                .iter()
                .map(|point| pb::Point {
                    r#ref: point.series.0,
                    timestamp_unix_ms: point.timestamp.as_millis(),
                    value: point.value.to_bits(),
                })
                .collect(),
        };
        let bytes = envelope::seal(&message.encode_to_vec(), self.config.zstd_level).into();
        EncodedFrame { bytes, frame: FrameKind::Key, sequence }
    }
}

/// A frame without samples that carries a collector's progress.
pub fn punctuation(cluster: &str, collector: &str, epoch: u64, progress: Timestamp) -> Bytes {
    let message = pb::MetricBatch {
        cluster: cluster.to_owned(),
        collector: collector.to_owned(),
        epoch,
        frame: pb::FrameKind::Punctuation.into(),
        scraped_unix_ms: progress.as_millis(),
        progress_unix_ms: progress.as_millis(),
        ..pb::MetricBatch::default()
    };
    envelope::seal(&message.encode_to_vec(), 3).into()
}

/// Reads frames of any number of streams, each stream's in order.
#[derive(Debug, Default)]
pub struct MetricDecoder {
    last: ahash::AHashMap<StreamKey, (u64, u64)>,
}

impl MetricDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<MetricBatch, DecodeError> {
        let payload = envelope::open(bytes, 64 << 20)?;
        let message = pb::MetricBatch::decode(&*payload)
            .map_err(|_| DecodeError::Corrupt { detail: "its protobuf" })?;
        let stream = StreamKey {
            cluster: message.cluster.into(),
            collector: message.collector.into(),
            target: message.target.into(),
        };
        let position = (message.epoch, message.sequence);
        let frame = match pb::FrameKind::try_from(message.frame) {
            Ok(pb::FrameKind::Key) => FrameKind::Key,
            Ok(pb::FrameKind::Punctuation) => FrameKind::Punctuation,
            _ => return Err(DecodeError::Corrupt { detail: "its kind is unknown" }),
        };
        if frame == FrameKind::Key {
            if self.last.get(&stream).is_some_and(|last| *last >= position) {
                let (epoch, sequence) = position;
                return Err(DecodeError::Duplicate { stream: Box::new(stream), epoch, sequence });
            }
            self.last.insert(stream.clone(), position);
        }
        let points = message.points.iter().map(|point| Point {
            series: SeriesRef(point.r#ref),
            timestamp: Timestamp::from_millis(point.timestamp_unix_ms),
            value: f64::from_bits(point.value),
        });
        Ok(MetricBatch {
            stream,
            epoch: message.epoch,
            sequence: message.sequence,
            frame,
            scraped: Timestamp::from_millis(message.scraped_unix_ms),
            progress: Timestamp::from_millis(message.progress_unix_ms),
            points: points.collect(),
            defined: message.defined.iter().map(undefine).collect::<Result<_, _>>()?,
        })
    }
}

pub(crate) fn define(number: u32, series: &Series) -> pb::Series {
    pb::Series {
        r#ref: number,
        kind: series.kind as u32,
        labels: series.labels.iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect(),
    }
}

pub(crate) fn undefine(series: &pb::Series) -> Result<(SeriesRef, Series), DecodeError> {
    let pairs = series.labels.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    let labels = Labels::from_pairs(pairs).map_err(|_| DecodeError::Corrupt { detail: "its labels" })?;
    let kind = match series.kind {
        1 => MetricKind::Gauge,
        2 => MetricKind::Counter,
        _ => MetricKind::Unknown,
    };
    Ok((SeriesRef(series.r#ref), Series { labels, kind }))
}
