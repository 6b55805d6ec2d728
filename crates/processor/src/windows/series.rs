//! Series of one partition with the samples of their open windows.

use std::ops::Range;

use hashbrown::HashTable;

use super::samples::Samples;
use super::{Resolution, Routes, Sample, Series, Timestamp, Window, aggregate};
use crate::room;
use sentinel_model::{Aggregate, MetricKind};

/// Series by place. Places stay until [`SeriesTable::compact`].
pub(super) struct SeriesTable {
    look_back_ms: i64,
    all: Vec<Series>,
    states: Vec<State>,
    /// Places, found by the labels in `all`: the labels are not held twice.
    by_labels: HashTable<u32>,
    hashes: ahash::RandomState,
    n_live: usize,
    n_announced: usize,
    /// Series may have died since the last look at what can be freed.
    is_aged: bool,
}

struct State {
    routes: Routes,
    life: Life,
    /// Sorted by time. At most one of them lies before every open window: kept as the predecessor of a
    /// counter's next sample, and to recognise a repeat.
    samples: Samples,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Defined since the last minute ended, and counted by the limit as if it were live.
    Announced,
    /// Has a sample within the look-back.
    Live,
    Dead,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Insert {
    Accepted,
    /// The series has this very sample already: sources that stamp their samples (cAdvisor) show them
    /// again until there is a newer one.
    Repeated,
    /// The series has another value at this time; the first one stays.
    Conflict,
    Late,
}

/// Fewer dead series than this are not worth renumbering the others for.
const MIN_FREED: usize = 1_024;

/// Instead of a place: the series is beyond the limit.
pub(super) const OVER_LIMIT: u32 = u32::MAX - 1;

impl SeriesTable {
    pub(super) fn new(look_back_ms: i64) -> Self {
        Self {
            look_back_ms,
            all: Vec::new(),
            states: Vec::new(),
            by_labels: HashTable::new(),
            hashes: ahash::RandomState::new(),
            n_live: 0,
            n_announced: 0,
            is_aged: false,
        }
    }

    /// All series, dead ones included, by place.
    pub(super) fn all(&self) -> &[Series] {
        &self.all
    }

    pub(super) const fn n_live(&self) -> usize {
        self.n_live
    }

    pub(super) fn routes(&self, slot: u32) -> Routes {
        self.states[slot as usize].routes
    }

    /// The place of a series, new if need be; `None` beyond the limit. A dead series is asked for as a new one is:
    /// whether it has been freed meanwhile, which no log tells, changes nothing.
    pub(super) fn place(&mut self, series: Series, routes: Routes, limit: usize) -> Option<u32> {
        let hash = self.hashes.hash_one(&series.labels);
        let is_same = |slot: &u32| self.all[*slot as usize].labels == series.labels;
        let known = self.by_labels.find(hash, is_same).copied();
        if let Some(slot) = known.filter(|slot| self.states[*slot as usize].life != Life::Dead) {
            return Some(slot);
        }
        if self.n_live + self.n_announced >= limit {
            return None;
        }
        if let Some(slot) = known {
            self.states[slot as usize].life = Life::Announced;
            self.n_announced += 1;
            return Some(slot);
        }
        // Dead series that streams still number are not freed, and need a bound too.
        if self.all.len() >= limit.saturating_mul(2).saturating_add(MIN_FREED) {
            return None;
        }
        let slot = u32::try_from(self.all.len()).ok().filter(|slot| *slot < OVER_LIMIT)?;
        room::make(&mut self.all);
        self.all.push(series);
        let (all, hashes) = (&self.all, &self.hashes);
        self.by_labels.insert_unique(hash, slot, |slot| hashes.hash_one(&all[*slot as usize].labels));
        room::make(&mut self.states);
        self.states.push(State { routes, life: Life::Announced, samples: Samples::default() });
        self.n_announced += 1;
        Some(slot)
    }

    /// Puts a sample in its place in time. Samples before `frontier_ms` are late, unless they repeat.
    pub(super) fn insert(&mut self, slot: u32, sample: Sample, frontier_ms: i64) -> Insert {
        let state = &mut self.states[slot as usize];
        let place = match state.samples.last() {
            None => 0,
            Some(last) if last.at_ms < sample.at_ms => state.samples.len(),
            Some(_) => {
                let place = state.samples.first_at(sample.at_ms);
                let known = state.samples.get(place);
                if known.at_ms == sample.at_ms {
                    let is_same = known.value.to_bits() == sample.value.to_bits();
                    return if is_same { Insert::Repeated } else { Insert::Conflict };
                }
                place
            }
        };
        if sample.at_ms < frontier_ms {
            return Insert::Late;
        }
        if state.life != Life::Live {
            self.n_announced -= usize::from(state.life == Life::Announced);
            self.n_live += 1;
            state.life = Life::Live;
        }
        state.samples.insert(place, sample);
        Insert::Accepted
    }

    /// Calls `found` with each window in `[span.start, span.end)` that has samples.
    pub(super) fn each_window(
        &self,
        slot: u32,
        span: Range<Timestamp>,
        resolution: Resolution,
        mut found: impl FnMut(Timestamp, Aggregate),
    ) {
        let samples = &self.states[slot as usize].samples;
        let mut at = samples.first_at(span.start.as_millis());
        let until = samples.first_at(span.end.as_millis());
        let mut of_window = Vec::new();
        while at < until {
            let window = Window::holding(Timestamp::from_millis(samples.get(at).at_ms), resolution);
            let end_ms = window.end().as_millis();
            let before = at.checked_sub(1).map(|before| samples.get(before));
            let is_last = at + 1 == until || samples.get(at + 1).at_ms >= end_ms;
            if is_last {
                found(window.start, self.of_window(slot, &[samples.get(at)], before, resolution));
                at += 1;
                continue;
            }
            of_window.clear();
            of_window.extend((at..until).map(|i| samples.get(i)).take_while(|sample| sample.at_ms < end_ms));
            found(window.start, self.of_window(slot, &of_window, before, resolution));
            at += of_window.len();
        }
    }

    /// One window as it stands, if it has samples.
    pub(super) fn window(&self, slot: u32, window: Window) -> Option<Aggregate> {
        let mut found = None;
        self.each_window(slot, window.start..window.end(), window.resolution, |_, aggregate| {
            found = Some(aggregate);
        });
        found
    }

    /// Whether the series is a counter that has no sample before `start`.
    pub(super) fn is_counter_without_before(&self, slot: u32, start: Timestamp) -> bool {
        let is_counter = self.all[slot as usize].kind == MetricKind::Counter;
        is_counter && self.states[slot as usize].samples.first_at(start.as_millis()) == 0
    }

    /// Drops samples before `keep_from`, but for the last one of each series. Series without a sample
    /// within the look-back are dead until one comes.
    pub(super) fn forget_before(&mut self, keep_from: Timestamp) {
        self.is_aged = true;
        let keep_ms = keep_from.as_millis();
        let oldest_ms = keep_ms.saturating_sub(self.look_back_ms);
        for state in &mut self.states {
            let n_old = state.samples.first_at(keep_ms);
            state.samples.drop_first(n_old.saturating_sub(1));
            let is_dead = state.samples.last().is_none_or(|last| last.at_ms < oldest_ms);
            if is_dead {
                self.n_announced -= usize::from(state.life == Life::Announced);
                self.n_live -= usize::from(state.life == Life::Live);
                state.life = Life::Dead;
            }
        }
    }

    /// Frees dead series once they are a quarter of the places, and renumbers the others; gives the new place of
    /// each old one, [`super::NO_SLOT`] for what was freed. `keep` marks those to keep though they are dead.
    pub(super) fn compact(&mut self, keep: impl FnOnce(&mut [bool])) -> Option<Vec<u32>> {
        let is_worth = |n_freed: usize| n_freed >= MIN_FREED && n_freed * 4 >= self.all.len();
        // A look at all places once a minute is enough: before that there is nothing new to free.
        let n_dead = self.all.len() - self.n_live - self.n_announced;
        if !is_worth(n_dead) || !std::mem::take(&mut self.is_aged) {
            return None;
        }
        let mut kept: Vec<bool> = self.states.iter().map(|state| state.life != Life::Dead).collect();
        keep(&mut kept);
        let n_freed = kept.iter().filter(|is_kept| !**is_kept).count();
        if !is_worth(n_freed) {
            return None;
        }
        let mut moved = vec![super::NO_SLOT; self.all.len()];
        for (next, (slot, _)) in (0..).zip(kept.iter().enumerate().filter(|(_, is_kept)| **is_kept)) {
            moved[slot] = next;
        }
        let (mut series, mut states) = (kept.iter(), kept.iter());
        self.all.retain(|_| series.next() == Some(&true));
        self.states.retain(|_| states.next() == Some(&true));
        self.by_labels.retain(|slot| {
            *slot = moved[*slot as usize];
            *slot != super::NO_SLOT
        });
        Some(moved)
    }

    /// `before` is the sample ahead of the window's, however old.
    fn of_window(
        &self,
        slot: u32,
        samples: &[Sample],
        before: Option<Sample>,
        resolution: Resolution,
    ) -> Aggregate {
        let oldest_ms = samples[0].at_ms.saturating_sub(self.look_back_ms);
        let before = before.filter(|before| before.at_ms >= oldest_ms);
        aggregate(samples, before, self.all[slot as usize].kind, resolution)
    }
}
