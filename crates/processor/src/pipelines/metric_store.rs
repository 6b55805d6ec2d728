//! Closed windows → the metric store.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, TopicPartition};
use sentinel_metric_store::{MetricWriter, Row, WindowRows};
use sentinel_model::{Rollup, Timestamp, Topic};
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
    partitions: BTreeMap<u32, RollupStreams>,
    shutdown: Shutdown,
}

/// Rows that wait for their write.
#[derive(Default)]
struct Pending {
    windows: Vec<WindowRows>,
    n_rows: usize,
}

/// The rows of one message, unless it was handled before. Identities are computed anew: that is cheaper than
/// keeping them.
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
    let rows = batch.rollups.into_iter().filter_map(row).collect();
    Ok(Some(WindowRows { window: batch.window, rows }))
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
        let streams = RollupStreams::new(done_until, Arc::clone(&self.pipeline.labels));
        self.partitions.insert(at.partition, streams);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let (mut pending, mut letters) = (Pending::default(), Vec::new());
        for record in &records {
            let Some(streams) = self.partitions.get_mut(&record.position.at.partition) else { continue };
            match rows(streams, record) {
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
