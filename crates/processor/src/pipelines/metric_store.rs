//! Closed windows → the metric store.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, Outgoing, TopicPartition};
use sentinel_metric_store::{MetricWriter, Row, WindowRows};
use sentinel_model::{RollupBatch, Series, SeriesId, Timestamp, Topic};
use sentinel_proto::{DecodeError, RollupDecoder};
use sentinel_runtime::Shutdown;

use crate::dead_letters;
use crate::pipeline::{Pipeline, Stage, Stopped};
use crate::replay::StreamHistory;

pub(crate) struct MetricStoreStage {
    pipeline: Pipeline,
    writer: Arc<dyn MetricWriter>,
    partitions: BTreeMap<u32, RollupStreams>,
    shutdown: Shutdown,
}

/// Streams of rollups of one partition: their decoder, series by number and history.
#[derive(Default)]
pub(crate) struct RollupStreams {
    decoder: RollupDecoder,
    streams: AHashMap<Arc<str>, Stream>,
    position: u64,
    /// Messages below this were written before the restart; they are only decoded again.
    done_until: u64,
}

#[derive(Default)]
struct Stream {
    series: Vec<Option<(SeriesId, Series)>>,
    history: StreamHistory,
}

impl RollupStreams {
    /// Messages below `done_until` are only decoded.
    pub(crate) fn new(done_until: u64) -> Self {
        Self { done_until, ..Self::default() }
    }

    /// Decodes and notes one message; `None` for those that were handled before the restart.
    pub(crate) fn decode(&mut self, record: &Delivered) -> Result<Option<RollupBatch>, DecodeError> {
        let offset = record.position.offset;
        self.position = offset + 1;
        let is_done = offset < self.done_until;
        let mut batch = match self.decoder.decode(&record.record.value) {
            Ok(batch) => batch,
            Err(_) if is_done => return Ok(None),
            Err(DecodeError::Duplicate { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stream = self.streams.entry(Arc::clone(&batch.stream)).or_default();
        if batch.is_key {
            stream.series.clear();
        }
        for (reference, series) in batch.defined.drain(..) {
            let index = reference.0 as usize;
            if stream.series.len() <= index {
                stream.series.resize(index + 1, None);
            }
            stream.series[index] = Some((series.labels.id(), series));
        }
        stream.history.push(offset, batch.is_key, batch.window.start);
        Ok((!is_done).then_some(batch))
    }

    /// A series of the batch that was decoded last from this stream.
    pub(crate) fn series(&self, stream: &str, index: u32) -> Option<&(SeriesId, Series)> {
        self.streams.get(stream)?.series.get(index as usize)?.as_ref()
    }

    /// Smallest offset from which a reader can decode every window at or after `horizon` and all to
    /// come; `None` before the first message.
    pub(crate) fn needed(&mut self, horizon: Timestamp) -> Option<u64> {
        if self.position == 0 {
            return None;
        }
        let needed = self.streams.values_mut().filter_map(|stream| stream.history.needed(horizon)).min();
        Some(needed.unwrap_or_else(|| self.position()))
    }

    /// Offset behind the last message that was ever handled.
    pub(crate) fn position(&self) -> u64 {
        self.position.max(self.done_until)
    }

    /// A message that is none of this reader's.
    pub(crate) fn skip(&mut self, offset: u64) {
        self.position = offset + 1;
    }
}

impl MetricStoreStage {
    pub(crate) fn new(pipeline: Pipeline, writer: Arc<dyn MetricWriter>, shutdown: Shutdown) -> Self {
        Self { pipeline, writer, partitions: BTreeMap::new(), shutdown }
    }

    fn rows(streams: &RollupStreams, batch: RollupBatch) -> WindowRows {
        let row = |rollup: sentinel_model::Rollup| {
            let (id, series) = streams.series(&batch.stream, rollup.series.0)?;
            Some(Row { id: *id, series: series.clone(), aggregate: rollup.aggregate })
        };
        WindowRows { window: batch.window, rows: batch.rollups.into_iter().filter_map(row).collect() }
    }
}

#[async_trait]
impl Stage for MetricStoreStage {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>) {
        let done_until = commit.and_then(|commit| commit.metadata.parse().ok()).unwrap_or(0);
        self.partitions.insert(at.partition, RollupStreams::new(done_until));
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let mut windows = Vec::new();
        let mut letters: Vec<Outgoing> = Vec::new();
        for record in &records {
            let Some(streams) = self.partitions.get_mut(&record.position.at.partition) else { continue };
            match streams.decode(record) {
                Ok(Some(batch)) if !batch.rollups.is_empty() => windows.push(Self::rows(streams, batch)),
                Ok(_) => {}
                Err(error) => letters.push(dead_letters::of_record(
                    record,
                    error.reason(),
                    error.to_string(),
                    &self.pipeline.metrics,
                )),
            }
        }
        if !windows.is_empty() {
            let writer = &self.writer;
            let report = self
                .pipeline
                .retry(&self.shutdown, "write windows to the metric store", || writer.write(windows.clone()))
                .await
                .ok_or(Stopped)?;
            self.pipeline.metrics.stored_windows.inc_by(report.n_written as u64);
        }
        if letters.is_empty() {
            return Ok(());
        }
        let bus = &self.pipeline.bus;
        let published = self
            .pipeline
            .retry(&self.shutdown, "publish dead letters", || bus.publish(letters.clone()))
            .await;
        published.map(|_| ()).ok_or(Stopped)
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let commit = |(partition, streams): (&u32, &mut RollupStreams)| {
            let at = TopicPartition { topic: Topic::Rollups, partition: *partition };
            let offset = streams.needed(Timestamp::MAX)?;
            Some((at, Commit { offset, metadata: streams.position().to_string() }))
        };
        self.partitions.iter_mut().filter_map(commit).collect()
    }
}
