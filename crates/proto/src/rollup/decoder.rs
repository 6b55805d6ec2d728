//! Reads the frames of any number of streams of rollups.

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_model::{
    LabelPool, Resolution, Rollup, RollupBatch, Series, SeriesRef, StreamKey, Timestamp, Window,
};

use super::Slot;
use super::summary::SummaryReader;
use crate::DecodeError;
use crate::columns::PositionReader;
use crate::definitions::{DefinitionReader, Known};
use crate::frame::{self, Trait};
use crate::limits::MAX_STREAMS;
use crate::pb::rollups::v1 as pb;
use crate::position::{FrameId, Position};

/// Reads frames of any number of streams; each stream's must come in order.
#[derive(Debug, Default)]
pub struct RollupDecoder {
    streams: AHashMap<Arc<str>, Stream>,
    labels: Option<Arc<LabelPool>>,
}

impl RollupDecoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds labels in common with whoever else uses the pool.
    pub fn sharing(labels: Arc<LabelPool>) -> Self {
        Self { streams: AHashMap::new(), labels: Some(labels) }
    }

    /// The series of a stream by their number, as of its last frame.
    pub fn series(&self, stream: &str) -> &[Series] {
        self.streams.get(stream).map_or(&[], |stream| &stream.series)
    }

    /// Frees what is known of a stream, but for where it stands: its next frame must be a key frame.
    pub fn release(&mut self, stream: &str) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.position.lose();
            *stream = Stream { position: stream.position, ..Stream::default() };
        }
    }

    /// Reads one frame. Its rollups come in order of series.
    ///
    /// # Errors
    /// See [`DecodeError`]. After `MissingBase` and `Corrupt` the stream stays unreadable until its
    /// next key frame.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<RollupBatch, DecodeError> {
        let frame: pb::RollupFrame = frame::open(bytes)?;
        let resolution = Resolution::ALL
            .into_iter()
            .find(|resolution| resolution.as_millis() == i64::from(frame.resolution_ms))
            .ok_or(DecodeError::Corrupt { detail: "the resolution of the window is unknown" })?;
        let mut batch = RollupBatch {
            stream: frame.stream.as_str().into(),
            epoch: frame.epoch_unix_ms,
            sequence: frame.sequence,
            is_key: frame.is_key,
            window: Window { resolution, start: Timestamp::from_millis(frame.start_unix_ms) },
            is_final: frame.is_final,
            defined: Vec::new(),
            rollups: Vec::new(),
        };
        let id = FrameId { epoch: batch.epoch, sequence: batch.sequence, is_key: batch.is_key };
        if !self.streams.contains_key(&batch.stream) && self.streams.len() >= MAX_STREAMS {
            let (found, limit) = (self.streams.len() as u64 + 1, MAX_STREAMS as u64);
            return Err(DecodeError::TooLarge { what: "streams", found, limit });
        }
        let stream = self.streams.entry(batch.stream.clone()).or_default();
        stream.position.admit(id).map_err(|refusal| {
            let key = StreamKey { cluster: "".into(), collector: "".into(), target: batch.stream.clone() };
            refusal.of(key, id)
        })?;
        match stream.read(&frame, self.labels.as_deref(), &mut batch) {
            Ok(()) => stream.position.read(id),
            Err(error) => {
                stream.position.lose();
                return Err(error);
            }
        }
        Ok(batch)
    }
}

/// What a decoder knows of one stream.
#[derive(Debug, Default)]
struct Stream {
    position: Position,
    definitions: DefinitionReader,
    series: Vec<Series>,
    slots: Vec<Slot>,
    n_rollups: usize,
}

impl Stream {
    fn read(
        &mut self,
        frame: &pb::RollupFrame,
        labels: Option<&LabelPool>,
        batch: &mut RollupBatch,
    ) -> Result<(), DecodeError> {
        let before = if frame.is_key { self.clear() } else { Vec::new() };
        if let Some(definitions) = &frame.defined {
            let n_known = self.series.len();
            let known = Known { before: &before, labels };
            let defined = self.definitions.read(definitions, n_known, known)?;
            self.slots.reserve_exact(defined.len());
            self.series.reserve_exact(defined.len());
            for series in defined {
                self.slots.push(Slot::new(Trait::of(&series, self.series.last())));
                self.series.push(series);
            }
            let numbered = self.series.iter().enumerate().skip(n_known);
            batch.defined = numbered.map(|(i, series)| (SeriesRef(i as u32), series.clone())).collect();
        }
        batch.rollups = self.walk(frame)?;
        self.n_rollups = batch.rollups.len();
        Ok(())
    }

    /// Forgets everything but where the stream stands; gives the series that were known.
    fn clear(&mut self) -> Vec<Series> {
        self.definitions.clear();
        self.slots = Vec::new();
        std::mem::take(&mut self.series)
    }

    fn walk(&mut self, frame: &pb::RollupFrame) -> Result<Vec<Rollup>, DecodeError> {
        let mut flips = PositionReader::new(&frame.presence_flips)?;
        let mut summaries = SummaryReader::new(frame)?;
        let mut rollups = Vec::with_capacity(self.n_rollups);
        let mut growth_before = None;
        for (position, slot) in self.slots.iter_mut().enumerate() {
            slot.number.mark.is_present ^= flips.holds(position)?;
            if !slot.number.mark.is_present {
                growth_before = None;
                continue;
            }
            let context = slot.context(growth_before);
            let aggregate = summaries.take(position, slot, context)?;
            growth_before = slot.number.growth_of_bucket();
            rollups.push(Rollup { series: SeriesRef(position as u32), aggregate });
        }
        flips.finish()?;
        summaries.finish()?;
        Ok(rollups)
    }
}
