//! The routes: extract, ask, render.

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::dto::Page;
use crate::error::ApiError;
use crate::objects::Entry;
use crate::params::{OneCluster, Paging, Scope};
use crate::scope::InScope as _;

mod clusters;
mod documents;
mod events;
mod logs;
mod metrics;
mod nodes;
mod objects;
mod overview;
mod pipeline;
mod pods;
mod query;
mod session;
mod settings;
mod tokens;
mod verify;
mod workloads;

/// All documented routes, relative to `/api/v1`.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(overview::read_overview))
        .routes(routes!(overview::list_changes))
        .routes(routes!(clusters::list_clusters))
        .routes(routes!(clusters::list_namespaces))
        .routes(routes!(nodes::list_nodes))
        .routes(routes!(nodes::read_node))
        .routes(routes!(workloads::list_workloads))
        .routes(routes!(workloads::read_workload))
        .routes(routes!(pods::list_pods))
        .routes(routes!(pods::read_pod))
        .routes(routes!(pods::read_pod_logs))
        .routes(routes!(objects::list_objects))
        .routes(routes!(objects::read_object))
        .routes(routes!(events::list_events))
        .routes(routes!(events::event_histogram))
        .routes(routes!(events::event_facets))
        .routes(routes!(logs::list_logs))
        .routes(routes!(logs::log_histogram))
        .routes(routes!(logs::log_facets))
        .routes(routes!(metrics::list_metrics))
        .routes(routes!(metrics::list_labels))
        .routes(routes!(metrics::list_label_values))
        .routes(routes!(metrics::list_series))
        .routes(routes!(metrics::list_latest))
        .routes(routes!(query::query_instant))
        .routes(routes!(query::query_range))
        .routes(routes!(pipeline::read_pipeline))
        .routes(routes!(pipeline::list_dead_letters))
        .routes(routes!(pipeline::read_dead_letter))
        .routes(routes!(pipeline::replay_dead_letters))
        .routes(routes!(verify::start_verification))
        .routes(routes!(verify::read_verification))
        .routes(routes!(verify::cancel_verification))
        .routes(routes!(settings::read_retention, settings::write_retention, settings::unset_retention))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::read_token, tokens::revoke_token))
        .routes(routes!(session::read_status))
        .routes(routes!(session::issue_ticket))
}

/// One page of the objects that are in scope and have the text in their name.
fn page_of(
    mut entries: Vec<Arc<Entry>>,
    scope: &Scope,
    paging: &Paging,
    text: Option<&str>,
) -> Result<Page<Arc<Entry>>, ApiError> {
    entries.retain(|entry| scope.holds(&entry.state) && has_text(&entry.state.name, text));
    Ok(Page::new(paging.cut(entries, key)?))
}

/// Place of an object among those of its kind.
fn key(entry: &Arc<Entry>) -> (String, String, String) {
    let state = &entry.state;
    (state.key.cluster.to_string(), state.namespace.clone(), state.name.clone())
}

/// The one object of a name, in the named cluster or in the only one that has it.
fn one(
    mut entries: Vec<Arc<Entry>>,
    cluster: &OneCluster,
    what: &'static str,
) -> Result<Arc<Entry>, ApiError> {
    if let Some(cluster) = &cluster.cluster {
        entries.retain(|entry| *entry.state.key.cluster == **cluster);
    }
    if entries.len() > 1 {
        return Err(ApiError::Ambiguous { what });
    }
    entries.pop().ok_or(ApiError::NotFound { what })
}

/// Ignores case; no text is in every name.
fn has_text(name: &str, text: Option<&str>) -> bool {
    text.is_none_or(|text| name.to_lowercase().contains(&text.to_lowercase()))
}
