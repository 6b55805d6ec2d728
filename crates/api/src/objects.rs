//! The objects of all clusters as the compacted topic tells them: one entry for each object, found by
//! kind and name, and by what changed since when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use ahash::AHashMap;
use parking_lot::RwLock;
use sentinel_model::{ObjectDetail, ObjectKey, ObjectState, Timestamp, WorkloadRef};
use tokio::sync::watch;

use crate::dto::overview::ChangeRow;

mod changes;
mod manifest;
#[cfg(test)]
mod tests;

pub use manifest::{Manifest, watched_kinds};

/// Removed objects that are remembered for readers that are behind.
const MAX_REMOVED: usize = 20_000;
/// Changes that are remembered: days of a calm cluster, at some 300 bytes each.
const MAX_CHANGES: usize = 5_000;

/// One object. The manifest of `state` is empty: it lies compressed in `manifest`.
#[derive(Debug)]
pub struct Entry {
    pub state: ObjectState,
    pub manifest: Manifest,
    /// [`Objects::version`] when it came.
    pub version: u64,
    /// Of a workload: when it was first seen with fewer ready replicas than it wants, if it still is.
    pub short_since: Option<Timestamp>,
}

impl Entry {
    /// As the API server gives it, complete enough to be applied.
    pub fn manifest(&self) -> serde_json::Value {
        manifest::complete(self.manifest.read(), &self.state.key.kind)
    }
}

/// An object that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub key: ObjectKey,
    pub namespace: String,
    pub name: String,
    /// Of a pod: what counted it.
    pub workload: Option<WorkloadRef>,
    pub node: Option<String>,
    pub version: u64,
}

/// Where an object stands in the lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub kind: Arc<str>,
    pub cluster: Arc<str>,
    pub namespace: String,
    pub name: String,
}

#[derive(Debug)]
pub struct Objects {
    inner: RwLock<Inner>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: AHashMap<ObjectKey, Arc<Entry>>,
    by_place: BTreeMap<Place, ObjectKey>,
    by_version: BTreeMap<u64, ObjectKey>,
    removed: VecDeque<Removed>,
    /// Version of the last removal that is no longer remembered.
    forgotten: u64,
    changes: VecDeque<ChangeRow>,
    /// Time of the last change that is no longer remembered.
    forgotten_change: Option<Timestamp>,
    last_seen: BTreeMap<Arc<str>, Timestamp>,
    /// Clusters whose nodes say that they are simulated.
    simulated: BTreeSet<Arc<str>>,
}

/// What a simulated cluster writes on its nodes.
const SIMULATED: &str = "\"sentinel-mesh.io/simulated\":\"true\"";

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub enum Change {
    Upsert(Arc<Entry>),
    Removed(Removed),
}

/// What happened after some version, in order.
#[derive(Debug, Default)]
pub struct Since {
    pub changes: Vec<Change>,
    /// Reaches to this version: up to now, unless there was more than asked for.
    pub version: u64,
    /// Removals between were forgotten: the reader has to start over.
    pub has_gap: bool,
}

impl Default for Objects {
    fn default() -> Self {
        Self { inner: RwLock::default(), version: watch::Sender::new(0) }
    }
}

impl Objects {
    /// Takes in one state. `is_news` is false while the past is being read: it changes nothing then that
    /// somebody would want to see as a change.
    pub fn apply(&self, state: ObjectState, is_news: bool) {
        if state.is_deleted {
            self.remove(&state.key, state.observed, is_news);
            return;
        }
        let manifest = Manifest::compress(&state.manifest);
        let mut inner = self.inner.write();
        if &*state.key.kind == "Node" && state.manifest.contains(SIMULATED) {
            inner.simulated.insert(Arc::clone(&state.key.cluster));
        }
        let version = *self.version.borrow() + 1;
        let before = inner.entries.get(&state.key).cloned();
        if before.as_ref().is_some_and(|before| before.state.observed > state.observed)
            || inner.rival(&state).is_some_and(|rival| age(&rival.state) > age(&state))
        {
            return;
        }
        if is_news {
            let changes = changes::between(before.as_ref().map(|entry| &entry.state), &state);
            inner.note(changes);
        }
        let short_since = short_since(before.as_deref(), &state);
        let state = ObjectState { manifest: String::new(), ..state };
        let version = inner.insert(Entry { state, manifest, version, short_since }, before);
        self.version.send_replace(version);
    }

    /// Whether any of the clusters, or this one, is simulated.
    pub fn is_simulated(&self, cluster: Option<&str>) -> bool {
        let simulated = &self.inner.read().simulated;
        cluster.map_or(!simulated.is_empty(), |cluster| simulated.contains(cluster))
    }

    /// Takes an object out.
    pub fn remove(&self, key: &ObjectKey, observed: Timestamp, is_news: bool) {
        let mut inner = self.inner.write();
        let version = *self.version.borrow() + 1;
        let Some(entry) = inner.take(key, version) else { return };
        if is_news {
            inner.note(changes::of_removal(&entry.state, observed).into_iter().collect());
        }
        self.version.send_replace(version);
    }

    /// Takes out every object that `is_kept` does not like.
    pub fn retain(&self, is_kept: impl Fn(&ObjectKey) -> bool, observed: Timestamp) {
        let gone: Vec<ObjectKey> =
            self.inner.read().entries.keys().filter(|key| !is_kept(key)).cloned().collect();
        gone.iter().for_each(|key| self.remove(key, observed, true));
    }

    /// Rises with every change.
    pub fn version(&self) -> u64 {
        *self.version.borrow()
    }

    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// All objects of a kind, in order of (cluster, namespace, name).
    pub fn of_kind(&self, kind: &str) -> Vec<Arc<Entry>> {
        let inner = self.inner.read();
        let first =
            Place { kind: kind.into(), cluster: "".into(), namespace: String::new(), name: String::new() };
        inner
            .by_place
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(place, _)| &*place.kind == kind)
            .filter_map(|(_, key)| inner.entries.get(key).cloned())
            .collect()
    }

    /// One object by its place.
    pub fn at(&self, place: &Place) -> Option<Arc<Entry>> {
        let inner = self.inner.read();
        inner.entries.get(inner.by_place.get(place)?).cloned()
    }

    /// Every kind that there is or could be an object of, sorted.
    pub fn kinds(&self) -> BTreeSet<String> {
        let inner = self.inner.read();
        let present = inner.entries.keys().map(|key| key.kind.to_string());
        present.chain(watched_kinds().map(str::to_owned)).collect()
    }

    /// There is one of this kind in this cluster.
    pub fn has_kind(&self, kind: &str, cluster: &str) -> bool {
        let first = Place {
            kind: kind.into(),
            cluster: cluster.into(),
            namespace: String::new(),
            name: String::new(),
        };
        let inner = self.inner.read();
        let next = inner.by_place.range((Bound::Included(first), Bound::Unbounded)).next();
        next.is_some_and(|(place, _)| &*place.kind == kind && &*place.cluster == cluster)
    }

    /// The objects of a kind and name, one for each cluster that has it.
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Vec<Arc<Entry>> {
        let inner = self.inner.read();
        inner
            .last_seen
            .keys()
            .filter_map(|cluster| {
                let place = Place {
                    kind: kind.into(),
                    cluster: Arc::clone(cluster),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                };
                inner.entries.get(inner.by_place.get(&place)?).cloned()
            })
            .collect()
    }

    /// Clusters with the time when something was last heard of their objects.
    pub fn clusters(&self) -> Vec<(Arc<str>, Timestamp)> {
        self.inner.read().last_seen.iter().map(|(name, seen)| (Arc::clone(name), *seen)).collect()
    }

    pub fn count(&self) -> usize {
        self.inner.read().entries.len()
    }

    /// The newest changes first, none older than `from`.
    pub fn changes(&self, from: Timestamp) -> Vec<ChangeRow> {
        let inner = self.inner.read();
        inner.changes.iter().rev().filter(|change| change.time.0 >= from).cloned().collect()
    }

    /// Every change since then is remembered that was seen; `None`: all of them are.
    pub fn changes_known_from(&self) -> Option<Timestamp> {
        self.inner.read().forgotten_change.map(|last| last.saturating_add_millis(1))
    }

    /// What happened after `version`, at most `limit` of it, in order.
    pub fn since(&self, version: u64, limit: usize) -> Since {
        let inner = self.inner.read();
        let mut since =
            Since { has_gap: version > 0 && version < inner.forgotten, version, ..Since::default() };
        let after = (Bound::Excluded(version), Bound::Unbounded);
        let mut upserts = inner.by_version.range(after).peekable();
        let first = inner.removed.partition_point(|removed| removed.version <= version);
        let mut removed = inner.removed.iter().skip(first).peekable();
        for _ in 0..limit {
            let is_removal_next = match (upserts.peek(), removed.peek()) {
                (None, None) => {
                    since.version = *self.version.borrow();
                    break;
                }
                (Some((upsert, _)), Some(removal)) => removal.version < **upsert,
                (upsert, _) => upsert.is_none(),
            };
            if is_removal_next {
                let Some(removal) = removed.next() else { break };
                since.version = removal.version;
                since.changes.push(Change::Removed(removal.clone()));
            } else if let Some((version, key)) = upserts.next() {
                since.version = *version;
                since.changes.extend(inner.entries.get(key).cloned().map(Change::Upsert));
            }
        }
        since
    }
}

impl Inner {
    /// The object of another uid that stands in the place of this one.
    fn rival(&self, state: &ObjectState) -> Option<&Arc<Entry>> {
        let key = self.by_place.get(&place_of(state)).filter(|key| **key != state.key)?;
        self.entries.get(key)
    }

    /// Returns the version that it brings about: a name that is given up is a change before this one.
    fn insert(&mut self, mut entry: Entry, before: Option<Arc<Entry>>) -> u64 {
        let key = entry.state.key.clone();
        if let Some(before) = before {
            if place_of(&before.state) == place_of(&entry.state) {
                self.by_version.remove(&before.version);
            } else {
                self.take(&key, entry.version);
                entry.version += 1;
            }
        }
        // A newer object of the same name (a StatefulSet's pod) takes the place of the older one, whose
        // farewell may never come; readers know objects by their place and have nothing to take out.
        if let Some(rival) = self.rival(&entry.state).cloned() {
            self.by_version.remove(&rival.version);
            self.entries.remove(&rival.state.key);
        }
        let seen = self.last_seen.entry(Arc::clone(&key.cluster)).or_insert(Timestamp::MIN);
        *seen = entry.state.observed.max(*seen);
        let version = entry.version;
        self.by_version.insert(version, key.clone());
        self.by_place.insert(place_of(&entry.state), key.clone());
        self.entries.insert(key, Arc::new(entry));
        version
    }

    fn take(&mut self, key: &ObjectKey, version: u64) -> Option<Arc<Entry>> {
        let entry = self.entries.remove(key)?;
        self.by_version.remove(&entry.version);
        let place = place_of(&entry.state);
        self.by_place.remove(&place);
        self.removed.push_back(Removed {
            key: key.clone(),
            namespace: place.namespace,
            name: place.name,
            workload: entry.state.workload.clone(),
            node: match &entry.state.detail {
                ObjectDetail::Pod(pod) if !pod.node.is_empty() => Some(pod.node.clone()),
                _ => None,
            },
            version,
        });
        if self.removed.len() > MAX_REMOVED
            && let Some(oldest) = self.removed.pop_front()
        {
            self.forgotten = oldest.version;
        }
        Some(entry)
    }

    fn note(&mut self, changes: Vec<ChangeRow>) {
        self.changes.extend(changes);
        let n_over = self.changes.len().saturating_sub(MAX_CHANGES);
        let forgotten = self.changes.drain(..n_over).map(|change| change.time.0).max();
        self.forgotten_change = self.forgotten_change.max(forgotten);
    }
}

fn short_since(before: Option<&Entry>, state: &ObjectState) -> Option<Timestamp> {
    let ObjectDetail::Workload(workload) = &state.detail else { return None };
    let is_short = workload.ready < workload.desired;
    is_short.then(|| before.and_then(|before| before.short_since).unwrap_or(state.observed))
}

/// Of two objects of one name the later born is the present one.
fn age(state: &ObjectState) -> (Option<Timestamp>, Timestamp) {
    (state.created, state.observed)
}

fn place_of(state: &ObjectState) -> Place {
    Place {
        kind: Arc::clone(&state.key.kind),
        cluster: Arc::clone(&state.key.cluster),
        namespace: state.namespace.clone(),
        name: state.name.clone(),
    }
}
