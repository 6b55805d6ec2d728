//! Event-time windows of one partition: frames in, closed and provisional windows out. No I/O and no
//! clock: the same frames in the same order always give the same bits.

use std::collections::{BTreeMap, VecDeque};

use ahash::AHashMap;
use sentinel_model::{
    FrameKind, MetricBatch, Resolution, Rollup, Series, SeriesRef, StreamKey, Timestamp, Window,
};

use crate::aggregate::{Sample, aggregate};
use crate::replay::{Heard, StreamHistory};
use crate::rules::{Routes, Rules, Verdict};
use crate::watermark::{STEP_MS, Watermark, WatermarkLimits, collector_hash};

mod checkpoint;
mod claims;
mod cut;
mod samples;
mod series;

pub(crate) use checkpoint::Checkpoint;
use claims::Claims;
use cut::Cut;
pub(crate) use cut::Lost;
use series::{Insert, SeriesTable};

/// What the windows need to know of the configuration, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowLimits {
    pub(crate) watermark: WatermarkLimits,
    pub(crate) look_back_ms: i64,
    pub(crate) future_ms: i64,
    pub(crate) series_limit: usize,
}

/// State of one partition.
pub(crate) struct Windows {
    limits: WindowLimits,
    watermark: Watermark,
    table: SeriesTable,
    streams: AHashMap<StreamKey, Stream>,
    claims: Claims,
    /// Watermarks at the beginning of recent messages: where a replay may start.
    snapshots: VecDeque<(u64, Watermark)>,
    /// Offset after the last message that was applied; before the first one, where to begin.
    position: u64,
    /// Set while windows are open that the bus has lost a part of.
    cut: Option<Cut>,
    /// Messages below this offset are applied again after a restart …
    replayed_until: u64,
    /// … and windows that end at or before this were published before it.
    published_until: Timestamp,
    touched: Vec<(u32, Timestamp)>,
    /// `touched` is looked through when it grows beyond this.
    prune_touched_at: usize,
}

/// One snapshot in so many messages is enough: a replay may start somewhat earlier than it must. Tests want to know
/// that it need not.
const SNAPSHOT_INTERVAL: u64 = if cfg!(test) { 1 } else { 64 };

/// What `touched` may hold without a look at it; catching up it would hold every sample of a poll.
const MIN_TOUCHED: usize = 65_536;

/// One stream's numbering of its series: `slots[SeriesRef]` is a place in the table.
#[derive(Debug, Default)]
struct Stream {
    slots: Vec<u32>,
    history: StreamHistory,
    /// Of the last frame.
    epoch: u64,
    /// Its collector has said farewell: no frame continues it.
    is_over: bool,
}

/// In `Stream::slots`: a series that is not kept.
const NO_SLOT: u32 = u32::MAX;

/// A closed window.
#[derive(Debug, PartialEq)]
pub(crate) struct Closed {
    pub(crate) window: Window,
    /// By place of the series in the table, ascending.
    pub(crate) rollups: Vec<Rollup>,
    /// By place too; of windows of 1 min only, which wider ones are made of.
    pub(crate) lost: Lost,
}

/// What became of the samples of one message, and which windows it closed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) n_accepted: u64,
    pub(crate) n_repeated: u64,
    pub(crate) n_conflicts: u64,
    pub(crate) n_over_limit: u64,
    /// The target is another collector's: its samples count, not these.
    pub(crate) is_superseded: bool,
    /// The message was applied for the second time, after a restart.
    pub(crate) is_replay: bool,
    /// Samples behind the frontier or too far ahead of their scrape: dead letters.
    pub(crate) late: Vec<(Series, Sample)>,
    pub(crate) future: Vec<(Series, Sample)>,
    pub(crate) closed: Vec<Closed>,
    /// Closed windows that have lost samples, and of how many series: these series are not in `closed`.
    pub(crate) cut: Vec<(Window, usize)>,
}

impl Windows {
    /// `resumed` is what was committed: the offset to begin at, and what to know there.
    pub(crate) fn new(limits: WindowLimits, resumed: Option<(u64, Checkpoint)>) -> Self {
        let (position, checkpoint) = resumed.unwrap_or_default();
        Self {
            limits,
            watermark: checkpoint.watermark,
            table: SeriesTable::new(limits.look_back_ms),
            streams: AHashMap::new(),
            claims: Claims::default(),
            snapshots: VecDeque::new(),
            position,
            cut: checkpoint.cut.map(Cut::resume),
            replayed_until: checkpoint.position,
            published_until: checkpoint.published_until,
            touched: Vec::new(),
            prune_touched_at: MIN_TOUCHED,
        }
    }

    pub(crate) fn n_series(&self) -> usize {
        self.table.n_live()
    }

    /// Series by their place, for encoders; see [`SeriesTable::all`].
    pub(crate) fn series(&self) -> &[Series] {
        self.table.all()
    }

    pub(crate) fn routes(&self, slot: SeriesRef) -> Routes {
        self.table.routes(slot.0)
    }

    pub(crate) const fn frontier(&self) -> Option<Timestamp> {
        self.watermark.frontier()
    }

    /// Notes a message that holds nothing to apply (undecodable, say).
    pub(crate) fn skip(&mut self, offset: u64) {
        self.position = offset + 1;
    }

    /// Notes a frame that cannot be read for want of the one before it.
    pub(crate) fn skip_broken(&mut self, offset: u64, stream: &StreamKey) {
        let frontier = self.watermark.frontier().unwrap_or(Timestamp::MIN);
        if let Some(cut) = &mut self.cut {
            cut.break_off(stream, frontier);
        }
        self.skip(offset);
    }

    /// To be asked before the message at `offset` is applied or skipped: how many messages the bus has
    /// dropped ahead of it. Windows that have lost a part by that are not given.
    pub(crate) fn dropped_before(&mut self, offset: u64) -> u64 {
        let n_dropped = offset.saturating_sub(self.position);
        if n_dropped > 0 {
            self.cut.get_or_insert_default().again();
        }
        n_dropped
    }

    /// Windows that end at or before this were published before the restart.
    pub(crate) const fn published_until(&self) -> Timestamp {
        self.published_until
    }

    pub(crate) const fn is_replay(&self, offset: u64) -> bool {
        offset < self.replayed_until
    }

    /// Applies one message.
    pub(crate) fn apply(&mut self, offset: u64, batch: &MetricBatch, rules: &Rules) -> Outcome {
        self.snapshot(offset);
        self.position = offset + 1;
        let mut outcome = Outcome { is_replay: self.is_replay(offset), ..Outcome::default() };
        if batch.frame.has_samples() {
            self.take(offset, batch, rules, &mut outcome);
        }
        if let Some(cut) = &mut self.cut {
            let slots = self.streams.get(&batch.stream).map_or(&[][..], |stream| &stream.slots);
            cut.hear(batch, slots, self.limits.watermark.idle_ms);
        }
        let collector = collector_hash(&batch.stream.cluster, &batch.stream.collector);
        let before = self.watermark.frontier();
        let mut after = self.watermark.advance(collector, batch.progress, self.limits.watermark);
        if batch.frame == FrameKind::Farewell {
            after = self.watermark.leave(collector, self.limits.watermark);
            self.end_streams(&batch.stream);
        }
        if let Some(after) = after
            && before.is_none_or(|before| after > before)
        {
            self.close(before, after, &mut outcome);
        }
        if outcome.is_replay {
            outcome.late.clear();
            outcome.future.clear();
        }
        if self.touched.len() > self.prune_touched_at {
            self.prune_touched();
        }
        outcome
    }

    /// Windows of 10 s that messages have touched since the last call and that are still open, as they
    /// stand now.
    pub(crate) fn provisional(&mut self) -> Vec<Closed> {
        self.prune_touched();
        let mut touched = std::mem::take(&mut self.touched);
        let mut windows: BTreeMap<Timestamp, Vec<Rollup>> = BTreeMap::new();
        for (slot, start) in touched.drain(..) {
            if self.is_cut(slot, start) {
                continue;
            }
            if let Some(rollup) = self.rollup(slot, Window { resolution: Resolution::TenSeconds, start }) {
                windows.entry(start).or_default().push(rollup);
            }
        }
        touched.shrink_to(MIN_TOUCHED);
        self.touched = touched;
        let of = |(start, rollups)| Closed {
            window: Window { resolution: Resolution::TenSeconds, start },
            rollups,
            lost: Lost::Nothing,
        };
        windows.into_iter().map(of).collect()
    }

    /// Leaves each open window of a series once in `touched`.
    fn prune_touched(&mut self) {
        let frontier = self.watermark.frontier().unwrap_or(Timestamp::MIN).max(self.published_until);
        self.touched.retain(|(_, start)| *start >= frontier);
        self.touched.sort_unstable();
        self.touched.dedup();
        self.prune_touched_at = MIN_TOUCHED.max(2 * self.touched.len());
    }

    /// What to commit: the smallest offset that a replay needs, and what it must know there.
    pub(crate) fn checkpoint(&mut self) -> Option<(u64, Checkpoint)> {
        let frontier = self.watermark.frontier().unwrap_or(Timestamp::MIN);
        let open_from = frontier.floor(Resolution::OneMinute.as_millis());
        let horizon = open_from.saturating_sub_millis(self.limits.look_back_ms);
        // A stream that has said nothing for an hour is over; frames of it that need the past become
        // dead letters, because the log itself may have lost its key frame by then.
        let gone = horizon.saturating_sub_millis(Resolution::OneHour.as_millis());
        let needs = self.claims.needs((horizon, open_from), &self.streams);
        self.streams.retain(|key, stream| {
            let is_gone = stream.history.newest().is_some_and(|newest| newest < gone);
            let is_over = stream.is_over && !stream.history.is_needed(needs.of(key));
            if is_gone || is_over {
                self.claims.remove(key);
            }
            !is_gone && !is_over
        });
        let needed = self.streams.iter_mut().filter_map(|(key, stream)| stream.history.needed(needs.of(key)));
        let needed = needed.min().unwrap_or(self.position);
        while self.snapshots.get(1).is_some_and(|(offset, _)| *offset <= needed) {
            self.snapshots.pop_front();
        }
        let (offset, watermark) = self.snapshots.front()?;
        let checkpoint = Checkpoint {
            watermark: watermark.clone(),
            position: self.position.max(self.replayed_until),
            published_until: frontier.max(self.published_until),
            epoch: 0,
            cut: self.cut.as_ref().and_then(Cut::at),
        };
        Some(((*offset).min(needed), checkpoint))
    }

    /// Frees series that have been silent for the look-back and that no stream numbers any more: those that one
    /// numbers may come again without being defined. `true`: places were renumbered, so that encoders must define
    /// everything anew.
    pub(crate) fn compact(&mut self) -> bool {
        let slots = self.streams.values().flat_map(|stream| &stream.slots);
        let keep = |kept: &mut [bool]| {
            for slot in slots {
                if let Some(is_kept) = kept.get_mut(*slot as usize) {
                    *is_kept = true;
                }
            }
        };
        let Some(moved) = self.table.compact(keep) else { return false };
        for stream in self.streams.values_mut() {
            for slot in &mut stream.slots {
                // What is no place stays what it is.
                *slot = moved.get(*slot as usize).copied().unwrap_or(*slot);
            }
        }
        if let Some(cut) = &mut self.cut {
            cut.renumber(&moved);
        }
        self.touched.clear();
        true
    }

    fn snapshot(&mut self, offset: u64) {
        if self.snapshots.back().is_none_or(|(last, _)| offset >= last + SNAPSHOT_INTERVAL) {
            self.snapshots.push_back((offset, self.watermark.clone()));
        }
    }

    /// Puts a frame's samples into windows, unless its target is another collector's.
    fn take(&mut self, offset: u64, batch: &MetricBatch, rules: &Rules, outcome: &mut Outcome) {
        if !self.streams.contains_key(&batch.stream) {
            self.claims.add(&batch.stream);
        }
        self.define(batch, rules);
        // What is late, is so whoever sends it.
        let is_weighed = self.watermark.frontier().is_none_or(|frontier| batch.scraped >= frontier);
        let (stream, epoch, scraped) = (&batch.stream, batch.epoch, batch.scraped);
        outcome.is_superseded =
            is_weighed && self.claims.is_superseded(stream, epoch, scraped, &self.streams);
        if !outcome.is_superseded {
            self.insert(batch, outcome);
        }
        let newest = batch.points.iter().map(|point| point.timestamp).max().unwrap_or(scraped);
        let is_key = batch.frame == FrameKind::Key;
        let heard = Heard { offset, is_key, newest, scraped, is_accepted: !outcome.is_superseded };
        let stream = self.streams.entry(stream.clone()).or_default();
        stream.history.push(heard, self.limits.look_back_ms);
        (stream.epoch, stream.is_over) = (epoch, false);
    }

    /// Notes that a collector has ended, and all its streams with it.
    fn end_streams(&mut self, of: &StreamKey) {
        for (key, stream) in &mut self.streams {
            stream.is_over |= key.cluster == of.cluster && key.collector == of.collector;
        }
    }

    fn define(&mut self, batch: &MetricBatch, rules: &Rules) {
        let stream = self.streams.entry(batch.stream.clone()).or_default();
        if batch.frame == FrameKind::Key {
            stream.slots.clear();
        }
        for (reference, series) in &batch.defined {
            let index = reference.0 as usize;
            if stream.slots.len() <= index {
                stream.slots.resize(index + 1, NO_SLOT);
            }
            stream.slots[index] = match rules.apply(series.clone()) {
                Verdict::Dropped => NO_SLOT,
                Verdict::Kept(series, routes) => {
                    self.table.place(series, routes, self.limits.series_limit).unwrap_or(series::OVER_LIMIT)
                }
            };
        }
    }

    fn insert(&mut self, batch: &MetricBatch, outcome: &mut Outcome) {
        let Some(stream) = self.streams.get(&batch.stream) else { return };
        let frontier = self.watermark.frontier().unwrap_or(Timestamp::MIN).as_millis();
        let latest_ms = batch.scraped.saturating_add_millis(self.limits.future_ms).as_millis();
        for point in &batch.points {
            let slot = stream.slots.get(point.series.0 as usize).copied().unwrap_or(NO_SLOT);
            let sample = Sample { at_ms: point.timestamp.as_millis(), value: point.value };
            if slot == series::OVER_LIMIT {
                outcome.n_over_limit += 1;
                continue;
            }
            if slot == NO_SLOT {
                continue;
            }
            if sample.at_ms > latest_ms {
                outcome.future.push((self.table.all()[slot as usize].clone(), sample));
                continue;
            }
            match self.table.insert(slot, sample, frontier) {
                Insert::Accepted => {
                    outcome.n_accepted += 1;
                    if !outcome.is_replay {
                        self.touched.push((slot, point.timestamp.floor(STEP_MS)));
                    }
                }
                Insert::Repeated => outcome.n_repeated += 1,
                Insert::Conflict => outcome.n_conflicts += 1,
                Insert::Late => outcome.late.push((self.table.all()[slot as usize].clone(), sample)),
            }
        }
    }

    /// Closes every window that ends in `(before, after]`, 10 s ones first, each kind in order of time.
    fn close(&mut self, before: Option<Timestamp>, after: Timestamp, outcome: &mut Outcome) {
        for resolution in [Resolution::TenSeconds, Resolution::OneMinute] {
            let width = resolution.as_millis();
            let from = before.map_or(Timestamp::MIN, |before| before.floor(width));
            let until = after.floor(width);
            if until <= from {
                continue;
            }
            let mut windows: BTreeMap<Timestamp, Vec<Rollup>> = BTreeMap::new();
            let mut cut: BTreeMap<Timestamp, Vec<u32>> = BTreeMap::new();
            for slot in 0..self.table.all().len() as u32 {
                self.table.each_window(slot, from..until, resolution, |start, aggregate| {
                    if self.is_cut(slot, start) {
                        cut.entry(start).or_default().push(slot);
                        return;
                    }
                    windows.entry(start).or_default().push(Rollup { series: SeriesRef(slot), aggregate });
                });
            }
            if resolution == Resolution::OneMinute {
                // Stage two closes its windows by these, so each minute is told of even without samples.
                windows.entry(until.saturating_sub_millis(width)).or_default();
                for start in cut.keys() {
                    windows.entry(*start).or_default();
                }
            }
            let is_new = |window: Window| window.end() > self.published_until;
            // Every minute before `from` was told of when the frontier came there.
            let mut since = from;
            for (start, rollups) in windows {
                let window = Window { resolution, start };
                let lost = match resolution {
                    Resolution::OneMinute => self.lost(since, cut.get(&start)),
                    _ => Lost::Nothing,
                };
                since = window.end();
                if is_new(window) {
                    outcome.closed.push(Closed { window, rollups, lost });
                }
            }
            let cut = cut.into_iter().map(|(start, slots)| (Window { resolution, start }, slots.len()));
            outcome.cut.extend(cut.filter(|(window, _)| is_new(*window)));
        }
        let open_from = |frontier: Timestamp| frontier.floor(Resolution::OneMinute.as_millis());
        let keep_from = open_from(after);
        if before.is_none_or(|before| open_from(before) < keep_from) {
            self.table.forget_before(keep_from);
        }
        let idle_ms = self.limits.watermark.idle_ms;
        if self.cut.as_mut().is_some_and(|cut| cut.is_over(keep_from, idle_ms, self.limits.look_back_ms)) {
            self.cut = None;
        }
    }

    /// What a minute must tell of that lacks the windows of `cut`, when the one before it ended at `since`. The
    /// minutes between have no samples left, and their series may have been silent in this one.
    fn lost(&self, since: Timestamp, cut: Option<&Vec<u32>>) -> Lost {
        let Some(gap) = &self.cut else { return Lost::Nothing };
        if gap.lost_until(self.limits.watermark.idle_ms).is_some_and(|until| until >= since) {
            return Lost::Everything;
        }
        let mut slots: Vec<u32> = gap.since(since).chain(cut.into_iter().flatten().copied()).collect();
        if slots.is_empty() {
            return Lost::Nothing;
        }
        slots.retain(|slot| *slot < series::OVER_LIMIT);
        slots.sort_unstable();
        slots.dedup();
        Lost::Series(slots.into_iter().map(SeriesRef).collect())
    }

    /// Whether a window of a series has lost samples, or what a counter in it grows from.
    fn is_cut(&self, slot: u32, start: Timestamp) -> bool {
        let Some(until) = self.cut.as_ref().and_then(|cut| cut.until(slot)) else { return false };
        let may_grow_from_lost = || start <= until.saturating_add_millis(self.limits.look_back_ms);
        start <= until || (may_grow_from_lost() && self.table.is_counter_without_before(slot, start))
    }

    fn rollup(&self, slot: u32, window: Window) -> Option<Rollup> {
        let aggregate = self.table.window(slot, window)?;
        Some(Rollup { series: SeriesRef(slot), aggregate })
    }
}

#[cfg(test)]
mod tests;
