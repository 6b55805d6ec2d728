//! Moving rows from the head into chunks.
//!
//! A span's rows are merged into its chunks one chunk at a time; their write-ahead entries go last. So
//! a crash in between leaves rows both in a chunk and in an entry, and the next round merges them into
//! the chunk once more, which changes nothing.

use fjall::{Slice, UserKey};
use sentinel_model::Aggregate;
use tracing::error;

use super::chunk::{self, Chunk, Columns, SeriesRows};
use super::core::Core;
use super::entry::{SpanInfo, put_present, read_present};
use super::head::{Layer, merge, same_bits};
use super::span::Span;
use super::storage::{chunk_key, span_key, wal_key};
use crate::MetricStoreError;

/// Rows of a chunk when it is cut. More make chunks smaller for each row and slower to read.
const TARGET_ROWS: usize = 16_384;
/// Rows at which a chunk is cut.
const MAX_ROWS: usize = TARGET_ROWS * 3 / 2;
/// Keys removed in one batch.
pub(super) const MAX_REMOVALS: usize = 4_096;

/// One chunk and the rows that go into it.
struct Merged {
    series: Vec<SeriesRows>,
    n_added: u64,
    is_changed: bool,
}

impl Core {
    /// Moves all rows of a span that are in the head now into its chunks.
    pub(crate) fn seal(&self, span: Span) -> Result<(), MetricStoreError> {
        let _maintenance = self.maintenance.lock();
        let Some(frozen) = self.state.write().head.freeze(span) else { return Ok(()) };
        // From the disk: an earlier round that failed may have got further than the state says.
        let info = self.storage.spans.get(span_key(span))?.map(|bytes| SpanInfo::read(&bytes)).transpose()?;
        let mut info = info.unwrap_or_default().with(&frozen);
        let firsts = self.chunk_firsts(span)?;
        // The first chunk takes series before it, too, and the last one those after it.
        let mut starts = firsts.clone();
        starts.first_mut().map(|first| *first = 0).unwrap_or_else(|| starts.push(0));
        for (at, start) in starts.iter().enumerate() {
            let numbers: Vec<u32> = frozen.numbers_in(*start, starts.get(at + 1).copied()).collect();
            if !numbers.is_empty() {
                self.seal_chunk(span, firsts.get(at).copied(), &frozen, &numbers, &mut info)?;
            }
        }
        self.finish_seal(span, &frozen, info)?;
        let mut state = self.state.write();
        state.sealed.insert(span, info);
        state.head.release(span);
        drop(state);
        self.room.freed.notify_all();
        Ok(())
    }

    /// First series of each chunk of a span, ascending.
    fn chunk_firsts(&self, span: Span) -> Result<Vec<u32>, MetricStoreError> {
        let chunks = self.storage.chunks(span.resolution);
        let mut firsts = Vec::new();
        for entry in chunks.range(chunk_key(span, 0)..=chunk_key(span, u32::MAX)) {
            firsts.push(first_series(&entry.key()?));
        }
        Ok(firsts)
    }

    fn seal_chunk(
        &self,
        span: Span,
        existing: Option<u32>,
        frozen: &Layer,
        numbers: &[u32],
        info: &mut SpanInfo,
    ) -> Result<(), MetricStoreError> {
        let chunks = self.storage.chunks(span.resolution);
        let bytes = match existing {
            Some(first) => chunks.get(chunk_key(span, first))?,
            None => None,
        };
        let chunk = bytes.and_then(|bytes| self.open_whole(span, bytes));
        let merged = merge_chunk(chunk.as_ref(), frozen, numbers);
        if !merged.is_changed {
            return Ok(());
        }
        info.n_rows += merged.n_added;
        let mut batch = self.storage.batch();
        let pieces = cut(&merged.series);
        if let Some(first) = existing
            && pieces.first().is_none_or(|piece| piece[0].number != first)
        {
            batch.remove(chunks, chunk_key(span, first));
        }
        for piece in &pieces {
            batch.insert(chunks, chunk_key(span, piece[0].number), chunk::encode(piece));
        }
        batch.insert(&self.storage.spans, span_key(span), info.put());
        batch.commit()?;
        self.durability.committed();
        self.metrics.sealed_chunks.inc_by(pieces.len() as u64);
        Ok(())
    }

    /// A chunk with all its columns; `None`, counted, if it cannot be read: then what is in it is lost
    /// already, and new rows should not be lost with it.
    fn open_whole(&self, span: Span, bytes: Slice) -> Option<Chunk<Slice>> {
        let opened = Chunk::open(bytes).and_then(|mut chunk| {
            chunk.load(Columns::ALL)?;
            Ok(chunk)
        });
        opened
            .inspect_err(|error| {
                self.metrics.corrupt_chunks.inc();
                error!(%error, ?span, "gave up a chunk that cannot be read");
            })
            .ok()
    }

    fn finish_seal(&self, span: Span, frozen: &Layer, info: SpanInfo) -> Result<(), MetricStoreError> {
        let mut present_key = span_key(span).to_vec();
        present_key.push(0);
        let mut present = match self.storage.spans.get(&present_key)? {
            Some(bytes) => read_present(&bytes)?,
            None => Vec::new(),
        };
        present.extend(frozen.numbers());
        present.sort_unstable();
        present.dedup();
        let mut batch = self.storage.batch();
        batch.insert(&self.storage.spans, present_key, put_present(&present));
        batch.insert(&self.storage.spans, span_key(span), info.put());
        // The record of present series must be there before the entries that prove the same are gone.
        for entry in self.storage.wal.range(wal_key(span, 0)..=wal_key(span, frozen.wal_through)) {
            batch.remove(&self.storage.wal, entry.key()?);
            if batch.len() >= MAX_REMOVALS {
                std::mem::replace(&mut batch, self.storage.batch()).commit()?;
            }
        }
        batch.commit()?;
        self.durability.committed();
        Ok(())
    }
}

impl SpanInfo {
    fn with(mut self, frozen: &Layer) -> Self {
        self.oldest_window = if self.n_rows == 0 {
            frozen.oldest_window()
        } else {
            self.oldest_window.min(frozen.oldest_window())
        };
        self.newest_window = self.newest_window.max(frozen.newest_window());
        self
    }
}

fn first_series(key: &UserKey) -> u32 {
    key.last_chunk::<4>().map_or(0, |number| u32::from_be_bytes(*number))
}

/// `numbers`: the series of the head that belong to this chunk, ascending.
fn merge_chunk(chunk: Option<&Chunk<Slice>>, frozen: &Layer, numbers: &[u32]) -> Merged {
    let mut merged = Merged { series: Vec::new(), n_added: 0, is_changed: false };
    let held = chunk.map(Chunk::numbers).unwrap_or_default();
    let mut at = 0;
    let mut numbers = numbers.iter().copied().peekable();
    while at < held.len() || numbers.peek().is_some() {
        let next_held = held.get(at).copied();
        let next_new = numbers.peek().copied();
        let number = next_held.into_iter().chain(next_new).min().unwrap_or_default();
        let mut rows = Vec::new();
        if next_held == Some(number) {
            rows = chunk.map(|chunk| chunk.rows(at)).unwrap_or_default();
            at += 1;
        }
        if numbers.next_if_eq(&number).is_some() {
            let newer = frozen.rows(number);
            merged.note_changes(&rows, &newer);
            rows = merge(rows, newer);
        }
        merged.series.push(SeriesRows { number, rows });
    }
    merged
}

impl Merged {
    fn note_changes(&mut self, held: &[(u32, Aggregate)], newer: &[(u32, Aggregate)]) {
        for (window, aggregate) in newer {
            match held.binary_search_by_key(window, |(window, _)| *window) {
                Ok(at) => self.is_changed |= !same_bits(&held[at].1, aggregate),
                Err(_) => {
                    self.n_added += 1;
                    self.is_changed = true;
                }
            }
        }
    }
}

/// Chunks of about [`TARGET_ROWS`], cut between series.
fn cut(series: &[SeriesRows]) -> Vec<&[SeriesRows]> {
    let n_rows: usize = series.iter().map(|one| one.rows.len()).sum();
    if n_rows <= MAX_ROWS {
        return vec![series];
    }
    let n_pieces = n_rows.div_ceil(TARGET_ROWS);
    let mut pieces = Vec::with_capacity(n_pieces);
    let (mut start, mut n_before) = (0, 0);
    for (at, one) in series.iter().enumerate() {
        n_before += one.rows.len();
        if n_before * n_pieces >= n_rows * (pieces.len() + 1) {
            pieces.push(&series[start..=at]);
            start = at + 1;
        }
    }
    if start < series.len() {
        pieces.push(&series[start..]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_evenly_between_series_and_loses_none() {
        let series: Vec<SeriesRows> = (0..1_000)
            .map(|number| SeriesRows {
                number,
                rows: (0..30 + number % 60).map(|window| (window, Aggregate::Single(0.0))).collect(),
            })
            .collect();
        let pieces = cut(&series);
        assert_eq!(pieces.concat(), series);
        for piece in &pieces {
            let n_rows: usize = piece.iter().map(|one| one.rows.len()).sum();
            assert!((TARGET_ROWS / 2..=MAX_ROWS).contains(&n_rows), "{n_rows} rows");
        }
        assert_eq!(cut(&series[..3]).len(), 1);
    }
}
