//! Recording events: the same thing happening again raises the count of the event that is there.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sentinel_model::Timestamp;

use super::{Action, Node, Pod, Workload, World};
use crate::dice::{self, Uid};
use crate::objects::{self, EventView};
use crate::store::{Key, Kind, Traits};
use crate::time::{HOUR, MINUTE};

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub kind: Kind,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub uid: Option<Uid>,
    pub version: u64,
    /// `spec.containers{cart}`; empty for the whole object.
    pub field: String,
}

/// Who saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    pub component: &'static str,
    /// Of a kubelet.
    pub host: String,
    /// Set by those that use the newer API, which counts nothing.
    pub action: Option<&'static str>,
}

/// One occurrence.
#[derive(Clone, Debug)]
pub struct Occurrence {
    pub subject: Subject,
    pub reporter: Reporter,
    pub is_warning: bool,
    pub reason: &'static str,
    pub message: String,
}

/// Events that are not expired.
#[derive(Debug, Default)]
pub struct EventBook {
    /// By everything that must be equal for events to be counted together.
    entries: HashMap<u64, Entry>,
    expiries: VecDeque<(Timestamp, u64)>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    uid: Uid,
    first: Timestamp,
    last: Timestamp,
    count: i64,
    occurrence: Occurrence,
}

/// The API server forgets events after so long.
const TIME_TO_LIVE: i64 = HOUR;

impl World {
    pub(super) fn record(&mut self, occurrence: Occurrence) {
        let identity = occurrence.identity();
        let now = self.now;
        let is_counted = occurrence.reporter.action.is_none();
        match self.events.entries.get_mut(&identity) {
            Some(entry) if is_counted => {
                entry.last = now;
                entry.count += 1;
                entry.occurrence.subject.version = occurrence.subject.version;
            }
            _ => {
                let mut dice = dice::Dice::new(identity ^ now.as_millis() as u64 ^ self.seed);
                let nanos = now.as_millis() * 1_000_000 + dice.whole(0, 1_000_000);
                let name = format!("{}.{nanos:016x}", occurrence.subject.name);
                let key = Key::new(occurrence.subject.event_namespace(), name);
                let entry = Entry { key, uid: dice.uid(), first: now, last: now, count: 1, occurrence };
                self.events.entries.insert(identity, entry);
            }
        }
        self.events.expiries.push_back((now, identity));
        self.write_event(identity);
    }

    fn write_event(&mut self, identity: u64) {
        let Some(entry) = self.events.entries.get(&identity) else { return };
        let traits = entry.occurrence.traits();
        self.store.put(Kind::Event, entry.key.clone(), traits, |version| entry.render(version));
    }

    pub(super) fn expire_events(&mut self) {
        let eldest = self.now.saturating_sub_millis(self.span(TIME_TO_LIVE));
        while let Some(&(at, identity)) = self.events.expiries.front() {
            if at > eldest {
                break;
            }
            self.events.expiries.pop_front();
            let is_over = |entry: &Entry| entry.last <= eldest;
            if self.events.entries.get(&identity).is_some_and(is_over)
                && let Some(entry) = self.events.entries.remove(&identity)
            {
                self.store.remove(Kind::Event, &entry.key, |version| entry.render(version));
            }
        }
        self.after(MINUTE, Action::ExpireEvents);
    }
}

impl Occurrence {
    fn identity(&self) -> u64 {
        let mut text = String::with_capacity(160);
        let uid = self.subject.uid.map_or(0, |uid| uid.0);
        let (kind, place) = (self.subject.kind.name(), (&self.subject.name, &self.subject.field));
        let who = (self.reporter.component, &self.reporter.host);
        let _ = std::fmt::Write::write_fmt(
            &mut text,
            format_args!("{uid:x}/{kind}/{place:?}/{who:?}/{}/{}", self.reason, self.message),
        );
        dice::hash(text.as_bytes())
    }

    fn traits(&self) -> Traits {
        let subject = &self.subject;
        Traits {
            labels: Arc::default(),
            fields: vec![
                ("involvedObject.kind", Arc::from(subject.kind.name())),
                ("involvedObject.name", Arc::clone(&subject.name)),
                ("involvedObject.namespace", Arc::clone(&subject.namespace)),
                ("involvedObject.uid", Arc::from(subject.uid.map_or(String::new(), |uid| uid.to_string()))),
                ("reason", Arc::from(self.reason)),
                ("type", Arc::from(if self.is_warning { "Warning" } else { "Normal" })),
            ],
        }
    }
}

impl Entry {
    fn render(&self, version: u64) -> String {
        objects::event(&EventView {
            name: &self.key.name,
            namespace: &self.key.namespace,
            uid: self.uid,
            version,
            subject: &self.occurrence.subject,
            reason: self.occurrence.reason,
            message: &self.occurrence.message,
            is_warning: self.occurrence.is_warning,
            reporter: &self.occurrence.reporter,
            first: self.first,
            last: self.last,
            count: self.count,
        })
    }
}

impl Subject {
    pub fn pod(pod: &Pod) -> Self {
        Self {
            kind: Kind::Pod,
            namespace: Arc::clone(&pod.key.namespace),
            name: Arc::clone(&pod.key.name),
            uid: Some(pod.uid),
            version: pod.version,
            field: String::new(),
        }
    }

    pub fn container(pod: &Pod, container: usize) -> Self {
        let field = format!("spec.containers{{{}}}", pod.spec_of(container).name);
        Self { field, ..Self::pod(pod) }
    }

    pub fn node(node: &Node) -> Self {
        Self {
            kind: Kind::Node,
            namespace: Arc::from(""),
            name: Arc::clone(&node.name),
            uid: Some(node.uid),
            version: 0,
            field: String::new(),
        }
    }

    pub fn workload(workload: &Workload) -> Self {
        Self::owned(workload, workload.kind(), (&workload.name, workload.uid), workload.written)
    }

    /// A ReplicaSet, Job or autoscaler of a workload.
    pub fn owned(workload: &Workload, kind: Kind, (name, uid): (&Arc<str>, Uid), version: u64) -> Self {
        Self {
            kind,
            namespace: Arc::clone(&workload.namespace),
            name: Arc::clone(name),
            uid: Some(uid),
            version,
            field: String::new(),
        }
    }

    /// Events about objects without namespace are in `default`.
    fn event_namespace(&self) -> Arc<str> {
        if self.namespace.is_empty() { Arc::from("default") } else { Arc::clone(&self.namespace) }
    }
}

impl Reporter {
    pub const fn controller(component: &'static str) -> Self {
        Self { component, host: String::new(), action: None }
    }

    pub fn kubelet(node: &Node) -> Self {
        Self { component: "kubelet", host: node.name.to_string(), action: None }
    }

    pub const fn scheduler(action: &'static str) -> Self {
        Self { component: "default-scheduler", host: String::new(), action: Some(action) }
    }

    pub fn instance(&self) -> &str {
        match self.action {
            Some(_) => "default-scheduler-control-1",
            None => &self.host,
        }
    }
}
