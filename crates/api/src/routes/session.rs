//! This server and its clients.

use axum::extract::State;
use axum::{Extension, Json};

use crate::access::Caller;
use crate::app::App;
use crate::dto::cluster::{Auth, Status, Ticket};
use crate::error::ApiError;
use crate::tickets;

use super::clusters::clusters;

/// What this server is.
#[utoipa::path(
    get,
    path = "/status",
    tag = "server",
    responses((status = 200, description = "This server", body = Status))
)]
pub async fn read_status(State(app): State<App>) -> Json<Status> {
    Json(Status {
        version: app.mode.version.clone(),
        mode: app.mode.mode.clone(),
        is_simulated: app.is_simulated(),
        started: app.started.into(),
        auth: if app.config.token.is_some() { Auth::Token } else { Auth::None },
        clusters: clusters(&app).into_iter().map(|cluster| cluster.name).collect(),
    })
}

/// Admits one WebSocket connection, for 30 s.
#[utoipa::path(
    post,
    path = "/ws-ticket",
    tag = "server",
    responses((status = 200, description = "A ticket that works once", body = Ticket))
)]
pub async fn issue_ticket(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Ticket>, ApiError> {
    tickets::issue(&*app.cache, &caller).await.map(Json)
}
