//! Log lines.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::dto::record::{FacetRow, Histogram, LogRow};
use crate::dto::{Items, Page};
use crate::error::ApiError;
use crate::params::{Bucket, Facet, LogFilter, Ordering, Paging, Params, Scope, Span};
use crate::rows::log_of_document;

use super::documents::{Chosen, facets, histogram, search};

/// Log lines.
#[utoipa::path(
    get,
    path = "/logs",
    tag = "logs",
    params(Scope, Paging, Span, Ordering, LogFilter),
    responses((status = 200, description = "Log lines in order of time", body = Page<LogRow>))
)]
pub async fn list_logs(
    State(app): State<App>,
    Params((scope, paging, span, ordering, filter)): Params<(Scope, Paging, Span, Ordering, LogFilter)>,
) -> Result<Json<Page<LogRow>>, ApiError> {
    let page = search(&app, Chosen::logs(&scope, filter), &span, &paging, ordering.order).await?;
    Ok(Json(page.map(|document| Some(log_of_document(document)))))
}

/// Number of log lines over time by severity.
#[utoipa::path(
    get,
    path = "/logs/histogram",
    tag = "logs",
    params(Scope, Span, LogFilter, Bucket),
    responses((status = 200, description = "Counts by bucket", body = Histogram))
)]
pub async fn log_histogram(
    State(app): State<App>,
    Params((scope, span, filter, bucket)): Params<(Scope, Span, LogFilter, Bucket)>,
) -> Result<Json<Histogram>, ApiError> {
    histogram(&app, Chosen::logs(&scope, filter), &span, &bucket).await.map(Json)
}

/// The most frequent values of a field among log lines.
#[utoipa::path(
    get,
    path = "/logs/facets",
    tag = "logs",
    params(Scope, Span, LogFilter, Facet),
    responses((status = 200, description = "Most frequent first", body = Items<FacetRow>))
)]
pub async fn log_facets(
    State(app): State<App>,
    Params((scope, span, filter, facet)): Params<(Scope, Span, LogFilter, Facet)>,
) -> Result<Json<Items<FacetRow>>, ApiError> {
    facets(&app, Chosen::logs(&scope, filter), &span, &facet).await.map(Json)
}
