//! Which series this process has written: for the limit of series, for the kinds of metrics, and for their text,
//! which takes longer to make than all the rest of a line.

use std::collections::hash_map::Entry;

use ahash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use sentinel_model::{MetricKind, SeriesId};

use super::lines::put_series;
use crate::Row;

/// Between two looks for series that were not written any more, once the limit is reached.
const SWEEP_MS: i64 = 60_000;

/// Texts of series that were not written for so long make room for others. Twice the widest windows but one: those of
/// an hour are few.
const TEXT_IDLE_MS: i64 = 10 * 60_000;

/// Of measurement and tags. The server holds them with a field's name in 65,535 bytes.
const MAX_SERIES_BYTES: usize = 65_000;

/// Bounded by the limit of series.
#[derive(Debug)]
pub(crate) struct KnownSeries {
    limit: usize,
    /// Series that are not written for this long are forgotten: their windows are gone from the narrowest
    /// bucket, and so they are new when they come back.
    idle_ms: i64,
    /// Bytes of text that are kept.
    text_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    series: HashMap<SeriesId, Known>,
    /// Number of the group of rows that is being written; 0 is none's.
    group: u64,
    text_bytes: usize,
    swept_ms: i64,
    texts_swept_ms: i64,
}

#[derive(Debug, Default)]
struct Known {
    /// The last group of rows that it was in; see [`Writing::next_group`].
    group: u64,
    /// Minute of the last write, which is exact enough.
    minute: u32,
    has_kind: bool,
    /// Measurement and tags, if there was room.
    text: Option<Box<[u8]>>,
}

/// What to do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Welcome<'a> {
    Write {
        /// Measurement and tags of its line.
        series: &'a [u8],
        /// Its metric's kind was not seen with this series before.
        is_new_kind: bool,
    },
    /// The series was in this group before.
    Repeated,
    OverLimit,
    /// The server holds no series of so long a text.
    TooLong,
}

impl KnownSeries {
    pub(crate) fn new(limit: usize, idle_ms: i64, text_bytes: usize) -> Self {
        Self { limit, idle_ms, text_bytes, state: Mutex::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.state.lock().series.len()
    }

    /// To decide about the rows of a write.
    pub(crate) fn begin(&self, now_ms: i64) -> Writing<'_> {
        let mut state = self.state.lock();
        let is_short = state.text_bytes > self.text_bytes / 8 * 7;
        if is_short && now_ms.saturating_sub(state.texts_swept_ms) >= SWEEP_MS {
            state.drop_texts(now_ms);
        }
        Writing { known: self, state, now_ms, made: Vec::new() }
    }
}

/// Nobody else writes meanwhile.
#[derive(Debug)]
pub(crate) struct Writing<'a> {
    known: &'a KnownSeries,
    state: MutexGuard<'a, State>,
    now_ms: i64,
    /// A text that was not kept.
    made: Vec<u8>,
}

impl Writing<'_> {
    /// Rows from here on are of another window: they repeat none of those before.
    pub(crate) fn next_group(&mut self) {
        self.state.group += 1;
    }

    /// Lets series in while there is room, in the order of the rows: where there is room for all, nothing needs to be
    /// done.
    pub(crate) fn admit<'a>(&mut self, rows: impl Iterator<Item = &'a Row> + Clone) {
        if self.state.series.len() + rows.clone().count() <= self.known.limit {
            return;
        }
        let minute = self.minute();
        for row in rows {
            let has_room = self.has_room();
            if has_room || self.state.series.contains_key(&row.id) {
                // From now on it is no longer idle.
                self.state.series.entry(row.id).or_default().minute = minute;
            }
        }
    }

    fn minute(&self) -> u32 {
        u32::try_from(self.now_ms / 60_000).unwrap_or(0)
    }

    fn has_room(&mut self) -> bool {
        let KnownSeries { limit, idle_ms, .. } = *self.known;
        let is_due = self.now_ms.saturating_sub(self.state.swept_ms) >= SWEEP_MS;
        if self.state.series.len() >= limit && is_due {
            self.state.sweep(self.now_ms, idle_ms);
        }
        self.state.series.len() < limit
    }

    pub(crate) fn welcome(&mut self, row: &Row) -> Welcome<'_> {
        let (has_room, minute) = (self.has_room(), self.minute());
        let state = &mut *self.state;
        let known = match state.series.entry(row.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) if has_room => new.insert(Known::default()),
            Entry::Vacant(_) => return Welcome::OverLimit,
        };
        if known.group == state.group {
            return Welcome::Repeated;
        }
        known.group = state.group;
        known.minute = minute;
        if known.text.is_none() {
            self.made.clear();
            put_series(&mut self.made, &row.series.labels);
            if self.made.len() > MAX_SERIES_BYTES {
                return Welcome::TooLong;
            }
            if self.made.len() <= self.known.text_bytes.saturating_sub(state.text_bytes) {
                known.text = Some(self.made.as_slice().into());
                state.text_bytes += self.made.len();
            }
        }
        let has_kind = row.series.kind != MetricKind::Unknown;
        let is_new_kind = has_kind && !known.has_kind;
        known.has_kind |= has_kind;
        Welcome::Write { series: known.text.as_deref().unwrap_or(&self.made), is_new_kind }
    }
}

impl State {
    fn sweep(&mut self, now_ms: i64, idle_ms: i64) {
        self.swept_ms = now_ms;
        self.series.retain(|_, known| now_ms - i64::from(known.minute) * 60_000 < idle_ms);
        self.count_texts();
    }

    /// Makes room where pods come and go: for the texts of series that are still written.
    fn drop_texts(&mut self, now_ms: i64) {
        self.texts_swept_ms = now_ms;
        let is_idle = |known: &Known| now_ms - i64::from(known.minute) * 60_000 > TEXT_IDLE_MS;
        self.series.values_mut().filter(|known| is_idle(known)).for_each(|known| known.text = None);
        self.count_texts();
    }

    fn count_texts(&mut self) {
        let texts = self.series.values().filter_map(|known| known.text.as_deref());
        self.text_bytes = texts.map(<[u8]>::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use sentinel_model::Aggregate;

    use super::*;
    use crate::contract::row;

    const HOUR_MS: i64 = 3_600_000;

    /// What became of each: its text, and whether its kind was new; `None` over the limit.
    fn verdicts(known: &KnownSeries, now_ms: i64, series: &[&str]) -> Vec<Option<(String, bool)>> {
        let rows: Vec<Row> = series.iter().map(|n| row("m", n, Aggregate::Single(0.0))).collect();
        let mut writing = known.begin(now_ms);
        let verdict = |row: &Row| {
            writing.next_group();
            match writing.welcome(row) {
                Welcome::Write { series, is_new_kind } => {
                    Some((String::from_utf8_lossy(series).into_owned(), is_new_kind))
                }
                _ => None,
            }
        };
        rows.iter().map(verdict).collect()
    }

    fn written(n: &str, is_new_kind: bool) -> Option<(String, bool)> {
        Some((format!("m,n={n}"), is_new_kind))
    }

    #[test]
    fn takes_as_many_series_as_the_limit_says_and_tells_of_a_kind_once() {
        let known = KnownSeries::new(2, HOUR_MS, 1_000);
        let found = verdicts(&known, 0, &["a", "b", "c", "a"]);
        assert_eq!(found, [written("a", true), written("b", true), None, written("a", false)]);
    }

    #[test]
    fn where_not_all_find_room_the_first_do() {
        let known = KnownSeries::new(2, HOUR_MS, 1_000);
        let rows = ["a", "b", "c"].map(|n| row("m", n, Aggregate::Single(0.0)));
        // "c" is idle later on, and gives its place to others.
        for (now_ms, chosen, expected) in
            [(0, &rows[2..], &[true][..]), (9 * HOUR_MS, &rows[..], &[false, true, true])]
        {
            let mut writing = known.begin(now_ms);
            writing.admit(chosen.iter());
            writing.next_group();
            let is_welcome: Vec<bool> = chosen
                .iter()
                .rev()
                .map(|row| matches!(writing.welcome(row), Welcome::Write { .. }))
                .collect();
            assert_eq!(is_welcome, expected);
        }
    }

    #[test]
    fn a_series_comes_once_in_a_group() {
        let known = KnownSeries::new(2, HOUR_MS, 1_000);
        let row = row("m", "a", Aggregate::Single(0.0));
        let mut writing = known.begin(0);
        for is_first in [true, false] {
            writing.next_group();
            assert!(
                matches!(writing.welcome(&row), Welcome::Write { is_new_kind, .. } if is_new_kind == is_first)
            );
            assert_eq!(writing.welcome(&row), Welcome::Repeated);
        }
    }

    #[test]
    fn forgets_series_that_ended() {
        let known = KnownSeries::new(2, HOUR_MS, 1_000);
        verdicts(&known, HOUR_MS, &["a", "b"]);
        assert_eq!(verdicts(&known, 2 * HOUR_MS - 60_000, &["b", "c"]), [written("b", false), None]);
        assert_eq!(verdicts(&known, 2 * HOUR_MS + 60_000, &["c"]), [written("c", true)]);
    }

    #[test]
    fn gives_the_same_text_whether_there_was_room_to_keep_it_or_not() {
        // Room for one of five bytes.
        let known = KnownSeries::new(10, 9 * HOUR_MS, 5);
        for is_first in [true, false] {
            let expected = [written("a", is_first), written("b", is_first)];
            assert_eq!(verdicts(&known, HOUR_MS, &["a", "b"]), expected);
            assert_eq!(known.state.lock().text_bytes, 5);
        }
        // An hour later the room is that of those who are still there.
        assert_eq!(verdicts(&known, 2 * HOUR_MS, &["b"]), [written("b", false)]);
        let has_text =
            |id: &str| known.state.lock().series[&row("m", id, Aggregate::Single(0.0)).id].text.is_some();
        assert_eq!((has_text("a"), has_text("b"), known.state.lock().text_bytes), (false, true, 5));
        known.state.lock().sweep(4 * HOUR_MS, HOUR_MS);
        assert_eq!(known.state.lock().text_bytes, 0);
    }
}
