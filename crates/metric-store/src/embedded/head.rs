//! Rows that are not in chunks yet, in memory. Each of them is also in a write-ahead entry.
//!
//! A span's rows are in up to two layers: those being moved into chunks, which no longer change, and
//! those that came since.

mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use sentinel_model::{Aggregate, Resolution};

use super::span::Span;
pub(crate) use rows::same_bits;
use rows::{Change, Rows};

#[derive(Debug, Default)]
pub(crate) struct Head {
    active: BTreeMap<Span, Layer>,
    sealing: BTreeMap<Span, Arc<Layer>>,
}

/// Unsealed rows of one span.
#[derive(Debug)]
pub(crate) struct Layer {
    series: BTreeMap<u32, Rows>,
    windows: BTreeSet<u32>,
    /// Largest sequence of the write-ahead entries that these rows came from.
    pub(crate) wal_through: u64,
    pub(crate) changed: Instant,
    bytes: usize,
}

/// What [`Head`] says of one layer that could be moved into chunks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) span: Span,
    pub(crate) n_windows: usize,
    pub(crate) changed: Instant,
    pub(crate) bytes: usize,
}

// === impl Head ===

impl Head {
    pub(crate) fn put(&mut self, span: Span, row: (u32, u32, &Aggregate), sequence: u64) {
        let layer = self.active.entry(span).or_insert_with(Layer::new);
        layer.put(row, sequence);
    }

    /// Whether readers see exactly this row already, so that writing it again changes nothing.
    pub(crate) fn holds(&self, span: Span, (window, number, aggregate): (u32, u32, &Aggregate)) -> bool {
        let in_layer =
            |layer: &Layer| layer.series.get(&number).and_then(|rows| rows.compare(window, aggregate));
        self.active
            .get(&span)
            .and_then(in_layer)
            .or_else(|| self.sealing.get(&span).and_then(|layer| in_layer(layer)))
            .unwrap_or_default()
    }

    /// Rows of one series, ascending by window.
    pub(crate) fn rows(&self, span: Span, number: u32) -> Vec<(u32, Aggregate)> {
        let sealing = self.sealing.get(&span).map(|layer| layer.rows(number)).unwrap_or_default();
        let active = self.active.get(&span).map(|layer| layer.rows(number)).unwrap_or_default();
        merge(sealing, active)
    }

    /// Spans of a resolution that have rows here, ascending.
    pub(crate) fn spans(&self, resolution: Resolution) -> BTreeSet<Span> {
        let all = self.active.keys().chain(self.sealing.keys());
        all.filter(|span| span.resolution == resolution).copied().collect()
    }

    /// Series that have rows in this span.
    pub(crate) fn numbers(&self, span: Span) -> BTreeSet<u32> {
        let sealing = self.sealing.get(&span).map(Arc::as_ref);
        self.active.get(&span).into_iter().chain(sealing).flat_map(Layer::numbers).collect()
    }

    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(span, layer): (&Span, &Layer)| Candidate {
            span: *span,
            n_windows: layer.windows.len(),
            changed: layer.changed,
            bytes: layer.bytes,
        };
        self.active.iter().map(candidate).collect()
    }

    /// Sets the rows of a span aside to be moved into chunks; those of a move that failed come first.
    pub(crate) fn freeze(&mut self, span: Span) -> Option<Arc<Layer>> {
        if let Some(frozen) = self.sealing.get(&span) {
            return Some(Arc::clone(frozen));
        }
        let frozen = Arc::new(self.active.remove(&span)?);
        self.sealing.insert(span, Arc::clone(&frozen));
        Some(frozen)
    }

    /// Forgets the rows that [`Self::freeze`] set aside: they are in chunks now.
    pub(crate) fn release(&mut self, span: Span) {
        self.sealing.remove(&span);
    }

    /// A span whose rows are set aside.
    pub(crate) fn frozen(&self) -> Option<Span> {
        self.sealing.keys().next().copied()
    }

    pub(crate) fn oldest_window(&self, span: Span) -> Option<u32> {
        let sealing = self.sealing.get(&span).map(Arc::as_ref);
        self.active.get(&span).into_iter().chain(sealing).map(Layer::oldest_window).min()
    }

    pub(crate) fn drop_span(&mut self, span: Span) {
        self.active.remove(&span);
        self.sealing.remove(&span);
    }

    /// Bytes of memory that the rows take.
    pub(crate) fn bytes(&self) -> usize {
        let sealing = self.sealing.values().map(|layer| layer.bytes);
        self.active.values().map(|layer| layer.bytes).chain(sealing).sum()
    }
}

// === impl Layer ===

impl Layer {
    fn new() -> Self {
        Self {
            series: BTreeMap::new(),
            windows: BTreeSet::new(),
            wal_through: 0,
            changed: Instant::now(),
            bytes: 0,
        }
    }

    fn put(&mut self, (window, number, aggregate): (u32, u32, &Aggregate), sequence: u64) {
        self.wal_through = self.wal_through.max(sequence);
        let rows = self.series.entry(number).or_default();
        let before = if rows.is_empty() { 0 } else { rows.memory() };
        if rows.put(window, aggregate) == Change::Added {
            self.windows.insert(window);
        }
        self.bytes = self.bytes + rows.memory() - before;
        self.changed = Instant::now();
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.series.keys().copied()
    }

    /// Numbers from `first` up to before `end`.
    pub(crate) fn numbers_in(&self, first: u32, end: Option<u32>) -> impl Iterator<Item = u32> + '_ {
        let is_before_end = move |number: &u32| end.is_none_or(|end| *number < end);
        self.series.range(first..).map(|(number, _)| *number).take_while(is_before_end)
    }

    pub(crate) fn rows(&self, number: u32) -> Vec<(u32, Aggregate)> {
        self.series.get(&number).map(Rows::decode).unwrap_or_default()
    }

    pub(crate) fn oldest_window(&self) -> u32 {
        self.windows.first().copied().unwrap_or_default()
    }

    pub(crate) fn newest_window(&self) -> u32 {
        self.windows.last().copied().unwrap_or_default()
    }
}

/// Rows of both, ascending by window; where both have one, the newer.
pub(crate) fn merge<T>(older: Vec<(u32, T)>, newer: Vec<(u32, T)>) -> Vec<(u32, T)> {
    if older.is_empty() {
        return newer;
    }
    let mut merged = Vec::with_capacity(older.len() + newer.len());
    let mut older = older.into_iter().peekable();
    for (window, value) in newer {
        while let Some(row) = older.next_if(|(other, _)| *other < window) {
            merged.push(row);
        }
        older.next_if(|(other, _)| *other == window);
        merged.push((window, value));
    }
    merged.extend(older);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { resolution: Resolution::OneMinute, start_ms: 0 };

    fn values(head: &Head, number: u32) -> Vec<(u32, f64)> {
        head.rows(SPAN, number).iter().map(|(window, aggregate)| (*window, aggregate.last())).collect()
    }

    #[test]
    fn newer_rows_hide_those_that_are_being_moved() {
        let mut head = Head::default();
        head.put(SPAN, (1, 7, &Aggregate::Single(1.0)), 1);
        head.put(SPAN, (3, 7, &Aggregate::Single(3.0)), 2);
        let frozen = head.freeze(SPAN).expect("rows");
        assert_eq!(frozen.wal_through, 2);
        head.put(SPAN, (3, 7, &Aggregate::Single(33.0)), 3);
        head.put(SPAN, (2, 7, &Aggregate::Single(2.0)), 3);
        assert_eq!(values(&head, 7), [(1, 1.0), (2, 2.0), (3, 33.0)]);
        assert!(head.holds(SPAN, (1, 7, &Aggregate::Single(1.0))));
        assert!(!head.holds(SPAN, (3, 7, &Aggregate::Single(3.0))), "it was replaced since");
        head.release(SPAN);
        assert_eq!(values(&head, 7), [(2, 2.0), (3, 33.0)]);
    }

    #[test]
    fn a_move_that_failed_is_tried_again_with_the_same_rows() {
        let mut head = Head::default();
        head.put(SPAN, (1, 7, &Aggregate::Single(1.0)), 1);
        let first = head.freeze(SPAN).expect("rows");
        head.put(SPAN, (2, 7, &Aggregate::Single(2.0)), 2);
        let second = head.freeze(SPAN).expect("rows");
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(head.candidates().len(), 1, "what came since waits for its turn");
    }

    #[test]
    fn counts_its_bytes_down_to_nothing() {
        let mut head = Head::default();
        for window in 0..100 {
            head.put(SPAN, (window, window % 3, &Aggregate::Single(0.5)), 1);
        }
        assert!(head.bytes() >= 100 * 10, "{}", head.bytes());
        head.freeze(SPAN);
        assert!(head.bytes() >= 100 * 10, "they still take memory");
        head.release(SPAN);
        assert_eq!(head.bytes(), 0);
    }
}
