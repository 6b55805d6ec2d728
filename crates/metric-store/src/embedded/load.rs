//! Reading everything back when the store is opened.

use std::collections::BTreeMap;

use ahash::HashMap;
use sentinel_model::Aggregate;
use tracing::{info, warn};

use super::codec::{CodecError, Reader, put_varint};
use super::core::{Sequences, State};
use super::definitions;
use super::entry::{SpanInfo, WalEntry, read_present};
use super::index::NewestSpans;
use super::span::{Grid, Span, index_of};
use super::storage::{Storage, read_span_key, read_wal_key};
use crate::MetricStoreError;

/// Raised when older binaries could not read what newer ones write.
const FORMAT: u64 = 1;
const FORMAT_KEY: &str = "format";
const GRID_KEY: &str = "chunk_windows";

/// The grid that the folder was created with.
pub(super) fn grid(storage: &Storage, configured: u32) -> Result<Grid, MetricStoreError> {
    let read = |key: &str| -> Result<Option<u64>, MetricStoreError> {
        let Some(bytes) = storage.meta.get(key)? else { return Ok(None) };
        Ok(Some(Reader::new(&bytes).varint()?))
    };
    match read(FORMAT_KEY)? {
        None => {
            let mut batch = storage.batch();
            for (key, value) in [(FORMAT_KEY, FORMAT), (GRID_KEY, u64::from(configured))] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, value);
                batch.insert(&storage.meta, key, bytes);
            }
            batch.commit()?;
            Ok(Grid::new(configured))
        }
        Some(FORMAT) => {
            let windows = read(GRID_KEY)?.and_then(|windows| u32::try_from(windows).ok()).filter(|n| *n > 0);
            let windows = windows.ok_or(CodecError::Bounds { what: "chunk_windows" })?;
            if windows != configured {
                info!(windows, configured, "keep the chunk_windows that the data folder was created with");
            }
            Ok(Grid::new(windows))
        }
        Some(found) => Err(MetricStoreError::Open {
            message: format!("the data has format {found}, this binary knows {FORMAT}"),
        }),
    }
}

/// Newest spans of all series that have rows.
type Alive = HashMap<u32, NewestSpans>;

pub(super) fn load(storage: &Storage, grid: Grid) -> Result<(State, Sequences), MetricStoreError> {
    let mut alive = Alive::default();
    let mut state = State { sealed: read_spans(storage, &mut alive)?, ..State::default() };
    let wal = read_wal(storage, &mut alive)?;
    let mut sequences = read_definitions(storage, &alive, &mut state)?;
    for (number, newest) in &alive {
        for (resolution, span) in newest.iter().enumerate() {
            if let Some(start_ms) = span {
                state.index.touch(*number, resolution, *start_ms);
            }
        }
        sequences.series = sequences.series.max(number.saturating_add(1));
    }
    let mut n_orphans = 0usize;
    for WalRow { span, sequence, window, number, aggregate } in wal {
        sequences.wal = sequences.wal.max(sequence + 1);
        if state.index.contains(number) {
            state.head.put(span, (window, number, &aggregate), sequence);
            state.newest = state.newest.max(Some(Grid::start_of(span, window)));
        } else {
            n_orphans += 1;
        }
    }
    if n_orphans > 0 {
        warn!(n_rows = n_orphans, "left out rows whose series are not defined");
    }
    let sealed = state.sealed.iter().map(|(span, info)| Grid::start_of(*span, info.newest_window)).max();
    state.newest = state.newest.max(sealed);
    info!(
        n_series = state.index.len(),
        n_spans = state.sealed.len(),
        chunk_windows = grid.windows(),
        "loaded"
    );
    Ok((state, sequences))
}

struct WalRow {
    span: Span,
    sequence: u64,
    window: u32,
    number: u32,
    aggregate: Aggregate,
}

fn read_spans(storage: &Storage, alive: &mut Alive) -> Result<BTreeMap<Span, SpanInfo>, MetricStoreError> {
    let mut sealed = BTreeMap::new();
    for entry in storage.spans.iter() {
        let (key, value) = entry.into_inner()?;
        let span = read_span_key(&key).ok_or(CodecError::Bounds { what: "key of a span" })?;
        if key.len() == 9 {
            sealed.insert(span, SpanInfo::read(&value)?);
        } else {
            for number in read_present(&value)? {
                touch(alive, number, span);
            }
        }
    }
    Ok(sealed)
}

fn read_wal(storage: &Storage, alive: &mut Alive) -> Result<Vec<WalRow>, MetricStoreError> {
    let mut rows = Vec::new();
    for entry in storage.wal.iter() {
        let (key, value) = entry.into_inner()?;
        let (span, sequence) =
            read_wal_key(&key).ok_or(CodecError::Bounds { what: "key of a write-ahead entry" })?;
        for (window, number, aggregate) in WalEntry::read(&value)? {
            touch(alive, number, span);
            rows.push(WalRow { span, sequence, window, number, aggregate });
        }
    }
    Ok(rows)
}

/// Defines the series that have rows. Later records correct earlier ones.
fn read_definitions(
    storage: &Storage,
    alive: &Alive,
    state: &mut State,
) -> Result<Sequences, MetricStoreError> {
    let mut sequences = Sequences::default();
    for entry in storage.series.iter() {
        let (key, value) = entry.into_inner()?;
        let key = key.as_ref().try_into().map_err(|_| CodecError::Bounds { what: "key of a definition" })?;
        let key = u32::from_be_bytes(key);
        let definitions = definitions::decode(&value)?;
        sequences.records.insert(key, definitions.len());
        sequences.record = key.saturating_add(1);
        for (number, series) in definitions {
            sequences.series = sequences.series.max(number.saturating_add(1));
            if alive.contains_key(&number) {
                state.index.define(number, series.labels.id(), &series);
            }
        }
    }
    Ok(sequences)
}

fn touch(alive: &mut Alive, number: u32, span: Span) {
    let newest = &mut alive.entry(number).or_default()[index_of(span.resolution)];
    *newest = (*newest).max(Some(span.start_ms));
}
