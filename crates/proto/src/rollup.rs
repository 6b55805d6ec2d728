//! Frames of rollups: first, self-contained form.

use std::sync::Arc;

use prost::Message;
use sentinel_model::{
    Aggregate, FrameKind, Resolution, Rollup, RollupBatch, Series, SeriesRef, Sketch, StreamKey, Summary,
    Timestamp, Window,
};

use crate::metric::{define, undefine};
use crate::pb::rollups::v1 as pb;
use crate::{DecodeError, EncodedFrame, EncoderConfig, envelope};

/// Writes the frames of one stream of rollups.
#[derive(Debug)]
pub struct RollupEncoder {
    stream: Arc<str>,
    epoch: u64,
    config: EncoderConfig,
    sequence: u64,
}

impl RollupEncoder {
    pub fn new(stream: Arc<str>, epoch: u64, config: EncoderConfig) -> Self {
        Self { stream, epoch, config, sequence: 0 }
    }

    /// Makes the next frame a key frame; needed after the series table was renumbered.
    pub fn force_key(&mut self) {}

    pub fn encode(
        &mut self,
        window: Window,
        is_final: bool,
        series: &[Series],
        rollups: &[Rollup],
    ) -> EncodedFrame {
        let sequence = self.sequence;
        self.sequence += 1;
        let message = pb::RollupBatch {
            stream: self.stream.to_string(),
            epoch: self.epoch,
            sequence,
            is_key: true,
            resolution_ms: window.resolution.as_millis(),
            start_unix_ms: window.start.as_millis(),
            is_final,
            defined: series.iter().enumerate().map(|(i, series)| define(i as u32, series)).collect(),
            rollups: rollups.iter().map(to_wire).collect(),
        };
        let bytes = envelope::seal(&message.encode_to_vec(), self.config.zstd_level).into();
        EncodedFrame { bytes, frame: FrameKind::Key, sequence }
    }
}

/// Reads frames of any number of streams of rollups, each stream's in order.
#[derive(Debug, Default)]
pub struct RollupDecoder {
    last: ahash::AHashMap<String, (u64, u64)>,
}

impl RollupDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<RollupBatch, DecodeError> {
        let payload = envelope::open(bytes, 64 << 20)?;
        let message = pb::RollupBatch::decode(&*payload)
            .map_err(|_| DecodeError::Corrupt { detail: "its protobuf" })?;
        let position = (message.epoch, message.sequence);
        if self.last.get(&message.stream).is_some_and(|last| *last >= position) {
            let stream =
                StreamKey { cluster: "".into(), collector: "".into(), target: message.stream.into() };
            let (epoch, sequence) = position;
            return Err(DecodeError::Duplicate { stream: Box::new(stream), epoch, sequence });
        }
        self.last.insert(message.stream.clone(), position);
        let resolution = Resolution::ALL
            .into_iter()
            .find(|resolution| resolution.as_millis() == message.resolution_ms)
            .ok_or(DecodeError::Corrupt { detail: "its resolution is unknown" })?;
        Ok(RollupBatch {
            stream: message.stream.into(),
            epoch: message.epoch,
            sequence: message.sequence,
            is_key: message.is_key,
            window: Window { resolution, start: Timestamp::from_millis(message.start_unix_ms) },
            is_final: message.is_final,
            defined: message.defined.iter().map(undefine).collect::<Result<_, _>>()?,
            rollups: message.rollups.into_iter().map(from_wire).collect(),
        })
    }
}

fn to_wire(rollup: &Rollup) -> pb::Rollup {
    let (single, summary) = match &rollup.aggregate {
        Aggregate::Single(value) => (Some(value.to_bits()), None),
        Aggregate::Summary(summary) => (None, Some(summary)),
    };
    let summary = summary.map(|summary| pb::Summary {
        count: summary.count,
        sum: summary.sum.to_bits(),
        min: summary.min.to_bits(),
        max: summary.max.to_bits(),
        last: summary.last.to_bits(),
        m2: summary.m2.to_bits(),
        increase: summary.increase.map(f64::to_bits),
        sketch: summary.sketch.as_ref().map(|sketch| pb::Sketch {
            zeros: sketch.zeros,
            positive_index: sketch.positive.iter().map(|bucket| bucket.0).collect(),
            positive_count: sketch.positive.iter().map(|bucket| bucket.1).collect(),
            negative_index: sketch.negative.iter().map(|bucket| bucket.0).collect(),
            negative_count: sketch.negative.iter().map(|bucket| bucket.1).collect(),
        }),
    });
    pb::Rollup { r#ref: rollup.series.0, single, summary }
}

fn from_wire(rollup: pb::Rollup) -> Rollup {
    let buckets = |index: Vec<i32>, count: Vec<u64>| index.into_iter().zip(count).collect();
    let aggregate = match rollup.summary {
        None => Aggregate::Single(f64::from_bits(rollup.single.unwrap_or_default())),
        Some(summary) => Aggregate::Summary(Box::new(Summary {
            count: summary.count,
            sum: f64::from_bits(summary.sum),
            min: f64::from_bits(summary.min),
            max: f64::from_bits(summary.max),
            last: f64::from_bits(summary.last),
            m2: f64::from_bits(summary.m2),
            increase: summary.increase.map(f64::from_bits),
            sketch: summary.sketch.map(|sketch| Sketch {
                zeros: sketch.zeros,
                positive: buckets(sketch.positive_index, sketch.positive_count),
                negative: buckets(sketch.negative_index, sketch.negative_count),
            }),
        })),
    };
    Rollup { series: SeriesRef(rollup.r#ref), aggregate }
}
