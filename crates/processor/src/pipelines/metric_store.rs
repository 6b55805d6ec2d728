//! Closed windows → the metric store.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, Outgoing, TopicPartition};
use sentinel_metric_store::{MetricWriter, RejectedRow, Row, WindowRows};
use sentinel_model::{Rollup, Timestamp, Topic};
use sentinel_proto::DecodeError;
use sentinel_runtime::Shutdown;

use super::rollup_streams::RollupStreams;
use crate::canary;
use crate::dead_letters;
use crate::metrics::hop;
use crate::pipeline::{Pipeline, Stage, Stopped};

/// Rows in one write. The records of one poll may hold a thousand times as many.
const MAX_ROWS: usize = 16_384;

/// Rows that are held to be put in order: where an hour ends, windows of four widths close at once, and the narrow
/// ones are waited for.
const MAX_HELD: usize = 8 * MAX_ROWS;

pub(crate) struct MetricStoreStage {
    pipeline: Pipeline,
    writer: Arc<dyn MetricWriter>,
    partitions: BTreeMap<u32, RollupStreams>,
    shutdown: Shutdown,
}

/// Windows, each with the number of the record that it came in.
#[derive(Default)]
struct Held {
    windows: Vec<(usize, WindowRows)>,
    n_rows: usize,
}

/// Rows of one write.
#[derive(Default)]
struct Pending {
    windows: Vec<WindowRows>,
    /// For each of the windows, the record that it came in.
    origins: Vec<usize>,
    n_rows: usize,
}

/// The rows of one message, unless it was handled before.
fn rows(streams: &mut RollupStreams, record: &Delivered) -> Result<Option<WindowRows>, DecodeError> {
    let Some(batch) = streams.decode(record)? else { return Ok(None) };
    let known = streams.series(&batch.stream);
    let series = |index: usize| match known {
        [] => batch.defined.get(index).map(|(_, series)| series),
        known => known.get(index),
    };
    let row = |rollup: Rollup| {
        let series = series(rollup.series.0 as usize)?;
        Some(Row { id: series.labels.id(), series: series.clone(), aggregate: rollup.aggregate })
    };
    let mut rows = Vec::with_capacity(batch.rollups.len());
    rows.extend(batch.rollups.into_iter().filter_map(row));
    Ok(Some(WindowRows { window: batch.window, rows }))
}

impl Pending {
    /// Takes rows; when that makes enough for a write, gives them, and leaves the rest where they were.
    fn fill(&mut self, found: &mut WindowRows, origin: usize) -> Option<Self> {
        let rest = found.rows.split_off(found.rows.len().min(MAX_ROWS - self.n_rows));
        let rows = std::mem::replace(&mut found.rows, rest);
        if !rows.is_empty() {
            self.n_rows += rows.len();
            self.windows.push(WindowRows { window: found.window, rows });
            self.origins.push(origin);
        }
        (self.n_rows == MAX_ROWS).then(|| std::mem::take(self))
    }
}

impl MetricStoreStage {
    pub(crate) fn new(pipeline: Pipeline, writer: Arc<dyn MetricWriter>, shutdown: Shutdown) -> Self {
        Self { pipeline, writer, partitions: BTreeMap::new(), shutdown }
    }

    async fn write_all(&mut self, records: &[Delivered]) -> Result<Vec<Outgoing>, Stopped> {
        let (mut held, mut letters, mut seen) = (Held::default(), Vec::new(), Vec::new());
        for (origin, record) in records.iter().enumerate() {
            let Some(streams) = self.partitions.get_mut(&record.position.at.partition) else { continue };
            let rows = rows(streams, record);
            let canaries = streams.take_seen();
            canary::note_all(&self.pipeline.metrics, hop::WINDOWS, &canaries);
            seen.extend(canaries);
            match rows {
                Ok(Some(rows)) => {
                    held.n_rows += rows.rows.len();
                    held.windows.push((origin, rows));
                    if held.n_rows >= MAX_HELD {
                        letters.extend(self.write_held(std::mem::take(&mut held), records).await?);
                    }
                }
                Ok(None) => {}
                Err(error) => letters.push(dead_letters::of_record(
                    record,
                    error.reason(),
                    error.to_string(),
                    &self.pipeline.metrics,
                )),
            }
        }
        letters.extend(self.write_held(held, records).await?);
        canary::note_all(&self.pipeline.metrics, hop::METRIC_STORE, &seen);
        Ok(letters)
    }

    /// The narrowest first; of those, in the order that they came in.
    async fn write_held(&self, mut held: Held, records: &[Delivered]) -> Result<Vec<Outgoing>, Stopped> {
        held.windows.sort_by_key(|(_, rows)| rows.window.resolution);
        let (mut pending, mut letters) = (Pending::default(), Vec::new());
        for (origin, mut rows) in held.windows {
            while let Some(full) = pending.fill(&mut rows, origin) {
                letters.extend(self.write(full, records).await?);
            }
        }
        letters.extend(self.write(pending, records).await?);
        Ok(letters)
    }

    /// Gives dead letters of the rows that the store will never take.
    async fn write(&self, pending: Pending, records: &[Delivered]) -> Result<Vec<Outgoing>, Stopped> {
        let Pending { windows, origins, .. } = pending;
        let windows: Arc<[WindowRows]> = windows.into();
        if windows.is_empty() {
            return Ok(Vec::new());
        }
        let write = || self.writer.write(Arc::clone(&windows));
        let report = self.pipeline.retry(&self.shutdown, "write windows to the metric store", write).await;
        let report = report.ok_or(Stopped)?;
        let metrics = &self.pipeline.metrics;
        metrics.stored_windows.inc_by(report.n_written as u64);
        let letter = |rejected: RejectedRow| {
            let is_its = |found: &WindowRows| {
                found.window == rejected.window && found.rows.iter().any(|row| row.id == rejected.row.id)
            };
            let origin = windows.iter().position(is_its).map_or(0, |index| origins[index]);
            dead_letters::of_row(&records[origin], rejected, metrics)
        };
        Ok(report.rejected.into_iter().map(letter).collect())
    }
}

#[async_trait]
impl Stage for MetricStoreStage {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>) {
        let done_until = commit.and_then(|commit| commit.metadata.parse().ok()).unwrap_or(0);
        let streams = RollupStreams::new(done_until, Arc::clone(&self.pipeline.labels));
        self.partitions.insert(at.partition, streams);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let letters = self.write_all(&records).await?;
        self.pipeline.publish(&self.shutdown, "publish dead letters", letters).await
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let commit = |(partition, streams): (&u32, &mut RollupStreams)| {
            let at = TopicPartition { topic: Topic::Rollups, partition: *partition };
            let offset = streams.needed(|_| Timestamp::MAX)?;
            Some((at, Commit { offset, metadata: streams.position().to_string() }))
        };
        self.partitions.iter_mut().filter_map(commit).collect()
    }
}

#[cfg(test)]
mod tests;
