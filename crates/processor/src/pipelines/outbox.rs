//! Closed and provisional windows → messages for the rollups and live topics.
//!
//! Results are spread over the topic's partitions by entity, so that everything about one workload
//! lies in one partition, whichever target it came from.

use std::sync::Arc;

use bytes::Bytes;
use sentinel_bus::{Outgoing, Record, Route};
use sentinel_model::{Labels, Resolution, Rollup, Series, SeriesRef, Timestamp, Topic, Window};
use sentinel_proto::{EncodedFrame, EncoderConfig, RollupEncoder};

use super::lost_header;
use crate::room;
use crate::rules::Routes;
use crate::windows::{Closed, Lost};

/// Header that tells a window's width without decoding the message.
pub(crate) const RESOLUTION_HEADER: &str = "resolution";

/// Header that tells whether a message is a key frame.
pub(crate) const KEY_HEADER: &str = "key";

/// Encoders for every output partition, fed from one input partition.
pub(crate) struct Outbox {
    outlets: Vec<Outlet>,
    /// For each place in the input's series table: index of the outlet and number there.
    places: Vec<(u32, SeriesRef)>,
}

/// In `Outbox::places`: no outlet yet.
const NO_OUTLET: u32 = u32::MAX;

struct Outlet {
    partition: u32,
    series: Vec<Series>,
    finals: Vec<(Resolution, RollupEncoder)>,
    live: RollupEncoder,
    /// Newest window that was shown, and the one of the last key frame.
    shown: Option<(Timestamp, Timestamp)>,
}

/// Between two key frames of provisional windows, by event time: followers start in the middle, and the more
/// messages there are, the more a key frame every few of them would cost.
const LIVE_KEY_INTERVAL_MS: i64 = 60_000;

impl Outbox {
    /// `name` tells the producer, such as `p3`; `epoch` grows with each start.
    pub(crate) fn new(name: &str, epoch: u64, n_partitions: u32, resolutions: &[Resolution]) -> Self {
        let encoder = |partition: u32, what: &str| {
            let config = match what {
                "live" => EncoderConfig { key_interval: u32::MAX, ..EncoderConfig::default() },
                _ => EncoderConfig::default(),
            };
            RollupEncoder::new(Arc::from(format!("{name}/{partition}/{what}")), epoch, config)
        };
        let outlets = (0..n_partitions)
            .map(|partition| Outlet {
                partition,
                series: Vec::new(),
                finals: resolutions.iter().map(|r| (*r, encoder(partition, r.as_str()))).collect(),
                live: encoder(partition, "live"),
                shown: None,
            })
            .collect();
        Self { outlets, places: Vec::new() }
    }

    /// Messages for a closed window. `all` and `routes` belong to the input's table, which the rollups
    /// number. Every partition gets one, so that readers see the stream's progress.
    pub(crate) fn close(
        &mut self,
        closed: Closed,
        all: &[Series],
        routes: impl Fn(SeriesRef) -> Routes,
    ) -> Vec<Outgoing> {
        let Closed { window, mut rollups, mut lost } = closed;
        let is_carried = |series| routes(series).carries(window.resolution);
        rollups.retain(|rollup| is_carried(rollup.series));
        if let Lost::Series(series) = &mut lost {
            series.retain(|series| is_carried(*series));
        }
        let parts = self.spread(rollups, all);
        let lost = self.spread_lost(lost, all);
        let outlets = self.outlets.iter_mut().zip(parts).zip(lost);
        outlets.filter_map(|((outlet, rollups), lost)| outlet.close(window, &rollups, &lost)).collect()
    }

    /// Messages for a window that is still open, for the partitions that it touches.
    pub(crate) fn show(&mut self, open: Closed, all: &[Series]) -> Vec<Outgoing> {
        let parts = self.spread(open.rollups, all);
        let outlets = self.outlets.iter_mut().zip(parts).filter(|(_, rollups)| !rollups.is_empty());
        outlets.map(|(outlet, rollups)| outlet.show(open.window, &rollups)).collect()
    }

    /// Rollups by outlet, renumbered.
    fn spread(&mut self, rollups: Vec<Rollup>, all: &[Series]) -> Vec<Vec<Rollup>> {
        let mut parts: Vec<Vec<Rollup>> = self.outlets.iter().map(|_| Vec::new()).collect();
        for rollup in rollups {
            let (outlet, series) = self.place(rollup.series, all);
            parts[outlet].push(Rollup { series, aggregate: rollup.aggregate });
        }
        parts
    }

    /// What is lost by outlet, renumbered: series without a sample since the start are numbered for it.
    fn spread_lost(&mut self, lost: Lost, all: &[Series]) -> Vec<Lost> {
        let Lost::Series(series) = lost else { return vec![lost; self.outlets.len()] };
        let mut parts: Vec<Vec<SeriesRef>> = self.outlets.iter().map(|_| Vec::new()).collect();
        for slot in series {
            let (outlet, series) = self.place(slot, all);
            parts[outlet].push(series);
        }
        parts.iter_mut().for_each(|series| series.sort_unstable());
        parts.into_iter().map(Lost::Series).collect()
    }

    /// The input's table was renumbered: everything is defined anew.
    pub(crate) fn renumber(&mut self) {
        self.places.clear();
        for outlet in &mut self.outlets {
            outlet.series.clear();
            outlet.live.force_key();
            outlet.finals.iter_mut().for_each(|(_, encoder)| encoder.force_key());
        }
    }

    fn place(&mut self, slot: SeriesRef, all: &[Series]) -> (usize, SeriesRef) {
        let index = slot.0 as usize;
        if self.places.len() <= index {
            self.places.resize(all.len().max(index + 1), (NO_OUTLET, SeriesRef(0)));
        }
        let (outlet, series) = self.places[index];
        if outlet != NO_OUTLET {
            return (outlet as usize, series);
        }
        let outlet = partition_of(&all[index].labels, self.outlets.len() as u32);
        let defined = &mut self.outlets[outlet as usize].series;
        let series = SeriesRef(defined.len() as u32);
        room::make(defined);
        defined.push(all[index].clone());
        self.places[index] = (outlet, series);
        (outlet as usize, series)
    }
}

impl Outlet {
    fn close(&mut self, window: Window, rollups: &[Rollup], lost: &Lost) -> Option<Outgoing> {
        let (_, encoder) = self.finals.iter_mut().find(|(resolution, _)| *resolution == window.resolution)?;
        let frame = encoder.encode(window, true, &self.series, rollups);
        let mut message = final_message(self.partition, window, frame);
        message.record.headers.extend(lost_header::header(lost));
        Some(message)
    }

    fn show(&mut self, window: Window, rollups: &[Rollup]) -> Outgoing {
        let (newest, key) = self.shown.unwrap_or((window.start, window.start));
        let newest = newest.max(window.start);
        let is_due = newest >= key.saturating_add_millis(LIVE_KEY_INTERVAL_MS);
        if is_due {
            self.live.repeat_key();
        }
        self.shown = Some((newest, if is_due { newest } else { key }));
        let frame = self.live.encode(window, false, &self.series, rollups);
        message(Topic::Live, self.partition, window, frame)
    }
}

/// A closed window, for one partition of the rollups.
pub(crate) fn final_message(partition: u32, window: Window, frame: EncodedFrame) -> Outgoing {
    message(Topic::Rollups, partition, window, frame)
}

fn message(topic: Topic, partition: u32, window: Window, frame: EncodedFrame) -> Outgoing {
    let is_key = frame.frame == sentinel_model::FrameKind::Key;
    let mut headers =
        vec![(RESOLUTION_HEADER.to_owned(), Bytes::from_static(window.resolution.as_str().as_bytes()))];
    if is_key {
        headers.push((KEY_HEADER.to_owned(), Bytes::from_static(b"1")));
    }
    Outgoing {
        topic,
        route: Route::Partition(partition),
        record: Record { key: Bytes::new(), value: frame.bytes, headers, timestamp: window.start },
    }
}

/// Partition of the entity that a series belongs to: its workload, else its node, else its target.
fn partition_of(labels: &Labels, n_partitions: u32) -> u32 {
    let entity: &[&str] = if labels.get("workload").is_some() {
        &["cluster", "namespace", "workload_kind", "workload"]
    } else if labels.get("node").is_some() {
        &["cluster", "node"]
    } else {
        &["cluster", "namespace", "job", "instance"]
    };
    let parts = entity.iter().map(|name| (*name, labels.get(name).unwrap_or_default()));
    let id = Labels::from_pairs(parts).map_or(0, |labels| labels.id().as_u128());
    (id % u128::from(n_partitions.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use sentinel_model::MetricKind;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).expect("unique names")
    }

    #[test]
    fn everything_about_a_workload_lies_in_one_partition() {
        let of = |pod: &str, name: &str| {
            let workload = [
                ("cluster", "c"),
                ("namespace", "shop"),
                ("workload", "cart"),
                ("pod", pod),
                ("__name__", name),
            ];
            partition_of(&labels(&workload), 7)
        };
        assert_eq!(of("cart-1", "cpu"), of("cart-2", "memory"));
    }

    #[test]
    fn entities_spread_over_all_partitions() {
        let mut seen = [false; 4];
        for node in 0..64 {
            seen[partition_of(&labels(&[("node", &format!("node-{node}"))]), 4) as usize] = true;
        }
        assert_eq!(seen, [true; 4]);
    }

    #[test]
    fn each_partition_hears_of_a_final_window_and_only_touched_ones_of_a_provisional_one() {
        let mut outbox = Outbox::new("p0", 1, 4, &[Resolution::TenSeconds]);
        let all = [Series { labels: labels(&[("node", "a")]), kind: MetricKind::Gauge }];
        let window = Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(10) };
        let rollups =
            vec![Rollup { series: SeriesRef(0), aggregate: sentinel_model::Aggregate::Single(1.0) }];
        let result = || Closed { window, rollups: rollups.clone(), lost: Lost::Nothing };
        assert_eq!(outbox.close(result(), &all, |_| Routes::ALL).len(), 4);
        assert_eq!(outbox.show(result(), &all).len(), 1);
    }

    #[test]
    fn provisional_windows_can_be_followed_from_every_minute() {
        let mut outbox = Outbox::new("p0", 1, 1, &[]);
        let all = [Series { labels: labels(&[("node", "a")]), kind: MetricKind::Gauge }];
        let mut is_key = |secs: i64| {
            let window = Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(secs) };
            let rollups =
                vec![Rollup { series: SeriesRef(0), aggregate: sentinel_model::Aggregate::Single(1.0) }];
            let shown = outbox.show(Closed { window, rollups, lost: Lost::Nothing }, &all).remove(0);
            shown.record.headers.iter().any(|(name, _)| name == KEY_HEADER)
        };
        let keys: Vec<i64> = (0..30).map(|i| i * 10).filter(|secs| is_key(*secs) | is_key(*secs)).collect();
        assert_eq!(keys, [0, 60, 120, 180, 240]);
    }
}
