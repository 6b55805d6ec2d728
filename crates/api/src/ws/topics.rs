//! Reading what a subscription has not seen yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use sentinel_model::{Field, ObjectDetail, Selector, Timestamp};

use super::filter::Watch;
use super::protocol::{Item, MetricItem, ObjectItem, Op, Row, TopicName, UsageItem};
use super::subscription::{References, Subscription};
use crate::app::App;
use crate::dto::pipeline::Pipeline;
use crate::feed::Feed;
use crate::live::{LiveSeries, LiveWindow, counter_window, growths};
use crate::objects::{Change, Entry, Place, Removed};
use crate::params::Scope;
use crate::query::{Function, shown_labels};
use crate::rows::{View, is_finished, is_top_level, node_row, object_row, pod_row, workload_row};
use crate::scope::InScope as _;
use crate::usage::{Used, UsedBy};

/// Items of one message.
pub const MAX_ITEMS: usize = 1_000;
/// Records that are looked at for one message.
const MAX_LOOKED: usize = 20_000;
/// Series of one subscription; the others are counted as dropped.
const MAX_SERIES: usize = 5_000;

/// What there is to send.
#[derive(Debug, Default)]
pub struct News {
    pub items: Vec<Item>,
    pub dropped: u64,
}

/// Where a topic stands.
pub fn place_of(topic: TopicName, app: &App) -> u64 {
    match topic {
        TopicName::Metrics | TopicName::Usage => app.live.version(),
        TopicName::Objects => app.objects.version(),
        TopicName::Events => app.recent_events.end(),
        TopicName::Logs => app.recent_logs.end(),
        // Always something new: the numbers move by themselves.
        TopicName::Pipeline => u64::MAX,
    }
}

impl Subscription {
    pub fn has_news(&self, app: &App) -> bool {
        !self.backlog.is_empty() || place_of(self.topic, app) > self.place
    }

    /// Takes what is new, at most one message of it. What the pipeline looks like comes from outside,
    /// since reading it takes a while.
    pub fn take_news(&mut self, app: &App, pipeline: Option<&Pipeline>) -> News {
        let mut news = News::default();
        if self.backlog.is_empty() {
            self.read(app, pipeline, &mut news);
        }
        let n_taken = MAX_ITEMS.min(self.backlog.len());
        news.items.extend(self.backlog.drain(..n_taken));
        news
    }

    fn read(&mut self, app: &App, pipeline: Option<&Pipeline>, news: &mut News) {
        match &self.watch {
            Watch::Metrics { selector, function } => {
                let version = app.live.version();
                let moved = app.live.changed(selector, Timestamp::MIN, self.place);
                let seq = self.seq + 1;
                for series in moved {
                    if !self.references.has_room_for(series.id, MAX_SERIES) {
                        news.dropped += 1;
                        continue;
                    }
                    let told = Told { selector, function: *function, seen: self.place, seq };
                    let items = metric_items(&series, told, &mut self.references);
                    self.backlog.extend(items.into_iter().map(Item::Metric));
                }
                self.place = version;
            }
            Watch::Usage { scope } => {
                let table = app.usage_table();
                let rows = table.changed(self.place);
                let chosen = rows
                    .filter(|row| scope.holds_names(row.cluster, row.namespace) && !has_finished(app, row));
                self.backlog.extend(chosen.map(|row| {
                    Item::Usage(usage_item(row.kind, [row.cluster, row.namespace, row.name], row.used))
                }));
                self.place = table.version;
            }
            Watch::Objects { kinds, scope, .. } => {
                let since = app.objects.since(self.place, MAX_ITEMS);
                news.dropped += u64::from(since.has_gap);
                self.backlog.extend(object_items(app, &since.changes, kinds, scope));
                self.place = since.version;
            }
            Watch::Events(watch) => {
                let (place, records) =
                    read_feed(&app.recent_events, self.place, |event| watch.accepts(event), news);
                self.place = place;
                self.backlog.extend(records.into_iter().map(Item::Event));
            }
            Watch::Logs(watch) => {
                let (place, records) =
                    read_feed(&app.recent_logs, self.place, |line| watch.accepts(line), news);
                self.place = place;
                self.backlog.extend(records.into_iter().map(Item::Log));
            }
            Watch::Pipeline => {
                self.place += 1;
                self.backlog.extend(pipeline.map(|pipeline| Item::Pipeline(Box::new(pipeline.clone()))));
            }
        }
    }
}

fn read_feed<T>(
    feed: &Feed<T>,
    place: u64,
    accepts: impl FnMut(&T) -> bool,
    news: &mut News,
) -> (u64, Vec<Arc<T>>) {
    let read = feed.read(place, MAX_LOOKED, MAX_ITEMS, accepts);
    news.dropped += read.n_missed;
    (read.next, read.records)
}

// === Metrics ===

/// What a message tells of a series.
#[derive(Clone, Copy)]
struct Told<'a> {
    selector: &'a Selector,
    /// `None`: what its kind asks for.
    function: Option<Function>,
    /// Version up to which the client has seen everything.
    seen: u64,
    /// Number of the message.
    seq: u64,
}

fn metric_items(series: &LiveSeries, told: Told<'_>, references: &mut References) -> Vec<MetricItem> {
    let function = told.function.unwrap_or_else(|| Function::default_for(series.series.kind));
    let points = points_of(&series.windows, function, told.seen);
    if points.is_empty() {
        return Vec::new();
    }
    let (reference, is_told) = references.of(series.id, told.seq);
    let mut labels = (!is_told).then(|| shown_labels(&series.series.labels, told.selector));
    let item = |(t, v): (Timestamp, f64)| MetricItem {
        reference,
        labels: labels.take(),
        t: t.as_millis(),
        v: Some(v).filter(|v| v.is_finite()),
        // The overlay holds what the processor may still correct.
        provisional: true,
    };
    points.into_iter().map(item).collect()
}

/// Values of the windows that came after version `seen`.
fn points_of(windows: &[LiveWindow], function: Function, seen: u64) -> Vec<(Timestamp, f64)> {
    let is_new =
        |start: Timestamp| windows.iter().any(|window| window.start == start && window.version > seen);
    if function.field() != Field::Increase {
        let new = windows.iter().filter(|window| window.version > seen);
        return new
            .filter_map(|window| Some((window.start, window.aggregate.field(function.field())?)))
            .collect();
    }
    let grown = growths(windows.iter().map(counter_window), 10_000);
    let value = |growth: &crate::live::Growth| match function {
        Function::Rate => growth.increase * 1_000.0 / growth.span_ms as f64,
        _ => growth.increase,
    };
    grown.iter().filter(|growth| is_new(growth.start)).map(|growth| (growth.start, value(growth))).collect()
}

// === Usage ===

/// The last numbers of a pod often come after its end; its row says by then that it uses nothing.
fn has_finished(app: &App, row: &UsedBy<'_>) -> bool {
    let place = Place {
        kind: row.kind.into(),
        cluster: row.cluster.into(),
        namespace: row.namespace.to_owned(),
        name: row.name.to_owned(),
    };
    let entry = app.objects.at(&place);
    entry.is_some_and(|entry| matches!(&entry.state.detail, ObjectDetail::Pod(pod) if is_finished(pod)))
}

fn usage_item(kind: &'static str, [cluster, namespace, name]: [&str; 3], used: Used) -> UsageItem {
    UsageItem {
        kind,
        cluster: cluster.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        cpu: used.cpu.map(|measured| measured.value),
        memory: used.memory.map(|measured| measured.value),
        t: used.at().map(Timestamp::as_millis),
    }
}

// === Objects ===

/// Besides what changed itself: the workloads and nodes of pods that did, whose rows count them.
fn object_items(app: &App, changes: &[Change], kinds: &[String], scope: &Scope) -> Vec<Item> {
    let is_wanted = |kind: &str| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let groups = app.pod_groups();
    let row = |entry: &Entry| {
        let state = &entry.state;
        match &state.detail {
            ObjectDetail::Pod(_) => pod_row(state, view).map(Row::Pod),
            ObjectDetail::Node(_) => node_row(state, groups.on_node(state), view).map(Row::Node),
            ObjectDetail::Workload(_) if is_top_level(state) => {
                workload_row(state, &groups, view).map(Row::Workload)
            }
            ObjectDetail::Workload(_) => None,
            ObjectDetail::Other => Some(Row::Object(object_row(state))),
        }
    };
    let mut items = Vec::new();
    let mut touched: BTreeSet<(String, String, String)> = BTreeSet::new();
    for change in changes {
        match change {
            Change::Upsert(entry) => {
                touched.extend(parents(entry).filter(|(kind, ..)| is_wanted(kind)));
                if is_wanted(&entry.state.key.kind) && scope.holds(&entry.state) {
                    items.extend(row(entry).map(|row| item(Op::Upsert, &entry.state.key.kind, row)));
                }
            }
            Change::Removed(removed) => {
                touched.extend(parents_of_removed(removed).filter(|(kind, ..)| is_wanted(kind)));
                if is_wanted(&removed.key.kind) && scope.holds_names(&removed.key.cluster, &removed.namespace)
                {
                    items.push(item(Op::Delete, &removed.key.kind, gone(removed)));
                }
            }
        }
    }
    for (kind, namespace, name) in touched {
        for entry in app.objects.find(&kind, &namespace, &name) {
            if scope.holds(&entry.state) {
                items.extend(row(&entry).map(|row| item(Op::Upsert, &kind, row)));
            }
        }
    }
    items
}

fn item(op: Op, kind: &str, row: Row) -> Item {
    Item::Object(Box::new(ObjectItem { op, kind: kind.to_owned(), row }))
}

fn gone(removed: &Removed) -> Row {
    Row::Gone {
        cluster: removed.key.cluster.to_string(),
        namespace: removed.namespace.clone(),
        name: removed.name.clone(),
        uid: removed.key.uid.clone(),
    }
}

/// Kind, namespace and name of what counts this pod.
fn parents(entry: &Entry) -> impl Iterator<Item = (String, String, String)> {
    let state = &entry.state;
    let node = match &state.detail {
        ObjectDetail::Pod(pod) if !pod.node.is_empty() => Some(pod.node.clone()),
        _ => None,
    };
    let is_pod = matches!(state.detail, ObjectDetail::Pod(_));
    let workload = state.workload.clone().filter(|_| is_pod);
    of_parents(workload.map(|workload| (workload.kind, workload.name)), &state.namespace, node)
}

fn parents_of_removed(removed: &Removed) -> impl Iterator<Item = (String, String, String)> {
    let workload = removed.workload.clone().map(|workload| (workload.kind, workload.name));
    of_parents(workload, &removed.namespace, removed.node.clone())
}

fn of_parents(
    workload: Option<(String, String)>,
    namespace: &str,
    node: Option<String>,
) -> impl Iterator<Item = (String, String, String)> {
    let workload = workload.map(|(kind, name)| (kind, namespace.to_owned(), name));
    let node = node.map(|name| ("Node".to_owned(), String::new(), name));
    workload.into_iter().chain(node)
}
