//! Which collector a target belongs to when several send frames of it: the one that began last, for as long as it
//! is alive. Decided frame by frame, from frames before it in the log alone.
//!
//! A frame is superseded when
//! - a rival of a larger epoch was alive when it was scraped: the target was taken over, or is scraped twice;
//! - or a rival of a smaller epoch has had samples accepted that were scraped at the same time or up to 30 s later:
//!   the clocks of the two differ, and time must not go back for the target's counters.
//!
//! The first rule leaves alone what the one before scraped before it was taken over, however late it comes (out of a
//! spool, say). Frames behind the frontier are not weighed: their samples are late whoever sends them. So no decision
//! asks for more than what was scraped shortly before an open window, and a replay that reads that comes to the same
//! ones.

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_model::{StreamKey, Timestamp};

use super::Stream;
use crate::replay::Needs;

/// The streams of each target.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_target: AHashMap<Target, Vec<StreamKey>>,
}

/// Cluster and target.
type Target = (Arc<str>, Arc<str>);

fn target_of(stream: &StreamKey) -> Target {
    (Arc::clone(&stream.cluster), Arc::clone(&stream.target))
}

impl Claims {
    /// Notes a stream that was not known.
    pub(super) fn add(&mut self, stream: &StreamKey) {
        self.by_target.entry(target_of(stream)).or_default().push(stream.clone());
    }

    /// Forgets a stream.
    pub(super) fn remove(&mut self, stream: &StreamKey) {
        let target = target_of(stream);
        if let Some(streams) = self.by_target.get_mut(&target) {
            streams.retain(|other| other != stream);
            if streams.is_empty() {
                self.by_target.remove(&target);
            }
        }
    }

    /// Whether a frame of `stream` gives way to a rival's.
    pub(super) fn is_superseded(
        &self,
        stream: &StreamKey,
        epoch: u64,
        scraped: Timestamp,
        streams: &AHashMap<StreamKey, Stream>,
    ) -> bool {
        let Some(claimants) = self.by_target.get(&target_of(stream)) else { return false };
        let rank = (epoch, &*stream.collector);
        let rivals = claimants.iter().filter(|rival| *rival != stream);
        rivals.filter_map(|rival| Some((rival, streams.get(rival)?))).any(|(key, rival)| {
            let is_larger = (rival.epoch, &*key.collector) > rank;
            if is_larger { rival.history.is_alive(scraped) } else { rival.history.is_accepted_from(scraped) }
        })
    }

    /// What a replay needs, target by target: of contested ones, what their needed frames were weighed against.
    pub(super) fn needs(
        &self,
        (horizon, open_from): (Timestamp, Timestamp),
        streams: &AHashMap<StreamKey, Stream>,
    ) -> NeedsByTarget {
        let contested = self.by_target.iter().filter(|(_, claimants)| claimants.len() > 1);
        let weighed = contested.map(|(target, claimants)| {
            let first = |key: &StreamKey| streams.get(key)?.history.first_scraped(horizon);
            let first = claimants.iter().filter_map(first).min();
            (target.clone(), first.map_or(open_from, |first| first.min(open_from)))
        });
        NeedsByTarget { horizon, open_from, weighed: weighed.collect() }
    }
}

pub(super) struct NeedsByTarget {
    horizon: Timestamp,
    open_from: Timestamp,
    weighed: AHashMap<Target, Timestamp>,
}

impl NeedsByTarget {
    pub(super) fn of(&self, stream: &StreamKey) -> Needs {
        let contested = if self.weighed.is_empty() { None } else { self.weighed.get(&target_of(stream)) };
        Needs { horizon: self.horizon, weighed: contested.copied().unwrap_or(self.open_from) }
    }
}
