//! Log lines and events → the log store.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sentinel_bus::{Commit, Delivered, Outgoing, TopicPartition};
use sentinel_log_store::{Document, DocumentId, DocumentKind, LogWriter, RejectedDocument};
use sentinel_model::{EventBatch, EventRecord, Labels, LogBatch, LogRecord, Topic};
use sentinel_proto::{Wire, WireError};
use sentinel_runtime::Shutdown;

use crate::canary::LineCanaries;
use crate::dead_letters;
use crate::metrics::Kind;
use crate::pipeline::{Pipeline, Stage, Stopped};

/// Documents in one write, and bytes of text in them. The records of one poll may unfold to many times as
/// much, and a write that may have to be tried again is in memory twice.
const MAX_DOCUMENTS: usize = 4_096;
const MAX_TEXT_BYTES: usize = 4 << 20;

/// One topic's way into the log store.
pub(crate) struct DocumentsStage {
    pipeline: Pipeline,
    kind: DocumentKind,
    writer: Arc<dyn LogWriter>,
    shutdown: Shutdown,
    /// Next offsets.
    positions: BTreeMap<u32, u64>,
    canaries: LineCanaries,
}

/// Documents that wait for their write.
#[derive(Default)]
struct Pending {
    documents: Vec<Document>,
    /// For each of them, the record that it came in and its place there.
    origins: Vec<(usize, usize)>,
    n_bytes: usize,
}

impl Pending {
    fn extend(&mut self, more: Vec<Document>, origin: usize) {
        self.n_bytes += more.iter().map(|document| document.body.len()).sum::<usize>();
        self.origins.extend((0..more.len()).map(|index| (origin, index)));
        self.documents.extend(more);
    }

    fn is_full(&self) -> bool {
        self.documents.len() >= MAX_DOCUMENTS || self.n_bytes >= MAX_TEXT_BYTES
    }
}

impl DocumentsStage {
    pub(crate) fn new(
        pipeline: Pipeline,
        kind: DocumentKind,
        writer: Arc<dyn LogWriter>,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            pipeline,
            kind,
            writer,
            shutdown,
            positions: BTreeMap::new(),
            canaries: LineCanaries::default(),
        }
    }

    fn documents(&self, record: &Delivered) -> Result<Vec<Document>, WireError> {
        match self.kind {
            DocumentKind::Log => LogBatch::decode(&record.record.value).map(of_logs),
            DocumentKind::Event => EventBatch::decode(&record.record.value).map(of_events),
        }
    }

    /// Gives dead letters of the documents that the store will never take.
    async fn write(&mut self, pending: Pending, records: &[Delivered]) -> Result<Vec<Outgoing>, Stopped> {
        let Pending { documents, origins, .. } = pending;
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let write = || self.writer.write(documents.clone());
        let report = self.pipeline.retry(&self.shutdown, "write to the log store", write).await;
        let report = report.ok_or(Stopped)?;
        let kind = Kind { kind: if self.kind == DocumentKind::Log { "log" } else { "event" } };
        let metrics = &self.pipeline.metrics;
        metrics.stored_documents.get_or_create(&kind).inc_by(report.n_written as u64);
        self.canaries.stored(&documents, metrics);
        let letter = |rejected: RejectedDocument| {
            let (origin, index) = *origins.get(rejected.index)?;
            let record = &records[origin];
            let part = self.only(record, index)?;
            Some(dead_letters::of_part(record, part, ("rejected", rejected.reason), metrics))
        };
        Ok(report.rejected.into_iter().filter_map(letter).collect())
    }

    /// A record with one of its lines or events alone.
    fn only(&self, record: &Delivered, index: usize) -> Option<Bytes> {
        match self.kind {
            DocumentKind::Log => {
                let batch = LogBatch::decode(&record.record.value).ok()?;
                let records = batch.records.get(index..=index)?.to_vec();
                Some(LogBatch { records, ..batch }.encode())
            }
            DocumentKind::Event => {
                let batch = EventBatch::decode(&record.record.value).ok()?;
                let records = batch.records.get(index..=index)?.to_vec();
                Some(EventBatch { records, ..batch }.encode())
            }
        }
    }

    const fn topic(&self) -> Topic {
        match self.kind {
            DocumentKind::Log => Topic::Logs,
            DocumentKind::Event => Topic::Events,
        }
    }
}

#[async_trait]
impl Stage for DocumentsStage {
    fn assigned(&mut self, at: TopicPartition, _: Option<&Commit>) {
        self.canaries.restart();
        self.positions.remove(&at.partition);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.positions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let mut pending = Pending::default();
        let mut letters: Vec<Outgoing> = Vec::new();
        for (origin, record) in records.iter().enumerate() {
            match self.documents(record) {
                Ok(more) => pending.extend(more, origin),
                Err(error) => letters.push(dead_letters::of_record(
                    record,
                    "corrupt",
                    error.to_string(),
                    &self.pipeline.metrics,
                )),
            }
            if pending.is_full() {
                letters.extend(self.write(std::mem::take(&mut pending), &records).await?);
            }
        }
        letters.extend(self.write(pending, &records).await?);
        self.pipeline.publish(&self.shutdown, "publish dead letters", letters).await?;
        for record in &records {
            self.positions.insert(record.position.at.partition, record.position.offset + 1);
        }
        Ok(())
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let topic = self.topic();
        let commit = |(partition, offset): (&u32, &u64)| {
            let at = TopicPartition { topic, partition: *partition };
            (at, Commit { offset: *offset, metadata: String::new() })
        };
        self.positions.iter().map(commit).collect()
    }
}

fn of_logs(batch: LogBatch) -> Vec<Document> {
    let ids = batch.line_ids();
    let LogBatch { cluster, records, .. } = batch;
    records.into_iter().zip(ids).map(|(record, id)| of_log(record, &cluster, DocumentId(id))).collect()
}

fn of_log(record: LogRecord, cluster: &Arc<str>, id: DocumentId) -> Document {
    Document {
        id,
        kind: DocumentKind::Log,
        timestamp_ns: record.timestamp_ns,
        origin_ns: record.timestamp_ns,
        cluster: Arc::clone(cluster),
        namespace: record.namespace,
        workload_kind: record.workload_kind,
        workload: record.workload,
        pod: record.pod,
        container: record.container,
        node: record.node,
        severity: record.severity.as_str().into(),
        reason: "".into(),
        object_kind: "".into(),
        object_name: "".into(),
        body: record.body,
        extra: String::new(),
    }
}

fn of_events(batch: EventBatch) -> Vec<Document> {
    let cluster = batch.cluster;
    batch.records.into_iter().map(|record| of_event(record, &cluster)).collect()
}

/// A repeat of an event has its uid, so that it takes the place of the state before it.
fn of_event(record: EventRecord, cluster: &Arc<str>) -> Document {
    let identity = [("cluster", &**cluster), ("uid", record.uid.as_str())];
    let id = Labels::from_pairs(identity).map_or(0, |labels| labels.id().as_u128());
    let extra = serde_json::json!({
        "uid": record.uid,
        "type": record.kind,
        "count": record.count,
        "reporter": record.reporter,
        "first_seen_ms": record.first_seen.as_millis(),
        "last_seen_ms": record.last_seen.as_millis(),
        "object_uid": record.regarding.uid,
    });
    let is_pod = record.regarding.kind == "Pod";
    Document {
        id: DocumentId(id),
        kind: DocumentKind::Event,
        timestamp_ns: record.last_seen.as_millis().saturating_mul(1_000_000),
        origin_ns: record.first_seen.as_millis().saturating_mul(1_000_000),
        cluster: Arc::clone(cluster),
        namespace: record.regarding.namespace.into(),
        workload_kind: record.workload_kind.into(),
        workload: record.workload.into(),
        pod: if is_pod { record.regarding.name.as_str().into() } else { "".into() },
        container: "".into(),
        node: record.node.into(),
        severity: record.severity.as_str().into(),
        reason: record.reason.into(),
        object_kind: record.regarding.kind.into(),
        object_name: record.regarding.name.into(),
        body: record.message,
        extra: extra.to_string(),
    }
}

#[cfg(test)]
mod tests;
