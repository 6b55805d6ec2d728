//! Writes the frames of one stream of samples.

use std::borrow::Cow;

use bytes::Bytes;
use sentinel_model::{FrameKind, Point, Series, StreamKey, Timestamp};

use super::Slot;
use super::further::FurtherWriter;
use crate::columns::PositionWriter;
use crate::definitions::DefinitionWriter;
use crate::frame::{self, EncodedFrame, EncoderConfig, Pace, Trait};
use crate::limits::{MAX_POINTS, MAX_SERIES};
use crate::number::{Context, NumberWriter};
use crate::pb::metrics::v1 as pb;
use crate::times::{TimeGroups, TimeWriter};

/// One scrape of one target.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// When the scrape began.
    pub scraped: Timestamp,
    /// The collector's promise; see [`sentinel_model::MetricBatch::progress`].
    pub progress: Timestamp,
    /// Indexed by [`sentinel_model::SeriesRef`]. From scrape to scrape only appended to, or renumbered and
    /// [`MetricEncoder::force_key`] called. Buckets of one histogram should follow each other.
    pub series: &'a [Series],
    /// In any order; a series may occur more than once.
    pub points: &'a [Point],
}

/// Writes the frames of one stream.
#[derive(Debug)]
pub struct MetricEncoder {
    stream: StreamKey,
    epoch: u64,
    zstd_level: i32,
    pace: Pace,
    definitions: DefinitionWriter,
    pub(super) groups: TimeGroups,
    slots: Vec<Slot>,
}

impl MetricEncoder {
    /// `epoch` is the start of this encoder in Unix milliseconds: larger than that of any earlier
    /// encoder of the stream.
    pub fn new(stream: StreamKey, epoch: u64, config: EncoderConfig) -> Self {
        Self {
            stream,
            epoch,
            zstd_level: config.zstd_level,
            pace: Pace::new(config),
            definitions: DefinitionWriter::default(),
            groups: TimeGroups::default(),
            slots: Vec::new(),
        }
    }

    /// Makes the next frame a key frame. Needed after the series table was renumbered, and when a frame
    /// may not have reached the bus.
    pub fn force_key(&mut self) {
        self.pace.force_key();
    }

    pub fn encode(&mut self, scrape: &Scrape<'_>) -> EncodedFrame {
        let series = &scrape.series[..scrape.series.len().min(MAX_SERIES)];
        let is_fragmented = self.groups.len() > 2 * self.slots.len() + 1_000;
        if series.len() < self.slots.len() || is_fragmented {
            self.pace.force_key();
        }
        let (sequence, is_key) = self.pace.begin();
        if is_key {
            self.slots.clear();
            self.groups.clear();
            self.definitions.clear();
        }
        let n_known = self.slots.len();
        for i in n_known..series.len() {
            self.slots.push(Slot::new(Trait::of(&series[i], i.checked_sub(1).map(|i| &series[i]))));
        }
        let mut frame = pb::MetricFrame {
            cluster: self.stream.cluster.to_string(),
            collector: self.stream.collector.to_string(),
            target: self.stream.target.to_string(),
            epoch_unix_ms: self.epoch,
            sequence,
            kind: if is_key { pb::FrameKind::Key } else { pb::FrameKind::Delta }.into(),
            scraped_unix_ms: scrape.scraped.as_millis(),
            progress_offset_ms: scrape.progress.as_millis().wrapping_sub(scrape.scraped.as_millis()),
            defined: self.definitions.write(&series[n_known..]),
            ..pb::MetricFrame::default()
        };
        let n_written = self.walk(scrape, &mut frame);
        EncodedFrame {
            bytes: frame::seal(&frame, self.zstd_level),
            frame: if is_key { FrameKind::Key } else { FrameKind::Delta },
            sequence,
            n_dropped: scrape.points.len() - n_written,
        }
    }

    /// Fills the columns; gives the number of points in them.
    fn walk(&mut self, scrape: &Scrape<'_>, frame: &mut pb::MetricFrame) -> usize {
        let points = sorted(scrape.points);
        let points = &points[..points.len().min(MAX_POINTS)];
        let mut flips = PositionWriter::default();
        let mut times = TimeWriter::new(&mut self.groups, scrape.scraped.as_millis());
        let mut numbers = NumberWriter::default();
        let mut further = FurtherWriter::default();
        let mut next = 0;
        let mut growth_before = None;
        for (position, slot) in self.slots.iter_mut().enumerate() {
            let is_of_series = |point: &&Point| point.series.0 as usize == position;
            let point = points.get(next).filter(is_of_series);
            frame::note_presence(&mut flips, position, &mut slot.is_present, point.is_some());
            let Some(point) = point else {
                growth_before = None;
                continue;
            };
            let is_still = times.put(position, &mut slot.group, point.timestamp.as_millis());
            let growth_before_this = if slot.traits.is_next_bucket { growth_before } else { None };
            let context =
                Context { is_still, is_gauge: slot.traits.is_gauge, growth_before: growth_before_this };
            numbers.put(position, &mut slot.number, point.value, context);
            growth_before = slot.number.growth_of_bucket();
            next += 1;
            while let Some(point) = points.get(next).filter(is_of_series) {
                further.put(&points[next - 1], point);
                next += 1;
            }
        }
        frame.presence_flips = flips.column.into();
        frame.regrouped = times.regrouped.column.into();
        frame.regrouped_to = times.regrouped_to.into();
        frame.times = times.times.into();
        frame.reformed = numbers.reformed.column.into();
        frame.reformed_to = numbers.reformed_to.into();
        frame.misses = numbers.misses.column.into();
        frame.values = numbers.values.into();
        frame.corrections = numbers.corrections.into();
        frame.further = further.column.into();
        next
    }
}

/// A frame without samples that carries a collector's progress. It belongs to no stream: send it to every
/// partition.
pub fn punctuation(cluster: &str, collector: &str, epoch: u64, progress: Timestamp) -> Bytes {
    let frame = progress_frame(cluster, collector, epoch, progress);
    frame::seal(&frame, EncoderConfig::default().zstd_level)
}

/// The last punctuation of a collector that ends. Readers that do not know of farewells take it for any other.
pub fn farewell(cluster: &str, collector: &str, epoch: u64, progress: Timestamp) -> Bytes {
    let frame = pb::MetricFrame { is_farewell: true, ..progress_frame(cluster, collector, epoch, progress) };
    frame::seal(&frame, EncoderConfig::default().zstd_level)
}

fn progress_frame(cluster: &str, collector: &str, epoch: u64, progress: Timestamp) -> pb::MetricFrame {
    pb::MetricFrame {
        cluster: cluster.to_owned(),
        collector: collector.to_owned(),
        epoch_unix_ms: epoch,
        kind: pb::FrameKind::Punctuation.into(),
        scraped_unix_ms: progress.as_millis(),
        ..pb::MetricFrame::default()
    }
}

/// Scrapes come almost in the order of the table: mostly nothing is copied.
fn sorted(points: &[Point]) -> Cow<'_, [Point]> {
    let key = |point: &Point| (point.series, point.timestamp);
    if points.is_sorted_by_key(key) {
        return Cow::Borrowed(points);
    }
    let mut points = points.to_vec();
    points.sort_by_key(key);
    Cow::Owned(points)
}
