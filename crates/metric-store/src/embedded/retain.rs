//! Dropping what is too old, and keeping the records of definitions few.

use std::collections::BTreeSet;

use fjall::{Keyspace, OwnedWriteBatch, UserKey};
use sentinel_model::Resolution;
use tracing::info;

use super::core::{Core, Sequences};
use super::definitions;
use super::seal::MAX_REMOVALS;
use super::span::Span;
use super::storage::{chunk_key, span_key, wal_key};
use super::write::MAX_DEFINITIONS;
use crate::MetricStoreError;

/// Records with fewer definitions than this are small.
const SMALL_RECORD: usize = MAX_DEFINITIONS / 2;
/// So many small records are merged.
const MAX_SMALL_RECORDS: usize = 16;

impl Core {
    /// Drops whole spans that have ended before their resolution's cutoff, and series that have no
    /// window left in any resolution.
    pub(crate) fn expire(&self) -> Result<(), MetricStoreError> {
        let _maintenance = self.maintenance.lock();
        let sequences = self.sequences.lock();
        let (expired, first_kept) = {
            let state = self.state.read();
            let first_kept = Resolution::ALL
                .map(|resolution| self.grid.first_kept(resolution, self.cutoff(state.newest, resolution)));
            let is_expired = |span: &Span| span.start_ms < first_kept[super::span::index_of(span.resolution)];
            let mut spans: BTreeSet<Span> = state.sealed.keys().copied().collect();
            Resolution::ALL.iter().for_each(|resolution| spans.append(&mut state.head.spans(*resolution)));
            (spans.into_iter().filter(is_expired).collect::<Vec<_>>(), first_kept)
        };
        if expired.is_empty() {
            return Ok(());
        }
        for span in &expired {
            self.drop_span(*span)?;
        }
        let mut state = self.state.write();
        for span in &expired {
            state.sealed.remove(span);
            state.head.drop_span(*span);
        }
        let n_series = state.index.forget_before(first_kept);
        drop(state);
        drop(sequences);
        info!(n_spans = expired.len(), n_series, "dropped what is older than its retention");
        Ok(())
    }

    fn drop_span(&self, span: Span) -> Result<(), MetricStoreError> {
        let storage = &self.storage;
        let mut present_key = span_key(span).to_vec();
        present_key.push(0);
        // The span's records last: until then, another start finds it and drops it again.
        let chunks = storage.chunks(span.resolution);
        self.remove_all(chunks, chunks.range(chunk_key(span, 0)..=chunk_key(span, u32::MAX)))?;
        self.remove_all(&storage.wal, storage.wal.range(wal_key(span, 0)..=wal_key(span, u64::MAX)))?;
        let mut batch = storage.batch();
        batch.remove(&storage.spans, present_key);
        batch.remove(&storage.spans, span_key(span));
        self.commit_batch(batch)
    }

    fn remove_all(&self, keyspace: &Keyspace, found: fjall::Iter) -> Result<(), MetricStoreError> {
        let keys = found.map(fjall::Guard::key).collect::<Result<Vec<UserKey>, _>>()?;
        for keys in keys.chunks(MAX_REMOVALS) {
            let mut batch = self.storage.batch();
            keys.iter().for_each(|key| batch.remove(keyspace, key.clone()));
            self.commit_batch(batch)?;
        }
        Ok(())
    }

    fn commit_batch(&self, batch: OwnedWriteBatch) -> Result<(), MetricStoreError> {
        batch.commit()?;
        self.durability.committed();
        Ok(())
    }

    /// Merges small records of definitions, or all when most definitions are of series that are gone.
    pub(crate) fn tidy_definitions(&self) -> Result<(), MetricStoreError> {
        let _maintenance = self.maintenance.lock();
        let mut sequences = self.sequences.lock();
        let n_live = self.state.read().index.len();
        let n_stored: usize = sequences.records.values().sum();
        let is_mostly_dead = n_stored > n_live * 2 + MAX_DEFINITIONS;
        let merged: Vec<u32> = sequences
            .records
            .iter()
            .filter(|(_, n_definitions)| is_mostly_dead || **n_definitions < SMALL_RECORD)
            .map(|(key, _)| *key)
            .collect();
        if is_mostly_dead || merged.len() > MAX_SMALL_RECORDS {
            self.merge_records(&mut sequences, &merged)?;
        }
        Ok(())
    }

    fn merge_records(&self, sequences: &mut Sequences, merged: &[u32]) -> Result<(), MetricStoreError> {
        let mut numbers = BTreeSet::new();
        for key in merged {
            if let Some(record) = self.storage.series.get(key.to_be_bytes())? {
                numbers.extend(definitions::decode(&record)?.into_iter().map(|(number, _)| number));
            }
        }
        // What the index says is newer than what an old record says.
        let live: Vec<_> = {
            let state = self.state.read();
            numbers
                .into_iter()
                .filter_map(|number| state.index.series(number).map(|series| (number, series)))
                .collect()
        };
        let mut batch = self.storage.batch();
        merged.iter().for_each(|key| batch.remove(&self.storage.series, key.to_be_bytes()));
        let mut added = Vec::new();
        for record in live.chunks(MAX_DEFINITIONS) {
            let encoded = definitions::encode(record.iter().map(|(number, series)| (*number, series)));
            let key = sequences.record + added.len() as u32;
            batch.insert(&self.storage.series, key.to_be_bytes(), encoded);
            added.push((key, record.len()));
        }
        self.commit_batch(batch)?;
        sequences.record += added.len() as u32;
        merged.iter().for_each(|key| {
            sequences.records.remove(key);
        });
        sequences.records.extend(added);
        Ok(())
    }
}
