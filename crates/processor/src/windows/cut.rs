//! What is missing after the bus has dropped messages that were not read: which windows of which series have
//! lost a part of their samples.
//!
//! A stream tells nothing of what it had before its first key frame behind the gap. Its series' windows are
//! whole again once that frame lies before them; those of a counter, once there is the sample that it grows from.

use ahash::AHashMap;
use sentinel_model::{FrameKind, MetricBatch, Resolution, SeriesRef, StreamKey, Timestamp};

/// A stream that cannot be read for so long, while the others go on, is not waited for.
const GONE_MS: i64 = Resolution::OneHour.as_millis();

/// What wider windows lack that hold a minute, and those that were open before it: this minute and the time
/// since the one that was told of before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lost {
    #[default]
    Nothing,
    Series(Vec<SeriesRef>),
    /// Samples of series too that nothing was read of since.
    Everything,
}

/// Lasts until every window is whole again.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// When the first message behind the gap was scraped.
    at: Option<Timestamp>,
    /// Streams that were read since, with epoch and sequence of the last frame.
    heard: AHashMap<StreamKey, (u64, u64)>,
    /// Streams whose frames wait for a key frame, and the frontier when one last came.
    broken: AHashMap<StreamKey, Timestamp>,
    /// For places in the series table: windows that start at or before this have lost samples.
    until: AHashMap<u32, Timestamp>,
}

impl Cut {
    /// The gap that an owner before this one met: its windows may still be open.
    pub(super) fn resume(at: Timestamp) -> Self {
        Self { at: Some(at), ..Self::default() }
    }

    /// The bus has dropped messages once more.
    pub(super) fn again(&mut self) {
        self.at = None;
        self.heard.clear();
    }

    pub(super) const fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// Notes a frame that needs one that was not read.
    pub(super) fn break_off(&mut self, stream: &StreamKey, frontier: Timestamp) {
        self.broken.insert(stream.clone(), frontier);
    }

    /// Notes a message; `slots` are the places of its stream's series. A lost message can have held samples
    /// of `idle_ms` after the first one behind it at most: so far may live collectors be apart.
    pub(super) fn hear(&mut self, batch: &MetricBatch, slots: &[u32], idle_ms: i64) {
        let at = *self.at.get_or_insert(batch.scraped);
        if !batch.frame.has_samples() {
            return;
        }
        let before = self.heard.insert(batch.stream.clone(), (batch.epoch, batch.sequence));
        let was_broken = self.broken.remove(&batch.stream).is_some();
        let next = before.map(|(epoch, sequence)| (epoch, sequence + 1));
        if batch.frame == FrameKind::Delta || next == Some((batch.epoch, batch.sequence)) {
            return; // It continues what was read: nothing of this stream is missing before it.
        }
        // A key frame that came twice, the second time long after the first, can be the first that is read: then
        // frames are missing between it and the next one.
        let is_behind = was_broken || before.is_some();
        let latest = if is_behind { Timestamp::MAX } else { at.saturating_add_millis(idle_ms) };
        let until = batch.scraped.min(latest);
        for slot in slots {
            let known = self.until.entry(*slot).or_insert(until);
            *known = until.max(*known);
        }
    }

    /// No lost message can have held samples after this.
    pub(super) fn lost_until(&self, idle_ms: i64) -> Option<Timestamp> {
        self.at.map(|at| at.saturating_add_millis(idle_ms))
    }

    /// Series that have lost samples at or after `since`.
    pub(super) fn since(&self, since: Timestamp) -> impl Iterator<Item = u32> {
        self.until.iter().filter(move |(_, until)| **until >= since).map(|(slot, _)| *slot)
    }

    /// Windows of a series that start at or before this have lost samples, if any have.
    pub(super) fn until(&self, slot: u32) -> Option<Timestamp> {
        self.until.get(&slot).copied()
    }

    /// Whether no window that starts at or after `open_from` has lost samples, nor what a counter in it grows
    /// from, which lies `look_back_ms` before it at most.
    pub(super) fn is_over(&mut self, open_from: Timestamp, idle_ms: i64, look_back_ms: i64) -> bool {
        let gone = open_from.saturating_sub_millis(GONE_MS);
        self.broken.retain(|_, last| *last >= gone);
        let is_behind = |until: Timestamp| until.saturating_add_millis(look_back_ms) < open_from;
        self.broken.is_empty()
            && self.lost_until(idle_ms).is_some_and(is_behind)
            && self.until.values().all(|until| is_behind(*until))
    }

    /// The places were renumbered.
    pub(super) fn renumber(&mut self, moved: &[u32]) {
        let until = std::mem::take(&mut self.until);
        let renumbered = until.into_iter().filter_map(|(slot, until)| {
            let slot = moved.get(slot as usize).copied().filter(|slot| *slot != super::NO_SLOT)?;
            Some((slot, until))
        });
        self.until = renumbered.collect();
    }
}
