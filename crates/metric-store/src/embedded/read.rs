//! Answering queries from the head and the chunks.

use std::collections::{BTreeMap, BTreeSet};

use fjall::{Readable, Slice, Snapshot};
use sentinel_model::{Aggregate, Field, Series, Timestamp};

use super::chunk::{Chunk, Columns};
use super::core::{Core, State};
use super::head::merge;
use super::span::{Grid, Span, index_of};
use super::storage::chunk_key;
use crate::{MetricStoreError, RangeQuery, SeriesPoints};

/// Values of one field by window; `None` where the window does not know it.
type Values = Vec<(u32, Option<f64>)>;

/// What a query needs of the state; chunks are read from the snapshot, without a lock.
struct View {
    /// In order of labels.
    chosen: Vec<Chosen>,
    /// Places in `chosen`, in order of numbers.
    by_number: Vec<usize>,
    /// Spans that overlap the range, ascending.
    spans: BTreeSet<Span>,
    /// Rows of the head.
    unsealed: BTreeMap<(Span, u32), Values>,
    snapshot: Snapshot,
}

struct Chosen {
    number: u32,
    series: Series,
    /// Start of the newest span in which it has a window.
    newest: Option<i64>,
    points: Vec<(Timestamp, f64)>,
}

/// The chunk that was opened last: series that lie beside each other are in the same one.
#[derive(Default)]
pub(super) struct Opened {
    span: Option<Span>,
    chunk: Option<Chunk<Slice>>,
}

impl Core {
    pub(crate) fn range(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        let mut view = self.view(query)?;
        let mut n_points = 0;
        for span in std::mem::take(&mut view.spans) {
            let mut opened = Opened::default();
            for at in 0..view.by_number.len() {
                let at = view.by_number[at];
                let values = self.values(&mut view, &mut opened, (span, at), query)?;
                let known = values.into_iter().filter_map(|(start, value)| Some((start, value?)));
                let points = &mut view.chosen[at].points;
                let n_before = points.len();
                points.extend(known);
                n_points += points.len() - n_before;
                if n_points > query.max_points {
                    return Err(MetricStoreError::TooManyPoints { limit: query.max_points });
                }
            }
        }
        Ok(view.answer())
    }

    pub(crate) fn latest(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        let mut view = self.view(query)?;
        let mut missing = view.by_number.clone();
        let mut n_points = 0;
        for span in std::mem::take(&mut view.spans).into_iter().rev() {
            let mut opened = Opened::default();
            let mut still_missing = Vec::new();
            for at in missing {
                match self.values(&mut view, &mut opened, (span, at), query)?.pop() {
                    Some((start, Some(value))) => {
                        view.chosen[at].points.push((start, value));
                        n_points += 1;
                    }
                    // The newest window does not know this field.
                    Some((_, None)) => {}
                    None => still_missing.push(at),
                }
            }
            missing = still_missing;
            if n_points > query.max_points {
                return Err(MetricStoreError::TooManyPoints { limit: query.max_points });
            }
        }
        Ok(view.answer())
    }

    fn view(&self, query: &RangeQuery) -> Result<View, MetricStoreError> {
        let state = self.state.read();
        let mut numbers = state.index.select(&query.selector);
        if numbers.len() > query.max_series {
            return Err(MetricStoreError::TooManySeries { n_series: numbers.len(), limit: query.max_series });
        }
        let spans = self.overlapping(&state, query);
        let mut unsealed = BTreeMap::new();
        for span in state.head.spans(query.resolution).intersection(&spans) {
            for number in &numbers {
                let rows = state.head.rows(*span, *number);
                if !rows.is_empty() {
                    unsealed.insert((*span, *number), values_of(rows, query.field));
                }
            }
        }
        state.index.sort(&mut numbers, usize::MAX);
        let resolution = index_of(query.resolution);
        let chosen = |number: u32| {
            let newest = state.index.newest(number, resolution);
            let series = state.index.series(number)?;
            Some(Chosen { number, series, newest, points: Vec::new() })
        };
        let chosen: Vec<Chosen> = numbers.into_iter().filter_map(chosen).collect();
        let mut by_number: Vec<usize> = (0..chosen.len()).collect();
        by_number.sort_unstable_by_key(|at| chosen[*at].number);
        // Under the lock: what has left the head is in this snapshot's chunks.
        let snapshot = self.storage.database().snapshot();
        Ok(View { chosen, by_number, spans, unsealed, snapshot })
    }

    fn overlapping(&self, state: &State, query: &RangeQuery) -> BTreeSet<Span> {
        let mut spans = state.head.spans(query.resolution);
        spans.extend(state.sealed.keys().filter(|span| span.resolution == query.resolution).copied());
        spans.retain(|span| {
            span.start_ms < query.range.end.as_millis()
                && self.grid.end_ms(*span) > query.range.start.as_millis()
        });
        spans
    }

    /// Windows of one series in one span that start in the range, ascending.
    fn values(
        &self,
        view: &mut View,
        opened: &mut Opened,
        (span, at): (Span, usize),
        query: &RangeQuery,
    ) -> Result<Vec<(Timestamp, Option<f64>)>, MetricStoreError> {
        let chosen = &view.chosen[at];
        if chosen.newest.is_none_or(|newest| newest < span.start_ms) {
            return Ok(Vec::new());
        }
        let number = chosen.number;
        let unsealed = view.unsealed.remove(&(span, number)).unwrap_or_default();
        let sealed = match self.chunk(&view.snapshot, opened, span, number)? {
            Some(chunk) => sealed_values(chunk, number, query.field)?,
            None => Values::new(),
        };
        let started = merge(sealed, unsealed)
            .into_iter()
            .map(|(window, value)| (Grid::start_of(span, window), value))
            .filter(|(start, _)| (query.range.start..query.range.end).contains(start));
        Ok(started.collect())
    }

    /// The chunk in which a series must be, if it is in any of this span.
    pub(super) fn chunk<'a>(
        &self,
        snapshot: &Snapshot,
        opened: &'a mut Opened,
        span: Span,
        number: u32,
    ) -> Result<Option<&'a mut Chunk<Slice>>, MetricStoreError> {
        let covers = |chunk: &Chunk<Slice>| {
            chunk.numbers().first().is_some_and(|first| *first <= number)
                && chunk.numbers().last().is_some_and(|last| *last >= number)
        };
        if opened.span != Some(span) || !opened.chunk.as_ref().is_some_and(covers) {
            let keyspace = self.storage.chunks(span.resolution);
            let mut before = snapshot.range(keyspace, chunk_key(span, 0)..=chunk_key(span, number));
            *opened = Opened { span: Some(span), chunk: None };
            if let Some(entry) = before.next_back() {
                opened.chunk = Some(Chunk::open(entry.value()?)?);
            }
        }
        Ok(opened.chunk.as_mut())
    }
}

// === impl View ===

impl View {
    /// Series that have points, in order of labels.
    fn answer(self) -> Vec<SeriesPoints> {
        let with_points = self.chosen.into_iter().filter(|chosen| !chosen.points.is_empty());
        with_points.map(|chosen| SeriesPoints { series: chosen.series, points: chosen.points }).collect()
    }
}

fn values_of(rows: Vec<(u32, Aggregate)>, field: Field) -> Values {
    rows.into_iter().map(|(window, aggregate)| (window, aggregate.field(field))).collect()
}

fn sealed_values(chunk: &mut Chunk<Slice>, number: u32, field: Field) -> Result<Values, MetricStoreError> {
    let Ok(at) = chunk.numbers().binary_search(&number) else { return Ok(Values::new()) };
    chunk.load(Columns::of(field))?;
    Ok(values_of(chunk.rows(at), field))
}
