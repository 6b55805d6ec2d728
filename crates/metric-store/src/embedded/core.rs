//! The store without its threads: state in memory, storage on disk, and the locks between them.
//!
//! Locks are taken in this order: maintenance, sequences, state.

use std::collections::BTreeMap;

use parking_lot::{Condvar, Mutex, RwLock};
use sentinel_model::{Kept, Resolution, RetentionSetting, Timestamp};
use sentinel_runtime::{DataDir, clock};

use super::durability::Durability;
use super::entry::SpanInfo;
use super::head::Head;
use super::index::Index;
use super::load;
use super::span::{Grid, Span, cutoff};
use super::storage::Storage;
use crate::metrics::{ByResolution, Metrics};
use crate::{EmbeddedConfig, MetricStoreError};

pub(crate) struct Core {
    pub(super) folder: DataDir,
    pub(super) config: EmbeddedConfig,
    pub(super) grid: Grid,
    pub(super) storage: Storage,
    pub(super) metrics: Metrics,
    pub(super) durability: Durability,
    pub(super) state: RwLock<State>,
    /// What people have set of the retention; `None` before it was told, while everything is kept.
    pub(super) kept: RwLock<Option<RetentionSetting>>,
    /// Held by the one write that is being placed and committed.
    pub(super) sequences: Mutex<Sequences>,
    /// Held by whoever moves rows into chunks or drops them.
    pub(super) maintenance: Mutex<()>,
    pub(super) room: Room,
}

/// What readers see besides the chunks.
#[derive(Default)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) head: Head,
    pub(super) sealed: BTreeMap<Span, SpanInfo>,
    /// Start of the newest window that was ever written.
    pub(super) newest: Option<Timestamp>,
}

/// The next numbers of everything that is numbered.
#[derive(Default)]
pub(super) struct Sequences {
    pub(super) wal: u64,
    pub(super) series: u32,
    pub(super) record: u32,
    /// Records of definitions: key and how many definitions.
    pub(super) records: BTreeMap<u32, usize>,
}

/// Writers wait here while the head is full.
#[derive(Default)]
pub(super) struct Room {
    pub(super) lock: Mutex<()>,
    pub(super) freed: Condvar,
}

impl Core {
    pub(crate) fn open(
        folder: DataDir,
        config: EmbeddedConfig,
        metrics: Metrics,
    ) -> Result<Self, MetricStoreError> {
        let storage = Storage::open(folder.path(), &config)?;
        let grid = load::grid(&storage, config.chunk_windows)?;
        let (state, sequences) = load::load(&storage, grid)?;
        let core = Self {
            folder,
            durability: Durability::new(config.fsync),
            config,
            grid,
            storage,
            metrics,
            state: RwLock::new(state),
            kept: RwLock::default(),
            sequences: Mutex::new(sequences),
            maintenance: Mutex::default(),
            room: Room::default(),
        };
        core.observe();
        Ok(core)
    }

    /// Windows that start before this are not kept.
    pub(super) fn cutoff(&self, newest: Option<Timestamp>, resolution: Resolution) -> Timestamp {
        let now = Timestamp::from_millis(clock::now_millis());
        let kept = self.kept.read();
        let (Some(newest), Some(kept)) = (newest, kept.as_ref()) else { return Timestamp::MIN };
        let retention = kept.of(Kept::Metrics(resolution)).unwrap_or(self.config.retention(resolution));
        cutoff(newest.min(now), retention)
    }

    /// Brings the gauges up to date.
    pub(super) fn observe(&self) {
        let state = self.state.read();
        self.metrics.series.set(state.index.len() as i64);
        self.metrics.head_bytes.set(state.head.bytes() as i64);
        drop(state);
        for resolution in Resolution::ALL {
            let label = ByResolution { resolution: resolution.as_str() };
            let bytes = self.storage.chunks(resolution).disk_space();
            self.metrics.disk_bytes.get_or_create(&label).set(bytes as i64);
        }
    }
}
