//! Placing rows, committing them, and only then showing them.

use std::time::{Duration, Instant};

use ahash::{HashMap, HashSet};
use sentinel_model::{Aggregate, MetricKind, Resolution, Series, SeriesId, Timestamp};

use super::core::{Core, Sequences, State};
use super::definitions;
use super::entry::WalEntry;
use super::span::{Grid, Span, index_of};
use super::storage::wal_key;
use crate::metrics::{EXPIRED, OVER_LIMIT};
use crate::{MetricStoreError, Row, WindowRows, WriteReport};

/// Entries of more rows are split, so that reading one back never takes much memory.
const MAX_WAL_ROWS: usize = 16_384;
/// Of one record of definitions.
pub(super) const MAX_DEFINITIONS: usize = 4_096;
const MAX_DEFINITION_BYTES: usize = 4 << 20;
/// Series with more text than this are refused as if they were beyond the limit of series.
const MAX_LABEL_BYTES: usize = 1 << 20;
/// Head bytes for each series that are always allowed, whatever the configured size.
const ROOM_PER_SERIES: usize = 2_048;
/// How long a write waits for rows to be moved into chunks.
const ROOM_PATIENCE: Duration = Duration::from_secs(30);

/// Everything that one write changes.
#[derive(Default)]
struct Plan<'a> {
    defined: Vec<(u32, SeriesId, &'a Series)>,
    rows: Vec<Placed<'a>>,
    entries: Vec<(u64, Span, WalEntry)>,
    corrected: HashSet<u32>,
    changed: HashSet<(Span, u32)>,
    newest: Option<Timestamp>,
    report: WriteReport,
}

struct Placed<'a> {
    span: Span,
    window: u32,
    number: u32,
    aggregate: &'a Aggregate,
    sequence: u64,
}

impl Core {
    pub(crate) fn write(&self, windows: &[WindowRows]) -> Result<WriteReport, MetricStoreError> {
        self.folder.room()?;
        self.wait_for_room()?;
        let mut sequences = self.sequences.lock();
        let plan = self.plan(&self.state.read(), &sequences, windows);
        self.commit(&plan, &mut sequences)?;
        self.show(&plan);
        drop(sequences);
        // Also when nothing changed: the rows may come from a write that still waits for its fsync.
        self.durability.settle(&self.storage)?;
        self.metrics.written_windows.inc_by(plan.report.n_written as u64);
        for (reason, n_rows) in [(OVER_LIMIT, plan.report.n_over_limit), (EXPIRED, plan.report.n_expired)] {
            self.metrics.refused_windows.get_or_create(&reason).inc_by(n_rows as u64);
        }
        Ok(plan.report)
    }

    fn plan<'a>(&self, state: &State, sequences: &Sequences, windows: &'a [WindowRows]) -> Plan<'a> {
        let cutoffs = Resolution::ALL.map(|resolution| self.cutoff(state.newest, resolution));
        let is_kept = |one: &&WindowRows| one.window.start >= cutoffs[index_of(one.window.resolution)];
        let mut plan = Plan::default();
        let numbers = self.number_new_series(state, sequences, windows.iter().filter(is_kept), &mut plan);
        let mut next = sequences.wal;
        for one in windows {
            if is_kept(&one) {
                self.place(state, one, &numbers, &mut plan, &mut next);
            } else {
                plan.report.n_expired += one.rows.len();
            }
        }
        plan
    }

    fn place<'a>(
        &self,
        state: &State,
        one: &'a WindowRows,
        numbers: &HashMap<SeriesId, u32>,
        plan: &mut Plan<'a>,
        next: &mut u64,
    ) {
        let (span, window) = self.grid.place(one.window);
        let find = |row: &Row| state.index.find(row.id).or_else(|| numbers.get(&row.id).copied());
        let rows: Vec<(u32, &Row)> =
            one.rows.iter().filter_map(|row| find(row).map(|number| (number, row))).collect();
        plan.report.n_written += rows.len();
        plan.report.n_over_limit += one.rows.len() - rows.len();
        plan.newest = plan.newest.max(Some(Grid::start_of(span, window)));
        rows.iter().for_each(|(number, row)| correct_kind(state, plan, (*number, row.id, &row.series)));
        // A window that is written again after a crash changes nothing. (Unless this very write has
        // changed it before.)
        let is_held = |(number, row): &(u32, &Row)| state.head.holds(span, (window, *number, &row.aggregate));
        if !plan.changed.contains(&(span, window)) && rows.iter().all(is_held) {
            return;
        }
        plan.changed.insert((span, window));
        for rows in rows.chunks(MAX_WAL_ROWS) {
            let mut entry = WalEntry::default();
            for (number, row) in rows {
                entry.push(window, *number, &row.aggregate);
                let aggregate = &row.aggregate;
                plan.rows.push(Placed { span, window, number: *number, aggregate, sequence: *next });
            }
            plan.entries.push((*next, span, entry));
            *next += 1;
        }
    }

    /// Numbers for series that are not known yet, as far as the limit allows. Similar series get
    /// neighbouring numbers, since neighbours compress together.
    fn number_new_series<'a>(
        &self,
        state: &State,
        sequences: &Sequences,
        windows: impl Iterator<Item = &'a WindowRows>,
        plan: &mut Plan<'a>,
    ) -> HashMap<SeriesId, u32> {
        let n_free = self.config.series_limit.saturating_sub(state.index.len());
        let mut new: HashMap<SeriesId, &Series> = HashMap::default();
        for row in windows.flat_map(|one| &one.rows) {
            let is_new = new.len() < n_free && state.index.find(row.id).is_none();
            if is_new && row.series.labels.heap_bytes() <= MAX_LABEL_BYTES {
                new.entry(row.id).or_insert(&row.series);
            }
        }
        let mut sorted: Vec<(SeriesId, &Series)> = new.into_iter().collect();
        sorted.sort_unstable_by(|a, b| a.1.labels.cmp(&b.1.labels));
        // Numbers end after four billion series; whatever comes then is beyond the limit.
        let numbered = (sequences.series..u32::MAX).zip(sorted);
        plan.defined = numbered.map(|(number, (id, series))| (number, id, series)).collect();
        plan.defined.iter().map(|(number, id, _)| (*id, *number)).collect()
    }

    fn commit(&self, plan: &Plan<'_>, sequences: &mut Sequences) -> Result<(), MetricStoreError> {
        if plan.entries.is_empty() && plan.defined.is_empty() {
            return Ok(());
        }
        let mut batch = self.storage.batch();
        let mut record = sequences.record;
        let mut records = Vec::new();
        for definitions in split(&plan.defined) {
            let encoded =
                definitions::encode(definitions.iter().map(|(number, _, series)| (*number, *series)));
            batch.insert(&self.storage.series, record.to_be_bytes(), encoded);
            records.push((record, definitions.len()));
            record += 1;
        }
        for (sequence, span, entry) in &plan.entries {
            batch.insert(&self.storage.wal, wal_key(*span, *sequence), entry.finish());
        }
        batch.commit()?;
        self.durability.committed();
        sequences.record = record;
        sequences.records.extend(records);
        let last = plan.entries.iter().map(|(sequence, ..)| *sequence).max();
        sequences.wal = last.map_or(sequences.wal, |last| last + 1);
        let last = plan.defined.iter().map(|(number, ..)| *number).max();
        sequences.series = last.map_or(sequences.series, |last| sequences.series.max(last + 1));
        Ok(())
    }

    fn show(&self, plan: &Plan<'_>) {
        let mut state = self.state.write();
        for (number, id, series) in &plan.defined {
            state.index.define(*number, *id, series);
        }
        for row in &plan.rows {
            state.index.touch(row.number, index_of(row.span.resolution), row.span.start_ms);
            state.head.put(row.span, (row.window, row.number, row.aggregate), row.sequence);
        }
        state.newest = state.newest.max(plan.newest);
        self.metrics.series.set(state.index.len() as i64);
        self.metrics.head_bytes.set(state.head.bytes() as i64);
    }

    /// Bytes of the head at which writers begin to wait.
    pub(super) fn room(&self, state: &State) -> usize {
        let configured = usize::try_from(self.config.head_bytes).unwrap_or(usize::MAX);
        configured.saturating_mul(4).saturating_add(state.index.len().saturating_mul(ROOM_PER_SERIES))
    }

    pub(super) fn is_full(&self) -> bool {
        let state = self.state.read();
        state.head.bytes() > self.room(&state)
    }

    fn wait_for_room(&self) -> Result<(), MetricStoreError> {
        if !self.is_full() {
            return Ok(());
        }
        let deadline = Instant::now() + ROOM_PATIENCE;
        let mut lock = self.room.lock.lock();
        while self.is_full() {
            if self.room.freed.wait_until(&mut lock, deadline).timed_out() {
                let message = "windows come faster than they go into chunks".to_owned();
                return Err(MetricStoreError::Storage { message });
            }
        }
        Ok(())
    }
}

/// A kind that became known after the series was defined. The first one that is known stays.
fn correct_kind<'a>(state: &State, plan: &mut Plan<'a>, definition: (u32, SeriesId, &'a Series)) {
    let (number, _, series) = definition;
    let is_correction = series.kind != MetricKind::Unknown
        && state.index.contains(number)
        && state.index.kind(number) == MetricKind::Unknown;
    if is_correction && plan.corrected.insert(number) {
        plan.defined.push(definition);
    }
}

/// Records of definitions, bounded in number and in bytes of text.
fn split<'a, 'b>(
    mut definitions: &'b [(u32, SeriesId, &'a Series)],
) -> impl Iterator<Item = &'b [(u32, SeriesId, &'a Series)]> {
    std::iter::from_fn(move || {
        let mut n_bytes = 0;
        let n_fitting = definitions
            .iter()
            .take(MAX_DEFINITIONS)
            .take_while(|(_, _, series)| {
                let fits = n_bytes < MAX_DEFINITION_BYTES;
                n_bytes += series.labels.heap_bytes();
                fits
            })
            .count();
        let (record, rest) = definitions.split_at(n_fitting);
        definitions = rest;
        (!record.is_empty()).then_some(record)
    })
}
