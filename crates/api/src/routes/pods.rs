//! Pods and their logs.

use axum::Json;
use axum::extract::State;
use sentinel_log_store::{
    Cursor, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, Order, SearchQuery,
};
use sentinel_model::{ContainerState, ObjectDetail, PodDetail, Timestamp};

use crate::app::App;
use crate::dto::Page;
use crate::dto::pod::{PodDetailDto, PodLogLine, PodLogs, PodRow};
use crate::error::ApiError;
use crate::extract::Names;
use crate::objects::Entry;
use crate::params::{OneCluster, Paging, Params, PodFilter, PodLogParams, Scope};
use crate::rows::{View, condition, container_rows, log_of_document, owner, pod_row};
use crate::scope::InScope as _;

use super::{has_text, key, one};

/// Pods.
#[utoipa::path(
    get,
    path = "/pods",
    tag = "pods",
    params(Scope, Paging, PodFilter),
    responses((status = 200, description = "Pods by cluster, namespace and name", body = Page<PodRow>))
)]
pub async fn list_pods(
    State(app): State<App>,
    Params((scope, paging, filter)): Params<(Scope, Paging, PodFilter)>,
) -> Result<Json<Page<PodRow>>, ApiError> {
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let mut entries = app.objects.of_kind("Pod");
    entries.retain(|entry| {
        scope.holds(&entry.state)
            && has_text(&entry.state.name, filter.q.as_deref())
            && is_chosen(entry, &filter, view)
    });
    let page = Page::new(paging.cut(entries, key)?);
    Ok(Json(page.map(|entry| pod_row(&entry.state, view))))
}

fn is_chosen(entry: &Entry, filter: &PodFilter, view: View<'_>) -> bool {
    let ObjectDetail::Pod(pod) = &entry.state.detail else { return false };
    let workload = entry.state.workload.as_ref();
    let is = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| found.unwrap_or_default() == wanted)
    };
    if !is(&filter.node, Some(&pod.node))
        || !is(&filter.workload_kind, workload.map(|workload| workload.kind.as_str()))
        || !is(&filter.workload, workload.map(|workload| workload.name.as_str()))
    {
        return false;
    }
    if filter.status.is_empty() && filter.is_healthy.is_none() {
        return true;
    }
    let told = crate::status::pod_state(pod, entry.state.created, view.now);
    (filter.status.is_empty() || filter.status.contains(&told.status))
        && filter.is_healthy.is_none_or(|wanted| wanted == told.is_healthy)
}

/// One pod with its containers.
#[utoipa::path(
    get,
    path = "/pods/{namespace}/{name}",
    tag = "pods",
    params(OneCluster, ("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, description = "The pod", body = PodDetailDto))
)]
pub async fn read_pod(
    State(app): State<App>,
    names: Names<2>,
    Params(cluster): Params<OneCluster>,
) -> Result<Json<PodDetailDto>, ApiError> {
    let [namespace, name] = names.0;
    let entry = one(app.objects.find("Pod", &namespace, &name), &cluster, "pod")?;
    let state = &entry.state;
    let usage = app.usage_table();
    let view = View { now: app.now(), usage: &usage };
    let (ObjectDetail::Pod(pod), Some(row)) = (&state.detail, pod_row(state, view)) else {
        return Err(ApiError::NotFound { what: "pod" });
    };
    Ok(Json(PodDetailDto {
        row,
        qos_class: pod.qos_class.clone(),
        service_account: pod.service_account.clone(),
        started: pod.started.map(Into::into),
        conditions: pod.conditions.iter().map(condition).collect(),
        labels: state.labels.clone(),
        owners: state.owners.iter().map(owner).collect(),
        containers: container_rows(state, pod, view),
        manifest: entry.manifest(),
    }))
}

/// The end of a pod's log.
#[utoipa::path(
    get,
    path = "/pods/{namespace}/{name}/logs",
    tag = "pods",
    params(PodLogParams, ("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, description = "Lines, oldest first", body = PodLogs))
)]
pub async fn read_pod_logs(
    State(app): State<App>,
    names: Names<2>,
    Params(params): Params<PodLogParams>,
) -> Result<Json<PodLogs>, ApiError> {
    let [namespace, name] = names.0;
    let cluster = OneCluster { cluster: params.cluster.clone() };
    // The lines of a pod that is gone can still be read, if its cluster is named or is the only one.
    let entry = match one(app.objects.find("Pod", &namespace, &name), &cluster, "pod") {
        Ok(entry) => Some(entry),
        Err(ApiError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let cluster = entry.as_ref().map(|entry| entry.state.key.cluster.to_string()).or(params.cluster.clone());
    let paging =
        Paging { limit: params.tail, page_token: params.page_token.clone(), fingerprint: params.fingerprint };
    let cursor: Option<(i64, u128, i64)> = paging.cursor()?;
    let end = match (&cursor, &entry) {
        (Some((.., end)), _) => Timestamp::from_millis(*end),
        (None, Some(entry)) if params.previous => {
            let end = end_of_previous(entry, params.container.as_deref());
            end.ok_or(ApiError::NotFound { what: "previous run of this container" })?
        }
        _ => app.now().saturating_add_millis(60_000),
    };
    let filter = filter_of(cluster.as_deref(), &namespace, Some(&name), &params, end);
    let after = cursor.map(|(timestamp_ns, id, _)| Cursor { timestamp_ns, id: DocumentId(id) });
    let query = SearchQuery { filter, order: Order::NewestFirst, limit: params.tail as usize, after };
    let page = app.logs.search(&query).await?;
    if entry.is_none() && page.documents.is_empty() && after.is_none() {
        return Err(ApiError::NotFound { what: "pod" });
    }
    let is_collected = !page.documents.is_empty() || after.is_some() || {
        let all = PodLogParams { severity: Vec::new(), container: None, ..params };
        let of_namespace = filter_of(cluster.as_deref(), &namespace, None, &all, end);
        app.logs
            .search(&SearchQuery { filter: of_namespace, order: Order::NewestFirst, limit: 1, after: None })
            .await?
            .documents
            .len()
            == 1
    };
    let next = page.next.map(|next| paging.token(&(next.timestamp_ns, next.id.0, end.as_millis())));
    let line = |document| {
        let row = log_of_document(document);
        PodLogLine {
            timestamp: row.timestamp,
            severity: row.severity,
            container: row.container,
            body: row.body,
        }
    };
    let items: Vec<PodLogLine> = page.documents.into_iter().rev().map(line).collect();
    Ok(Json(PodLogs {
        hint: hint(is_collected, &items, &namespace),
        items,
        next_page_token: next,
        is_collected,
    }))
}

fn hint(is_collected: bool, items: &[PodLogLine], namespace: &str) -> Option<String> {
    if !is_collected {
        return Some(format!(
            "logs of namespace {namespace} are not collected; add it to log_namespaces in section \
             [collector.kubernetes], such as log_namespaces = [\"{namespace}\"]"
        ));
    }
    items.is_empty().then(|| "the pod has written nothing that was collected".to_owned())
}

fn filter_of(
    cluster: Option<&str>,
    namespace: &str,
    pod: Option<&str>,
    params: &PodLogParams,
    end: Timestamp,
) -> DocumentFilter {
    let given = |field, value: Option<&str>| {
        value.map(|value| FieldFilter { field, values: vec![value.to_owned()], is_negated: false })
    };
    let mut fields: Vec<FieldFilter> = [
        given(DocumentField::Cluster, cluster),
        given(DocumentField::Namespace, Some(namespace)),
        given(DocumentField::Pod, pod),
        given(DocumentField::Container, params.container.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !params.severity.is_empty() {
        let values = params.severity.clone();
        fields.push(FieldFilter { field: DocumentField::Severity, values, is_negated: false });
    }
    DocumentFilter {
        kind: DocumentKind::Log,
        text: String::new(),
        fields,
        start: Timestamp::from_millis(0),
        end,
    }
}

/// When the last run before the present one ended; lines of a millisecond belong to it still.
fn end_of_previous(entry: &Entry, container: Option<&str>) -> Option<Timestamp> {
    let ObjectDetail::Pod(pod) = &entry.state.detail else { return None };
    let finished = |pod: &PodDetail| {
        let chosen = pod.containers.iter().filter(|c| container.is_none_or(|wanted| c.name == wanted));
        chosen
            .filter_map(|container| match &container.last_state {
                ContainerState::Terminated { finished, .. } => *finished,
                _ => None,
            })
            .max()
    };
    // Kubernetes tells whole seconds only.
    finished(pod).map(|finished| finished.saturating_add_millis(1_000))
}
