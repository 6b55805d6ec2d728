//! Recounting the bus against the stores.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use sentinel_model::Timestamp;
use sentinel_recount::Span;

use crate::app::App;
use crate::dto::verify::{Verification, VerifyRequest};
use crate::error::ApiError;
use crate::extract::{JsonBody, Names};
use crate::when::When;

/// What is recounted when nothing is asked for.
const FROM: When = When::before_now(60 * 60 * 1_000);
/// Windows wait for the allowed lateness, and then to be stored.
const TO: When = When::before_now(90 * 1_000);

/// Begins to recount a span: numbers of collectors against the bus, the bus against windows, windows and lines
/// against the stores. One at a time.
#[utoipa::path(
    post,
    path = "/verify",
    tag = "pipeline",
    request_body = VerifyRequest,
    responses((status = 202, description = "It has begun", body = Verification))
)]
pub async fn start_verification(
    State(app): State<App>,
    JsonBody(request): JsonBody<VerifyRequest>,
) -> Result<(StatusCode, Json<Verification>), ApiError> {
    let now = app.now();
    let from = moment("from", request.from, FROM, now)?;
    let to = moment("to", request.to, TO, now)?;
    if from >= to || to > now {
        let message = "must lie before to, and that not in the future".to_owned();
        return Err(ApiError::Body { field: Some("from".to_owned()), message });
    }
    let begun = app.verifications.start(&app, Span { from, to })?;
    Ok((StatusCode::ACCEPTED, Json(begun)))
}

/// How far a recount is, and what it has found. The last eight can be read.
#[utoipa::path(
    get,
    path = "/verify/{id}",
    tag = "pipeline",
    params(("id" = String, Path, description = "As its start told it")),
    responses((status = 200, description = "The recount", body = Verification))
)]
pub async fn read_verification(
    State(app): State<App>,
    names: Names<1>,
) -> Result<Json<Verification>, ApiError> {
    let [id] = names.0;
    app.verifications.read(&id).map(Json).ok_or(ApiError::NotFound { what: "recount" })
}

/// Ends a recount before its time.
#[utoipa::path(
    post,
    path = "/verify/{id}/cancel",
    tag = "pipeline",
    params(("id" = String, Path, description = "As its start told it")),
    responses((status = 200, description = "It ends soon", body = Verification))
)]
pub async fn cancel_verification(
    State(app): State<App>,
    names: Names<1>,
) -> Result<Json<Verification>, ApiError> {
    let [id] = names.0;
    app.verifications.cancel(&id).map(Json).ok_or(ApiError::NotFound { what: "recount" })
}

fn moment(
    field: &'static str,
    text: Option<String>,
    otherwise: When,
    now: Timestamp,
) -> Result<Timestamp, ApiError> {
    let refuse = |error: crate::when::WhenError| ApiError::Body {
        field: Some(field.to_owned()),
        message: error.to_string(),
    };
    let when = text.map_or(Ok(otherwise), |text| text.parse()).map_err(refuse)?;
    Ok(when.resolve(now))
}
