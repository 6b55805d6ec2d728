//! Open windows of one stream of minutes.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use sentinel_bus::Outgoing;
use sentinel_model::{Labels, Resolution, Rollup, RollupBatch, Series, SeriesRef, Timestamp, Window};
use sentinel_proto::{EncoderConfig, RollupEncoder};

use super::super::outbox;
use super::open::Open;
use crate::room;
use crate::windows::Lost;

/// The open windows of one stream.
pub(super) struct Merged {
    /// Start of the first minute that was merged.
    first: Option<Timestamp>,
    /// End of the last one.
    until: Timestamp,
    series: Vec<Series>,
    /// Places in `series` by the stream's numbers.
    places: Vec<u32>,
    wide: [Wide; 2],
    partition: u32,
}

/// The open window of one width, with its results by place.
struct Wide {
    resolution: Resolution,
    start: Timestamp,
    open: Vec<Open>,
    cut: Cut,
    encoder: RollupEncoder,
}

/// Places whose results lack a part that the bus has dropped.
#[derive(Default)]
struct Cut {
    is_everything: bool,
    places: AHashSet<u32>,
}

/// A window that is over.
pub(super) struct Closed {
    pub(super) window: Window,
    pub(super) n_rollups: usize,
    /// Series that are left out, as they have lost a part.
    pub(super) n_cut: usize,
    /// `None` if all are.
    pub(super) message: Option<Outgoing>,
}

impl Merged {
    pub(super) fn new(stream: &str, epoch: u64, partition: u32) -> Self {
        let wide = [Resolution::FiveMinutes, Resolution::OneHour].map(|resolution| {
            let name = Arc::from(format!("{stream}/{}", resolution.as_str()));
            Wide {
                resolution,
                start: Timestamp::MIN,
                open: Vec::new(),
                cut: Cut::default(),
                encoder: RollupEncoder::new(name, epoch, EncoderConfig::default()),
            }
        });
        let (series, places) = (Vec::new(), Vec::new());
        Self { first: None, until: Timestamp::MIN, series, places, wide, partition }
    }

    /// End of the last minute that was merged; windows that end at or before it were given.
    pub(super) const fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether all minutes of the stream from the window's start on were merged.
    pub(super) fn is_whole(&self, window: Window) -> bool {
        self.first.is_some_and(|first| first <= window.start)
    }

    /// Merges a minute that lacks what is `lost`; gives the windows that it completes. `all` are the stream's
    /// series by number.
    pub(super) fn apply(&mut self, minute: &RollupBatch, lost: &Lost, all: &[Series]) -> Vec<Closed> {
        let mut closed = Vec::new();
        let start = minute.window.start;
        // Minutes that come twice, around a restart, have the same bits; but they may number anew.
        self.define(minute.is_key, all);
        if start < self.until {
            return closed;
        }
        self.first.get_or_insert(start);
        // It was lost between the last minute and this one, or in this one: of windows that begin with it, too.
        self.cut(lost);
        self.close(start, all, &mut closed);
        for wide in &mut self.wide {
            wide.start = start.floor(wide.resolution.as_millis());
        }
        self.cut(lost);
        for rollup in &minute.rollups {
            self.merge(rollup);
        }
        self.until = minute.window.end();
        self.close(self.until, all, &mut closed);
        closed
    }

    /// Gives the series that the stream has numbered anew, or added, their places.
    pub(super) fn define(&mut self, is_key: bool, all: &[Series]) {
        let n_known = if is_key { 0 } else { self.places.len().min(all.len()) };
        let before = std::mem::take(&mut self.places);
        let mut places = Vec::with_capacity(all.len());
        places.extend_from_slice(&before[..n_known]);
        let mut by_labels: Option<AHashMap<Labels, u32>> = None;
        for (number, series) in all.iter().enumerate().skip(n_known) {
            let is_same = |place: &u32| self.series[*place as usize].labels == series.labels;
            let place = before.get(number).copied().filter(is_same).unwrap_or_else(|| {
                let known = by_labels.get_or_insert_with(|| by_labels_of(&self.series));
                *known.entry(series.labels.clone()).or_insert_with(|| {
                    room::make(&mut self.series);
                    self.series.push(series.clone());
                    self.series.len() as u32 - 1
                })
            });
            places.push(place);
        }
        self.places = places;
    }

    /// Notes in the open windows what they have lost.
    fn cut(&mut self, lost: &Lost) {
        for wide in self.wide.iter_mut().filter(|wide| wide.start > Timestamp::MIN) {
            match lost {
                Lost::Nothing => {}
                Lost::Everything => wide.cut.is_everything = true,
                Lost::Series(numbers) => {
                    let places = numbers.iter().filter_map(|number| self.places.get(number.0 as usize));
                    wide.cut.places.extend(places);
                }
            }
        }
    }

    fn merge(&mut self, rollup: &Rollup) {
        let Some(place) = self.places.get(rollup.series.0 as usize).map(|place| *place as usize) else {
            return;
        };
        let kind = self.series[place].kind;
        for wide in &mut self.wide {
            if wide.open.len() <= place {
                wide.open.reserve_exact(self.series.len() - wide.open.len());
                wide.open.resize_with(self.series.len(), Open::default);
            }
            wide.open[place].merge(&rollup.aggregate, kind);
        }
    }

    /// Gives the windows that end at or before `until`. After an hour in which less than half of the series
    /// had a sample, those that the stream no longer numbers are forgotten.
    fn close(&mut self, until: Timestamp, all: &[Series], closed: &mut Vec<Closed>) {
        for index in 0..self.wide.len() {
            let wide = &mut self.wide[index];
            let window = Window { resolution: wide.resolution, start: wide.start };
            if wide.start == Timestamp::MIN || window.end() > until {
                continue;
            }
            wide.start = Timestamp::MIN;
            let Taken { series, rollups, n_cut } = wide.take(&self.series);
            let n_rollups = rollups.len();
            let message = (n_rollups > 0).then(|| {
                let frame = wide.encoder.encode(window, true, &series, &rollups);
                wide.encoder.release();
                outbox::final_message(self.partition, window, frame)
            });
            if n_rollups + n_cut > 0 {
                closed.push(Closed { window, n_rollups, n_cut, message });
            }
            if window.resolution == Resolution::OneHour && (n_rollups + n_cut) * 2 < self.series.len() {
                self.series = all.to_vec();
                self.places = (0..all.len() as u32).collect();
                self.wide.iter_mut().for_each(|wide| wide.open = Vec::new());
            }
        }
    }
}

fn by_labels_of(series: &[Series]) -> AHashMap<Labels, u32> {
    series.iter().zip(0..).map(|(series, place)| (series.labels.clone(), place)).collect()
}

/// The results of a window and their series, numbered anew.
#[derive(Default)]
struct Taken {
    series: Vec<Series>,
    rollups: Vec<Rollup>,
    n_cut: usize,
}

impl Wide {
    fn take(&mut self, all: &[Series]) -> Taken {
        let (mut taken, cut) = (Taken::default(), std::mem::take(&mut self.cut));
        for ((place, series), open) in (0..).zip(all).zip(&mut self.open) {
            let Some(aggregate) = std::mem::take(open).finish() else { continue };
            if cut.holds(place) {
                taken.n_cut += 1;
                continue;
            }
            taken.rollups.push(Rollup { series: SeriesRef(taken.series.len() as u32), aggregate });
            taken.series.push(series.clone());
        }
        taken
    }
}

impl Cut {
    fn holds(&self, place: u32) -> bool {
        self.is_everything || self.places.contains(&place)
    }
}
