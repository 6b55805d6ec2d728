//! The bus in one process: a partitioned log on fjall, written by one thread.
//!
//! - `codec`: a message as bytes; `segment`, `catalog`: where it lies; `topic_log`: a topic as readers
//!   see it; `store`: everything together, and recovery.
//! - `queue`, `writer`, `draft`, `buffers`: the way in.
//! - `cursor`, `consumer`, `groups`, `assignment`, `commits`: the way out.
//! - `maintenance`, `retention`, `compaction`: what is given up.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use sentinel_model::Topic;
use sentinel_runtime::{DataDir, Health, Registry};
use tokio::sync::oneshot;

use crate::partitioner::partition_of;
use crate::{
    Bus, BusError, Commit, Consumer, EmbeddedConfig, Follower, Offsets, Outgoing, Position, Route, Start,
    TopicPartition,
};
use consumer::{GroupConsumer, TopicFollower};
use maintenance::Stop;
use queue::{PendingRow, Publish, Request};
use store::Store;
use writer::Writer;

mod assignment;
mod buffers;
mod catalog;
mod codec;
mod commits;
mod compaction;
mod consumer;
mod cursor;
mod draft;
mod groups;
mod maintenance;
mod metrics;
mod queue;
mod retention;
mod segment;
mod storage;
mod store;
#[cfg(test)]
mod tests;
mod topic_log;
mod writer;

pub(crate) use metrics::TopicLabel;

pub(crate) struct EmbeddedBus {
    handle: Arc<Handle>,
}

/// Held by the bus and by every consumer and follower: the log closes when the last of them is gone.
struct Handle {
    store: Arc<Store>,
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether somebody holds the lock of the log in this folder.
pub fn is_locked(path: &Path) -> bool {
    let Ok(lock) = std::fs::File::open(path.join("lock")) else { return false };
    matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

impl EmbeddedBus {
    /// # Errors
    /// A folder that cannot be used, is used by another process or holds something else.
    pub fn open(
        folder: DataDir,
        config: EmbeddedConfig,
        health: &Health,
        registry: &mut Registry,
    ) -> Result<Self, BusError> {
        Self::start(Store::open(folder, config, registry)?, health)
    }

    fn start(store: Store, health: &Health) -> Result<Self, BusError> {
        let component = health.component("bus");
        component.ready();
        let store = Arc::new(store);
        let stop = Arc::new(Stop::default());
        let writer = Writer::new(Arc::clone(&store), component);
        let mut handle = Handle { store: Arc::clone(&store), stop: Arc::clone(&stop), threads: Vec::new() };
        handle.spawn("bus-writer", move || writer.run())?;
        handle.spawn("bus-upkeep", move || maintenance::run(&store, &stop))?;
        Ok(Self { handle: Arc::new(handle) })
    }

    fn row(&self, message: &Outgoing) -> Result<PendingRow, BusError> {
        let Outgoing { topic, route, record } = message;
        let store = &self.handle.store;
        let partition = match route {
            Route::ByKey => partition_of(&record.key, store.n_partitions),
            Route::Partition(partition) => *partition,
        };
        let at = TopicPartition { topic: *topic, partition };
        store.check(at)?;
        let (bytes, limit) = (record.size(), store.config.max_message_bytes);
        if bytes as u64 > limit {
            return Err(BusError::TooLarge { bytes, limit: usize::try_from(limit).unwrap_or(usize::MAX) });
        }
        Ok(PendingRow { at, row: codec::encode(record) })
    }
}

#[async_trait]
impl Bus for EmbeddedBus {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        let rows = messages.iter().map(|message| self.row(message)).collect::<Result<Vec<_>, _>>()?;
        drop(messages);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let queue = &self.handle.store.queue;
        let permit = queue.reserve(rows.len(), rows.iter().map(|pending| pending.row.len()).sum()).await?;
        let (reply, answer) = oneshot::channel();
        queue.submit(Request::Publish(Publish { rows, reply, permit }))?;
        answer.await.map_err(|_| BusError::Closed)?
    }

    fn n_partitions(&self, _: Topic) -> u32 {
        self.handle.store.n_partitions
    }

    async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError> {
        self.handle.store.check(at)?;
        self.handle.store.topic(at.topic).offsets(at.partition)
    }

    async fn committed(&self, group: &str, topic: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        let store = &self.handle.store;
        let partitions = 0..store.n_partitions;
        partitions.map(|partition| store.commits.get(group, TopicPartition { topic, partition })).collect()
    }

    async fn join(&self, group: &str, topics: &[Topic], start: Start) -> Result<Box<dyn Consumer>, BusError> {
        Ok(Box::new(GroupConsumer::join(Arc::clone(&self.handle), group, topics, start)))
    }

    async fn follow(&self, topic: Topic, start: Start) -> Result<Box<dyn Follower>, BusError> {
        Ok(Box::new(TopicFollower::new(Arc::clone(&self.handle), topic, start)))
    }

    async fn stored_bytes(&self, topic: Topic) -> Result<Option<u64>, BusError> {
        Ok(Some(self.handle.store.topic(topic).bytes()))
    }
}

impl Handle {
    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), BusError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|error| BusError::Open { message: format!("start {name}: {error}") })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Handle {
    /// Writes and syncs what was accepted. Takes about one fsync.
    fn drop(&mut self) {
        self.store.queue.close();
        self.stop.request();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the bus had panicked");
            }
        }
    }
}
