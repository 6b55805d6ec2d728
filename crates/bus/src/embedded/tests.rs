//! The embedded log against the contract, against a model, and under pressure.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use sentinel_model::Topic;
use sentinel_runtime::{DataDir, Health, Registry};

use super::store::Store;
use super::{EmbeddedBus, Handle, maintenance};
use crate::config::Keep;
use crate::contract::Harness;
use crate::{Bus, EmbeddedConfig, Fsync};

mod model;
mod trouble;

/// A log in a temporary folder, with a clock of its own.
struct Embedded {
    config: EmbeddedConfig,
    folder: tempfile::TempDir,
    now: Arc<AtomicI64>,
    open: Weak<Handle>,
    health: Health,
    /// Bytes of the disk that are not used.
    min_free: u64,
}

impl Embedded {
    fn new() -> Self {
        let config = EmbeddedConfig {
            partitions: 3,
            fsync: Fsync::Never,
            max_message_bytes: 64 << 10,
            // Rounds of maintenance come from `age` only.
            maintenance_interval: Duration::from_secs(3_600),
            ..EmbeddedConfig::default()
        };
        Self::with(config)
    }

    fn with(config: EmbeddedConfig) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            config,
            folder,
            now: Arc::new(AtomicI64::new(1_000_000)),
            open: Weak::new(),
            health: Health::default(),
            min_free: 0,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    fn data_dir(&self) -> DataDir {
        DataDir::new(self.path(), self.min_free)
    }

    fn open_embedded(&mut self) -> EmbeddedBus {
        assert!(self.open.upgrade().is_none(), "something of the last bus is still held");
        let now = Arc::clone(&self.now);
        let clock = Arc::new(move || now.load(Ordering::Relaxed));
        let store =
            Store::open_with_clock(self.data_dir(), self.config.clone(), &mut Registry::default(), clock);
        let bus = EmbeddedBus::start(store.expect("open"), &self.health).expect("start");
        self.open = Arc::downgrade(&bus.handle);
        bus
    }

    async fn maintain(&self) {
        let handle = self.open.upgrade().expect("an open bus");
        let store = Arc::clone(&handle.store);
        drop(handle);
        sentinel_runtime::spawn_blocking("maintain", move || maintenance::maintain(&store))
            .await
            .expect("maintenance");
    }

    fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).expect("a span of tests");
        self.now.fetch_add(millis, Ordering::Relaxed);
    }
}

#[async_trait]
impl Harness for Embedded {
    async fn open(&mut self) -> Arc<dyn Bus> {
        Arc::new(self.open_embedded())
    }

    async fn age(&mut self, by: Duration) -> bool {
        self.advance(by);
        self.maintain().await;
        true
    }

    fn max_message_bytes(&self) -> usize {
        self.config.max_message_bytes as usize
    }

    fn retention(&self, topic: Topic) -> Duration {
        match self.config.keep(topic) {
            Keep::LastOfKey => self.config.tombstone_retention,
            Keep::Recent { time, .. } => time,
        }
    }
}

mod contract {
    use super::Embedded;

    crate::contract_tests!(Embedded::new());
}
