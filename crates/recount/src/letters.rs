//! Dead letters: what was taken out of the way on purpose, and is therefore not missing.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use sentinel_model::{DeadLetter, EventBatch, LogBatch, Resolution, SeriesId, Timestamp, Topic};
use sentinel_proto::{MetricDecoder, RollupDecoder, Wire as _};

use crate::books::{Books, Progress, RecountError, Span};
use crate::lines::line_key;
use crate::mailbox::Topics;
use crate::report::{Report, Step};

/// Samples, windows and lines in letters that are remembered.
const MAX_REMEMBERED: usize = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Letters {
    /// Late samples and those ahead of their time, by partition and offset of their frame.
    samples: AHashMap<(u32, u64), AHashSet<(SeriesId, Timestamp)>>,
    /// Windows that the store would not take.
    windows: AHashSet<(SeriesId, Resolution, Timestamp)>,
    lines: AHashSet<u128>,
    events: AHashSet<(Arc<str>, String)>,
    n_remembered: usize,
}

impl Letters {
    pub(crate) async fn read(
        books: &Books,
        span: Span,
        (progress, report): (&Progress, &mut Report),
    ) -> Result<Self, RecountError> {
        let topics = Topics::look(&*books.bus, Topic::DeadLetters).await?;
        let mut letters = Self::default();
        let read = |record: &sentinel_bus::Delivered| {
            let Ok(letter) = DeadLetter::decode(&record.record.value) else { return };
            if span.holds(letter.observed) {
                let kind = (letter.topic.clone(), letter.reason.clone());
                *report.dead_letters.entry(kind).or_default() += 1;
            }
            if letters.n_remembered < MAX_REMEMBERED {
                letters.remember(&letter);
            }
        };
        topics.read(&*books.bus, progress, read).await?;
        if letters.n_remembered >= MAX_REMEMBERED {
            let reason = format!("more than {MAX_REMEMBERED} samples, windows and lines are in dead letters");
            report.leave_out(Step::Frames, "dead letters", reason);
        }
        Ok(letters)
    }

    fn remember(&mut self, letter: &DeadLetter) {
        match (Topic::from_name(&letter.topic), letter.reason.as_str()) {
            (Some(Topic::Metrics), "late" | "future") => {
                let Ok(batch) = MetricDecoder::new().decode(&letter.value) else { return };
                let ids: Vec<SeriesId> = batch.defined.iter().map(|(_, series)| series.labels.id()).collect();
                let samples = self.samples.entry((letter.partition, letter.offset)).or_default();
                for point in &batch.points {
                    if let Some(id) = ids.get(point.series.0 as usize) {
                        samples.insert((*id, point.timestamp));
                    }
                }
                self.n_remembered += batch.points.len();
            }
            (Some(Topic::Rollups), "rejected") => {
                let Ok(batch) = RollupDecoder::new().decode(&letter.value) else { return };
                for (_, series) in &batch.defined {
                    self.windows.insert((series.labels.id(), batch.window.resolution, batch.window.start));
                    self.n_remembered += 1;
                }
            }
            (Some(Topic::Logs), "rejected") => {
                let Ok(batch) = LogBatch::decode(&letter.value) else { return };
                self.n_remembered += batch.records.len();
                self.lines.extend(batch.records.iter().map(|line| line_key(&batch.cluster, line)));
            }
            (Some(Topic::Events), "rejected") => {
                let Ok(batch) = EventBatch::decode(&letter.value) else { return };
                self.n_remembered += batch.records.len();
                let cluster = batch.cluster;
                self.events.extend(batch.records.into_iter().map(|event| (Arc::clone(&cluster), event.uid)));
            }
            _ => {}
        }
    }

    /// Samples of one frame that went into a letter.
    pub(crate) fn samples_of(&self, partition: u32, offset: u64) -> Option<&AHashSet<(SeriesId, Timestamp)>> {
        self.samples.get(&(partition, offset))
    }

    pub(crate) fn has_window(&self, id: SeriesId, width: Resolution, start: Timestamp) -> bool {
        self.windows.contains(&(id, width, start))
    }

    pub(crate) fn has_line(&self, key: u128) -> bool {
        self.lines.contains(&key)
    }

    pub(crate) fn has_event(&self, cluster: &Arc<str>, uid: &str) -> bool {
        self.events.contains(&(Arc::clone(cluster), uid.to_owned()))
    }
}
