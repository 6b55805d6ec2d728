//! Windows of 1 min → windows of 5 min and 1 h, each stream by itself: a wider window closes when its last
//! minute has come, which the stream's own messages tell.
//!
//! A restart reads again from the start of the oldest open hour. Windows that were published are not published
//! again; and where the bus has lost minutes of a window that may have been published, neither is what is left
//! of it, so that a part never takes the place of the whole. Neither are windows with a minute that tells, in a
//! header, that the bus has lost samples of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, Outgoing, TopicPartition, trace};
use sentinel_model::{LabelPool, Resolution, Timestamp, Topic};
use sentinel_runtime::Shutdown;
use tracing::warn;

use super::outbox::RESOLUTION_HEADER;
use super::rollup_streams::RollupStreams;
use super::{epoch, lost_header};
use crate::dead_letters;
use crate::metrics::{Metrics, Resolved};
use crate::pipeline::{Pipeline, Stage, Stopped};

mod merged;
mod note;
mod open;

use merged::Merged;
use note::Note;

/// Results of one poll are published as soon as they are so many bytes.
const MAX_OUTGOING_BYTES: usize = 1 << 20;

/// A stream that was silent while the others went on for so long no longer holds the commit: the bus loses
/// its messages anyway.
const SILENT_MS: i64 = Resolution::OneHour.as_millis();

pub(crate) struct Stage2 {
    pipeline: Pipeline,
    partitions: BTreeMap<u32, PartitionState>,
    shutdown: Shutdown,
}

/// Everything about one partition of rollups.
struct PartitionState {
    streams: RollupStreams,
    merged: BTreeMap<Arc<str>, Merged>,
    /// The latest end of a minute, of any stream, when a stream was last heard.
    heard: BTreeMap<Arc<str>, Timestamp>,
    newest: Timestamp,
    /// Where the last owner of the partition had come, and what it committed.
    resumed: Note,
    committed: Commit,
    beginning: Option<Beginning>,
    partition: u32,
    /// Of the streams that are published.
    epoch: u64,
}

/// Where reading began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// At the committed offset.
    Whole,
    /// Behind it: the bus has lost what lay between. Messages below `end` had been there before this owner, so
    /// that the last one may have handled them.
    Cut { end: u64 },
}

impl Stage2 {
    pub(crate) fn new(pipeline: Pipeline, shutdown: Shutdown) -> Self {
        Self { pipeline, partitions: BTreeMap::new(), shutdown }
    }

    /// Notes where reading a partition began.
    async fn begin(&mut self, record: &Delivered) -> Result<(), Stopped> {
        let at = record.position.at;
        let Some(state) = self.partitions.get_mut(&at.partition).filter(|state| state.beginning.is_none())
        else {
            return Ok(());
        };
        let (wanted, found) = (state.committed.offset, record.position.offset);
        state.beginning = Some(if found <= wanted {
            Beginning::Whole
        } else {
            let bus = &self.pipeline.bus;
            let ask = || bus.offsets(at);
            let offsets = self.pipeline.retry(&self.shutdown, "ask for the end of the log", ask).await;
            warn!(
                partition = at.partition,
                wanted,
                found,
                "the bus has lost rollups that were still needed, open windows stay as they are"
            );
            Beginning::Cut { end: offsets.ok_or(Stopped)?.next }
        });
        Ok(())
    }
}

#[async_trait]
impl Stage for Stage2 {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>) {
        let committed = commit.cloned().unwrap_or_default();
        let resumed = commit.map_or(Ok(Note::default()), |commit| Note::from_metadata(&commit.metadata));
        let resumed = resumed.unwrap_or_else(|error| {
            warn!(partition = at.partition, %error, "cannot resume exactly, the open hour may be cut");
            Note::default()
        });
        let labels = Arc::clone(&self.pipeline.labels);
        self.partitions.insert(at.partition, PartitionState::new(at.partition, resumed, committed, labels));
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
    }

    fn claim(&self, at: TopicPartition) -> Option<Commit> {
        let state = self.partitions.get(&at.partition)?;
        let note = Note { epoch: state.epoch, ..state.resumed.clone() };
        Some(Commit { offset: state.committed.offset, metadata: note.to_metadata() })
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let (mut outgoing, mut n_bytes) = (Vec::new(), 0);
        for record in &records {
            self.begin(record).await?;
            let Some(state) = self.partitions.get_mut(&record.position.at.partition) else { continue };
            let n_before = outgoing.len();
            state.apply(record, &self.pipeline.metrics, &mut outgoing);
            trace::follow(&record.record, &mut outgoing[n_before..]);
            n_bytes += outgoing[n_before..].iter().map(|message| message.record.value.len()).sum::<usize>();
            if n_bytes >= MAX_OUTGOING_BYTES {
                n_bytes = 0;
                let full = std::mem::take(&mut outgoing);
                self.pipeline.publish(&self.shutdown, "publish windows", full).await?;
            }
        }
        self.pipeline.publish(&self.shutdown, "publish windows", outgoing).await
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let commit = |(partition, state): (&u32, &mut PartitionState)| {
            let at = TopicPartition { topic: Topic::Rollups, partition: *partition };
            Some((at, state.commit()?))
        };
        self.partitions.iter_mut().filter_map(commit).collect()
    }
}

impl PartitionState {
    fn new(partition: u32, resumed: Note, committed: Commit, labels: Arc<LabelPool>) -> Self {
        let epoch = epoch::after(resumed.epoch);
        Self {
            streams: RollupStreams::new(0, labels),
            merged: BTreeMap::new(),
            heard: BTreeMap::new(),
            newest: Timestamp::MIN,
            resumed,
            committed,
            beginning: None,
            partition,
            epoch,
        }
    }

    /// `None` until everything that the last owner had handled was read again: before that, not every stream
    /// has been heard, so that it is not known what is needed of them.
    fn commit(&mut self) -> Option<Commit> {
        if self.streams.position() < self.resumed.position {
            return None;
        }
        let silent_before = self.newest.saturating_sub_millis(SILENT_MS);
        let heard = &self.heard;
        self.streams.forget(|stream| heard.get(stream).is_some_and(|heard| *heard < silent_before));
        let note = self.note();
        let offset = self.streams.needed(|stream| note.needed_from(stream))?;
        Some(Commit { offset: offset.max(self.committed.offset), metadata: note.to_metadata() })
    }

    /// What the next owner must know.
    fn note(&self) -> Note {
        let mut note = Note { epoch: self.epoch, position: self.streams.position(), ..self.resumed.clone() };
        for (stream, merged) in &self.merged {
            let until = note.published_until(stream).max(merged.until());
            note.streams.insert(Arc::clone(stream), until);
        }
        note
    }

    fn apply(&mut self, record: &Delivered, metrics: &Metrics, outgoing: &mut Vec<Outgoing>) {
        let is_minute = record
            .record
            .headers
            .iter()
            .any(|(name, value)| name == RESOLUTION_HEADER && *value == Resolution::OneMinute.as_str());
        if !is_minute {
            self.streams.skip(record.position.offset);
            return;
        }
        let minute = match self.streams.decode(record) {
            Ok(Some(minute)) => minute,
            Ok(None) => return,
            Err(error) => {
                outgoing.push(dead_letters::of_record(record, error.reason(), error.to_string(), metrics));
                return;
            }
        };
        self.newest = self.newest.max(minute.window.end());
        self.heard.insert(Arc::clone(&minute.stream), self.newest);
        if minute.window.start < self.resumed.needed_from(&minute.stream) {
            // The windows pipeline has begun anew, and gives a minute again that is over: what comes after it is
            // numbered as in here.
            if let Some(merged) = self.merged.get_mut(&minute.stream) {
                merged.define(minute.is_key, self.streams.series(&minute.stream));
            }
            return;
        }
        let (partition, epoch) = (self.partition, self.epoch);
        let may_be_published = self.may_be_published(record.position.offset);
        let merged = self
            .merged
            .entry(Arc::clone(&minute.stream))
            .or_insert_with(|| Merged::new(&minute.stream, epoch, partition));
        let all = self.streams.series(&minute.stream);
        for closed in merged.apply(&minute, &lost_header::of(&record.record), all) {
            let resolution = Resolved { resolution: closed.window.resolution.as_str() };
            if closed.window.end() <= self.resumed.published_until(&minute.stream) {
                continue;
            }
            let is_part = !merged.is_whole(closed.window) && may_be_published;
            if is_part || closed.n_cut > 0 {
                metrics.cut_windows.get_or_create(&resolution).inc();
            }
            let Some(message) = closed.message.filter(|_| !is_part) else { continue };
            metrics.windows_closed.get_or_create(&resolution).inc();
            metrics.rollups.get_or_create(&resolution).inc_by(closed.n_rollups as u64);
            outgoing.push(message);
        }
    }

    /// Whether an owner before this one may have published the windows that the message at `offset` closes,
    /// from minutes that are no longer there.
    fn may_be_published(&self, offset: u64) -> bool {
        matches!(self.beginning, Some(Beginning::Cut { end }) if offset < end)
    }
}

#[cfg(test)]
mod tests;
