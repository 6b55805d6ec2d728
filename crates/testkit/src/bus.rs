//! A bus in memory: as durable as the process, with two partitions a topic and without retention. A
//! group's member reads every partition by itself; what rebalancing does is the embedded bus' to test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sentinel_bus::{
    Bus, BusError, Commit, Consumer, Delivered, Follower, Offsets, Outgoing, PollLimit, Polled, Position,
    Record, Route, Start, TopicPartition,
};
use sentinel_model::Topic;
use tokio::sync::watch;

use crate::Outage;

pub const N_PARTITIONS: u32 = 2;

/// Cheap to clone: clones are the same bus.
#[derive(Clone, Debug)]
pub struct MemoryBus {
    shared: Arc<Shared>,
    pub outage: Outage,
}

#[derive(Debug)]
struct Shared {
    logs: Mutex<BTreeMap<TopicPartition, Vec<Record>>>,
    commits: Mutex<BTreeMap<(String, TopicPartition), Commit>>,
    n_published: watch::Sender<u64>,
}

impl Default for MemoryBus {
    fn default() -> Self {
        let shared =
            Shared { logs: Mutex::default(), commits: Mutex::default(), n_published: watch::Sender::new(0) };
        Self { shared: Arc::new(shared), outage: Outage::default() }
    }
}

impl MemoryBus {
    fn check(&self) -> Result<(), BusError> {
        if self.outage.is_on() {
            return Err(BusError::Storage { message: "an outage on purpose".to_owned() });
        }
        Ok(())
    }

    /// Everything that lies in a topic, in order of partition and offset.
    pub fn records(&self, topic: Topic) -> Vec<Record> {
        let logs = self.shared.logs.lock();
        logs.iter().filter(|(at, _)| at.topic == topic).flat_map(|(_, log)| log.iter().cloned()).collect()
    }

    /// Sets what a group has committed, as if it had run.
    pub fn set_commit(&self, group: &str, at: TopicPartition, commit: Commit) {
        self.shared.commits.lock().insert((group.to_owned(), at), commit);
    }

    fn n_records(&self, at: TopicPartition) -> u64 {
        self.shared.logs.lock().get(&at).map_or(0, |log| log.len() as u64)
    }

    fn reader(&self, topics: &[Topic], start: Start) -> Reader {
        let places = topics.iter().flat_map(|topic| partitions(*topic)).map(|at| {
            let offset = if start == Start::Latest { self.n_records(at) } else { 0 };
            (at, offset)
        });
        Reader { bus: self.clone(), places: places.collect(), published: self.shared.n_published.subscribe() }
    }
}

fn partitions(topic: Topic) -> impl Iterator<Item = TopicPartition> {
    (0..N_PARTITIONS).map(move |partition| TopicPartition { topic, partition })
}

/// Good enough to spread keys, and the same on each run.
fn partition_of(key: &[u8]) -> u32 {
    key.iter().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(*byte))) % N_PARTITIONS
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        self.check()?;
        let mut positions = Vec::new();
        let mut logs = self.shared.logs.lock();
        for message in messages {
            let partition = match message.route {
                Route::ByKey => partition_of(&message.record.key),
                Route::Partition(partition) if partition < N_PARTITIONS => partition,
                Route::Partition(partition) => {
                    let topic = message.topic;
                    return Err(BusError::UnknownPartition { topic, partition, n_partitions: N_PARTITIONS });
                }
            };
            let at = TopicPartition { topic: message.topic, partition };
            let log = logs.entry(at).or_default();
            positions.push(Position { at, offset: log.len() as u64 });
            log.push(message.record);
        }
        drop(logs);
        self.shared.n_published.send_modify(|n| *n += positions.len() as u64);
        Ok(positions)
    }

    fn n_partitions(&self, _: Topic) -> u32 {
        N_PARTITIONS
    }

    async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError> {
        self.check()?;
        let TopicPartition { topic, partition } = at;
        if partition >= N_PARTITIONS {
            return Err(BusError::UnknownPartition { topic, partition, n_partitions: N_PARTITIONS });
        }
        Ok(Offsets { earliest: 0, next: self.n_records(at) })
    }

    async fn committed(&self, group: &str, topic: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        self.check()?;
        let commits = self.shared.commits.lock();
        Ok(partitions(topic).map(|at| commits.get(&(group.to_owned(), at)).cloned()).collect())
    }

    async fn join(&self, group: &str, topics: &[Topic], start: Start) -> Result<Box<dyn Consumer>, BusError> {
        self.check()?;
        let mut reader = self.reader(topics, start);
        let mut assigned = Vec::new();
        for (at, offset) in &mut reader.places {
            let commit = self.shared.commits.lock().get(&(group.to_owned(), *at)).cloned();
            if let Some(commit) = &commit {
                *offset = commit.offset;
            }
            assigned.push((*at, commit));
        }
        Ok(Box::new(Member { reader, group: group.to_owned(), assigned: Some(assigned) }))
    }

    async fn follow(&self, topic: Topic, start: Start) -> Result<Box<dyn Follower>, BusError> {
        self.check()?;
        let ends = partitions(topic).map(|at| (at, self.n_records(at))).collect();
        Ok(Box::new(TopicFollower { reader: self.reader(&[topic], start), ends }))
    }

    async fn stored_bytes(&self, topic: Topic) -> Result<Option<u64>, BusError> {
        self.check()?;
        let records = self.records(topic);
        Ok(Some(records.iter().map(|record| (record.key.len() + record.value.len()) as u64).sum()))
    }
}

struct Reader {
    bus: MemoryBus,
    places: BTreeMap<TopicPartition, u64>,
    published: watch::Receiver<u64>,
}

impl Reader {
    async fn poll(&mut self, limit: PollLimit) -> Result<Vec<Delivered>, BusError> {
        // An outage that begins during a wait shows at the next poll, as with any remote broker.
        let wait = limit.wait.min(Duration::from_millis(50));
        let end = tokio::time::Instant::now() + wait;
        loop {
            self.bus.check()?;
            self.published.mark_unchanged();
            let delivered = self.take(limit);
            if !delivered.is_empty() {
                return Ok(delivered);
            }
            if tokio::time::timeout_at(end, self.published.changed()).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    fn take(&mut self, limit: PollLimit) -> Vec<Delivered> {
        let logs = self.bus.shared.logs.lock();
        let mut taken = Vec::new();
        let mut bytes = 0;
        for (at, offset) in &mut self.places {
            for record in logs.get(at).into_iter().flatten().skip(*offset as usize) {
                bytes += record.value.len();
                let is_full = taken.len() >= limit.max_records || bytes > limit.max_bytes;
                if is_full && !taken.is_empty() {
                    return taken;
                }
                let position = Position { at: *at, offset: *offset };
                taken.push(Delivered { position, record: record.clone(), appended: None });
                *offset += 1;
            }
        }
        taken
    }
}

struct TopicFollower {
    reader: Reader,
    /// Where each partition ended when following began.
    ends: BTreeMap<TopicPartition, u64>,
}

#[async_trait]
impl Follower for TopicFollower {
    async fn poll(&mut self, limit: PollLimit) -> Result<Vec<Delivered>, BusError> {
        self.reader.poll(limit).await
    }

    fn is_caught_up(&self) -> bool {
        self.ends.iter().all(|(at, end)| self.reader.places.get(at).is_some_and(|place| place >= end))
    }
}

struct Member {
    reader: Reader,
    group: String,
    assigned: Option<Vec<(TopicPartition, Option<Commit>)>>,
}

#[async_trait]
impl Consumer for Member {
    async fn poll(&mut self, limit: PollLimit) -> Result<Polled, BusError> {
        if let Some(assigned) = self.assigned.take() {
            return Ok(Polled::Assigned(assigned));
        }
        let delivered = self.reader.poll(limit).await?;
        Ok(if delivered.is_empty() { Polled::Idle } else { Polled::Records(delivered) })
    }

    async fn commit(&mut self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        self.reader.bus.check()?;
        for (at, commit) in commits {
            self.reader.bus.set_commit(&self.group, *at, commit.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sentinel_bus::contract::{Harness, log};

    use super::*;

    struct Memory(MemoryBus);

    #[async_trait]
    impl Harness for Memory {
        async fn open(&mut self) -> Arc<dyn Bus> {
            Arc::new(self.0.clone())
        }

        async fn age(&mut self, _: Duration) -> bool {
            false
        }

        fn max_message_bytes(&self) -> usize {
            usize::MAX
        }

        fn retention(&self, _: Topic) -> Duration {
            Duration::MAX
        }
    }

    fn memory() -> Memory {
        Memory(MemoryBus::default())
    }

    #[tokio::test]
    async fn keeps_the_contract_of_a_log() {
        log::keeps_the_order_within_a_partition(&mut memory()).await;
        log::gives_each_message_the_next_offset_of_its_partition(&mut memory()).await;
        log::gives_messages_back_as_they_were(&mut memory()).await;
        log::one_key_stays_in_one_partition(&mut memory()).await;
        log::refuses_a_partition_that_does_not_exist(&mut memory()).await;
        log::a_follower_that_comes_late_gets_everything_and_then_has_caught_up(&mut memory()).await;
        log::a_follower_from_the_latest_gets_only_what_comes(&mut memory()).await;
        log::a_waiting_reader_is_woken_by_a_publish(&mut memory()).await;
    }
}
