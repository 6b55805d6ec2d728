//! Clusters and namespaces.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use sentinel_model::ObjectDetail;

use crate::app::App;
use crate::dto::cluster::{ClusterRow, NamespaceRow, Source};
use crate::dto::node::NodeStatus;
use crate::dto::{Page, Usage};
use crate::error::ApiError;
use crate::params::{Paging, Params, Scope, Text};
use crate::rows::{View, pod_usage};
use crate::scope::InScope as _;
use crate::status::{node_state, pod_state};

use super::has_text;

/// Clusters that data comes from.
#[utoipa::path(
    get,
    path = "/clusters",
    tag = "clusters",
    params(Scope, Paging, Text),
    responses((status = 200, description = "Clusters by name", body = Page<ClusterRow>))
)]
pub async fn list_clusters(
    State(app): State<App>,
    Params((scope, paging, text)): Params<(Scope, Paging, Text)>,
) -> Result<Json<Page<ClusterRow>>, ApiError> {
    let mut rows = clusters(&app);
    rows.retain(|row| scope.holds_names(&row.name, "") && has_text(&row.name, text.q.as_deref()));
    Ok(Json(Page::new(paging.cut(rows, |row| row.name.clone())?)))
}

/// Every cluster that objects or samples came from.
pub fn clusters(app: &App) -> Vec<ClusterRow> {
    let mut rows = BTreeMap::new();
    let known = app.objects.clusters().into_iter().map(|(name, seen)| (name, seen, true));
    let scraped = app.live.clusters().into_iter().map(|(name, seen)| (name, seen, false));
    for (name, seen, has_objects) in known.chain(scraped) {
        let row = rows.entry(name.to_string()).or_insert_with(|| empty(app, &name, has_objects));
        row.last_seen = row.last_seen.max(Some(seen.into()));
    }
    for entry in app.objects.of_kind("Node") {
        if let (ObjectDetail::Node(node), Some(row)) =
            (&entry.state.detail, rows.get_mut(&*entry.state.key.cluster))
        {
            row.n_nodes += 1;
            row.n_nodes_ready += usize::from(node_state(node).status == NodeStatus::Ready);
        }
    }
    for entry in app.objects.of_kind("Pod") {
        if let (ObjectDetail::Pod(pod), Some(row)) =
            (&entry.state.detail, rows.get_mut(&*entry.state.key.cluster))
        {
            row.n_pods += 1;
            row.n_pods_running += usize::from(pod.phase == "Running");
            row.n_pods_failing += usize::from(!pod_state(pod, entry.state.created, app.now()).is_healthy);
        }
    }
    rows.into_values().collect()
}

fn empty(app: &App, name: &str, has_objects: bool) -> ClusterRow {
    let is_simulated = app.mode.is_simulated || app.objects.is_simulated(Some(name));
    let source = match app.mode.mode.as_str() {
        _ if !has_objects => Source::Scrape,
        _ if is_simulated => Source::Simulator,
        "replay" => Source::Replay,
        _ => Source::Kubernetes,
    };
    ClusterRow {
        name: name.to_owned(),
        is_simulated,
        source,
        n_nodes: 0,
        n_nodes_ready: 0,
        n_pods: 0,
        n_pods_running: 0,
        n_pods_failing: 0,
        last_seen: None,
    }
}

/// Namespaces with what runs in them.
#[utoipa::path(
    get,
    path = "/namespaces",
    tag = "clusters",
    params(Scope, Paging, Text),
    responses((status = 200, description = "Namespaces by cluster and name", body = Page<NamespaceRow>))
)]
pub async fn list_namespaces(
    State(app): State<App>,
    Params((scope, paging, text)): Params<(Scope, Paging, Text)>,
) -> Result<Json<Page<NamespaceRow>>, ApiError> {
    let mut rows = namespaces(&app, &scope);
    rows.retain(|row| has_text(&row.name, text.q.as_deref()));
    Ok(Json(Page::new(paging.cut(rows, |row| (row.cluster.clone(), row.name.clone()))?)))
}

/// From Namespace objects and from the pods' own namespaces, in order.
fn namespaces(app: &App, scope: &Scope) -> Vec<NamespaceRow> {
    let mut rows = BTreeMap::new();
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    for entry in app.objects.of_kind("Namespace") {
        if scope.holds(&entry.state) {
            let mut row = empty_namespace(&entry.state.key.cluster, &entry.state.name);
            row.phase = entry
                .manifest
                .read()
                .pointer("/status/phase")
                .and_then(|p| p.as_str())
                .unwrap_or("Active")
                .to_owned();
            row.created = entry.state.created.map(Into::into);
            rows.insert((row.cluster.clone(), row.name.clone()), row);
        }
    }
    for entry in app.objects.of_kind("Pod") {
        let state = &entry.state;
        let ObjectDetail::Pod(pod) = &state.detail else { continue };
        if !scope.holds(state) {
            continue;
        }
        let key = (state.key.cluster.to_string(), state.namespace.clone());
        let row = rows.entry(key).or_insert_with(|| empty_namespace(&state.key.cluster, &state.namespace));
        let told = pod_state(pod, state.created, view.now);
        row.n_pods += 1;
        row.n_pods_ready += usize::from(told.n_containers > 0 && told.n_ready == told.n_containers);
        row.n_pods_failing += usize::from(!told.is_healthy);
        row.n_restarts += told.n_restarts;
        row.usage.add(&pod_usage(state, pod, view));
    }
    rows.into_values().collect()
}

fn empty_namespace(cluster: &str, name: &str) -> NamespaceRow {
    NamespaceRow {
        cluster: cluster.to_owned(),
        name: name.to_owned(),
        phase: String::new(),
        n_pods: 0,
        n_pods_ready: 0,
        n_pods_failing: 0,
        n_restarts: 0,
        usage: Usage::default(),
        created: None,
    }
}
