//! Writes the frames of one stream of rollups.

use std::borrow::Cow;
use std::sync::Arc;

use sentinel_model::{FrameKind, Rollup, Series, Window};

use super::Slot;
use super::summary::SummaryWriter;
use crate::columns::PositionWriter;
use crate::definitions::DefinitionWriter;
use crate::frame::{self, EncodedFrame, EncoderConfig, Pace, Trait};
use crate::limits::MAX_SERIES;
use crate::pb::metrics::v1::Definitions;
use crate::pb::rollups::v1 as pb;

/// Writes the frames of one stream of rollups. Values are foreseen from the frame before, so a stream
/// should hold windows of one resolution, and provisional results apart from final ones.
#[derive(Debug)]
pub struct RollupEncoder {
    stream: Arc<str>,
    epoch: u64,
    zstd_level: i32,
    pace: Pace,
    definitions: DefinitionWriter,
    slots: Vec<Slot>,
    /// The next key frame may number other series than the last one did.
    is_renumbered: bool,
    /// The next key frame is likely to be repeated.
    is_repeating: bool,
    /// Number of series and their definitions in the last key frame, if it is likely to be repeated.
    repeated: Option<(usize, Definitions)>,
}

impl RollupEncoder {
    /// `epoch` is the start of this encoder in Unix milliseconds: larger than that of any earlier
    /// encoder of the stream.
    pub fn new(stream: Arc<str>, epoch: u64, config: EncoderConfig) -> Self {
        Self {
            stream,
            epoch,
            zstd_level: config.zstd_level,
            pace: Pace::new(config),
            definitions: DefinitionWriter::default(),
            slots: Vec::new(),
            is_renumbered: false,
            is_repeating: false,
            repeated: None,
        }
    }

    /// Makes the next frame a key frame. Needed after the series table was renumbered, and when a frame
    /// may not have reached the bus.
    pub fn force_key(&mut self) {
        self.is_renumbered = true;
        self.pace.force_key();
    }

    /// Makes the next frame a key frame, for readers that begin with it: the series have the numbers that they
    /// had. What follows from their labels is found once and kept, for as long as no series are added.
    pub fn repeat_key(&mut self) {
        self.is_repeating = true;
        self.pace.force_key();
    }

    /// Frees what is known of the frames before, for a stream that is silent for long: the next frame is a
    /// key frame.
    pub fn release(&mut self) {
        self.slots = Vec::new();
        self.pace.force_key();
    }

    /// `series` is indexed by [`sentinel_model::SeriesRef`] and from frame to frame only appended to,
    /// or renumbered and [`Self::force_key`] called. A series has one result in a window: of several
    /// the last counts.
    pub fn encode(
        &mut self,
        window: Window,
        is_final: bool,
        series: &[Series],
        rollups: &[Rollup],
    ) -> EncodedFrame {
        let series = &series[..series.len().min(MAX_SERIES)];
        if series.len() < self.slots.len() {
            self.force_key();
        }
        let (sequence, is_key) = self.pace.begin();
        let n_known = if is_key { 0 } else { self.slots.len() };
        if is_key {
            if std::mem::take(&mut self.is_renumbered) {
                self.slots = Vec::new();
                self.repeated = None;
            }
            self.slots.iter_mut().for_each(|slot| *slot = Slot::new(slot.number.mark.traits));
        }
        self.slots.reserve_exact(series.len() - self.slots.len());
        for i in self.slots.len()..series.len() {
            self.slots.push(Slot::new(Trait::of(&series[i], i.checked_sub(1).map(|i| &series[i]))));
        }
        let defined = self.define(is_key, &series[n_known..]);
        let mut frame = pb::RollupFrame {
            stream: self.stream.to_string(),
            epoch_unix_ms: self.epoch,
            sequence,
            is_key,
            resolution_ms: window.resolution.as_millis() as u32,
            start_unix_ms: window.start.as_millis(),
            is_final,
            defined,
            ..pb::RollupFrame::default()
        };
        let n_written = self.walk(rollups, &mut frame);
        EncodedFrame {
            bytes: frame::seal(&frame, self.zstd_level),
            frame: if is_key { FrameKind::Key } else { FrameKind::Delta },
            sequence,
            n_dropped: rollups.len() - n_written,
        }
    }

    fn define(&mut self, is_key: bool, series: &[Series]) -> Option<Definitions> {
        let is_repeating = is_key && std::mem::take(&mut self.is_repeating);
        if is_repeating
            && let Some((_, known)) = self.repeated.as_ref().filter(|known| known.0 == series.len())
        {
            // No series has come since, so that texts to come have the numbers that they would have.
            return Some(known.clone());
        }
        if is_key {
            self.definitions.clear();
            self.repeated = None;
        }
        let defined = self.definitions.write(series);
        // Series seldom come between key frames: their texts are then written again rather than kept.
        self.definitions.forget();
        if is_repeating {
            self.repeated = defined.clone().map(|defined| (series.len(), defined));
        }
        defined
    }

    /// Fills the columns; gives the number of rollups that are in them, or replaced by a later one.
    fn walk(&mut self, rollups: &[Rollup], frame: &mut pb::RollupFrame) -> usize {
        let rollups = sorted(rollups);
        let mut flips = PositionWriter::default();
        let mut summaries = SummaryWriter::default();
        let mut growth_before = None;
        let mut next = 0;
        for (position, slot) in self.slots.iter_mut().enumerate() {
            let mut rollup = None;
            while let Some(found) = rollups.get(next).filter(|rollup| rollup.series.0 as usize == position) {
                rollup = Some(&found.aggregate);
                next += 1;
            }
            frame::note_presence(&mut flips, position, &mut slot.number.mark.is_present, rollup.is_some());
            let Some(aggregate) = rollup else {
                growth_before = None;
                continue;
            };
            let context = slot.context(growth_before);
            summaries.put(position, slot, aggregate, context);
            growth_before = slot.number.growth_of_bucket();
        }
        frame.presence_flips = flips.column.into();
        summaries.finish(frame);
        next
    }
}

fn sorted(rollups: &[Rollup]) -> Cow<'_, [Rollup]> {
    if rollups.is_sorted_by_key(|rollup| rollup.series) {
        return Cow::Borrowed(rollups);
    }
    let mut rollups = rollups.to_vec();
    rollups.sort_by_key(|rollup| rollup.series);
    Cow::Owned(rollups)
}
