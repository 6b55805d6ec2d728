//! Windows of 1 min → windows of 5 min and 1 h, each stream by itself: a wider window closes when its
//! last minute has come, which the stream's own messages tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use async_trait::async_trait;
use sentinel_bus::{Commit, Delivered, Outgoing, TopicPartition};
use sentinel_model::{
    Aggregate, Resolution, Rollup, RollupBatch, Series, SeriesId, SeriesRef, Summary, Timestamp, Topic,
    Window,
};
use sentinel_runtime::{Shutdown, clock};

use super::metric_store::RollupStreams;
use super::outbox::{Outbox, RESOLUTION_HEADER};
use crate::aggregate::{merge, to_summary};
use crate::dead_letters;
use crate::metrics::{Metrics, Resolved};
use crate::pipeline::{Pipeline, Stage, Stopped};
use crate::rules::Routes;
use crate::windows::Closed;

pub(crate) struct Stage2 {
    pipeline: Pipeline,
    partitions: BTreeMap<u32, PartitionState>,
    shutdown: Shutdown,
}

struct PartitionState {
    streams: RollupStreams,
    merged: BTreeMap<Arc<str>, Merged>,
    /// Minutes before this belong to windows that were published before the restart.
    horizon: Timestamp,
    /// Messages below this were handled before the restart. Until they have been read again, not every
    /// stream has been seen, so that there is no horizon to commit.
    replayed_until: u64,
    partition: u32,
    epoch: u64,
}

/// Open windows of one stream.
struct Merged {
    /// End of the last minute that was merged.
    until: Timestamp,
    series: Vec<Series>,
    places: AHashMap<SeriesId, u32>,
    wide: [Wide; 2],
    outbox: Outbox,
}

/// The open window of one width: a summary for each place.
struct Wide {
    resolution: Resolution,
    start: Timestamp,
    summaries: Vec<Option<Box<Summary>>>,
}

const WIDTHS: [Resolution; 2] = [Resolution::FiveMinutes, Resolution::OneHour];

impl Stage2 {
    pub(crate) fn new(pipeline: Pipeline, shutdown: Shutdown) -> Self {
        Self { pipeline, partitions: BTreeMap::new(), shutdown }
    }
}

#[async_trait]
impl Stage for Stage2 {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>) {
        let (horizon, replayed_until) =
            commit.and_then(|commit| from_metadata(&commit.metadata)).unwrap_or((Timestamp::MIN, 0));
        let state = PartitionState {
            streams: RollupStreams::new(0),
            merged: BTreeMap::new(),
            horizon,
            replayed_until,
            partition: at.partition,
            epoch: clock::now_millis().unsigned_abs(),
        };
        self.partitions.insert(at.partition, state);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.partitions.remove(&at.partition);
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let mut outgoing = Vec::new();
        for record in &records {
            if let Some(state) = self.partitions.get_mut(&record.position.at.partition) {
                state.apply(record, &self.pipeline.metrics, &mut outgoing);
            }
        }
        if outgoing.is_empty() {
            return Ok(());
        }
        let bus = &self.pipeline.bus;
        let published =
            self.pipeline.retry(&self.shutdown, "publish windows", || bus.publish(outgoing.clone())).await;
        published.map(|_| ()).ok_or(Stopped)
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let commit = |(partition, state): (&u32, &mut PartitionState)| {
            let at = TopicPartition { topic: Topic::Rollups, partition: *partition };
            let position = state.streams.position();
            if position < state.replayed_until {
                return None;
            }
            let horizon = state.open_from();
            let offset = state.streams.needed(horizon)?;
            Some((at, Commit { offset, metadata: format!("{} {position}", horizon.as_millis()) }))
        };
        self.partitions.iter_mut().filter_map(commit).collect()
    }
}

/// Horizon and position, as `commits` writes them.
fn from_metadata(metadata: &str) -> Option<(Timestamp, u64)> {
    let (horizon, position) = metadata.split_once(' ')?;
    Some((Timestamp::from_millis(horizon.parse().ok()?), position.parse().ok()?))
}

impl PartitionState {
    /// Start of the oldest open hour.
    fn open_from(&self) -> Timestamp {
        let hour = Resolution::OneHour.as_millis();
        self.merged
            .values()
            .map(|merged| merged.until.floor(hour))
            .min()
            .unwrap_or(self.horizon)
            .max(self.horizon)
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
        let batch = match self.streams.decode(record) {
            Ok(Some(batch)) if batch.window.start >= self.horizon => batch,
            Ok(_) => return,
            Err(error) => {
                outgoing.push(dead_letters::of_record(record, error.reason(), error.to_string(), metrics));
                return;
            }
        };
        let (partition, epoch) = (self.partition, self.epoch);
        let merged = self
            .merged
            .entry(Arc::clone(&batch.stream))
            .or_insert_with(|| Merged::new(&batch.stream, epoch, partition));
        merged.apply(&batch, &self.streams, metrics, outgoing);
    }
}

impl Merged {
    fn new(stream: &str, epoch: u64, partition: u32) -> Self {
        let wide = WIDTHS.map(|resolution| Wide { resolution, start: Timestamp::MIN, summaries: Vec::new() });
        let outbox = Outbox::new(&format!("{stream}/wide"), epoch, partition..partition + 1, &WIDTHS);
        Self { until: Timestamp::MIN, series: Vec::new(), places: AHashMap::new(), wide, outbox }
    }

    fn apply(
        &mut self,
        batch: &RollupBatch,
        streams: &RollupStreams,
        metrics: &Metrics,
        outgoing: &mut Vec<Outgoing>,
    ) {
        if batch.window.start < self.until {
            return; // Published twice around a restart: the same bits again.
        }
        self.close(batch.window.start, metrics, outgoing);
        for wide in &mut self.wide {
            wide.start = batch.window.start.floor(wide.resolution.as_millis());
        }
        for rollup in &batch.rollups {
            if let Some((id, series)) = streams.series(&batch.stream, rollup.series.0) {
                self.merge(*id, series, &rollup.aggregate);
            }
        }
        self.until = batch.window.end();
        self.close(self.until, metrics, outgoing);
    }

    fn merge(&mut self, id: SeriesId, series: &Series, aggregate: &Aggregate) {
        let place = *self.places.entry(id).or_insert_with(|| {
            self.series.push(series.clone());
            self.series.len() as u32 - 1
        });
        for wide in &mut self.wide {
            if wide.summaries.len() <= place as usize {
                wide.summaries.resize(place as usize + 1, None);
            }
            match &mut wide.summaries[place as usize] {
                Some(summary) => merge(summary, aggregate, series.kind),
                empty => *empty = Some(Box::new(to_summary(aggregate))),
            }
        }
    }

    /// Publishes the windows that end at or before `until`; after an hour's end, series that had no
    /// sample in it are forgotten.
    fn close(&mut self, until: Timestamp, metrics: &Metrics, outgoing: &mut Vec<Outgoing>) {
        for index in 0..self.wide.len() {
            let wide = &mut self.wide[index];
            let window = Window { resolution: wide.resolution, start: wide.start };
            if wide.start == Timestamp::MIN || window.end() > until {
                continue;
            }
            let rollups = wide.take();
            wide.start = Timestamp::MIN;
            let n_used = rollups.len();
            let resolution = Resolved { resolution: wide.resolution.as_str() };
            metrics.windows_closed.get_or_create(&resolution).inc();
            metrics.rollups.get_or_create(&resolution).inc_by(rollups.len() as u64);
            // Wide windows are rare: a reader must not have to go back hours for the key frame.
            self.outbox.force_keys();
            outgoing.extend(self.outbox.close(Closed { window, rollups }, &self.series, |_| Routes::ALL));
            if window.resolution == Resolution::OneHour && n_used * 2 < self.series.len() {
                self.forget();
            }
        }
    }

    fn forget(&mut self) {
        self.series.clear();
        self.places.clear();
        self.wide.iter_mut().for_each(|wide| wide.summaries.clear());
        self.outbox.renumber();
    }
}

impl Wide {
    fn take(&mut self) -> Vec<Rollup> {
        let taken = |(place, summary): (usize, &mut Option<Box<Summary>>)| {
            let summary = summary.take()?;
            let aggregate = match &*summary {
                only if only.count == 1 && only.increase.is_none() => Aggregate::Single(only.last),
                _ => Aggregate::Summary(summary),
            };
            Some(Rollup { series: SeriesRef(place as u32), aggregate })
        };
        self.summaries.iter_mut().enumerate().filter_map(taken).collect()
    }
}
