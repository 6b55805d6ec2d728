//! Canaries on their way through the pipelines: what each hop has seen of them.

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_log_store::Document;
use sentinel_model::{
    CANARY_NAMESPACE, CANARY_TARGET, CanaryBeat, CanaryCount, CanarySeen, CanaryTrack, MetricBatch,
    StreamKey, Timestamp,
};
use sentinel_proto::DecodeError;

use crate::metrics::{Metrics, hop};

/// Canaries of one partition that are followed; beyond it all begin anew.
const MAX_CANARIES: usize = 1_024;

/// Frames of canaries as they are read from the bus. A frame is a beat: its number is the beat's.
#[derive(Debug, Default)]
pub(crate) struct BusCanaries {
    tracks: AHashMap<StreamKey, CanaryTrack>,
}

impl BusCanaries {
    /// Notes a frame; one that is replayed only tells what must come next.
    pub(crate) fn read(&mut self, batch: &MetricBatch, is_replay: bool, metrics: &Metrics) {
        if !is_canary(&batch.stream) {
            return;
        }
        if self.tracks.len() >= MAX_CANARIES && !self.tracks.contains_key(&batch.stream) {
            self.tracks.clear();
        }
        let track = self.tracks.entry(batch.stream.clone()).or_default();
        let count = track.beat(batch.epoch, batch.sequence);
        if !is_replay {
            note(metrics, hop::BUS, count, batch.scraped);
        }
    }

    /// Notes a frame that cannot be read.
    pub(crate) fn refuse(error: &DecodeError, is_replay: bool, metrics: &Metrics) {
        if let DecodeError::Duplicate { stream, .. } = error
            && is_canary(stream)
            && !is_replay
        {
            metrics.canaries.doubled(hop::BUS, 1);
        }
    }
}

fn is_canary(stream: &StreamKey) -> bool {
    stream.target.starts_with(CANARY_TARGET)
}

/// Lines of canaries that have been stored, by the partition that they came in.
#[derive(Debug, Default)]
pub(crate) struct LineCanaries {
    tracks: AHashMap<(Arc<str>, Arc<str>), CanaryTrack>,
}

impl LineCanaries {
    pub(crate) fn stored(&mut self, documents: &[Document], metrics: &Metrics) {
        for document in documents.iter().filter(|document| &*document.namespace == CANARY_NAMESPACE) {
            let Some(beat) = CanaryBeat::parse(&document.body) else { continue };
            let key = (Arc::clone(&document.cluster), Arc::clone(&document.pod));
            if self.tracks.len() >= MAX_CANARIES && !self.tracks.contains_key(&key) {
                self.tracks.clear();
            }
            let count = self.tracks.entry(key).or_default().beat(beat.life, beat.sequence);
            note(metrics, hop::LOG_STORE, count, beat.sent);
        }
    }

    /// Lines may come again from here on: they are read from the last commit.
    pub(crate) fn restart(&mut self) {
        self.tracks.clear();
    }
}

/// Counts what came by a hop.
pub(crate) fn note_all(metrics: &Metrics, hop: &'static str, seen: &[CanarySeen]) {
    for CanarySeen { count, sent } in seen {
        note(metrics, hop, *count, *sent);
    }
}

fn note(metrics: &Metrics, hop: &'static str, count: CanaryCount, sent: Timestamp) {
    metrics.canaries.came(hop, count.received, sent.as_millis());
    if count.missing > 0 {
        tracing::warn!(hop, n_missing = count.missing, "beats of a canary are missing");
        metrics.canaries.missed(hop, count.missing);
    }
    if count.doubled > 0 {
        metrics.canaries.doubled(hop, count.doubled);
    }
}

#[cfg(test)]
mod tests;
