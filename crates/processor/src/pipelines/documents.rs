//! Log lines and events → the log store.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, Outgoing, Position, TopicPartition};
use sentinel_log_store::{Document, DocumentId, DocumentKind, LogWriter};
use sentinel_model::{EventBatch, EventRecord, Labels, LogBatch, LogRecord, Topic};
use sentinel_proto::{Wire, WireError};
use sentinel_runtime::Shutdown;

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
}

impl DocumentsStage {
    pub(crate) fn new(
        pipeline: Pipeline,
        kind: DocumentKind,
        writer: Arc<dyn LogWriter>,
        shutdown: Shutdown,
    ) -> Self {
        Self { pipeline, kind, writer, shutdown, positions: BTreeMap::new() }
    }

    fn documents(&self, record: &Delivered) -> Result<Vec<Document>, WireError> {
        match self.kind {
            DocumentKind::Log => {
                LogBatch::decode(&record.record.value).map(|batch| of_logs(batch, record.position))
            }
            DocumentKind::Event => EventBatch::decode(&record.record.value).map(of_events),
        }
    }

    async fn write(&self, documents: Vec<Document>) -> Result<(), Stopped> {
        if documents.is_empty() {
            return Ok(());
        }
        let write = || self.writer.write(documents.clone());
        let report = self.pipeline.retry(&self.shutdown, "write to the log store", write).await;
        let kind = Kind { kind: if self.kind == DocumentKind::Log { "log" } else { "event" } };
        let n_written = report.ok_or(Stopped)?.n_written as u64;
        self.pipeline.metrics.stored_documents.get_or_create(&kind).inc_by(n_written);
        Ok(())
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
        self.positions.remove(&at.partition);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.positions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let (mut documents, mut n_bytes) = (Vec::new(), 0);
        let mut letters: Vec<Outgoing> = Vec::new();
        for record in &records {
            match self.documents(record) {
                Ok(more) => {
                    n_bytes += more.iter().map(|document| document.body.len()).sum::<usize>();
                    documents.extend(more);
                }
                Err(error) => letters.push(dead_letters::of_record(
                    record,
                    "corrupt",
                    error.to_string(),
                    &self.pipeline.metrics,
                )),
            }
            if documents.len() >= MAX_DOCUMENTS || n_bytes >= MAX_TEXT_BYTES {
                n_bytes = 0;
                self.write(std::mem::take(&mut documents)).await?;
            }
        }
        self.write(documents).await?;
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

fn of_logs(batch: LogBatch, position: Position) -> Vec<Document> {
    let cluster = batch.cluster;
    batch
        .records
        .into_iter()
        .enumerate()
        .map(|(index, record)| of_log(record, &cluster, id_of(position, index)))
        .collect()
}

fn of_log(record: LogRecord, cluster: &Arc<str>, id: DocumentId) -> Document {
    Document {
        id,
        kind: DocumentKind::Log,
        timestamp_ns: record.timestamp_ns,
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

/// The same record redelivered has the same identity.
fn id_of(position: Position, index: usize) -> DocumentId {
    let place = [
        ("topic", position.at.topic.as_str().to_owned()),
        ("partition", position.at.partition.to_string()),
        ("offset", position.offset.to_string()),
        ("index", index.to_string()),
    ];
    DocumentId(Labels::from_pairs(place).map_or(0, |labels| labels.id().as_u128()))
}

#[cfg(test)]
mod tests;
