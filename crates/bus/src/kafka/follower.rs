//! A reader of a whole topic, without a group: assigned to itself, on its own thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use tracing::{debug, warn};

use super::client::KafkaConsumer;
use super::mailbox::{Mailbox, Taken};
use super::metrics::Metrics;
use super::reader::{Reader, Verdict};
use crate::{BusError, Delivered, Follower, Offsets, PollLimit, TopicPartition};

/// A client that could not be made is tried again after this time.
const RETRY: Duration = Duration::from_millis(500);

pub(super) struct TopicFollower {
    mailbox: Arc<Mailbox>,
    /// Where the partitions ended when following began, of those where that has not been reached.
    ahead: BTreeMap<TopicPartition, u64>,
}

/// The thread.
pub(super) struct FollowerThread {
    pub reader: Reader,
    pub prefix: String,
    pub metrics: Arc<Metrics>,
}

impl TopicFollower {
    /// `begin` is where each partition is read from, `ends` what was in it when following began.
    pub fn new(
        mailbox: Arc<Mailbox>,
        begin: &[(TopicPartition, u64)],
        ends: &BTreeMap<TopicPartition, Offsets>,
    ) -> Self {
        let is_ahead = |at: &TopicPartition, next: u64| {
            ends.get(at).filter(|offsets| next < offsets.next && offsets.earliest < offsets.next)
        };
        let ahead = begin.iter().filter_map(|(at, next)| Some((*at, is_ahead(at, *next)?.next)));
        Self { mailbox, ahead: ahead.collect() }
    }

    /// The client says that it is at an end even where the last messages were removed by compaction.
    fn note(&mut self, records: &[Delivered], ends: &[TopicPartition]) {
        if self.ahead.is_empty() {
            return;
        }
        let reached: BTreeSet<_> = ends.iter().copied().collect();
        self.ahead.retain(|at, end| {
            let last = records.iter().rev().find(|delivered| delivered.position.at == *at);
            let is_past = last.is_some_and(|delivered| delivered.position.offset + 1 >= *end);
            !is_past && !reached.contains(at)
        });
    }
}

#[async_trait]
impl Follower for TopicFollower {
    async fn poll(&mut self, limit: PollLimit) -> Result<Vec<Delivered>, BusError> {
        let end = tokio::time::Instant::now() + limit.wait;
        loop {
            let wait = end.saturating_duration_since(tokio::time::Instant::now());
            let Some(Taken::Records(records, ends)) = self.mailbox.take(PollLimit { wait, ..limit }).await
            else {
                return Ok(Vec::new());
            };
            let was_ahead = !self.ahead.is_empty();
            self.note(&records, &ends);
            // Whoever waits to have caught up is told at once.
            if !records.is_empty() || (was_ahead && self.ahead.is_empty()) {
                return Ok(records);
            }
        }
    }

    fn is_caught_up(&self) -> bool {
        self.ahead.is_empty()
    }
}

impl Drop for TopicFollower {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

// === impl FollowerThread ===

impl FollowerThread {
    /// Until the application has gone.
    pub fn run(mut self, begin: &[(TopicPartition, Offset)]) {
        self.assign(begin);
        while !self.reader.mailbox.is_closed() {
            if let Verdict::Broken(why) = self.reader.step(false) {
                self.rebuild(why);
            }
        }
        self.reader.consumer.context().close();
        self.reader.clients.condition.clear(&self.reader.part);
    }

    fn assign(&mut self, begin: &[(TopicPartition, Offset)]) {
        self.reader.begin(begin);
        if let Err(error) = self.reader.consumer.assign(&self.reader.list(begin)) {
            debug!(%error, "assign");
        }
    }

    fn rebuild(&mut self, why: &'static str) {
        warn!(part = ?self.reader.part, why, "the follower is built anew");
        self.metrics.consumer_rebuilds.inc();
        let position = |next: &Option<u64>| {
            next.and_then(|next| i64::try_from(next).ok()).map_or(Offset::Beginning, Offset::Offset)
        };
        let begin: Vec<_> = self.reader.positions.iter().map(|(at, next)| (*at, position(next))).collect();
        self.reader.consumer.context().close();
        self.reader.rest();
        let clients = Arc::clone(&self.reader.clients);
        while !self.reader.mailbox.is_closed() {
            match clients.create::<KafkaConsumer>(&clients.follower(&self.prefix)) {
                Ok(consumer) => {
                    self.reader.replace(consumer);
                    return self.assign(&begin);
                }
                Err(error) => clients.condition.raise(self.reader.part.clone(), error.to_string()),
            }
            self.reader.mailbox.wait_taken(RETRY);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sentinel_model::{Timestamp, Topic};

    use super::*;
    use crate::{Position, Record};

    fn at(partition: u32) -> TopicPartition {
        TopicPartition { topic: Topic::Objects, partition }
    }

    fn delivered(partition: u32, offset: u64) -> Delivered {
        let record = Record {
            key: Bytes::new(),
            value: Bytes::new(),
            headers: Vec::new(),
            timestamp: Timestamp::from_secs(1),
        };
        Delivered { position: Position { at: at(partition), offset }, record, appended: None }
    }

    fn follower() -> TopicFollower {
        let offsets = |earliest, next| Offsets { earliest, next };
        let ends = BTreeMap::from([(at(0), offsets(2, 9)), (at(1), offsets(3, 3)), (at(2), offsets(0, 4))]);
        TopicFollower::new(Arc::new(Mailbox::new(1)), &[(at(0), 2), (at(1), 3), (at(2), 4)], &ends)
    }

    #[test]
    fn has_caught_up_with_what_was_there_when_it_began() {
        let mut follower = follower();
        assert_eq!(follower.ahead, BTreeMap::from([(at(0), 9)]), "others are empty, or read from their end");
        follower.note(&[delivered(0, 7)], &[]);
        assert!(!follower.is_caught_up());
        follower.note(&[delivered(0, 8), delivered(1, 3)], &[]);
        assert!(follower.is_caught_up());
    }

    #[test]
    fn holes_at_the_end_do_not_keep_it_waiting() {
        let mut follower = follower();
        follower.note(&[], &[at(2)]);
        assert!(!follower.is_caught_up());
        follower.note(&[delivered(0, 5)], &[at(0)]);
        assert!(follower.is_caught_up());
    }
}
