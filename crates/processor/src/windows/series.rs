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
    n_dead: usize,
}

struct State {
    routes: Routes,
    is_dead: bool,
    /// Sorted by time. At most one of them lies before every open window: kept as the predecessor of a
    /// counter's next sample, and to recognise a repeat.
    samples: Samples,
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
            n_dead: 0,
        }
    }

    /// All series, dead ones included, by place.
    pub(super) fn all(&self) -> &[Series] {
        &self.all
    }

    pub(super) fn n_live(&self) -> usize {
        self.all.len() - self.n_dead
    }

    pub(super) fn routes(&self, slot: u32) -> Routes {
        self.states[slot as usize].routes
    }

    /// The place of a series, new if need be; `None` beyond the limit.
    pub(super) fn place(&mut self, series: Series, routes: Routes, limit: usize) -> Option<u32> {
        let hash = self.hashes.hash_one(&series.labels);
        let is_same = |slot: &u32| self.all[*slot as usize].labels == series.labels;
        if let Some(slot) = self.by_labels.find(hash, is_same) {
            return Some(*slot);
        }
        if self.n_live() >= limit {
            return None;
        }
        let slot = u32::try_from(self.all.len()).ok().filter(|slot| *slot < OVER_LIMIT)?;
        room::make(&mut self.all);
        self.all.push(series);
        let (all, hashes) = (&self.all, &self.hashes);
        self.by_labels.insert_unique(hash, slot, |slot| hashes.hash_one(&all[*slot as usize].labels));
        room::make(&mut self.states);
        self.states.push(State { routes, is_dead: false, samples: Samples::default() });
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
        if state.is_dead {
            state.is_dead = false;
            self.n_dead -= 1;
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
        let keep_ms = keep_from.as_millis();
        let oldest_ms = keep_ms.saturating_sub(self.look_back_ms);
        for state in &mut self.states {
            let n_old = state.samples.first_at(keep_ms);
            state.samples.drop_first(n_old.saturating_sub(1));
            let is_dead = state.samples.last().is_none_or(|last| last.at_ms < oldest_ms);
            if is_dead && !state.is_dead {
                state.is_dead = true;
                self.n_dead += 1;
            }
        }
    }

    /// Renumbers the live series once a quarter of the places is dead; gives the new place of each old
    /// one, [`super::NO_SLOT`] for the dead.
    pub(super) fn compact(&mut self) -> Option<Vec<u32>> {
        if self.n_dead < 1_024 || self.n_dead * 4 < self.all.len() {
            return None;
        }
        let mut moved = vec![super::NO_SLOT; self.all.len()];
        let mut next = 0;
        for (slot, state) in self.states.iter().enumerate() {
            if !state.is_dead {
                moved[slot] = next;
                next += 1;
            }
        }
        let mut slots = moved.iter();
        self.all.retain(|_| slots.next() != Some(&super::NO_SLOT));
        self.states.retain(|state| !state.is_dead);
        self.by_labels.retain(|slot| {
            *slot = moved[*slot as usize];
            *slot != super::NO_SLOT
        });
        self.n_dead = 0;
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
