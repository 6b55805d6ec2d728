//! The live overlay: the last windows of every series that moves, provisional ones included, as the
//! processor publishes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::RwLock;
use sentinel_model::{Aggregate, Labels, Resolution, RollupBatch, Selector, Series, Timestamp};
use tokio::sync::watch;

mod read;
#[cfg(test)]
mod tests;

pub use read::{
    CounterWindow, Growth, LOOK_BACK_MS, LiveSeries, counter_window, growths, rate_of_last_minute,
};

/// Windows kept of each series: 3 minutes.
pub const N_WINDOWS: usize = 18;

/// A series that has not moved for this long is forgotten.
const FORGET_MS: i64 = 3 * 60 * 1_000;

/// What this product tells of itself finds room however many series there are, or nothing would tell why they are
/// too many: series beyond the limit that it may have, some hundreds for each process.
const OWN_ROOM: usize = 20_000;
const OWN_PREFIX: &str = "sentinel_";

/// Number of a series for as long as this process lives; never used again.
pub type LiveId = u32;

/// One window of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveWindow {
    pub start: Timestamp,
    pub aggregate: Aggregate,
    /// The batch that brought it, by [`Live::version`].
    pub version: u64,
}

/// The overlay. Readers never wait for more than one batch.
#[derive(Debug)]
pub struct Live {
    inner: RwLock<Inner>,
    version: watch::Sender<u64>,
    max_series: usize,
}

#[derive(Debug, Default)]
struct Inner {
    series: AHashMap<LiveId, Entry>,
    by_labels: AHashMap<Labels, LiveId>,
    by_name: BTreeMap<Box<str>, Vec<LiveId>>,
    by_cluster: BTreeMap<Box<str>, Cluster>,
    /// What the numbers of each stream mean.
    streams: AHashMap<Arc<str>, Stream>,
    next_id: LiveId,
    /// Time of the newest record, by the clock of whoever published it.
    clock: Timestamp,
    n_refused: u64,
}

#[derive(Debug)]
struct Cluster {
    n_series: usize,
    seen: Timestamp,
}

#[derive(Debug, Default)]
struct Stream {
    epoch: u64,
    series: Vec<Option<Slot>>,
}

/// A series of a stream, and its number here once it has one.
#[derive(Clone, Debug)]
struct Slot {
    series: Series,
    id: Option<LiveId>,
}

#[derive(Debug)]
struct Entry {
    series: Series,
    /// Ascending by start.
    windows: Vec<LiveWindow>,
    updated: Timestamp,
    version: u64,
}

impl Live {
    pub fn new(max_series: usize) -> Self {
        Self { inner: RwLock::default(), version: watch::Sender::new(0), max_series }
    }

    /// Takes in one batch that was published at `published`.
    pub fn apply(&self, batch: RollupBatch, published: Timestamp) {
        debug_assert_eq!(
            batch.window.resolution,
            Resolution::TenSeconds,
            "other widths are not published live"
        );
        let mut inner = self.inner.write();
        let version = *self.version.borrow() + 1;
        inner.clock = inner.clock.max(published);
        inner.define(&batch);
        let mut stream = inner.streams.remove(&batch.stream).unwrap_or_default();
        for rollup in batch.rollups {
            let window = LiveWindow { start: batch.window.start, aggregate: rollup.aggregate, version };
            if let Some(slot) = stream.series.get_mut(rollup.series.0 as usize).and_then(Option::as_mut) {
                inner.put(slot, window, published, self.max_series);
            }
        }
        inner.streams.insert(batch.stream, stream);
        drop(inner);
        self.version.send_replace(version);
    }

    /// Forgets series that have not moved for long, by the clock of the records.
    pub fn sweep(&self) {
        let mut inner = self.inner.write();
        let oldest = inner.clock.saturating_sub_millis(FORGET_MS);
        let gone: Vec<LiveId> =
            inner.series.iter().filter(|(_, entry)| entry.updated < oldest).map(|(id, _)| *id).collect();
        for id in gone {
            inner.forget(id);
        }
    }

    /// Rises with every batch.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub fn n_series(&self) -> usize {
        self.inner.read().series.len()
    }

    /// Windows that were not taken in because there were too many series.
    pub fn n_refused(&self) -> u64 {
        self.inner.read().n_refused
    }
}

impl Inner {
    fn define(&mut self, batch: &RollupBatch) {
        let stream = self.streams.entry(Arc::clone(&batch.stream)).or_default();
        if batch.is_key || stream.epoch != batch.epoch {
            stream.epoch = batch.epoch;
            stream.series.clear();
        }
        for (reference, series) in &batch.defined {
            let index = reference.0 as usize;
            if stream.series.len() <= index {
                stream.series.resize(index + 1, None);
            }
            stream.series[index] = Some(Slot { series: series.clone(), id: None });
        }
    }

    fn put(&mut self, slot: &mut Slot, window: LiveWindow, published: Timestamp, max_series: usize) {
        let known = slot.id.filter(|id| self.series.contains_key(id));
        let id = match known.or_else(|| self.by_labels.get(&slot.series.labels).copied()) {
            Some(id) => id,
            None if self.series.len() >= room_for(&slot.series, max_series) => {
                self.n_refused += 1;
                return;
            }
            None => self.add(slot.series.clone()),
        };
        slot.id = Some(id);
        let Some(entry) = self.series.get_mut(&id) else { return };
        entry.updated = published;
        entry.version = window.version;
        insert(&mut entry.windows, window);
    }

    fn add(&mut self, series: Series) -> LiveId {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        self.by_labels.insert(series.labels.clone(), id);
        self.by_name.entry(series.labels.metric_name().into()).or_default().push(id);
        if let Some(cluster) = series.labels.get("cluster") {
            let cluster =
                self.by_cluster.entry(cluster.into()).or_insert(Cluster { n_series: 0, seen: self.clock });
            cluster.n_series += 1;
        }
        let entry = Entry { series, windows: Vec::new(), updated: Timestamp::MIN, version: 0 };
        self.series.insert(id, entry);
        id
    }

    fn forget(&mut self, id: LiveId) {
        let Some(entry) = self.series.remove(&id) else { return };
        self.by_labels.remove(&entry.series.labels);
        if let Some(name) = entry.series.labels.get("cluster")
            && let Some(cluster) = self.by_cluster.get_mut(name)
        {
            cluster.n_series -= 1;
            cluster.seen = self.clock;
        }
        let name = entry.series.labels.metric_name();
        if let Some(ids) = self.by_name.get_mut(name) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// Calls `see` for each chosen series, in order of name.
    fn each(&self, selector: &Selector, mut see: impl FnMut(LiveId, &Entry)) {
        let mut look = |ids: &[LiveId]| {
            for id in ids {
                if let Some(entry) = self.series.get(id)
                    && selector.matches(&entry.series.labels)
                {
                    see(*id, entry);
                }
            }
        };
        match selector.metric_name() {
            Some(name) => look(self.by_name.get(name).map_or(&[], Vec::as_slice)),
            None => self.by_name.values().for_each(|ids| look(ids)),
        }
    }
}

/// How many series there may be for this one to be let in.
fn room_for(series: &Series, max_series: usize) -> usize {
    let is_own = series.labels.metric_name().starts_with(OWN_PREFIX);
    if is_own { max_series.saturating_add(OWN_ROOM) } else { max_series }
}

/// Replaces the window of the same start, or adds it in its place; the oldest one makes room.
fn insert(windows: &mut Vec<LiveWindow>, window: LiveWindow) {
    match windows.binary_search_by_key(&window.start, |window| window.start) {
        Ok(at) => windows[at] = window,
        Err(0) if windows.len() >= N_WINDOWS => {}
        Err(at) => {
            let at = if windows.len() >= N_WINDOWS {
                windows.remove(0);
                at - 1
            } else {
                // Small steps: most series of a large cluster come and go with their pods.
                if windows.len() == windows.capacity() {
                    windows.reserve_exact(6);
                }
                at
            };
            windows.insert(at, window);
        }
    }
}
