//! The WebSocket: live data by subscription. See [`protocol`] for what goes over it.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use tokio::sync::OwnedSemaphorePermit;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;
use crate::params::QueryMap;
use crate::tickets;

mod connection;
mod filter;
mod protocol;
mod sessions;
mod subscription;
#[cfg(test)]
mod tests;
mod topics;

pub use sessions::Sessions;

/// Time for a client whose token was revoked to be told.
const LEAVING: Duration = Duration::from_secs(5);
/// Longest message of a client.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Answers `GET /api/v1/ws`.
pub async fn connect(
    State(app): State<App>,
    parts: Parts,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(&app, &parts, upgrade).await {
        Ok((upgrade, permit, caller)) => upgrade
            .protocols([protocol::PROTOCOL])
            .max_message_size(MAX_MESSAGE_BYTES)
            .max_frame_size(MAX_MESSAGE_BYTES)
            .on_upgrade(move |socket| serve(socket, app, caller, permit)),
        Err(refusal) => {
            let reason = match &refusal {
                Refusal::Error(error) => error.code(),
                Refusal::Version => "version",
            };
            app.own.reject("websocket", reason);
            refusal.into_response()
        }
    }
}

enum Refusal {
    Error(ApiError),
    /// A version of the protocol that nobody speaks any more.
    Version,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => error.into_response(),
            Self::Version => {
                let version = (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                (StatusCode::UPGRADE_REQUIRED, [version]).into_response()
            }
        }
    }
}

async fn admit(
    app: &App,
    parts: &Parts,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<(WebSocketUpgrade, OwnedSemaphorePermit, Caller), Refusal> {
    if parts.version < Version::HTTP_11 {
        return Err(ApiError::Forbidden { message: "a WebSocket needs HTTP/1.1" }.into());
    }
    check_origin(app, &parts.headers)?;
    let query = QueryMap::parse(parts.uri.path(), parts.uri.query().unwrap_or_default())?;
    // A token in an address ends up in logs: it is refused here, whatever it says.
    if let Some(unknown) = query.names().find(|name| *name != "ticket") {
        let known = "ticket".to_owned();
        return Err(ApiError::UnknownParameter { field: unknown.to_owned(), known }.into());
    }
    let caller = match query.text("ticket")? {
        Some(ticket) => Caller::holder(app, tickets::redeem(&*app.cache, &ticket).await?.as_deref())?,
        None => Caller::of(app, &parts.headers)?,
    };
    let has_version = |headers: &HeaderMap| {
        headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version == "13")
    };
    if !has_version(&parts.headers) {
        return Err(Refusal::Version);
    }
    let upgrade =
        upgrade.map_err(|_| ApiError::Refused { message: "this is not a WebSocket request".to_owned() })?;
    let permit = std::sync::Arc::clone(&app.websocket_clients).try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::Busy { message: "there are too many WebSocket clients" })?;
    Ok((upgrade, permit, caller))
}

/// Browsers send cookies and addresses of this machine on behalf of any page: only our own pages, and
/// those that are allowed by name, may open a WebSocket.
fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let refusal = ApiError::Forbidden { message: "this origin may not open the WebSocket" };
    let Some(origin) = headers.get(header::ORIGIN) else {
        // Only browsers send cookies, and they send an origin with them.
        return if headers.contains_key(header::COOKIE) { Err(refusal) } else { Ok(()) };
    };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = ["http://", "https://"]
        .iter()
        .any(|scheme| origin.strip_prefix(scheme).is_some_and(|rest| !host.is_empty() && rest == host));
    let is_allowed = app.config.allowed_origins.iter().any(|allowed| allowed == origin);
    if is_own || is_allowed { Ok(()) } else { Err(refusal) }
}

/// Ends when either side does. The permit counts the client until then.
async fn serve(socket: axum::extract::ws::WebSocket, app: App, caller: Caller, permit: OwnedSemaphorePermit) {
    app.own.websocket_clients.inc();
    let (leave, shutdown) = app.shutdown.child();
    let connection = connection::run(socket, &app, shutdown);
    tokio::pin!(connection);
    tokio::select! {
        () = &mut connection => {}
        () = caller.revoked(&app) => {
            leave.trigger();
            // One that takes nothing, or never stops asking, is left all the same.
            tokio::time::timeout(LEAVING, connection).await.ok();
        }
    }
    app.own.websocket_clients.dec();
    drop(permit);
}
