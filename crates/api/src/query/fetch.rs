//! Getting the windows of a query: from the store, widest first, then narrower ones for what is too young
//! to be in wide windows yet, and from the overlay what is not in the store at all.

use ahash::AHashMap;
use sentinel_metric_store::{MetricReader, MetricStoreError, RangeQuery, SeriesPoints, TimeRange};
use sentinel_model::{Field, Labels, MetricKind, Resolution, Selector, Series, Timestamp};

use super::evaluate::Piece;
use super::{Chosen, Function};
use crate::live::{CounterWindow, LOOK_BACK_MS, Live, counter_window, growths};

/// Where windows come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub metrics: &'a dyn MetricReader,
    pub live: &'a Live,
    pub max_series: usize,
    pub max_points: usize,
}

/// What to get.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    pub selector: &'a Selector,
    /// Which field of windows is needed.
    pub function: Function,
    pub from: Timestamp,
    pub to: Timestamp,
    /// Widest windows to use.
    pub resolution: Resolution,
}

/// The windows of every chosen series.
#[derive(Debug, Default)]
pub struct Fetched {
    pub series: AHashMap<Labels, Found>,
    /// End of the newest final window.
    pub final_until: Option<Timestamp>,
}

/// The windows of one series, ascending, none overlapping another.
#[derive(Debug)]
pub struct Found {
    pub kind: MetricKind,
    /// What the pieces are for.
    pub function: Function,
    pub pieces: Vec<Piece>,
    /// Everything before is told by `pieces`.
    until: Timestamp,
}

impl Source<'_> {
    /// The windows of each series for the function that is chosen for its kind.
    ///
    /// # Errors
    /// Those of the store, and too many series or points.
    pub async fn fetch_chosen(&self, want: Want<'_>, chosen: Chosen) -> Result<Fetched, MetricStoreError> {
        let mut all = Fetched::default();
        for function in chosen.each() {
            let fetched = self.fetch(Want { function, ..want }).await?;
            all.final_until = all.final_until.max(fetched.final_until);
            let is_chosen = |found: &Found| chosen.of(found.kind) == function;
            all.series.extend(fetched.series.into_iter().filter(|(_, found)| is_chosen(found)));
        }
        Ok(all)
    }

    /// # Errors
    /// Those of the store, and too many series or points.
    async fn fetch(&self, want: Want<'_>) -> Result<Fetched, MetricStoreError> {
        let mut fetched = Fetched::default();
        let mut from = want.from;
        let widths = Resolution::ALL.into_iter().rev().filter(|width| *width <= want.resolution);
        for resolution in widths {
            // Quantiles of narrow windows say nothing of a wide one.
            if want.function.is_quantile() && resolution != want.resolution {
                break;
            }
            if from >= want.to {
                break;
            }
            let level = self.level(want, from, resolution).await?;
            let width_ms = resolution.as_millis();
            let newest = level.iter().filter_map(|(_, pieces)| pieces.last()).map(|piece| piece.start).max();
            for (series, pieces) in level {
                fetched.extend(series, pieces, want, width_ms);
            }
            if let Some(newest) = newest {
                let end = newest.saturating_add_millis(width_ms);
                fetched.final_until = fetched.final_until.max(Some(end));
                // Some partitions are behind others: their series still lack this level's last windows.
                from = from.max(end.saturating_sub_millis(3 * width_ms)).max(want.from);
            }
        }
        if !want.function.is_quantile() || want.resolution == Resolution::TenSeconds {
            self.overlay(want, &mut fetched)?;
        }
        Ok(fetched)
    }

    /// Pieces of every series from the stored windows of one width.
    async fn level(
        &self,
        want: Want<'_>,
        from: Timestamp,
        resolution: Resolution,
    ) -> Result<Vec<(Series, Vec<Piece>)>, MetricStoreError> {
        let width_ms = resolution.as_millis();
        let field = want.function.field();
        if field != Field::Increase {
            let series = self.stored(want, from.floor(width_ms), resolution, field).await?;
            return Ok(series.into_iter().map(|series| of_values(series, width_ms)).collect());
        }
        let start = from.floor(width_ms).saturating_sub_millis(LOOK_BACK_MS.max(2 * width_ms));
        let increases = self.stored(want, start, resolution, Field::Increase);
        if resolution != Resolution::TenSeconds {
            let series = increases.await?;
            return Ok(series.into_iter().map(|series| of_increases(series, width_ms)).collect());
        }
        // A window of 10 s with one sample knows its value only.
        let lasts = self.stored(want, start, resolution, Field::Last);
        let (lasts, increases) = tokio::try_join!(lasts, increases)?;
        let mut known: AHashMap<Labels, Vec<(Timestamp, f64)>> =
            increases.into_iter().map(|series| (series.series.labels, series.points)).collect();
        let counters = lasts.into_iter().map(|series| {
            let known = known.remove(&series.series.labels).unwrap_or_default();
            let windows = join(series.points, &known);
            (series.series, growths(windows.into_iter(), width_ms).into_iter().map(Piece::from).collect())
        });
        Ok(counters.collect())
    }

    async fn stored(
        &self,
        want: Want<'_>,
        start: Timestamp,
        resolution: Resolution,
        field: Field,
    ) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        let query = RangeQuery {
            selector: want.selector.clone(),
            range: TimeRange { start, end: want.to },
            resolution,
            field,
            max_series: self.max_series,
            max_points: self.max_points,
        };
        self.metrics.range(&query).await
    }

    fn overlay(&self, want: Want<'_>, fetched: &mut Fetched) -> Result<(), MetricStoreError> {
        let width_ms = Resolution::TenSeconds.as_millis();
        let field = want.function.field();
        let live = self.live.range(want.selector, Timestamp::MIN);
        if live.len() > self.max_series {
            return Err(MetricStoreError::TooManySeries { n_series: live.len(), limit: self.max_series });
        }
        for series in live {
            let pieces: Vec<Piece> = if field == Field::Increase {
                growths(series.windows.iter().map(counter_window), width_ms)
                    .into_iter()
                    .map(Piece::from)
                    .collect()
            } else {
                let piece = |window: &crate::live::LiveWindow| {
                    let value = window.aggregate.field(field)?;
                    Some(Piece { start: window.start, span_ms: width_ms, value })
                };
                series.windows.iter().filter_map(piece).collect()
            };
            let pieces = pieces.into_iter().filter(|piece| piece.start < want.to).collect();
            fetched.extend(series.series, pieces, want, width_ms);
        }
        Ok(())
    }
}

impl Fetched {
    /// Adds those pieces that the wider ones before them do not cover.
    fn extend(&mut self, series: Series, pieces: Vec<Piece>, want: Want<'_>, width_ms: i64) {
        let Series { labels, kind } = series;
        let first = Found { kind, function: want.function, pieces: Vec::new(), until: want.from };
        let found = self.series.entry(labels).or_insert(first);
        let until = found.until;
        found.pieces.extend(pieces.into_iter().filter(|piece| piece.start >= until));
        if let Some(last) = found.pieces.last() {
            found.until = found.until.max(last.start.saturating_add_millis(width_ms));
        }
    }
}

fn of_values(series: SeriesPoints, width_ms: i64) -> (Series, Vec<Piece>) {
    let piece = |(start, value)| Piece { start, span_ms: width_ms, value };
    (series.series, series.points.into_iter().map(piece).collect())
}

fn of_increases(series: SeriesPoints, width_ms: i64) -> (Series, Vec<Piece>) {
    let window = |(start, increase)| CounterWindow { start, last: None, increase: Some(increase) };
    let growths = growths(series.points.into_iter().map(window), width_ms);
    (series.series, growths.into_iter().map(Piece::from).collect())
}

/// Values with the increases that some of their windows know; both ascend.
fn join(lasts: Vec<(Timestamp, f64)>, increases: &[(Timestamp, f64)]) -> Vec<CounterWindow> {
    let increase = |start: Timestamp| {
        increases.binary_search_by_key(&start, |(start, _)| *start).ok().map(|at| increases[at].1)
    };
    lasts
        .into_iter()
        .map(|(start, last)| CounterWindow { start, last: Some(last), increase: increase(start) })
        .collect()
}
