//! Samples → windows of 10 s and 1 min: closed ones to the rollups topic, open ones to the live topic.

mod clocks;

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, Outgoing, TopicPartition, trace};
use sentinel_model::{MetricBatch, Resolution, Series, StreamKey, Topic, Window};
use sentinel_proto::{DecodeError, MetricDecoder};
use sentinel_runtime::{Shutdown, clock};
use tracing::warn;

use clocks::Clocks;

use super::epoch;
use super::outbox::Outbox;
use crate::aggregate::Sample;
use crate::canary::BusCanaries;
use crate::dead_letters;
use crate::metrics::{Metrics, Partition, Resolved};
use crate::pipeline::{Pipeline, Stage, Stopped};
use crate::rules::Rules;
use crate::windows::{Checkpoint, Closed, Outcome, WindowLimits, Windows};

/// Results of one poll are published as soon as they are so many bytes.
const MAX_OUTGOING_BYTES: usize = 1 << 20;

pub(crate) struct WindowsStage {
    pipeline: Pipeline,
    limits: WindowLimits,
    rules: Arc<Rules>,
    partitions: BTreeMap<u32, PartitionState>,
    shutdown: Shutdown,
}

struct PartitionState {
    decoder: MetricDecoder,
    windows: Windows,
    outbox: Outbox,
    losses: Losses,
    canaries: BusCanaries,
    clocks: Clocks,
    /// Of the streams that are published.
    epoch: u64,
    claim: Commit,
}

/// Frames that were lost, each counted once.
#[derive(Default)]
struct Losses {
    /// The gap that each broken stream is behind, until its next key frame.
    gaps: AHashMap<StreamKey, (u64, Option<u64>)>,
}

impl Losses {
    /// Frames that this error shows to be lost: the gap itself when it is new, and the frame that
    /// cannot be read for it.
    fn count(&mut self, error: &DecodeError) -> u64 {
        let DecodeError::MissingBase { stream, epoch, expected, found } = error else { return 0 };
        let gap = (*epoch, *expected);
        if self.gaps.insert((**stream).clone(), gap) == Some(gap) {
            return 1;
        }
        1 + expected.map_or(0, |expected| found.saturating_sub(expected))
    }

    /// The stream can be read again.
    fn heal(&mut self, stream: &StreamKey) {
        if !self.gaps.is_empty() {
            self.gaps.remove(stream);
        }
    }
}

impl WindowsStage {
    pub(crate) fn new(
        pipeline: Pipeline,
        limits: WindowLimits,
        rules: Arc<Rules>,
        shutdown: Shutdown,
    ) -> Self {
        Self { pipeline, limits, rules, partitions: BTreeMap::new(), shutdown }
    }
}

#[async_trait]
impl Stage for WindowsStage {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>) {
        let offset = commit.map_or(0, |commit| commit.offset);
        let checkpoint = commit.and_then(|commit| match Checkpoint::from_metadata(&commit.metadata) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                warn!(partition = at.partition, %error, "cannot resume exactly, windows may be written again");
                None
            }
        });
        let epoch = epoch::after(checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.epoch));
        let claim = Checkpoint { epoch, ..checkpoint.clone().unwrap_or_default() };
        let claim = Commit { offset, metadata: claim.to_metadata() };
        let n_partitions = self.pipeline.bus.n_partitions(Topic::Rollups);
        let resolutions = [Resolution::TenSeconds, Resolution::OneMinute];
        let state = PartitionState {
            decoder: MetricDecoder::sharing(Arc::clone(&self.pipeline.labels)),
            windows: Windows::new(self.limits, Some((offset, checkpoint.unwrap_or_default()))),
            losses: Losses::default(),
            canaries: BusCanaries::default(),
            clocks: Clocks::default(),
            outbox: Outbox::new(&format!("p{}", at.partition), epoch, n_partitions, &resolutions),
            epoch,
            claim,
        };
        self.partitions.insert(at.partition, state);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
        self.pipeline.metrics.active_series.remove(&Partition { partition: at.partition });
        self.pipeline.metrics.watermark_lag.remove(&Partition { partition: at.partition });
        self.pipeline.metrics.clocks_ahead.remove(&Partition { partition: at.partition });
    }

    fn claim(&self, at: TopicPartition) -> Option<Commit> {
        self.partitions.get(&at.partition).map(|state| state.claim.clone())
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let metrics = &self.pipeline.metrics;
        let (mut outgoing, mut n_bytes) = (Vec::new(), 0);
        for record in &records {
            let Some(state) = self.partitions.get_mut(&record.position.at.partition) else { continue };
            let n_before = outgoing.len();
            state.apply(record, &self.rules, metrics, &mut outgoing);
            trace::follow(&record.record, &mut outgoing[n_before..]);
            n_bytes += outgoing[n_before..].iter().map(|message| message.record.value.len()).sum::<usize>();
            if n_bytes >= MAX_OUTGOING_BYTES {
                n_bytes = 0;
                let full = std::mem::take(&mut outgoing);
                self.pipeline.publish(&self.shutdown, "publish windows", full).await?;
            }
        }
        for (partition, state) in &mut self.partitions {
            state.publish_provisional(&mut outgoing);
            if state.windows.compact() {
                state.outbox.renumber();
                self.pipeline.labels.sweep();
            }
            state.report(*partition, metrics);
        }
        self.pipeline.publish(&self.shutdown, "publish windows", outgoing).await
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let commit = |(partition, state): (&u32, &mut PartitionState)| {
            let (offset, checkpoint) = state.windows.checkpoint()?;
            let checkpoint = Checkpoint { epoch: state.epoch, ..checkpoint };
            let at = TopicPartition { topic: Topic::Metrics, partition: *partition };
            Some((at, Commit { offset, metadata: checkpoint.to_metadata() }))
        };
        self.partitions.iter_mut().filter_map(commit).collect()
    }
}

impl PartitionState {
    fn apply(&mut self, record: &Delivered, rules: &Rules, metrics: &Metrics, outgoing: &mut Vec<Outgoing>) {
        let offset = record.position.offset;
        self.note_dropped(record, metrics);
        let batch = match self.decoder.decode(&record.record.value) {
            Ok(batch) => self.clocks.put_right(batch, record.appended),
            Err(error) => {
                let is_replay = self.windows.is_replay(offset);
                BusCanaries::refuse(&error, is_replay, metrics);
                if !is_replay {
                    metrics.lost_frames.inc_by(self.losses.count(&error));
                }
                outgoing.extend(undecodable(record, &error, is_replay, metrics));
                match &error {
                    DecodeError::MissingBase { stream, .. } => self.windows.skip_broken(offset, stream),
                    _ => self.windows.skip(offset),
                }
                return;
            }
        };
        self.losses.heal(&batch.stream);
        let mut outcome = self.windows.apply(offset, &batch, rules);
        self.canaries.read(&batch, outcome.is_replay, metrics);
        if !outcome.is_replay {
            metrics.frames.inc();
            metrics.superseded_frames.inc_by(u64::from(outcome.is_superseded));
            metrics.samples.inc_by(outcome.n_accepted);
            metrics.repeated_samples.inc_by(outcome.n_repeated);
            metrics.duplicate_samples.inc_by(outcome.n_conflicts);
            metrics.over_limit_samples.inc_by(outcome.n_over_limit);
        }
        self.encode_closed(std::mem::take(&mut outcome.closed), metrics, outgoing);
        note_cut(record, &outcome.cut, metrics);
        outgoing.extend(misplaced(record, &batch, &outcome, metrics));
    }

    /// Says so when the bus has dropped messages ahead of this one.
    fn note_dropped(&mut self, record: &Delivered, metrics: &Metrics) {
        let n_messages = self.windows.dropped_before(record.position.offset);
        if n_messages == 0 {
            return;
        }
        metrics.dropped_messages.inc_by(n_messages);
        warn!(
            partition = record.position.at.partition,
            found = record.position.offset,
            n_messages,
            published_until_ms = self.windows.published_until().as_millis(),
            "the bus has dropped samples that were not read yet; windows that have lost a part are left out, \
             each is named when it closes; raise bus.retention.metrics above the longest time that the \
             processor is away"
        );
    }

    fn encode_closed(&mut self, closed: Vec<Closed>, metrics: &Metrics, outgoing: &mut Vec<Outgoing>) {
        for closed in closed {
            let resolution = Resolved { resolution: closed.window.resolution.as_str() };
            metrics.windows_closed.get_or_create(&resolution).inc();
            metrics.rollups.get_or_create(&resolution).inc_by(closed.rollups.len() as u64);
            let windows = &self.windows;
            outgoing.extend(self.outbox.close(closed, windows.series(), |slot| windows.routes(slot)));
        }
    }

    fn publish_provisional(&mut self, outgoing: &mut Vec<Outgoing>) {
        for open in self.windows.provisional() {
            outgoing.extend(self.outbox.show(open, self.windows.series()));
        }
    }

    fn report(&self, partition: u32, metrics: &Metrics) {
        let label = Partition { partition };
        metrics.active_series.get_or_create(&label).set(self.windows.n_series() as i64);
        metrics.clocks_ahead.get_or_create(&label).set(self.clocks.n_ahead() as i64);
        if let Some(frontier) = self.windows.frontier() {
            let lag_ms = clock::now_millis().saturating_sub(frontier.as_millis());
            metrics.watermark_lag.get_or_create(&label).set(lag_ms as f64 / 1_000.0);
        }
    }
}

/// Counts windows that have lost samples, and names them by the minute: it holds those of 10 s.
fn note_cut(record: &Delivered, cut: &[(Window, usize)], metrics: &Metrics) {
    for (window, n_series) in cut {
        let resolution = window.resolution.as_str();
        metrics.cut_windows.get_or_create(&Resolved { resolution }).inc();
        if window.resolution == Resolution::OneMinute {
            warn!(
                partition = record.position.at.partition,
                start_ms = window.start.as_millis(),
                resolution,
                n_series,
                "a window has lost samples that the bus dropped; for these series it stays as it is stored, \
                 and is a gap if it is not"
            );
        }
    }
}

/// A frame that cannot be read becomes a dead letter, unless it was handled before (a repeat, or a
/// replay that starts behind the stream's key frame).
fn undecodable(
    record: &Delivered,
    error: &DecodeError,
    is_replay: bool,
    metrics: &Metrics,
) -> Option<Outgoing> {
    let reason = match error {
        DecodeError::Duplicate { .. } => {
            if !is_replay {
                metrics.duplicate_frames.inc();
            }
            return None;
        }
        _ if is_replay => return None,
        _ => error.reason(),
    };
    Some(dead_letters::of_record(record, reason, error.to_string(), metrics))
}

fn misplaced(record: &Delivered, batch: &MetricBatch, outcome: &Outcome, metrics: &Metrics) -> Vec<Outgoing> {
    metrics.late_samples.inc_by(outcome.late.len() as u64);
    metrics.future_samples.inc_by(outcome.future.len() as u64);
    let letter = |reason: &'static str, samples: &[(Series, Sample)]| {
        let (series, sample) = samples.first()?;
        let gap_s = (sample.at_ms - batch.scraped.as_millis()) as f64 / 1_000.0;
        let detail = format!(
            "{} samples of {}, the first is {series_name} stamped {gap_s:+.1} s from its scrape",
            samples.len(),
            batch.stream.target,
            series_name = series.labels,
        );
        Some(dead_letters::of_samples(record, batch, samples, (reason, detail), metrics))
    };
    [letter("late", &outcome.late), letter("future", &outcome.future)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
