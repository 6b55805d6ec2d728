//! How fast the topics of the bus grow: offsets looked at every few seconds, kept for a minute.

use std::collections::VecDeque;

use ahash::AHashMap;
use parking_lot::Mutex;
use sentinel_bus::{Bus, BusError, TopicPartition};
use sentinel_model::{Timestamp, Topic};

/// Looks kept: a minute at one each 5 s.
const N_LOOKS: usize = 13;

#[derive(Debug, Default)]
pub struct Traffic(Mutex<AHashMap<Topic, VecDeque<(Timestamp, u64)>>>);

/// Offsets of all partitions of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicOffsets {
    /// By partition: first offset that is there, and the next one to be given.
    pub partitions: Vec<(u64, u64)>,
}

impl TopicOffsets {
    /// # Errors
    /// Those of the bus.
    pub async fn read(bus: &dyn Bus, topic: Topic) -> Result<Self, BusError> {
        let mut partitions = Vec::new();
        for partition in 0..bus.n_partitions(topic) {
            let offsets = bus.offsets(TopicPartition { topic, partition }).await?;
            partitions.push((offsets.earliest, offsets.next));
        }
        Ok(Self { partitions })
    }

    pub fn n_records(&self) -> u64 {
        self.partitions.iter().map(|(earliest, next)| next.saturating_sub(*earliest)).sum()
    }

    pub fn end(&self) -> u64 {
        self.partitions.iter().map(|(_, next)| next).sum()
    }
}

impl Traffic {
    pub fn note(&self, topic: Topic, at: Timestamp, end: u64) {
        let mut topics = self.0.lock();
        let looks = topics.entry(topic).or_default();
        looks.push_back((at, end));
        if looks.len() > N_LOOKS {
            looks.pop_front();
        }
    }

    /// Messages a second over the last minute.
    pub fn rate(&self, topic: Topic) -> Option<f64> {
        let topics = self.0.lock();
        let looks = topics.get(&topic)?;
        let ((first_at, first), (last_at, last)) = (looks.front()?, looks.back()?);
        let span_ms = last_at.millis_since(*first_at);
        (span_ms > 0).then(|| last.saturating_sub(*first) as f64 * 1_000.0 / span_ms as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_covers_the_last_minute() {
        let traffic = Traffic::default();
        assert_eq!(traffic.rate(Topic::Logs), None);
        for i in 0..100 {
            let end = if i < 50 { 0 } else { (i as u64 - 49) * 10 };
            traffic.note(Topic::Logs, Timestamp::from_secs(i * 5), end);
        }
        assert_eq!(traffic.rate(Topic::Logs), Some(2.0));
    }
}
