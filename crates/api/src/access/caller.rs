//! Who asks, and what they may do.

use std::fmt;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use sentinel_model::{AccessRole, ApiToken, Timestamp};
use sentinel_settings::Book;

use crate::app::App;
use crate::error::ApiError;
use crate::secret;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No token is asked for: whoever reaches this machine's own address may do everything.
    Anybody,
    /// Has the token of the configuration.
    Configured,
    /// Has a token of the settings.
    Bearer { id: String, name: String, role: AccessRole },
}

/// An admin: taken by handlers that nobody else may reach.
#[derive(Clone, Debug)]
pub struct Admin(pub Caller);

impl Caller {
    /// # Errors
    /// No token, or none that is valid; settings that are not read.
    pub fn of(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(configured) = &app.config.token else { return Ok(Self::Anybody) };
        let sent = headers.get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let is_bearer = sent.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
        if !is_bearer {
            return Err(ApiError::Unauthorized);
        }
        let sent = &sent[7..];
        if secret::is_equal(&secret::hash(sent), &secret::hash(configured.as_bytes())) {
            return Ok(Self::Configured);
        }
        let id = secret::id_of(sent).ok_or(ApiError::Unauthorized)?;
        let book = app.settings.book();
        let token = valid(&book, id, app.now())?;
        let is_it = token.is_some_and(|token| secret::is_equal(&token.sha256, &secret::hash(sent)));
        token.filter(|_| is_it).map(Self::from).ok_or(ApiError::Unauthorized)
    }

    /// Whoever a ticket was given to, if still admitted.
    pub fn holder(app: &App, id: Option<&str>) -> Result<Self, ApiError> {
        let Some(id) = id else {
            return Ok(if app.config.token.is_some() { Self::Configured } else { Self::Anybody });
        };
        let book = app.settings.book();
        valid(&book, id, app.now())?.map(Self::from).ok_or(ApiError::Ticket)
    }

    pub const fn role(&self) -> AccessRole {
        match self {
            Self::Anybody | Self::Configured => AccessRole::Admin,
            Self::Bearer { role, .. } => *role,
        }
    }

    /// Of the token of the settings.
    pub fn token_id(&self) -> Option<&str> {
        match self {
            Self::Anybody | Self::Configured => None,
            Self::Bearer { id, .. } => Some(id),
        }
    }

    /// # Errors
    /// [`ApiError::Role`].
    pub fn require(&self, needed: AccessRole) -> Result<(), ApiError> {
        let has = self.role();
        if has >= needed {
            Ok(())
        } else {
            Err(ApiError::Role { needed: needed.as_str(), has: has.as_str() })
        }
    }

    /// Resolves when the token is revoked or has expired.
    pub async fn revoked(&self, app: &App) {
        let Some(id) = self.token_id() else { return std::future::pending().await };
        let mut watch = app.settings.watch();
        loop {
            let left_ms = {
                let book = watch.borrow_and_update();
                match book.token(id) {
                    Some(token) if !token.is_expired(app.now()) => token
                        .expires
                        .map_or(i64::MAX, |expires| expires.millis_since(app.now()))
                        .clamp(1, LOOK_EVERY_MS),
                    _ => return,
                }
            };
            let left = std::time::Duration::from_millis(left_ms.unsigned_abs());
            tokio::time::timeout(left, watch.changed()).await.ok();
        }
    }
}

/// Longest wait for a token's end: clocks may be set.
const LOOK_EVERY_MS: i64 = 60_000;

/// A token that is there and has not expired.
fn valid<'a>(book: &'a Book, id: &str, now: Timestamp) -> Result<Option<&'a ApiToken>, ApiError> {
    if !book.is_read() {
        let message = "tokens of people are not known yet".to_owned();
        return Err(ApiError::Unavailable { component: "the topic of settings", message });
    }
    Ok(book.token(id).filter(|token| !token.is_expired(now)))
}

/// The least role for a request. Handlers that only an admin may reach take [`Admin`] besides.
pub fn needed(method: &Method, path: &str) -> AccessRole {
    let is_read = *method == Method::GET || *method == Method::HEAD || *method == Method::OPTIONS;
    // A ticket admits to the WebSocket, which shows what can be read anyway.
    if is_read || path == "/api/v1/ws-ticket" { AccessRole::Viewer } else { AccessRole::Operator }
}

impl From<&ApiToken> for Caller {
    fn from(token: &ApiToken) -> Self {
        Self::Bearer { id: token.id.clone(), name: token.name.clone(), role: token.role }
    }
}

/// As it stands in the audit log and beside what was changed.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("anybody (no token is asked for)"),
            Self::Configured => f.write_str("api.token"),
            Self::Bearer { id, name, .. } => write!(f, "{name} ({id})"),
        }
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        // The guard has put it there.
        let caller = parts.extensions.get::<Caller>().cloned().ok_or(ApiError::Internal)?;
        caller.require(AccessRole::Admin)?;
        Ok(Self(caller))
    }
}
