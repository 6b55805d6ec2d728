//! The first screen.

use axum::extract::State;

use crate::answers::{Asked, JsonBytes, Question, answer};
use crate::app::App;
use crate::dto::overview::Overview;
use crate::error::ApiError;
use crate::overview;
use crate::params::{Params, Scope};

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
