//! The first screen, read directly from object states and warning events. Pure but for [`read`].

use std::collections::BTreeSet;
use std::sync::Arc;

use sentinel_log_store::{DocumentFilter, DocumentKind, LogReader, Order, SearchQuery};
use sentinel_model::{NodeDetail, ObjectDetail, ObjectState, PodDetail, Selector, Timestamp};

use crate::app::App;
use crate::dto::node::NodeStatus;
use crate::dto::overview::{
    Capacity, HealthCounts, Overview, OverviewCounts, PodCapacity, ProblemRow, TopRow, TopRows,
};
use crate::dto::record::EventRow;
use crate::dto::{ResourceUsage, Usage};
use crate::objects::{Entry, Objects};
use crate::params::Scope;
use crate::rows::{
    PodGroups, View, WORKLOAD_KINDS, event_of_document, is_finished, is_top_level, workload_row,
};
use crate::scope::{InScope as _, document_fields};
use crate::status::{node_state, pod_state};
use crate::usage;

mod problems;
#[cfg(test)]
mod tests;
mod warnings;

use problems::{problem_of_event, problem_of_node, problem_of_pod, problem_of_workload};

const MAX_PROBLEMS: usize = 200;
const MAX_TOP: usize = 10;
const MAX_CHANGES: usize = 500;
const CHANGES_MS: i64 = 30 * 60 * 1_000;
const EVENTS_MS: i64 = 15 * 60 * 1_000;
/// Newest warning events that are looked at for what no state tells.
const MAX_EVENTS: usize = 200;

/// What an overview is made of.
pub struct Facts<'a> {
    pub objects: &'a Objects,
    pub nodes: &'a [Arc<Entry>],
    pub pods: &'a [Arc<Entry>],
    pub workloads: &'a [Arc<Entry>],
    pub n_namespaces: usize,
    /// Nodes are shared by all namespaces: what some of them use is what their pods use.
    pub is_part_of_nodes: bool,
    /// Recent warnings, newest first.
    pub events: &'a [EventRow],
}

pub async fn read(app: &App, scope: &Scope, now: Timestamp) -> Overview {
    let of_kind = |kind: &str| -> Vec<Arc<Entry>> {
        app.objects.of_kind(kind).into_iter().filter(|entry| scope.holds(&entry.state)).collect()
    };
    let workloads: Vec<_> = WORKLOAD_KINDS.iter().flat_map(|kind| of_kind(kind)).collect();
    let (events, n_warning_events) = match read_warnings(&*app.logs, scope, now).await {
        Ok((events, n)) => (events, Some(n)),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "warning events are not known");
            (Vec::new(), None)
        }
    };
    let facts = Facts {
        objects: &app.objects,
        nodes: &of_kind("Node"),
        pods: &of_kind("Pod"),
        workloads: &workloads,
        n_namespaces: of_kind("Namespace").len(),
        is_part_of_nodes: !scope.namespace.is_empty(),
        events: &events,
    };
    let usage = app.usage_table();
    let mut overview = overview(&facts, View { now, usage: &usage });
    let changes = app.objects.changes(now.saturating_sub_millis(CHANGES_MS));
    overview.changes =
        changes.into_iter().filter(|change| scope.holds_names(&change.cluster, &change.namespace)).collect();
    overview.changes.sort_by_key(|change| std::cmp::Reverse(change.time));
    overview.changes.truncate(MAX_CHANGES);
    overview.counts.n_series = match scope.narrow(Selector::default()) {
        Ok(selector) if !selector.matchers().is_empty() => app.live.count(&selector),
        _ => app.live.n_series(),
    };
    overview.counts.n_warning_events = n_warning_events;
    overview
}

async fn read_warnings(
    logs: &dyn LogReader,
    scope: &Scope,
    now: Timestamp,
) -> Result<(Vec<EventRow>, u64), sentinel_log_store::LogStoreError> {
    let severities = ["warning", "error", "critical"].map(str::to_owned).to_vec();
    let filter = DocumentFilter {
        kind: DocumentKind::Event,
        text: String::new(),
        fields: document_fields(scope, &[(sentinel_log_store::DocumentField::Severity, severities)]),
        start: now.saturating_sub_millis(EVENTS_MS),
        end: now.saturating_add_millis(60_000),
    };
    let n = logs.count(&filter).await?;
    let filter = DocumentFilter { start: now.saturating_sub_millis(warnings::RECENT_MS), ..filter };
    let query = SearchQuery { filter, order: Order::NewestFirst, limit: MAX_EVENTS, after: None };
    let page = logs.search(&query).await?;
    Ok((page.documents.into_iter().map(event_of_document).collect(), n))
}

pub fn overview(facts: &Facts<'_>, view: View<'_>) -> Overview {
    let groups = PodGroups::new(facts.pods, view);
    let mut health = HealthCounts::default();
    let mut capacity = Usage::default();
    let mut pods = PodCapacity::default();
    let mut problems = Vec::new();
    let mut top = Vec::new();
    for entry in facts.nodes {
        let ObjectDetail::Node(node) = &entry.state.detail else { continue };
        health.n_nodes += 1;
        health.n_nodes_ready += usize::from(node_state(node).status == NodeStatus::Ready);
        capacity.add(&facts.offered(&entry.state, node, view));
        if let Some(offered) = node.allocatable.pods {
            *pods.allocatable.get_or_insert(0.0) += offered;
        }
        problems.extend(problem_of_node(&entry.state, node));
    }
    for entry in facts.pods {
        let ObjectDetail::Pod(pod) = &entry.state.detail else { continue };
        let told = pod_state(pod, entry.state.created, view.now);
        let is_finished = is_finished(pod);
        health.n_pods += 1;
        health.n_pods_healthy += usize::from(told.is_healthy);
        health.n_pods_failing += usize::from(!told.is_healthy);
        health.n_pods_running += usize::from(pod.phase == "Running");
        health.n_pods_pending += usize::from(pod.phase == "Pending");
        health.n_pods_finished += usize::from(is_finished);
        pods.used += usize::from(!is_finished);
        if !is_finished {
            capacity.add(&facts.taken(&entry.state, pod, view));
        }
        problems.extend(problem_of_pod(&entry.state, pod, &told, groups.beside(&entry.state)));
    }
    for entry in facts.workloads.iter().filter(|entry| is_top_level(&entry.state)) {
        let Some(row) = workload_row(&entry.state, &groups, view) else { continue };
        let (pods, _) = groups.of_workload(&entry.state);
        let problem = problem_of_workload(entry, &row, &pods);
        health.n_workloads += 1;
        health.n_workloads_healthy += usize::from(problem.is_none());
        problems.extend(problem);
        top.push(row);
    }
    let clusters: BTreeSet<&str> =
        facts.nodes.iter().chain(facts.pods).map(|entry| &*entry.state.key.cluster).collect();
    let n_problems = problems.len();
    let standing = facts.events.iter().filter(|event| warnings::stands(event, facts.objects, &groups, view));
    add_events(&mut problems, standing);
    let counts = OverviewCounts {
        n_clusters: clusters.len(),
        n_namespaces: facts.n_namespaces,
        n_problems,
        n_warnings: problems.len() - n_problems,
        ..OverviewCounts::default()
    };
    keep_worst(&mut problems);
    Overview {
        health,
        problems,
        changes: Vec::new(),
        capacity: Capacity { cpu: capacity.cpu, memory: capacity.memory, pods },
        top: top_rows(&top),
        counts,
    }
}

impl Facts<'_> {
    /// What a node offers, and what all of it uses where all of it is looked at.
    fn offered(&self, state: &ObjectState, node: &NodeDetail, view: View<'_>) -> Usage {
        let offered = usage::offered(node);
        let used = view.usage.node(&state.key.cluster, &state.name).filter(|_| !self.is_part_of_nodes);
        offered.with_used(used.unwrap_or_default())
    }

    /// What a pod asks for, and what it uses where its node's use says too much.
    fn taken(&self, state: &ObjectState, pod: &PodDetail, view: View<'_>) -> Usage {
        let asked = usage::asked(pod);
        let used = view.usage.pod(&state.key.cluster, &state.namespace, &state.name);
        let used = used.filter(|_| self.is_part_of_nodes).map(|used| used.total);
        asked.with_used(used.unwrap_or_default())
    }
}

fn keep_worst(problems: &mut Vec<ProblemRow>) {
    // What was only warned about must not push out what is wrong now.
    let is_warning = |problem: &ProblemRow| problem.kind == "event";
    problems.sort_by(|a, b| {
        let by_severity = || b.severity.cmp(&a.severity);
        let by_age = || b.since.cmp(&a.since);
        is_warning(a).cmp(&is_warning(b)).then_with(by_severity).then_with(by_age)
    });
    problems.truncate(MAX_PROBLEMS);
}

/// An event adds only what no state tells: its object has no problem yet.
fn add_events<'a>(problems: &mut Vec<ProblemRow>, events: impl Iterator<Item = &'a EventRow>) {
    type Object = (String, String, String, String);
    let mut told: BTreeSet<Object> = problems
        .iter()
        .map(|p| (p.cluster.clone(), p.namespace.clone(), p.object_kind.clone(), p.object_name.clone()))
        .collect();
    for event in events {
        let object = (
            event.cluster.clone(),
            event.namespace.clone(),
            event.object_kind.clone(),
            event.object_name.clone(),
        );
        if told.insert(object) {
            problems.push(problem_of_event(event));
        }
    }
}

fn top_rows(workloads: &[crate::dto::workload::WorkloadRow]) -> TopRows {
    let top = |value: &dyn Fn(&crate::dto::workload::WorkloadRow) -> Option<f64>| {
        let row = |workload: &crate::dto::workload::WorkloadRow| {
            Some(TopRow {
                cluster: workload.cluster.clone(),
                namespace: workload.namespace.clone(),
                workload_kind: workload.kind.clone(),
                workload: workload.name.clone(),
                value: value(workload).filter(|value| *value > 0.0)?,
            })
        };
        let mut rows: Vec<TopRow> = workloads.iter().filter_map(row).collect();
        rows.sort_by(|a, b| b.value.total_cmp(&a.value));
        rows.truncate(MAX_TOP);
        rows
    };
    let used = |resource: fn(&Usage) -> ResourceUsage| {
        move |workload: &crate::dto::workload::WorkloadRow| resource(&workload.usage).used
    };
    TopRows {
        cpu: top(&used(|usage| usage.cpu)),
        memory: top(&used(|usage| usage.memory)),
        restarts: top(&|workload| Some(workload.n_restarts as f64)),
    }
}
