//! `LogBatch` ⇄ `sentinel.logs.v1`.

use std::sync::Arc;

use bytes::Bytes;
use sentinel_model::{LogBatch, LogRecord, LogSeverity, Timestamp, Topic};

use super::{Symbols, key, symbol};
use crate::pb::logs::v1 as pb;
use crate::{Wire, WireError, wire};

impl Wire for LogBatch {
    const TOPIC: Topic = Topic::Logs;

    /// Cluster, namespace and workload of the first record; without a workload the pod.
    fn key(&self) -> Bytes {
        let entity = self.records.first().map(|record| {
            let name = if record.workload.is_empty() { &record.pod } else { &record.workload };
            (&*record.namespace, &**name)
        });
        let (namespace, name) = entity.unwrap_or_default();
        key([&self.cluster, namespace, name])
    }

    fn encode(&self) -> Bytes {
        let mut symbols = Symbols::default();
        let mut previous_ns = 0;
        let records = self
            .records
            .iter()
            .map(|record| {
                let delta = record.timestamp_ns.wrapping_sub(previous_ns);
                previous_ns = record.timestamp_ns;
                to_wire(record, delta, &mut symbols)
            })
            .collect();
        wire::seal(&pb::LogBatch {
            cluster: self.cluster.to_string(),
            collector: self.collector.to_string(),
            epoch: self.epoch,
            sequence: self.sequence,
            observed_unix_ms: self.observed.as_millis(),
            symbols: symbols.texts,
            records,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let message: pb::LogBatch = wire::open(bytes, "LogBatch")?;
        let symbols: Vec<Arc<str>> = message.symbols.into_iter().map(Arc::from).collect();
        let mut records = Vec::with_capacity(message.records.len());
        let mut timestamp_ns = 0i64;
        for record in message.records {
            timestamp_ns = timestamp_ns.wrapping_add(record.timestamp_unix_ns_delta);
            records.push(from_wire(record, timestamp_ns, &symbols)?);
        }
        Ok(Self {
            cluster: message.cluster.into(),
            collector: message.collector.into(),
            epoch: message.epoch,
            sequence: message.sequence,
            observed: Timestamp::from_millis(message.observed_unix_ms),
            records,
        })
    }
}

fn to_wire<'a>(record: &'a LogRecord, delta_ns: i64, symbols: &mut Symbols<'a>) -> pb::LogRecord {
    let severity = match record.severity {
        LogSeverity::Unspecified => pb::Severity::Unspecified,
        LogSeverity::Trace => pb::Severity::Trace,
        LogSeverity::Debug => pb::Severity::Debug,
        LogSeverity::Info => pb::Severity::Info,
        LogSeverity::Warn => pb::Severity::Warn,
        LogSeverity::Error => pb::Severity::Error,
        LogSeverity::Fatal => pb::Severity::Fatal,
    };
    pb::LogRecord {
        timestamp_unix_ns_delta: delta_ns,
        namespace_ref: symbols.number(&record.namespace),
        workload_kind_ref: symbols.number(&record.workload_kind),
        workload_ref: symbols.number(&record.workload),
        pod_ref: symbols.number(&record.pod),
        container_ref: symbols.number(&record.container),
        node_ref: symbols.number(&record.node),
        severity: severity.into(),
        body: record.body.clone(),
    }
}

fn from_wire(record: pb::LogRecord, timestamp_ns: i64, symbols: &[Arc<str>]) -> Result<LogRecord, WireError> {
    let severity = match pb::Severity::try_from(record.severity) {
        Ok(pb::Severity::Unspecified) => LogSeverity::Unspecified,
        Ok(pb::Severity::Trace) => LogSeverity::Trace,
        Ok(pb::Severity::Debug) => LogSeverity::Debug,
        Ok(pb::Severity::Info) => LogSeverity::Info,
        Ok(pb::Severity::Warn) => LogSeverity::Warn,
        Ok(pb::Severity::Error) => LogSeverity::Error,
        Ok(pb::Severity::Fatal) => LogSeverity::Fatal,
        Err(_) => return Err(WireError::Corrupt { detail: "the severity of a line is unknown" }),
    };
    Ok(LogRecord {
        timestamp_ns,
        namespace: symbol(symbols, record.namespace_ref)?,
        workload_kind: symbol(symbols, record.workload_kind_ref)?,
        workload: symbol(symbols, record.workload_ref)?,
        pod: symbol(symbols, record.pod_ref)?,
        container: symbol(symbols, record.container_ref)?,
        node: symbol(symbols, record.node_ref)?,
        severity,
        body: record.body,
    })
}
