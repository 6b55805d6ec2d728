//! Events.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::dto::record::{EventRow, FacetRow, Histogram};
use crate::dto::{Items, Page};
use crate::error::ApiError;
use crate::params::{Bucket, EventFilter, Facet, Ordering, Paging, Params, Scope, Span};
use crate::rows::event_of_document;

use super::documents::{Chosen, facets, histogram, search};

/// Kubernetes events, by when they were last seen.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(Scope, Paging, Span, Ordering, EventFilter),
    responses((status = 200, description = "Events in order of time", body = Page<EventRow>))
)]
pub async fn list_events(
    State(app): State<App>,
    Params((scope, paging, span, ordering, filter)): Params<(Scope, Paging, Span, Ordering, EventFilter)>,
) -> Result<Json<Page<EventRow>>, ApiError> {
    let page = search(&app, Chosen::events(&scope, filter), &span, &paging, ordering.order).await?;
    Ok(Json(page.map(|document| Some(event_of_document(document)))))
}

/// Number of events over time by severity.
#[utoipa::path(
    get,
    path = "/events/histogram",
    tag = "events",
    params(Scope, Span, EventFilter, Bucket),
    responses((status = 200, description = "Counts by bucket", body = Histogram))
)]
pub async fn event_histogram(
    State(app): State<App>,
    Params((scope, span, filter, bucket)): Params<(Scope, Span, EventFilter, Bucket)>,
) -> Result<Json<Histogram>, ApiError> {
    histogram(&app, Chosen::events(&scope, filter), &span, &bucket).await.map(Json)
}

/// The most frequent values of a field among events.
#[utoipa::path(
    get,
    path = "/events/facets",
    tag = "events",
    params(Scope, Span, EventFilter, Facet),
    responses((status = 200, description = "Most frequent first", body = Items<FacetRow>))
)]
pub async fn event_facets(
    State(app): State<App>,
    Params((scope, span, filter, facet)): Params<(Scope, Span, EventFilter, Facet)>,
) -> Result<Json<Items<FacetRow>>, ApiError> {
    facets(&app, Chosen::events(&scope, filter), &span, &facet).await.map(Json)
}
