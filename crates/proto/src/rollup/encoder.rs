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
        }
    }

    /// Makes the next frame a key frame. Needed after the series table was renumbered, and when a frame
    /// may not have reached the bus.
    pub fn force_key(&mut self) {
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
            self.pace.force_key();
        }
        let (sequence, is_key) = self.pace.begin();
        if is_key {
            self.slots = Vec::new();
            self.definitions.clear();
        }
        let n_known = self.slots.len();
        self.slots.reserve_exact(series.len() - n_known);
        for i in n_known..series.len() {
            self.slots.push(Slot::new(Trait::of(&series[i], i.checked_sub(1).map(|i| &series[i]))));
        }
        let mut frame = pb::RollupFrame {
            stream: self.stream.to_string(),
            epoch_unix_ms: self.epoch,
            sequence,
            is_key,
            resolution_ms: window.resolution.as_millis() as u32,
            start_unix_ms: window.start.as_millis(),
            is_final,
            defined: self.definitions.write(&series[n_known..]),
            ..pb::RollupFrame::default()
        };
        // Series seldom come between key frames: their texts are then written again rather than kept.
        self.definitions.forget();
        let n_written = self.walk(rollups, &mut frame);
        EncodedFrame {
            bytes: frame::seal(&frame, self.zstd_level),
            frame: if is_key { FrameKind::Key } else { FrameKind::Delta },
            sequence,
            n_dropped: rollups.len() - n_written,
        }
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
