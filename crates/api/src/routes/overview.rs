//! The first screen.

use axum::Json;
use axum::extract::State;

use crate::answers::{Asked, JsonBytes, Question, answer};
use crate::app::App;
use crate::dto::overview::{Changes, Overview};
use crate::error::ApiError;
use crate::overview;
use crate::params::{ChangeFilter, Limit, Params, Scope, Span};
use crate::scope::InScope as _;

/// What is wrong, what changed, and how much room is left.
#[utoipa::path(
    get,
    path = "/overview",
    tag = "overview",
    params(Scope),
    responses((status = 200, description = "Everything at a glance", body = Overview))
)]
pub async fn read_overview(
    State(app): State<App>,
    Params((scope, question)): Params<(Scope, Question)>,
) -> Result<JsonBytes, ApiError> {
    let asked = Asked { route: "overview", key: question.0, until: None };
    answer(&app, asked, async { Ok(overview::read(&app, &scope, app.now()).await) }).await
}

/// What was changed about objects, as far back as this server remembers.
#[utoipa::path(
    get,
    path = "/changes",
    tag = "overview",
    params(Scope, Span, ChangeFilter, Limit),
    responses((status = 200, description = "Newest first", body = Changes))
)]
pub async fn list_changes(
    State(app): State<App>,
    Params((scope, span, filter, limit)): Params<(Scope, Span, ChangeFilter, Limit)>,
) -> Result<Json<Changes>, ApiError> {
    let (from, to) = span.resolve(app.now())?;
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let mut items = app.objects.changes(from);
    items.retain(|change| {
        change.time.0 < to
            && scope.holds_names(&change.cluster, &change.namespace)
            && is(&filter.kind, &change.object_kind)
            && is(&filter.name, &change.object_name)
    });
    items.sort_by_key(|change| std::cmp::Reverse(change.time));
    items.truncate(limit.limit as usize);
    let known_from = app.objects.changes_known_from().unwrap_or(app.started).max(app.started);
    Ok(Json(Changes { known_from: known_from.into(), items }))
}
