//! The data's own path and what fell off it.

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sentinel_bus::trace;

use crate::app::App;
use crate::dead_letters::{Fetched, LetterId, fetch, replayed, row};
use crate::dto::Page;
use crate::dto::pipeline::{DeadLetterDetail, DeadLetterRow, Pipeline, ReplayAnswer, ReplayRequest};
use crate::error::ApiError;
use crate::extract::{JsonBody, Names};
use crate::params::{DeadLetterFilter, Paging, Params};
use crate::pipeline;

/// Dead letters that one request replays.
const MAX_REPLAYED: usize = 1_000;

/// State of the data's own path, from the sources to this answer.
#[utoipa::path(
    get,
    path = "/pipeline",
    tag = "pipeline",
    responses((status = 200, description = "Stages in the order of the data", body = Pipeline))
)]
pub async fn read_pipeline(State(app): State<App>) -> Json<Pipeline> {
    Json(pipeline::read(&app, app.now()).await)
}

/// Records that could not be handled, newest first.
#[utoipa::path(
    get,
    path = "/dead-letters",
    tag = "pipeline",
    params(Paging, DeadLetterFilter),
    responses((status = 200, description = "Newest first", body = Page<DeadLetterRow>))
)]
pub async fn list_dead_letters(
    State(app): State<App>,
    Params((paging, filter)): Params<(Paging, DeadLetterFilter)>,
) -> Result<Json<Page<DeadLetterRow>>, ApiError> {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let mut rows =
        app.dead_letters.rows(|row| is(&filter.reason, &row.reason) && is(&filter.topic, &row.topic));
    // Partitions have no common order but that of time; ties go by place.
    let key = |(id, row): &(LetterId, DeadLetterRow)| {
        (std::cmp::Reverse(row.observed.0.as_millis()), std::cmp::Reverse((id.partition, id.offset)))
    };
    rows.sort_by_key(key);
    let page = Page::new(paging.cut(rows, key)?);
    Ok(Json(page.map(|(_, row)| Some(row))))
}

/// One of them, whole.
#[utoipa::path(
    get,
    path = "/dead-letters/{id}",
    tag = "pipeline",
    params(("id" = String, Path, description = "`partition-offset`")),
    responses((status = 200, description = "The dead letter", body = DeadLetterDetail))
)]
pub async fn read_dead_letter(
    State(app): State<App>,
    names: Names<1>,
) -> Result<Json<DeadLetterDetail>, ApiError> {
    let [id] = names.0;
    let gone = || ApiError::NotFound { what: "dead letter" };
    let id = LetterId::parse(&id).filter(|id| app.dead_letters.contains(*id)).ok_or_else(gone)?;
    let Fetched { letter, message } = fetch(&*app.bus, &[id]).await?.remove(&id).ok_or_else(gone)?;
    Ok(Json(DeadLetterDetail {
        row: row(id, &letter),
        key: letter.key.escape_ascii().to_string(),
        value_base64: STANDARD.encode(&letter.value),
        trace_id: trace::trace_id(&message),
    }))
}

/// Publishes them again where they came from.
#[utoipa::path(
    post,
    path = "/dead-letters/replay",
    tag = "pipeline",
    request_body = ReplayRequest,
    responses((status = 200, description = "What was published again", body = ReplayAnswer))
)]
pub async fn replay_dead_letters(
    State(app): State<App>,
    JsonBody(request): JsonBody<ReplayRequest>,
) -> Result<Json<ReplayAnswer>, ApiError> {
    let body = |field: &str, message: String| ApiError::Body { field: Some(field.to_owned()), message };
    let mut skipped = Vec::new();
    let ids: Vec<LetterId> = match (request.ids, request.reason) {
        (Some(ids), None) => {
            let mut known = Vec::new();
            for text in ids {
                let id = LetterId::parse(&text)
                    .ok_or_else(|| body("ids", "holds an id that is not PARTITION-OFFSET".to_owned()))?;
                if app.dead_letters.contains(id) { known.push(id) } else { skipped.push(id.to_string()) }
            }
            known
        }
        (None, Some(reason)) => {
            app.dead_letters.rows(|row| row.reason == reason).into_iter().map(|(id, _)| id).collect()
        }
        _ => return Err(body("ids", "must have either ids or reason".to_owned())),
    };
    if ids.len() > MAX_REPLAYED {
        return Err(body("ids", format!("chooses {} dead letters, more than {MAX_REPLAYED}", ids.len())));
    }
    let letters = fetch(&*app.bus, &ids).await?;
    let mut messages = Vec::new();
    for id in &ids {
        match letters.get(id).and_then(|letter| replayed(&*app.bus, *id, letter)) {
            Some(message) => messages.push(message),
            None => skipped.push(id.to_string()),
        }
    }
    let n_replayed = app.bus.publish(messages).await?.len();
    tracing::info!(n_replayed, n_skipped = skipped.len(), "replayed dead letters");
    Ok(Json(ReplayAnswer { n_replayed, skipped }))
}
