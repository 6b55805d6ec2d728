//! Reading the overlay.

use std::sync::Arc;

use sentinel_model::{Field, Labels, MetricKind, Selector, Series, Timestamp};

use super::{Entry, Live, LiveId, LiveWindow};

/// One chosen series with its windows, ascending by start.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSeries {
    pub id: LiveId,
    pub series: Series,
    pub windows: Vec<LiveWindow>,
    pub version: u64,
}

/// How much a counter grew, and over what time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Start of the window that it is counted for.
    pub start: Timestamp,
    /// From the window before.
    pub span_ms: i64,
    pub increase: f64,
}

/// A counter's growth is not guessed over a silence longer than this: the processor's look-back.
pub const LOOK_BACK_MS: i64 = 5 * 60 * 1_000;

impl Live {
    /// Chosen series with the windows that start at or after `from`.
    pub fn range(&self, selector: &Selector, from: Timestamp) -> Vec<LiveSeries> {
        self.changed(selector, from, 0)
    }

    /// Chosen series that moved after `version`, with their windows that start at or after `from`.
    pub fn changed(&self, selector: &Selector, from: Timestamp, version: u64) -> Vec<LiveSeries> {
        let mut chosen = Vec::new();
        self.inner.read().each(selector, |id, entry| {
            if entry.version <= version {
                return;
            }
            let windows: Vec<_> =
                entry.windows.iter().filter(|window| window.start >= from).cloned().collect();
            if !windows.is_empty() {
                let series = entry.series.clone();
                chosen.push(LiveSeries { id, series, windows, version: entry.version });
            }
        });
        chosen
    }

    /// Calls `see` for each chosen series with its labels, its windows and its version.
    pub fn each(&self, selector: &Selector, mut see: impl FnMut(&Labels, &[LiveWindow], u64)) {
        self.inner.read().each(selector, |_, entry| {
            see(&entry.series.labels, &entry.windows, entry.version);
        });
    }

    /// Number of the chosen series.
    pub fn count(&self, selector: &Selector) -> usize {
        let mut n = 0;
        self.inner.read().each(selector, |_, _| n += 1);
        n
    }

    /// Kind of the first chosen series.
    pub fn kind_of(&self, selector: &Selector) -> Option<MetricKind> {
        let mut kind = None;
        self.inner.read().each(selector, |_, entry| {
            kind.get_or_insert(entry.series.kind);
        });
        kind
    }

    /// Start of the newest window of any series.
    pub fn newest(&self) -> Option<Timestamp> {
        let inner = self.inner.read();
        inner.series.values().filter_map(newest).max()
    }

    /// Names of the metrics that move, with kind and number of series.
    pub fn names(&self) -> Vec<(String, MetricKind, usize)> {
        let inner = self.inner.read();
        let row = |(name, ids): (&Box<str>, &Vec<LiveId>)| {
            let kind = inner.series.get(ids.first()?)?.series.kind;
            Some((name.to_string(), kind, ids.len()))
        };
        inner.by_name.iter().filter_map(row).collect()
    }

    /// Clusters that series come from, with the time when one of them last did.
    pub fn clusters(&self) -> Vec<(Arc<str>, Timestamp)> {
        let inner = self.inner.read();
        let row = |(name, cluster): (&Box<str>, &super::Cluster)| {
            let seen = if cluster.n_series > 0 { inner.clock } else { cluster.seen };
            (Arc::from(&**name), seen)
        };
        inner.by_cluster.iter().map(row).collect()
    }

    /// Sum of the newest values of the chosen series; `None` without any.
    pub fn sum(&self, selector: &Selector) -> Option<f64> {
        let mut sum = None;
        self.each(selector, |_, windows, _| {
            if let Some(window) = windows.last() {
                *sum.get_or_insert(0.0) += window.aggregate.last();
            }
        });
        sum
    }

    /// Growth per second of the chosen counters over their last minute, summed.
    pub fn rate(&self, selector: &Selector) -> Option<f64> {
        let mut sum = None;
        self.each(selector, |_, windows, _| {
            if let Some(rate) = rate_of_last_minute(windows) {
                *sum.get_or_insert(0.0) += rate;
            }
        });
        sum
    }
}

fn newest(entry: &Entry) -> Option<Timestamp> {
    entry.windows.last().map(|window| window.start)
}

/// Growth per second over at most the last 60 s that are known.
pub fn rate_of_last_minute(windows: &[LiveWindow]) -> Option<f64> {
    let newest = windows.last()?.start;
    let (mut increase, mut span_ms) = (0.0, 0);
    for growth in growths(windows.iter().map(counter_window), 10_000) {
        if newest.millis_since(growth.start) < 60_000 {
            increase += growth.increase;
            span_ms += growth.span_ms;
        }
    }
    (span_ms > 0).then(|| increase * 1_000.0 / span_ms as f64)
}

pub fn counter_window(window: &LiveWindow) -> CounterWindow {
    CounterWindow {
        start: window.start,
        last: Some(window.aggregate.last()),
        increase: window.aggregate.field(Field::Increase),
    }
}

/// A counter's window as stores and overlay give it: a window of 10 s that saw one sample knows its value
/// only, wider ones know their increase only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CounterWindow {
    pub start: Timestamp,
    pub last: Option<f64>,
    pub increase: Option<f64>,
}

/// Growth of a counter from window to window of `width_ms`; a fall is a reset to zero, so that the new
/// value is the growth. It is counted over the time since the window before, so that a counter that is
/// scraped once a minute does not seem to jump. Nothing is said where no predecessor is known.
pub fn growths(windows: impl Iterator<Item = CounterWindow>, width_ms: i64) -> Vec<Growth> {
    let mut growths = Vec::new();
    let mut before: Option<CounterWindow> = None;
    for window in windows {
        let distance_ms = before.map_or(i64::MAX, |before| window.start.millis_since(before.start));
        let previous = before.filter(|_| distance_ms <= LOOK_BACK_MS).and_then(|before| before.last);
        let increase = window.increase.or_else(|| {
            let (previous, last) = (previous?, window.last?);
            Some(if last >= previous { last - previous } else { last })
        });
        if let Some(increase) = increase {
            let is_near = distance_ms <= LOOK_BACK_MS.max(2 * width_ms);
            let span_ms = if is_near { distance_ms } else { width_ms };
            growths.push(Growth { start: window.start, span_ms, increase });
        }
        before = Some(window);
    }
    growths
}
