//! Everything that the threads, consumers and followers of one log share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::Database;
use sentinel_model::Topic;
use sentinel_runtime::{DataDir, Registry, clock};
use tracing::{info, warn};

use super::catalog::{Catalog, Entry};
use super::commits::Commits;
use super::groups::Groups;
use super::metrics::Metrics;
use super::queue::Queue;
use super::segment::{Segment, State};
use super::storage;
use super::topic_log::TopicLog;
use crate::{BusError, EmbeddedConfig, TopicPartition};

/// Milliseconds since the epoch; tests let it run faster.
pub(super) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

pub(super) struct Store {
    pub folder: DataDir,
    pub config: EmbeddedConfig,
    pub n_partitions: u32,
    pub catalog: Catalog,
    pub commits: Commits,
    pub groups: Groups,
    pub queue: Queue,
    pub metrics: Metrics,
    pub clock: Clock,
    topics: BTreeMap<Topic, Arc<TopicLog>>,
    next_segment: AtomicU64,
    pub database: Database,
}

impl Store {
    pub fn open(folder: DataDir, config: EmbeddedConfig, registry: &mut Registry) -> Result<Self, BusError> {
        Self::open_with_clock(folder, config, registry, Arc::new(clock::now_millis))
    }

    pub fn open_with_clock(
        folder: DataDir,
        config: EmbeddedConfig,
        registry: &mut Registry,
        clock: Clock,
    ) -> Result<Self, BusError> {
        if let Some(problem) = config.problems().first() {
            return Err(BusError::Open { message: problem.to_string() });
        }
        let database = storage::open(folder.path(), &config)?;
        let catalog = Catalog::open(&database)?;
        let n_partitions = catalog.n_partitions(&database, config.partitions)?;
        if n_partitions != config.partitions {
            warn!(n_partitions, configured = config.partitions, "the data folder keeps its partitions");
        }
        let entries = Topic::ALL.into_iter().map(|topic| Ok((topic, catalog.segments(topic)?)));
        let entries: BTreeMap<Topic, Vec<Entry>> = entries.collect::<Result<_, BusError>>()?;
        remove_strays(&database, &entries)?;
        let next_segment = entries.values().flatten().map(|entry| entry.id + 1).max().unwrap_or_default();
        let mut topics = BTreeMap::new();
        for (topic, entries) in entries {
            let segments = open_segments(&database, entries)?;
            let heads = recover_heads(&segments, catalog.heads(topic)?, n_partitions)?;
            topics.insert(topic, Arc::new(TopicLog::new(topic, config.keep(topic), heads, segments)));
        }
        let commits = Commits::open(&database)?;
        for keyspace in [catalog.keyspace(), commits.keyspace()] {
            storage::rotate(keyspace)?;
        }
        let store = Self {
            folder,
            config,
            n_partitions,
            catalog,
            commits,
            groups: Groups::default(),
            queue: Queue::new(),
            metrics: Metrics::register(registry),
            clock,
            topics,
            next_segment: AtomicU64::new(next_segment),
            database,
        };
        store.observe();
        info!(path = %store.folder.path().display(), n_partitions, bytes = store.bytes(), "opened the log of the bus");
        Ok(store)
    }

    pub fn topic(&self, topic: Topic) -> &Arc<TopicLog> {
        &self.topics[&topic]
    }

    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicLog>> {
        self.topics.values()
    }

    /// # Errors
    /// When there is no such partition.
    pub fn check(&self, at: TopicPartition) -> Result<(), BusError> {
        let TopicPartition { topic, partition } = at;
        let n_partitions = self.n_partitions;
        if partition < n_partitions {
            return Ok(());
        }
        Err(BusError::UnknownPartition { topic, partition, n_partitions })
    }

    /// A name for a new segment. A keyspace that a crash left under it would have been removed by
    /// [`remove_strays`].
    pub fn next_segment_id(&self) -> u64 {
        self.next_segment.fetch_add(1, Ordering::Relaxed)
    }

    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Brings the gauges up to date.
    pub fn observe(&self) {
        for log in self.topics() {
            let gauge = self.metrics.stored_bytes.get_or_create_owned(&log.topic.into());
            gauge.set(i64::try_from(log.bytes()).unwrap_or(i64::MAX));
        }
    }

    fn bytes(&self) -> u64 {
        self.topics().map(|log| log.bytes()).sum()
    }
}

/// Removes keyspaces that a crash left between being created or given up and the catalog's row.
fn remove_strays(database: &Database, entries: &BTreeMap<Topic, Vec<Entry>>) -> Result<(), BusError> {
    let known: Vec<String> =
        entries.values().flatten().map(|entry| Segment::keyspace_name(entry.id)).collect();
    for name in database.list_keyspace_names() {
        if name.starts_with("segment-") && !known.iter().any(|known| **known == *name) {
            info!(keyspace = &*name, "removing what a crash left over");
            database.delete_keyspace(database.keyspace(&name, storage::segment_options)?)?;
        }
    }
    Ok(())
}

fn open_segments(database: &Database, entries: Vec<Entry>) -> Result<Vec<Arc<Segment>>, BusError> {
    let n = entries.len();
    let mut segments = Vec::with_capacity(n);
    for (index, Entry { id, bases, stats }) in entries.into_iter().enumerate() {
        let keyspace = database.keyspace(&Segment::keyspace_name(id), storage::segment_options)?;
        storage::rotate(&keyspace)?;
        let segment = Segment::new(id, bases, keyspace, stats);
        if stats.state == State::Open {
            segment.recover_stats()?;
            // Its successor exists, so it had been sealed; only the row that says so is missing.
            if index + 1 < n {
                segment.seal();
            }
        }
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// The next offset of each partition: after its last row, but never one that was given out before,
/// even if all rows are gone.
fn recover_heads(
    segments: &[Arc<Segment>],
    stored: Vec<u64>,
    n_partitions: u32,
) -> Result<Vec<u64>, BusError> {
    let mut heads = stored;
    heads.resize(n_partitions as usize, 0);
    for segment in segments {
        for ((partition, head), base) in (0..).zip(&mut heads).zip(&segment.bases) {
            *head = (*head).max(*base).max(segment.end(partition)?.unwrap_or_default());
        }
    }
    Ok(heads)
}
