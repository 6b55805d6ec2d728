//! Workloads.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use sentinel_model::{ObjectDetail, ObjectState};

use crate::app::App;
use crate::dto::Page;
use crate::dto::workload::{WorkloadDetailDto, WorkloadRow};
use crate::error::ApiError;
use crate::extract::Names;
use crate::objects::Entry;
use crate::params::{OneCluster, Paging, Params, Scope, WorkloadFilter};
use crate::rows::{PodGroups, View, WORKLOAD_KINDS, condition, is_top_level, pod_row, workload_row};

use super::{has_text, one};
use crate::scope::InScope as _;

/// Workloads that no other workload made.
#[utoipa::path(
    get,
    path = "/workloads",
    tag = "workloads",
    params(Scope, Paging, WorkloadFilter),
    responses((status = 200, description = "By cluster, namespace, name and kind", body = Page<WorkloadRow>))
)]
pub async fn list_workloads(
    State(app): State<App>,
    Params((scope, paging, filter)): Params<(Scope, Paging, WorkloadFilter)>,
) -> Result<Json<Page<WorkloadRow>>, ApiError> {
    let is_chosen = |state: &ObjectState| {
        is_top_level(state) && scope.holds(state) && has_text(&state.name, filter.q.as_deref())
    };
    let mut entries: Vec<Arc<Entry>> = WORKLOAD_KINDS
        .iter()
        .filter(|kind| filter.kind.is_empty() || filter.kind.iter().any(|wanted| wanted == *kind))
        .flat_map(|kind| app.objects.of_kind(kind))
        .filter(|entry| is_chosen(&entry.state))
        .collect();
    entries.sort_by_cached_key(key);
    let page = Page::new(paging.cut(entries, key)?);
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let groups = PodGroups::new(&app.objects.of_kind("Pod"), view);
    Ok(Json(page.map(|entry| workload_row(&entry.state, &groups, view))))
}

fn key(entry: &Arc<Entry>) -> (String, String, String, String) {
    let state = &entry.state;
    (state.key.cluster.to_string(), state.namespace.clone(), state.name.clone(), state.key.kind.to_string())
}

/// One workload with its pods.
#[utoipa::path(
    get,
    path = "/workloads/{kind}/{namespace}/{name}",
    tag = "workloads",
    params(
        OneCluster,
        ("kind" = String, Path),
        ("namespace" = String, Path),
        ("name" = String, Path)
    ),
    responses((status = 200, description = "The workload", body = WorkloadDetailDto))
)]
pub async fn read_workload(
    State(app): State<App>,
    names: Names<3>,
    Params(cluster): Params<OneCluster>,
) -> Result<Json<WorkloadDetailDto>, ApiError> {
    let [kind, namespace, name] = names.0;
    let entry = one(app.objects.find(&kind, &namespace, &name), &cluster, "workload")?;
    let state = &entry.state;
    let ObjectDetail::Workload(workload) = &state.detail else {
        return Err(ApiError::NotFound { what: "workload" });
    };
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let pods: Vec<Arc<Entry>> =
        app.objects.of_kind("Pod").into_iter().filter(|pod| belongs(&pod.state, state)).collect();
    let groups = PodGroups::new(&pods, view);
    let row = workload_row(state, &groups, view).ok_or(ApiError::NotFound { what: "workload" })?;
    Ok(Json(WorkloadDetailDto {
        row,
        conditions: workload.conditions.iter().map(condition).collect(),
        labels: state.labels.clone(),
        pods: pods.iter().filter_map(|pod| pod_row(&pod.state, view)).collect(),
        manifest: entry.manifest(),
    }))
}

/// By the top of the owner chain, or as the direct owner (a ReplicaSet of a Deployment).
fn belongs(pod: &ObjectState, workload: &ObjectState) -> bool {
    let is_near = pod.key.cluster == workload.key.cluster && pod.namespace == workload.namespace;
    let is_top =
        pod.workload.as_ref().is_some_and(|top| *top.kind == *workload.key.kind && top.name == workload.name);
    is_near && (is_top || pod.owners.iter().any(|owner| owner.uid == workload.key.uid))
}
