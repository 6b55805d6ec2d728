//! What is known of the cluster now: the last state of each object, reduced to what others ask for.
//! Decides which changes are worth telling.

mod entry;
mod ghosts;

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{AHashMap, RandomState};
use parking_lot::RwLock;
use sentinel_model::{EventRecord, ObjectKey, ObjectState, Timestamp, WorkloadRef};
use serde_json::Value;
use tokio::sync::watch;

pub(crate) use entry::{ContainerFacts, Facts, Life, NodeFacts, PodFacts};
pub(super) use ghosts::{Ghosts, recall};

use super::events::{event_record, regarding};
use super::json::{owned, text};
use super::kind::Kind;
use super::objects::{Refusal, Sighting, object_state};
use super::owners::Owners;
use super::state_metrics::{Home, StateSample, state_samples};
use super::watch::{Change, Delta};
use entry::Entry;

/// Pods that are gone but whose last events are still to come.
const MAX_DEPARTED: usize = 4_096;

/// What a change means for the outside.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    Object(Box<ObjectState>),
    Event(Box<EventRecord>),
}

/// Name and namespace of a pod.
type PodName = (String, String);

/// Written by the one task that takes in changes, read by all others.
pub(crate) struct View {
    cluster: Arc<str>,
    hasher: RandomState,
    inner: RwLock<Inner>,
    /// Counts changes of pods and nodes that scrapes and log readers act on.
    revision: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    kinds: AHashMap<Kind, Shelf>,
    owners: Owners,
    /// Pods by namespace and name.
    pods: AHashMap<PodName, String>,
    departed: AHashMap<PodName, WorkloadRef>,
    departed_order: VecDeque<PodName>,
    /// Last told version of each event, hashed, and the list in which it was seen.
    events: AHashMap<String, (u64, u64)>,
}

/// All objects of a kind.
#[derive(Default)]
struct Shelf {
    objects: AHashMap<String, Entry>,
    /// Number of the current list.
    generation: u64,
}

impl View {
    pub(crate) fn new(cluster: Arc<str>) -> Self {
        Self {
            cluster,
            hasher: RandomState::new(),
            inner: RwLock::default(),
            revision: watch::Sender::new(0),
        }
    }

    /// Takes a change in; what is worth telling is added to `news`.
    ///
    /// # Errors
    /// The object lacks what identifies it.
    pub(crate) fn take(&self, delta: Delta, now: Timestamp, news: &mut Vec<News>) -> Result<(), Refusal> {
        let Delta { kind, change } = delta;
        match (kind, change) {
            (_, Change::ListBegins) => {
                self.inner.write().kinds.entry(kind).or_default().generation += 1;
            }
            (Kind::Event, Change::Seen(event)) => self.event(&event, news)?,
            (Kind::Event, Change::Gone(event)) => {
                self.inner.write().events.remove(text(&event, "metadata.uid"));
            }
            (Kind::Event, Change::ListEnds) => self.forget_old_events(),
            (_, Change::Seen(object)) => self.seen(kind, &object, now, news)?,
            (_, Change::Gone(object)) => self.gone(kind, &object, now, news)?,
            (_, Change::ListEnds) => self.sweep(kind, now, news),
        }
        Ok(())
    }

    fn seen(&self, kind: Kind, object: &Value, now: Timestamp, news: &mut Vec<News>) -> Result<(), Refusal> {
        let mut inner = self.inner.write();
        inner.owners.observe(kind, object);
        let workload = inner.owners.workload(kind, object);
        let sighting = Sighting { cluster: Arc::clone(&self.cluster), observed: now, workload };
        let state = object_state(kind, object, sighting)?;
        let fingerprint = self.hasher.hash_one((&state.manifest, &state.workload));
        let generation = inner.kinds.entry(kind).or_default().generation;
        let uid = state.key.uid.clone();
        let shelf = inner.kinds.entry(kind).or_default();
        if let Some(known) = shelf.objects.get_mut(&uid) {
            known.generation = generation;
            if known.fingerprint == fingerprint {
                return Ok(());
            }
        }
        let samples =
            state_samples(kind, object, Home { cluster: &self.cluster, workload: state.workload.as_ref() })
                .into();
        let facts = Facts::of(kind, object, &state);
        let mut bare = state.clone();
        bare.manifest = String::new();
        let entry = Entry { state: bare, fingerprint, generation, samples, facts };
        let before = shelf.objects.insert(uid.clone(), entry);
        if kind == Kind::Pod {
            inner.pods.insert((state.namespace.clone(), state.name.clone()), uid.clone());
        }
        let facts_of = |entry: &Entry| entry.facts.clone();
        let is_notable = before.as_ref().map(facts_of) != inner.kinds[&kind].objects.get(&uid).map(facts_of);
        drop(inner);
        if is_notable && matches!(kind, Kind::Pod | Kind::Node) {
            self.revision.send_modify(|revision| *revision += 1);
        }
        news.push(News::Object(Box::new(state)));
        Ok(())
    }

    fn gone(&self, kind: Kind, object: &Value, now: Timestamp, news: &mut Vec<News>) -> Result<(), Refusal> {
        let uid = owned(object, "metadata.uid");
        if self.remove(kind, &uid, now, news) {
            return Ok(());
        }
        // Never seen alive: others may still know it from before.
        let mut inner = self.inner.write();
        inner.owners.observe(kind, object);
        let workload = inner.owners.workload(kind, object);
        inner.owners.forget(&uid);
        drop(inner);
        let sighting = Sighting { cluster: Arc::clone(&self.cluster), observed: now, workload };
        let mut state = object_state(kind, object, sighting)?;
        state.is_deleted = true;
        news.push(News::Object(Box::new(state)));
        Ok(())
    }

    /// Whether it was there.
    fn remove(&self, kind: Kind, uid: &str, now: Timestamp, news: &mut Vec<News>) -> bool {
        let mut inner = self.inner.write();
        let Some(entry) = inner.kinds.get_mut(&kind).and_then(|shelf| shelf.objects.remove(uid)) else {
            return false;
        };
        inner.owners.forget(uid);
        let mut state = entry.state;
        if kind == Kind::Pod {
            inner.depart(&state);
        }
        drop(inner);
        if matches!(kind, Kind::Pod | Kind::Node) {
            self.revision.send_modify(|revision| *revision += 1);
        }
        state.is_deleted = true;
        state.observed = now;
        news.push(News::Object(Box::new(state)));
        true
    }

    /// What the list that has just ended did not hold is gone.
    fn sweep(&self, kind: Kind, now: Timestamp, news: &mut Vec<News>) {
        let vanished: Vec<String> = {
            let inner = self.inner.read();
            let Some(shelf) = inner.kinds.get(&kind) else { return };
            let is_old = |entry: &&Entry| entry.generation != shelf.generation;
            shelf.objects.values().filter(is_old).map(|entry| entry.state.key.uid.clone()).collect()
        };
        for uid in vanished {
            self.remove(kind, &uid, now, news);
        }
    }

    fn event(&self, event: &Value, news: &mut Vec<News>) -> Result<(), Refusal> {
        let mut inner = self.inner.write();
        let record = event_record(event, inner.workload_of(event).as_ref())?;
        let version = self.hasher.hash_one(&record.resource_version);
        let generation = inner.kinds.entry(Kind::Event).or_default().generation;
        let before = inner.events.insert(record.uid.clone(), (version, generation));
        if before.is_none_or(|(known, _)| known != version) {
            news.push(News::Event(Box::new(record)));
        }
        Ok(())
    }

    /// Events that the server has forgotten never come again.
    fn forget_old_events(&self) {
        let mut inner = self.inner.write();
        let current = inner.kinds.entry(Kind::Event).or_default().generation;
        inner.events.retain(|_, (_, generation)| *generation == current);
    }

    /// Makes sure that these are told again: they did not reach the bus.
    pub(crate) fn untell(&self, keys: &[ObjectKey]) {
        let mut inner = self.inner.write();
        for key in keys {
            let kind = Kind::from_name(&key.kind);
            let shelf = kind.and_then(|kind| inner.kinds.get_mut(&kind));
            if let Some(entry) = shelf.and_then(|shelf| shelf.objects.get_mut(&key.uid)) {
                entry.fingerprint = !entry.fingerprint;
            }
        }
    }

    /// As [`Self::untell`], for events.
    pub(crate) fn untell_events(&self, uids: &[String]) {
        let mut inner = self.inner.write();
        for uid in uids {
            inner.events.remove(uid);
        }
    }

    /// Changes whenever pods or nodes do in a way that matters to scrapes and log readers.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Makes sure that everything of a kind is told again when it is listed next: others have told it until now.
    pub(crate) fn untell_all(&self, kind: Kind) {
        let mut inner = self.inner.write();
        if kind == Kind::Event {
            inner.events.clear();
        }
        let entries = inner.kinds.get_mut(&kind).into_iter().flat_map(|shelf| shelf.objects.values_mut());
        entries.for_each(|entry| entry.fingerprint = !entry.fingerprint);
    }

    /// Numbers of the objects of a kind.
    pub(crate) fn samples_of(&self, kind: Kind) -> Vec<Arc<[StateSample]>> {
        let inner = self.inner.read();
        let entries = inner.kinds.get(&kind).into_iter().flat_map(|shelf| shelf.objects.values());
        entries.map(|entry| Arc::clone(&entry.samples)).collect()
    }

    /// Numbers of all objects.
    pub(crate) fn samples(&self) -> Vec<Arc<[StateSample]>> {
        let inner = self.inner.read();
        let shelves = inner.kinds.values();
        shelves.flat_map(|shelf| shelf.objects.values().map(|entry| Arc::clone(&entry.samples))).collect()
    }

    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Option<Arc<PodFacts>> {
        let inner = self.inner.read();
        let uid = inner.pods.get(&(namespace.to_owned(), name.to_owned()))?;
        match &inner.kinds.get(&Kind::Pod)?.objects.get(uid)?.facts {
            Facts::Pod(facts) => Some(Arc::clone(facts)),
            _ => None,
        }
    }

    pub(crate) fn pods(&self) -> Vec<Arc<PodFacts>> {
        self.collect(Kind::Pod, |facts| match facts {
            Facts::Pod(facts) => Some(Arc::clone(facts)),
            _ => None,
        })
    }

    pub(crate) fn nodes(&self) -> Vec<Arc<NodeFacts>> {
        self.collect(Kind::Node, |facts| match facts {
            Facts::Node(facts) => Some(Arc::clone(facts)),
            _ => None,
        })
    }

    fn collect<T>(&self, kind: Kind, pick: impl Fn(&Facts) -> Option<T>) -> Vec<T> {
        let inner = self.inner.read();
        let shelf = inner.kinds.get(&kind);
        shelf
            .into_iter()
            .flat_map(|shelf| shelf.objects.values())
            .filter_map(|entry| pick(&entry.facts))
            .collect()
    }

    pub(crate) fn cluster(&self) -> Arc<str> {
        Arc::clone(&self.cluster)
    }

    fn holds(&self, kind: Kind, uid: &str) -> bool {
        self.inner.read().kinds.get(&kind).is_some_and(|shelf| shelf.objects.contains_key(uid))
    }
}

impl Inner {
    fn depart(&mut self, pod: &ObjectState) {
        let name = (pod.namespace.clone(), pod.name.clone());
        // The name may belong to the next pod already.
        if self.pods.get(&name) == Some(&pod.key.uid) {
            self.pods.remove(&name);
        }
        if let Some(workload) = &pod.workload
            && self.departed.insert(name.clone(), workload.clone()).is_none()
        {
            self.departed_order.push_back(name);
            if self.departed_order.len() > MAX_DEPARTED {
                self.departed_order.pop_front().map(|oldest| self.departed.remove(&oldest));
            }
        }
    }

    /// Workload of what an event is about.
    fn workload_of(&self, event: &Value) -> Option<WorkloadRef> {
        let about = regarding(event);
        let kind = Kind::from_name(&about.kind)?;
        if kind == Kind::Pod {
            let name = (about.namespace, about.name);
            let alive = self.pods.get(&name).and_then(|uid| self.kinds.get(&kind)?.objects.get(uid));
            return alive
                .and_then(|entry| entry.state.workload.clone())
                .or_else(|| self.departed.get(&name).cloned());
        }
        let known = self.kinds.get(&kind).and_then(|shelf| shelf.objects.get(&about.uid));
        if let Some(entry) = known {
            return entry.state.workload.clone();
        }
        let is_workload = matches!(
            kind,
            Kind::Deployment
                | Kind::StatefulSet
                | Kind::DaemonSet
                | Kind::CronJob
                | Kind::Job
                | Kind::ReplicaSet
        );
        is_workload.then_some(WorkloadRef { kind: about.kind, name: about.name })
    }
}

#[cfg(test)]
mod tests;
