//! Reads a topic from its beginning to where it ended when the recount began.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sentinel_bus::{Bus, Commit, Delivered, Follower, Offsets, PollLimit, Start, TopicPartition};
use sentinel_model::{Timestamp, Topic};
use sentinel_runtime::Backoff;

use crate::books::{Progress, RecountError};

const POLL: PollLimit =
    PollLimit { max_records: 2_000, max_bytes: 8 << 20, wait: Duration::from_millis(500) };
/// A topic that gives nothing for so long before its end is given up.
const PATIENCE: u32 = 60;

/// One topic, bounded by the offsets of its partitions.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    pub(crate) topic: Topic,
    pub(crate) offsets: Vec<Offsets>,
}

impl Topics {
    pub(crate) async fn look(bus: &dyn Bus, topic: Topic) -> Result<Self, RecountError> {
        let mut offsets = Vec::new();
        for partition in 0..bus.n_partitions(topic) {
            offsets.push(bus.offsets(TopicPartition { topic, partition }).await?);
        }
        Ok(Self { topic, offsets })
    }

    pub(crate) fn n_records(&self) -> u64 {
        self.offsets.iter().map(|offsets| offsets.next.saturating_sub(offsets.earliest)).sum()
    }

    /// Whether retention has removed nothing of a partition.
    pub(crate) fn is_whole(&self, partition: u32) -> bool {
        self.offsets.get(partition as usize).is_some_and(|offsets| offsets.earliest == 0)
    }

    /// When the first message that is left was sent, of each partition that retention has taken from; `None` where
    /// nothing is left.
    pub(crate) async fn cuts(
        &self,
        bus: &dyn Bus,
        progress: &Progress,
    ) -> Result<Vec<Option<Timestamp>>, RecountError> {
        let mut firsts: BTreeMap<u32, Option<Timestamp>> = (0u32..)
            .zip(&self.offsets)
            .filter(|(_, offsets)| offsets.earliest > 0)
            .map(|(p, _)| (p, None))
            .collect();
        let has_messages = |partition: &u32| {
            self.offsets.get(*partition as usize).is_some_and(|offsets| offsets.next > offsets.earliest)
        };
        let mut awaited: BTreeSet<u32> = firsts.keys().copied().filter(has_messages).collect();
        if awaited.is_empty() {
            return Ok(firsts.into_values().collect());
        }
        let mut follower: Box<dyn Follower> = bus.follow(self.topic, Start::Earliest).await?;
        let mut n_empty = 0;
        while !awaited.is_empty() && n_empty <= PATIENCE {
            progress.check()?;
            let records = follower.poll(POLL).await?;
            if records.is_empty() {
                n_empty += 1;
                if follower.is_caught_up() {
                    break;
                }
            }
            for Delivered { position, record, .. } in records {
                if awaited.remove(&position.at.partition) {
                    firsts.insert(position.at.partition, Some(record.timestamp));
                }
            }
        }
        Ok(firsts.into_values().collect())
    }

    /// Gives `take` every message, in order within each partition.
    pub(crate) async fn read(
        &self,
        bus: &dyn Bus,
        progress: &Progress,
        mut take: impl FnMut(&Delivered),
    ) -> Result<(), RecountError> {
        let mut left: Vec<bool> =
            self.offsets.iter().map(|offsets| offsets.next > offsets.earliest).collect();
        if !left.contains(&true) {
            return Ok(());
        }
        let mut follower: Box<dyn Follower> = bus.follow(self.topic, Start::Earliest).await?;
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        let mut n_empty = 0;
        while left.contains(&true) {
            progress.check()?;
            let records = follower.poll(POLL).await?;
            if records.is_empty() {
                n_empty += 1;
                // Retention may have taken what was last; then the follower says that nothing is left.
                if follower.is_caught_up() {
                    return Ok(());
                }
                if n_empty > PATIENCE {
                    return Err(RecountError::Stalled { topic: self.topic });
                }
                tokio::time::sleep(backoff.next_delay()).await;
                continue;
            }
            n_empty = 0;
            backoff.reset();
            for record in &records {
                let partition = record.position.at.partition as usize;
                let Some(offsets) = self.offsets.get(partition) else { continue };
                if record.position.offset < offsets.next {
                    take(record);
                }
                if record.position.offset + 1 >= offsets.next {
                    left[partition] = false;
                }
            }
            progress.advance(records.len() as u64);
            // Decoding is work: others have their turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Offset behind the last message that a group has dealt with, by partition. A pipeline that may have to replay
/// commits an older offset, and says in the note how far it is: the number alone, or under `p`.
pub(crate) async fn positions(bus: &dyn Bus, group: &str, topic: Topic) -> Result<Vec<u64>, RecountError> {
    let position = |commit: &Commit| {
        let noted = || serde_json::from_str::<serde_json::Value>(&commit.metadata).ok()?.get("p")?.as_u64();
        commit.offset.max(commit.metadata.parse().ok().or_else(noted).unwrap_or(0))
    };
    let committed = bus.committed(group, topic).await?;
    Ok(committed.iter().map(|commit| commit.as_ref().map_or(0, position)).collect())
}

/// `partition 3 offset 17 of sentinel.metrics.v1`
pub(crate) fn place(record: &Delivered) -> String {
    let position = record.position;
    format!("partition {} offset {} of {}", position.at.partition, position.offset, position.at.topic)
}

/// Milliseconds as RFC 3339 would need a calendar: readers of reports have the number and can compute with it.
pub(crate) fn moment(at: Timestamp) -> String {
    format!("{:.3} s", at.as_secs_f64())
}
