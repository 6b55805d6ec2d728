//! Nodes.

use axum::Json;
use axum::extract::State;
use sentinel_model::ObjectDetail;

use crate::app::App;
use crate::dto::Page;
use crate::dto::node::{NodeDetailDto, NodeRow};
use crate::error::ApiError;
use crate::extract::Names;
use crate::params::{OneCluster, Paging, Params, Scope, Text};
use crate::rows::{PodGroups, View, node_row};

use super::{one, page_of};

/// Nodes.
#[utoipa::path(
    get,
    path = "/nodes",
    tag = "nodes",
    params(Scope, Paging, Text),
    responses((status = 200, description = "Nodes by cluster and name", body = Page<NodeRow>))
)]
pub async fn list_nodes(
    State(app): State<App>,
    Params((scope, paging, text)): Params<(Scope, Paging, Text)>,
) -> Result<Json<Page<NodeRow>>, ApiError> {
    // A node belongs to no namespace: it is listed whatever namespaces are chosen.
    let page = page_of(app.objects.of_kind("Node"), &scope, &paging, text.q.as_deref())?;
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let groups = PodGroups::new(&app.objects.of_kind("Pod"), view);
    Ok(Json(page.map(|entry| node_row(&entry.state, groups.on_node(&entry.state), view))))
}

/// One node.
#[utoipa::path(
    get,
    path = "/nodes/{name}",
    tag = "nodes",
    params(OneCluster, ("name" = String, Path)),
    responses((status = 200, description = "The node", body = NodeDetailDto))
)]
pub async fn read_node(
    State(app): State<App>,
    names: Names<1>,
    Params(cluster): Params<OneCluster>,
) -> Result<Json<NodeDetailDto>, ApiError> {
    let [name] = names.0;
    let entry = one(app.objects.find("Node", "", &name), &cluster, "node")?;
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let is_on_it = |pod: &std::sync::Arc<crate::objects::Entry>| matches!(&pod.state.detail, ObjectDetail::Pod(pod) if pod.node == name);
    let pods: Vec<_> = app.objects.of_kind("Pod").into_iter().filter(is_on_it).collect();
    let groups = PodGroups::new(&pods, view);
    let row = node_row(&entry.state, groups.on_node(&entry.state), view)
        .ok_or(ApiError::NotFound { what: "node" })?;
    Ok(Json(NodeDetailDto { row, labels: entry.state.labels.clone(), manifest: entry.manifest() }))
}
