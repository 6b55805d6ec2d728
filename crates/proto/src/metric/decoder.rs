//! Reads the frames of any number of streams of samples.

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_model::{FrameKind, LabelPool, MetricBatch, Point, Series, SeriesRef, StreamKey, Timestamp};

use super::{Slot, further};
use crate::DecodeError;
use crate::columns::PositionReader;
use crate::definitions::{DefinitionReader, Known};
use crate::frame::{self, Trait};
use crate::limits::MAX_STREAMS;
use crate::number::{Context, NumberReader};
use crate::pb::metrics::v1 as pb;
use crate::position::{FrameId, Position};
use crate::times::{TimeGroups, TimeReader};

/// A stream is forgotten when the others had this many frames each since its last one (beyond
/// [`MAX_STREAMS`], the half that is silent longest is); should it go on, its next delta frame is a
/// [`DecodeError::MissingBase`]. Frames are counted, no clock is asked: a reader forgets the same way
/// whenever it reads.
const FORGET_AFTER: u64 = 128;
/// Only from this many streams on.
const FORGET_FROM: usize = 1_024;

/// Reads frames of any number of streams; each stream's must come in order. One decoder per partition.
#[derive(Debug)]
pub struct MetricDecoder {
    pub(super) streams: AHashMap<StreamKey, Stream>,
    /// Frames read so far.
    n_frames: u64,
    forget_from: usize,
    labels: Option<Arc<LabelPool>>,
}

impl Default for MetricDecoder {
    fn default() -> Self {
        Self { streams: AHashMap::new(), n_frames: 0, forget_from: FORGET_FROM, labels: None }
    }
}

impl MetricDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds labels in common with whoever else uses the pool.
    pub fn sharing(labels: Arc<LabelPool>) -> Self {
        Self { labels: Some(labels), ..Self::default() }
    }

    /// Reads one frame. Its points come in order of series and time.
    ///
    /// # Errors
    /// See [`DecodeError`]. After `MissingBase` and `Corrupt` the stream stays unreadable until its
    /// next key frame.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<MetricBatch, DecodeError> {
        let frame: pb::MetricFrame = frame::open(bytes)?;
        let kind = match pb::FrameKind::try_from(frame.kind) {
            Ok(pb::FrameKind::Key) => FrameKind::Key,
            Ok(pb::FrameKind::Delta) => FrameKind::Delta,
            Ok(pb::FrameKind::Punctuation) if frame.is_farewell => FrameKind::Farewell,
            Ok(pb::FrameKind::Punctuation) => FrameKind::Punctuation,
            Ok(pb::FrameKind::Unspecified) | Err(_) => {
                return Err(DecodeError::Corrupt { detail: "the kind of the frame is unknown" });
            }
        };
        let mut batch = MetricBatch {
            stream: StreamKey {
                cluster: frame.cluster.as_str().into(),
                collector: frame.collector.as_str().into(),
                target: frame.target.as_str().into(),
            },
            epoch: frame.epoch_unix_ms,
            sequence: frame.sequence,
            frame: kind,
            scraped: Timestamp::from_millis(frame.scraped_unix_ms),
            progress: Timestamp::from_millis(frame.scraped_unix_ms.wrapping_add(frame.progress_offset_ms)),
            defined: Vec::new(),
            points: Vec::new(),
        };
        if !kind.has_samples() {
            return Ok(batch);
        }
        let id = FrameId { epoch: batch.epoch, sequence: batch.sequence, is_key: kind == FrameKind::Key };
        let labels = self.labels.clone();
        let stream = self.stream(&batch.stream);
        stream.position.admit(id).map_err(|refusal| refusal.of(batch.stream.clone(), id))?;
        match stream.read(&frame, labels.as_deref(), &mut batch) {
            Ok(()) => stream.position.read(id),
            Err(error) => {
                stream.position.lose();
                return Err(error);
            }
        }
        Ok(batch)
    }

    fn stream(&mut self, key: &StreamKey) -> &mut Stream {
        self.n_frames += 1;
        if self.streams.len() >= self.forget_from && !self.streams.contains_key(key) {
            self.forget();
        }
        let stream = self.streams.entry(key.clone()).or_default();
        stream.last_frame = self.n_frames;
        stream
    }

    fn forget(&mut self) {
        let mut oldest = self.n_frames.saturating_sub(FORGET_AFTER * self.streams.len() as u64);
        if self.streams.len() >= MAX_STREAMS {
            let mut last: Vec<u64> = self.streams.values().map(|stream| stream.last_frame).collect();
            let middle = last.len() / 2;
            oldest = oldest.max(*last.select_nth_unstable(middle).1);
        }
        self.streams.retain(|_, stream| stream.last_frame >= oldest);
        self.forget_from = (2 * self.streams.len()).clamp(FORGET_FROM, MAX_STREAMS);
    }
}

/// What a decoder knows of one stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    position: Position,
    /// Number of the decoder's frame that was its last.
    last_frame: u64,
    definitions: DefinitionReader,
    groups: TimeGroups,
    series: Vec<Series>,
    slots: Vec<Slot>,
    n_points: usize,
}

impl Stream {
    fn read(
        &mut self,
        frame: &pb::MetricFrame,
        labels: Option<&LabelPool>,
        batch: &mut MetricBatch,
    ) -> Result<(), DecodeError> {
        let before = if batch.frame == FrameKind::Key { self.clear() } else { Vec::new() };
        if let Some(definitions) = &frame.defined {
            let n_known = self.series.len();
            let defined = self.definitions.read(definitions, n_known, Known { before: &before, labels })?;
            self.define(defined);
            let numbered = self.series.iter().enumerate().skip(n_known);
            batch.defined = numbered.map(|(i, series)| (SeriesRef(i as u32), series.clone())).collect();
        }
        batch.points = self.walk(frame)?;
        self.n_points = batch.points.len();
        Ok(())
    }

    /// Forgets everything but where the stream stands; gives the series that were known.
    fn clear(&mut self) -> Vec<Series> {
        self.definitions.clear();
        self.groups.clear();
        self.slots = Vec::new();
        std::mem::take(&mut self.series)
    }

    fn define(&mut self, defined: Vec<Series>) {
        self.slots.reserve_exact(defined.len());
        self.series.reserve_exact(defined.len());
        for series in defined {
            self.slots.push(Slot::new(Trait::of(&series, self.series.last())));
            self.series.push(series);
        }
    }

    fn walk(&mut self, frame: &pb::MetricFrame) -> Result<Vec<Point>, DecodeError> {
        let mut flips = PositionReader::new(&frame.presence_flips)?;
        let time_columns = [&*frame.regrouped, &*frame.regrouped_to, &*frame.times];
        let mut times = TimeReader::new(&mut self.groups, frame.scraped_unix_ms, time_columns)?;
        let mut numbers = NumberReader::new([
            &frame.reformed,
            &frame.reformed_to,
            &frame.misses,
            &frame.values,
            &frame.corrections,
        ])?;
        let mut points = Vec::with_capacity(self.n_points);
        let mut growth_before = None;
        for (position, slot) in self.slots.iter_mut().enumerate() {
            slot.is_present ^= flips.holds(position)?;
            if !slot.is_present {
                growth_before = None;
                continue;
            }
            let (millis, is_still) = times.take(position, &mut slot.group)?;
            let growth_before_this = if slot.traits.is_next_bucket { growth_before } else { None };
            let context =
                Context { is_still, is_gauge: slot.traits.is_gauge, growth_before: growth_before_this };
            numbers.take(position, &mut slot.number, context)?;
            growth_before = slot.number.growth_of_bucket();
            let (timestamp, value) = (Timestamp::from_millis(millis), slot.number.value());
            points.push(Point { series: SeriesRef(position as u32), timestamp, value });
        }
        flips.finish()?;
        times.finish()?;
        numbers.finish()?;
        further::read(&frame.further, &mut points)?;
        Ok(points)
    }
}
