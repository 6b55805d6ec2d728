//! What the API server holds: every object as it was last written, and a bounded history of changes
//! for watches. Knows nothing of what the objects mean.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

mod kind;
mod selector;

pub use kind::{KINDS, Kind};
pub use selector::{Requirements, SelectorError, Traits};

/// Name of an object within its kind. Ordered as the real store's keys are: by namespace, then name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Empty for kinds without namespace.
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

/// One version of one object.
#[derive(Debug)]
pub struct Stored {
    pub key: Key,
    pub version: u64,
    /// Complete JSON, beginning with `kind` and `apiVersion`.
    pub body: Box<str>,
    pub traits: Traits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One entry of a watch.
#[derive(Clone, Debug)]
pub struct Change {
    pub kind: ChangeKind,
    pub object: Arc<Stored>,
    /// What selectors saw before; `None` when the object is new.
    pub before: Option<Traits>,
}

/// A watch asked for changes that are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Expired {
    pub asked: u64,
    pub oldest: u64,
}

/// The objects of all kinds under one counter of versions.
#[derive(Debug)]
pub struct Store {
    version: u64,
    shelves: Vec<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    objects: BTreeMap<Key, Arc<Stored>>,
    history: VecDeque<Change>,
    live_bytes: usize,
    history_bytes: usize,
    /// Highest version that is no longer in the history.
    forgotten: u64,
}

/// Bytes of history that each kind may keep beyond a quarter of its live objects' size.
const HISTORY_BYTES: usize = 1 << 20;

/// Changes that each kind keeps at most, whatever their size.
const HISTORY_CHANGES: usize = 8_192;

impl Store {
    /// `version` is the one before the first write; real clusters are never new.
    pub fn new(version: u64) -> Self {
        let mut shelves: Vec<Shelf> = Vec::new();
        shelves.resize_with(KINDS.len(), || Shelf { forgotten: version, ..Shelf::default() });
        Self { version, shelves }
    }

    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Writes an object; `render` is told the version to put into it.
    pub fn put(&mut self, kind: Kind, key: Key, traits: Traits, render: impl FnOnce(u64) -> String) -> u64 {
        self.version += 1;
        let body = fitted(&render(self.version));
        let object = Arc::new(Stored { key: key.clone(), version: self.version, body, traits });
        let shelf = &mut self.shelves[kind as usize];
        shelf.live_bytes += object.body.len();
        let before = shelf.objects.insert(key, Arc::clone(&object));
        let change = match before {
            None => Change { kind: ChangeKind::Added, object, before: None },
            Some(before) => {
                shelf.live_bytes -= before.body.len();
                Change { kind: ChangeKind::Modified, object, before: Some(before.traits.clone()) }
            }
        };
        shelf.remember(change);
        self.version
    }

    /// Deletes an object, if it is there; `render` gives its last state.
    pub fn remove(&mut self, kind: Kind, key: &Key, render: impl FnOnce(u64) -> String) {
        let shelf = &mut self.shelves[kind as usize];
        let Some(before) = shelf.objects.remove(key) else { return };
        shelf.live_bytes -= before.body.len();
        self.version += 1;
        let object = Arc::new(Stored {
            key: key.clone(),
            version: self.version,
            body: fitted(&render(self.version)),
            traits: before.traits.clone(),
        });
        let before = Some(before.traits.clone());
        shelf.remember(Change { kind: ChangeKind::Deleted, object, before });
    }

    pub fn get(&self, kind: Kind, key: &Key) -> Option<Arc<Stored>> {
        self.shelves[kind as usize].objects.get(key).cloned()
    }

    /// All objects of a kind, of one namespace if given, in order.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        let objects = &self.shelves[kind as usize].objects;
        match namespace {
            None => objects.values().cloned().collect(),
            Some(namespace) => {
                let first = Key { namespace: Arc::from(namespace), name: Arc::from("") };
                objects
                    .range((Bound::Included(first), Bound::Unbounded))
                    .take_while(|(key, _)| &*key.namespace == namespace)
                    .map(|(_, object)| Arc::clone(object))
                    .collect()
            }
        }
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.shelves[kind as usize].objects.len()
    }

    /// Changes after `version`, oldest first.
    ///
    /// # Errors
    /// When some of them are forgotten.
    pub fn changes_after(&self, kind: Kind, version: u64) -> Result<Vec<Change>, Expired> {
        let shelf = &self.shelves[kind as usize];
        if version < shelf.forgotten {
            return Err(Expired { asked: version, oldest: shelf.forgotten });
        }
        let first = shelf.history.partition_point(|change| change.object.version <= version);
        Ok(shelf.history.range(first..).cloned().collect())
    }

    /// Forgets all changes, as a compaction of the real store does.
    pub fn compact(&mut self) {
        for shelf in &mut self.shelves {
            shelf.history = VecDeque::new();
            shelf.history_bytes = 0;
            shelf.forgotten = self.version;
        }
    }
}

/// A copy of exactly its size. Shrinking what was grown would leave a hole behind each object, too small
/// for the next one to grow in.
fn fitted(text: &str) -> Box<str> {
    Box::from(text)
}

impl Shelf {
    fn remember(&mut self, change: Change) {
        self.history_bytes += change.object.body.len();
        self.history.push_back(change);
        while self.history.len() > HISTORY_CHANGES || self.history_bytes > HISTORY_BYTES + self.live_bytes / 4
        {
            let Some(oldest) = self.history.pop_front() else { return };
            self.history_bytes -= oldest.object.body.len();
            self.forgotten = oldest.object.version;
        }
    }
}

impl Key {
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Of a kind without namespace.
    pub fn global(name: impl Into<Arc<str>>) -> Self {
        Self::new("", name)
    }
}

#[cfg(test)]
mod tests;
