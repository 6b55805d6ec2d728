//! Which series this process has written: for the limit of series, and for the kinds of metrics.

use std::collections::hash_map::Entry;

use ahash::HashMap;
use parking_lot::Mutex;
use sentinel_model::{MetricKind, SeriesId};

use crate::Row;

/// Between two looks for series that were not written any more, once the limit is reached.
const SWEEP_MS: i64 = 60_000;

/// Bounded by the limit of series.
#[derive(Debug)]
pub(crate) struct KnownSeries {
    limit: usize,
    /// Series that are not written for this long are forgotten: their windows are gone from the narrowest
    /// bucket, and so they are new when they come back.
    idle_ms: i64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    series: HashMap<SeriesId, Known>,
    swept_ms: i64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// Minute of the last write, which is exact enough.
    minute: u32,
    has_kind: bool,
}

/// What to do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Welcome {
    Known,
    /// Its metric's kind was not seen with this series before.
    Kind,
    OverLimit,
}

impl KnownSeries {
    pub(crate) fn new(limit: usize, idle_ms: i64) -> Self {
        Self { limit, idle_ms, state: Mutex::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().series.len()
    }

    /// Decides about rows in their order, and calls `each` with the verdict.
    pub(crate) fn welcome<'a, T>(
        &self,
        now_ms: i64,
        rows: impl Iterator<Item = (T, &'a Row)>,
        mut each: impl FnMut(T, &'a Row, Welcome),
    ) {
        let minute = u32::try_from(now_ms / 60_000).unwrap_or(0);
        let mut state = self.state.lock();
        for (at, row) in rows {
            if state.series.len() >= self.limit && now_ms.saturating_sub(state.swept_ms) >= SWEEP_MS {
                state.sweep(now_ms, self.idle_ms);
            }
            let is_full = state.series.len() >= self.limit;
            let has_kind = row.series.kind != MetricKind::Unknown;
            let verdict = match state.series.entry(row.id) {
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.minute = minute;
                    let is_news = has_kind && !known.has_kind;
                    known.has_kind |= has_kind;
                    if is_news { Welcome::Kind } else { Welcome::Known }
                }
                Entry::Vacant(_) if is_full => Welcome::OverLimit,
                Entry::Vacant(new) => {
                    new.insert(Known { minute, has_kind });
                    if has_kind { Welcome::Kind } else { Welcome::Known }
                }
            };
            each(at, row, verdict);
        }
    }
}

impl State {
    fn sweep(&mut self, now_ms: i64, idle_ms: i64) {
        self.swept_ms = now_ms;
        self.series.retain(|_, known| now_ms - i64::from(known.minute) * 60_000 < idle_ms);
    }
}

#[cfg(test)]
mod tests {
    use sentinel_model::Aggregate;

    use super::*;
    use crate::contract::row;

    const HOUR_MS: i64 = 3_600_000;

    fn verdicts(known: &KnownSeries, now_ms: i64, series: &[&str]) -> Vec<Welcome> {
        let rows: Vec<Row> = series.iter().map(|n| row("m", n, Aggregate::Single(0.0))).collect();
        let mut verdicts = Vec::new();
        known.welcome(now_ms, rows.iter().enumerate(), |_, _, verdict| verdicts.push(verdict));
        verdicts
    }

    #[test]
    fn takes_as_many_series_as_the_limit_says_and_tells_of_a_kind_once() {
        let known = KnownSeries::new(2, HOUR_MS);
        let found = verdicts(&known, 0, &["a", "b", "c", "a"]);
        assert_eq!(found, [Welcome::Kind, Welcome::Kind, Welcome::OverLimit, Welcome::Known]);
    }

    #[test]
    fn forgets_series_that_ended() {
        let known = KnownSeries::new(2, HOUR_MS);
        verdicts(&known, HOUR_MS, &["a", "b"]);
        assert_eq!(verdicts(&known, 2 * HOUR_MS - 60_000, &["b", "c"]), [Welcome::Known, Welcome::OverLimit]);
        assert_eq!(verdicts(&known, 2 * HOUR_MS + 60_000, &["c"]), [Welcome::Kind]);
    }
}
