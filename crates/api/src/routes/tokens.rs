//! Tokens of the API.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use sentinel_model::{AccessRole, ApiToken, Setting, SettingValue};
use sentinel_runtime::config::duration;
use sentinel_settings::{Book, Change, SettingsError};

use crate::access::Admin;
use crate::app::App;
use crate::dto::Items;
use crate::dto::settings::{TokenCreated, TokenRequest, TokenRole, TokenRow};
use crate::error::ApiError;
use crate::extract::{JsonBody, Names};
use crate::{audit, secret};

/// More of them are no longer told apart by anybody.
const MAX_TOKENS: usize = 1_000;
const MAX_NAME_CHARS: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// All tokens, also those that have expired, without their secrets.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "settings",
    responses((status = 200, description = "In the order of their names", body = Items<TokenRow>))
)]
pub async fn list_tokens(State(app): State<App>, _: Admin) -> Result<Json<Items<TokenRow>>, ApiError> {
    let book = read(&app)?;
    let mut items: Vec<TokenRow> = book.tokens().map(|(token, setting)| row(&app, token, setting)).collect();
    items.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(Json(Items { items }))
}

/// One of them.
#[utoipa::path(
    get,
    path = "/tokens/{id}",
    tag = "settings",
    params(("id" = String, Path, description = "As its making told it")),
    responses((status = 200, description = "The token, without its secret", body = TokenRow))
)]
pub async fn read_token(
    State(app): State<App>,
    _: Admin,
    names: Names<1>,
) -> Result<Json<TokenRow>, ApiError> {
    let [id] = names.0;
    let book = read(&app)?;
    find(&app, &book, &id).map(Json)
}

/// Makes a token. It is shown once; only its hash is kept.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "settings",
    request_body = TokenRequest,
    responses((status = 201, description = "The token", body = TokenCreated))
)]
pub async fn create_token(
    State(app): State<App>,
    Admin(caller): Admin,
    JsonBody(request): JsonBody<TokenRequest>,
) -> Result<(StatusCode, Json<TokenCreated>), ApiError> {
    let refuse = |field: &str, message: String| ApiError::Body { field: Some(field.to_owned()), message };
    let name = request.name.trim().to_owned();
    let n_chars = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&n_chars) || name.chars().any(char::is_control) {
        let message =
            format!("must have a name of 1 to {MAX_NAME_CHARS} characters, none of them a control character");
        return Err(refuse("name", message));
    }
    let lifetime = match request.expires_in.as_deref().map(duration::parse) {
        None => None,
        Some(Some(span)) if (MINUTE..=LONGEST).contains(&span) => Some(span),
        Some(_) => {
            let message =
                "must have expires_in as a span from 1m to 3650d, such as 90d, or not at all".to_owned();
            return Err(refuse("expires_in", message));
        }
    };
    if read(&app)?.tokens().count() >= MAX_TOKENS {
        let message = format!("there are {MAX_TOKENS} tokens, and may not be more: revoke some first");
        return Err(ApiError::Conflict { message });
    }
    let (token, id) = secret::generate();
    let created = app.now();
    let made = ApiToken {
        id: id.clone(),
        name,
        role: request.role.into(),
        sha256: secret::hash(token.as_bytes()),
        created,
        expires: lifetime.map(|lifetime| created + lifetime),
    };
    let told = words(&made);
    let key = SettingValue::token_key(&id);
    let change =
        Change { key, value: Some(SettingValue::Token(made)), expected: Some(0), by: caller.to_string() };
    let what = format!("token {id}");
    let changed = app.settings.change(change).await;
    let book = changed.inspect_err(|error| audit::note_unless_refused(&caller, &what, error))?;
    audit::note(&caller, &what, "none", &told);
    let warnings = app.config.token.is_none().then(|| {
        "this server asks for no token yet, whoever reaches it may do everything: set api.token".to_owned()
    });
    let row = find(&app, &book, &id)?;
    Ok((StatusCode::CREATED, Json(TokenCreated { token, row, warnings: warnings.into_iter().collect() })))
}

/// Revokes a token: it is refused within a second, and its WebSockets are closed.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    tag = "settings",
    params(("id" = String, Path, description = "As its making told it")),
    responses((status = 200, description = "The token that was", body = TokenRow))
)]
pub async fn revoke_token(
    State(app): State<App>,
    Admin(caller): Admin,
    names: Names<1>,
) -> Result<Json<TokenRow>, ApiError> {
    let [id] = names.0;
    let book = read(&app)?;
    let row = find(&app, &book, &id)?;
    let told = book.token(&id).map(words).unwrap_or_default();
    let key = SettingValue::token_key(&id);
    let what = format!("token {id}");
    let change = app.settings.change(Change { key, value: None, expected: None, by: caller.to_string() });
    change.await.inspect_err(|error| audit::note_unless_refused(&caller, &what, error))?;
    audit::note(&caller, &what, &told, "revoked");
    Ok(Json(row))
}

fn read(app: &App) -> Result<std::sync::Arc<Book>, ApiError> {
    let book = app.settings.book();
    if book.is_read() { Ok(book) } else { Err(SettingsError::NotRead.into()) }
}

fn find(app: &App, book: &Book, id: &str) -> Result<TokenRow, ApiError> {
    let found = book.tokens().find(|(token, _)| token.id == id);
    found.map(|(token, setting)| row(app, token, setting)).ok_or(ApiError::NotFound { what: "token" })
}

fn row(app: &App, token: &ApiToken, setting: &Setting) -> TokenRow {
    TokenRow {
        id: token.id.clone(),
        name: token.name.clone(),
        role: token.role.into(),
        created: token.created.into(),
        created_by: setting.changed_by.clone(),
        expires: token.expires.map(Into::into),
        is_expired: token.is_expired(app.now()),
    }
}

/// For the audit log.
fn words(token: &ApiToken) -> String {
    let expires = token.expires.map_or_else(|| "never".to_owned(), |at| crate::dto::Time(at).to_string());
    format!("{} of {:?}, expires {expires}", token.role.as_str(), token.name)
}

impl From<TokenRole> for AccessRole {
    fn from(role: TokenRole) -> Self {
        match role {
            TokenRole::Viewer => Self::Viewer,
            TokenRole::Operator => Self::Operator,
            TokenRole::Admin => Self::Admin,
        }
    }
}

impl From<AccessRole> for TokenRole {
    fn from(role: AccessRole) -> Self {
        match role {
            AccessRole::Viewer => Self::Viewer,
            AccessRole::Operator => Self::Operator,
            AccessRole::Admin => Self::Admin,
        }
    }
}
