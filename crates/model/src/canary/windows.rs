//! The canaries among windows on their way. Most batches cost a look at the series that they define.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CANARY_LIFE, CANARY_SENT, CANARY_SEQUENCE, CanaryBeats, CanaryCount, CanaryTrack};
use crate::{Aggregate, Field, RollupBatch, SeriesRef, Timestamp};

/// Canaries that are followed; those of further collectors are not.
const MAX_CANARIES: usize = 1_024;

/// Follows the canaries in streams of windows of one width.
#[derive(Debug, Default)]
pub struct CanaryWindows {
    streams: HashMap<Arc<str>, Stream>,
    /// By cluster and collector.
    tracks: HashMap<Arc<str>, CanaryTrack>,
}

#[derive(Debug, Default)]
struct Stream {
    epoch: u64,
    series: Vec<Canary>,
}

/// Numbers of one canary's series in a stream.
#[derive(Debug)]
struct Canary {
    name: Arc<str>,
    sequence: Option<SeriesRef>,
    sent: Option<SeriesRef>,
    life: Option<SeriesRef>,
}

/// What a batch told of one canary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanarySeen {
    pub count: CanaryCount,
    /// When the newest of its beats was sent.
    pub sent: Timestamp,
}

impl CanaryWindows {
    /// What is new in this batch. Windows that a new owner publishes once more are nothing new.
    pub fn read(&mut self, batch: &RollupBatch) -> Vec<CanarySeen> {
        let n_known: usize = self.streams.values().map(|stream| stream.series.len()).sum();
        let stream = self.streams.entry(Arc::clone(&batch.stream)).or_default();
        let is_new_owner = stream.epoch != batch.epoch;
        stream.define(batch, n_known);
        let mut seen = Vec::new();
        for canary in &stream.series {
            let Some((beats, sent)) = canary.read(batch) else { continue };
            let track = match self.tracks.get_mut(&canary.name) {
                Some(track) => track,
                None => {
                    // Collectors that are gone; those that are not begin anew.
                    if self.tracks.len() >= 2 * MAX_CANARIES {
                        self.tracks.clear();
                    }
                    self.tracks.entry(Arc::clone(&canary.name)).or_default()
                }
            };
            let again = CanaryCount { doubled: beats.count, ..CanaryCount::default() };
            let count = track
                .window(batch.window.start, beats)
                .or((!is_new_owner && batch.is_final).then_some(again));
            seen.extend(count.map(|count| CanarySeen { count, sent }));
        }
        seen
    }
}

impl Stream {
    fn define(&mut self, batch: &RollupBatch, n_known: usize) {
        if batch.is_key || self.epoch != batch.epoch {
            self.series.clear();
        }
        self.epoch = batch.epoch;
        for (reference, series) in &batch.defined {
            let metric = series.labels.metric_name();
            if ![CANARY_SEQUENCE, CANARY_SENT, CANARY_LIFE].contains(&metric) {
                continue;
            }
            let [cluster, collector] =
                ["cluster", "collector"].map(|label| series.labels.get(label).unwrap_or_default());
            let name = format!("{cluster}/{collector}");
            let known = self.series.iter().position(|canary| *canary.name == *name);
            let index = match known {
                Some(index) => index,
                None if n_known + self.series.len() >= 2 * MAX_CANARIES => continue,
                None => {
                    self.series.push(Canary { name: name.into(), sequence: None, sent: None, life: None });
                    self.series.len() - 1
                }
            };
            let canary = &mut self.series[index];
            match metric {
                CANARY_SEQUENCE => canary.sequence = Some(*reference),
                CANARY_SENT => canary.sent = Some(*reference),
                _ => canary.life = Some(*reference),
            }
        }
    }
}

impl Canary {
    fn read(&self, batch: &RollupBatch) -> Option<(CanaryBeats, Timestamp)> {
        let of = |series: Option<SeriesRef>| {
            // Rollups come in order of series.
            let series = series?;
            let index = batch.rollups.binary_search_by_key(&series, |rollup| rollup.series).ok()?;
            Some(&batch.rollups[index].aggregate)
        };
        let (sequence, sent, life) = (of(self.sequence)?, of(self.sent)?, of(self.life)?);
        let number = |aggregate: &Aggregate, field| aggregate.field(field).map(|value| value as u64);
        let millis =
            |aggregate: &Aggregate, field| aggregate.field(field).map(|seconds| (seconds * 1_000.0).round());
        let beats = CanaryBeats {
            lives: (millis(life, Field::Min)? as u64, millis(life, Field::Max)? as u64),
            first: number(sequence, Field::Min)?,
            last: number(sequence, Field::Last)?,
            count: sequence.count(),
        };
        Some((beats, Timestamp::from_millis(millis(sent, Field::Max)? as i64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Labels, METRIC_NAME, MetricKind, Resolution, Rollup, Series, Summary, Window};

    fn series(metric: &str, collector: &str) -> Series {
        let pairs = [(METRIC_NAME, metric), ("cluster", "c"), ("collector", collector)];
        Series { labels: Labels::from_pairs(pairs).expect("unique names"), kind: MetricKind::Gauge }
    }

    fn of(values: &[f64]) -> Aggregate {
        if let [one] = values {
            return Aggregate::Single(*one);
        }
        Aggregate::Summary(Box::new(Summary {
            count: values.len() as u64,
            sum: values.iter().sum(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            last: values[values.len() - 1],
            m2: 0.0,
            increase: None,
            sketch: None,
        }))
    }

    /// A window of 10 s with some beats of a collector's first life, among other series.
    fn batch(epoch: u64, start_s: i64, numbers: &[u32]) -> RollupBatch {
        let metrics = ["up", CANARY_LIFE, CANARY_SENT, CANARY_SEQUENCE, "zz"];
        let sequence: Vec<f64> = numbers.iter().map(|n| f64::from(*n)).collect();
        let sent: Vec<f64> = numbers.iter().map(|n| 1_000.0 + f64::from(*n)).collect();
        let values = [of(&[1.0]), of(&vec![1_000.0; numbers.len()]), of(&sent), of(&sequence), of(&[2.0])];
        RollupBatch {
            stream: "p0".into(),
            epoch,
            sequence: 0,
            is_key: true,
            window: Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(start_s) },
            is_final: true,
            defined: (0..).zip(metrics).map(|(i, name)| (SeriesRef(i), series(name, "a"))).collect(),
            rollups: (0..)
                .zip(values)
                .map(|(i, aggregate)| Rollup { series: SeriesRef(i), aggregate })
                .collect(),
        }
    }

    #[test]
    fn finds_the_canary_among_other_series_and_counts_what_it_lacks() {
        let mut windows = CanaryWindows::default();
        let seen = windows.read(&batch(1, 1_000, &[0, 1, 2, 3]));
        let count = CanaryCount { received: 4, missing: 0, doubled: 0 };
        assert_eq!(seen, [CanarySeen { count, sent: Timestamp::from_secs(1_003) }]);
        let seen = windows.read(&batch(1, 1_010, &[5, 7]));
        assert_eq!(seen[0].count, CanaryCount { received: 2, missing: 2, doubled: 0 });
    }

    #[test]
    fn a_window_that_its_owner_gives_twice_is_doubled_and_a_new_owners_replay_is_not() {
        let mut windows = CanaryWindows::default();
        windows.read(&batch(1, 1_000, &[0, 1]));
        windows.read(&batch(1, 1_010, &[2, 3]));
        let doubled = windows.read(&batch(1, 1_000, &[0, 1]));
        assert_eq!(doubled[0].count, CanaryCount { received: 0, missing: 0, doubled: 2 });
        assert_eq!(windows.read(&batch(2, 1_000, &[0, 1])), []);
        let seen = windows.read(&batch(2, 1_020, &[4, 5]));
        assert_eq!(seen[0].count, CanaryCount { received: 2, missing: 0, doubled: 0 });
    }
}
