//! The first screen.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::dto::overview::Overview;
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
pub async fn read_overview(State(app): State<App>, Params(scope): Params<Scope>) -> Json<Overview> {
    Json(overview::read(&app, &scope, app.now()).await)
}
