//! When a committed write is on the disk: writes that wait at the same time share one fsync.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::storage::Storage;
use crate::{Fsync, MetricStoreError};

pub(crate) struct Durability {
    policy: Fsync,
    /// Number of the last commit.
    committed: AtomicU64,
    /// All commits up to this one are on the disk.
    synced: Mutex<u64>,
}

impl Durability {
    pub(crate) fn new(policy: Fsync) -> Self {
        Self { policy, committed: AtomicU64::new(0), synced: Mutex::new(0) }
    }

    /// After a commit.
    pub(crate) fn committed(&self) {
        self.committed.fetch_add(1, Ordering::AcqRel);
    }

    /// Before a write returns: all that was committed so far is as durable as the policy says.
    pub(crate) fn settle(&self, storage: &Storage) -> Result<(), MetricStoreError> {
        match self.policy {
            Fsync::Always => self.sync(storage),
            Fsync::Interval | Fsync::Never => Ok(()),
        }
    }

    /// Now and then.
    pub(crate) fn tick(&self, storage: &Storage) -> Result<(), MetricStoreError> {
        match self.policy {
            Fsync::Interval => self.sync(storage),
            Fsync::Always | Fsync::Never => Ok(()),
        }
    }

    fn sync(&self, storage: &Storage) -> Result<(), MetricStoreError> {
        let own = self.committed.load(Ordering::Acquire);
        let mut synced = self.synced.lock();
        if *synced >= own {
            return Ok(());
        }
        // Whoever committed while the lock was waited for is on the disk after this, too.
        let all = self.committed.load(Ordering::Acquire);
        storage.sync()?;
        *synced = all;
        Ok(())
    }
}
