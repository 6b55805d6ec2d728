//! Closed windows → the metric store.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, TopicPartition};
use sentinel_metric_store::{MetricWriter, Row, WindowRows};
use sentinel_model::{LabelPool, Rollup, RollupBatch, Series, SeriesId, Timestamp, Topic};
use sentinel_proto::DecodeError;
use sentinel_runtime::Shutdown;

use super::rollup_streams::RollupStreams;
use crate::dead_letters;
use crate::pipeline::{Pipeline, Stage, Stopped};

/// Rows in one write. The records of one poll may hold a thousand times as many, and a write that may have
/// to be tried again is in memory twice.
const MAX_ROWS: usize = 16_384;

pub(crate) struct MetricStoreStage {
    pipeline: Pipeline,
    writer: Arc<dyn MetricWriter>,
    partitions: BTreeMap<u32, PartitionState>,
    shutdown: Shutdown,
}

struct PartitionState {
    streams: RollupStreams,
    /// By stream: identities of its series, by number.
    ids: AHashMap<Arc<str>, Vec<SeriesId>>,
}

/// Rows that wait for their write.
#[derive(Default)]
struct Pending {
    windows: Vec<WindowRows>,
    n_rows: usize,
}

impl PartitionState {
    fn new(done_until: u64, labels: Arc<LabelPool>) -> Self {
        Self { streams: RollupStreams::new(done_until, labels), ids: AHashMap::new() }
    }

    /// The rows of one message, unless it was handled before.
    fn rows(&mut self, record: &Delivered) -> Result<Option<WindowRows>, DecodeError> {
        let Some(batch) = self.streams.decode(record)? else { return Ok(None) };
        let known = self.streams.series(&batch.stream);
        if known.is_empty() {
            let series: Vec<Series> = batch.defined.iter().map(|(_, series)| series.clone()).collect();
            let ids: Vec<SeriesId> = series.iter().map(|series| series.labels.id()).collect();
            return Ok(Some(rows(batch, &ids, &series)));
        }
        let ids = self.ids.entry(Arc::clone(&batch.stream)).or_default();
        if batch.is_key {
            *ids = Vec::with_capacity(known.len());
        }
        // What messages before the restart defined was not noted then.
        ids.extend(known[ids.len().min(known.len())..].iter().map(|series| series.labels.id()));
        Ok(Some(rows(batch, ids, known)))
    }
}

fn rows(batch: RollupBatch, ids: &[SeriesId], series: &[Series]) -> WindowRows {
    let row = |rollup: Rollup| {
        let index = rollup.series.0 as usize;
        Some(Row { id: *ids.get(index)?, series: series.get(index)?.clone(), aggregate: rollup.aggregate })
    };
    WindowRows { window: batch.window, rows: batch.rollups.into_iter().filter_map(row).collect() }
}

impl MetricStoreStage {
    pub(crate) fn new(pipeline: Pipeline, writer: Arc<dyn MetricWriter>, shutdown: Shutdown) -> Self {
        Self { pipeline, writer, partitions: BTreeMap::new(), shutdown }
    }

    /// Adds rows, and writes as often as there are enough.
    async fn add(&self, mut found: WindowRows, pending: &mut Pending) -> Result<(), Stopped> {
        while pending.n_rows + found.rows.len() >= MAX_ROWS {
            let rest = found.rows.split_off(MAX_ROWS - pending.n_rows);
            pending.windows.push(WindowRows { window: found.window, rows: found.rows });
            found.rows = rest;
            self.write(std::mem::take(pending)).await?;
        }
        if !found.rows.is_empty() {
            pending.n_rows += found.rows.len();
            pending.windows.push(found);
        }
        Ok(())
    }

    async fn write(&self, Pending { windows, .. }: Pending) -> Result<(), Stopped> {
        if windows.is_empty() {
            return Ok(());
        }
        let write = || self.writer.write(windows.clone());
        let report = self.pipeline.retry(&self.shutdown, "write windows to the metric store", write).await;
        self.pipeline.metrics.stored_windows.inc_by(report.ok_or(Stopped)?.n_written as u64);
        Ok(())
    }
}

#[async_trait]
impl Stage for MetricStoreStage {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>) {
        let done_until = commit.and_then(|commit| commit.metadata.parse().ok()).unwrap_or(0);
        let state = PartitionState::new(done_until, Arc::clone(&self.pipeline.labels));
        self.partitions.insert(at.partition, state);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let (mut pending, mut letters) = (Pending::default(), Vec::new());
        for record in &records {
            let Some(state) = self.partitions.get_mut(&record.position.at.partition) else { continue };
            match state.rows(record) {
                Ok(Some(rows)) => self.add(rows, &mut pending).await?,
                Ok(None) => {}
                Err(error) => letters.push(dead_letters::of_record(
                    record,
                    error.reason(),
                    error.to_string(),
                    &self.pipeline.metrics,
                )),
            }
        }
        self.write(pending).await?;
        self.pipeline.publish(&self.shutdown, "publish dead letters", letters).await
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let commit = |(partition, state): (&u32, &mut PartitionState)| {
            let at = TopicPartition { topic: Topic::Rollups, partition: *partition };
            let offset = state.streams.needed(|_| Timestamp::MAX)?;
            Some((at, Commit { offset, metadata: state.streams.position().to_string() }))
        };
        self.partitions.iter_mut().filter_map(commit).collect()
    }
}

#[cfg(test)]
mod tests;
