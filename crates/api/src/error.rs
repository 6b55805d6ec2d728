//! What a request can fail with, and the one place that chooses status codes and words for it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sentinel_bus::BusError;
use sentinel_cache::CacheError;
use sentinel_log_store::LogStoreError;
use sentinel_metric_store::MetricStoreError;
use sentinel_settings::SettingsError;

use crate::dto::Problem;

/// Longest `detail` of an answer: replies to bad input stay below 1 KiB.
const MAX_DETAIL_CHARS: usize = 400;

#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{field} {message}")]
    Parameter { field: String, message: String },
    #[error("the parameter {field} is not known here")]
    UnknownParameter { field: String, known: String },
    #[error("the body {message}")]
    Body { field: Option<String>, message: String },
    #[error("the page token is not usable")]
    PageToken,
    #[error("{selected} series are chosen, more than {limit}")]
    TooMuch { selected: String, limit: usize },
    #[error("this connection has {limit} subscriptions, and may not have more")]
    TooManySubscriptions { limit: usize },
    #[error("{field} {message}")]
    Search { field: String, message: &'static str },
    #[error("objects of kind {kind} are not known here")]
    UnknownKind { kind: String, known: String },
    #[error("{what} is in several clusters")]
    Ambiguous { what: &'static str },
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("there is nothing at this address")]
    UnknownRoute,
    #[error("this address does not take this method")]
    MethodNotAllowed,
    #[error("the body is not of a type that is read here")]
    MediaType,
    #[error("the request is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the headers are larger than {limit} bytes")]
    HeadersTooLarge { limit: usize },
    #[error("the address is longer than {limit} bytes")]
    UriTooLong { limit: usize },
    #[error("a token is needed")]
    Unauthorized,
    #[error("the ticket is not valid")]
    Ticket,
    #[error("{message}")]
    Forbidden { message: &'static str },
    #[error("this needs the role {needed}, and the token has the role {has}")]
    Role { needed: &'static str, has: &'static str },
    #[error("{message}")]
    Conflict { message: String },
    #[error("{key} is at revision {found}, not {expected}: somebody else has changed it")]
    Changed { key: String, expected: u64, found: u64 },
    #[error("the client took too long to send the request")]
    SlowClient,
    #[error("too many requests")]
    TooManyRequests { retry_after_s: u64 },
    #[error("{message}")]
    Busy { message: &'static str },
    #[error("the answer took too long")]
    Timeout,
    #[error("{component} does not answer: {message}")]
    Unavailable { component: &'static str, message: String },
    #[error("{message}")]
    Refused { message: String },
    #[error("something went wrong here")]
    Internal,
    /// Whatever else answered with an error, by its status.
    #[error("{}", .0.canonical_reason().unwrap_or("the request failed"))]
    Other(StatusCode),
}

/// Carried in a response's extensions until the outermost layer writes the body.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub ApiError);

impl ApiError {
    pub fn parameter(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Parameter { field: field.into(), message: message.into() }
    }

    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Parameter { .. }
            | Self::UnknownParameter { .. }
            | Self::Body { .. }
            | Self::PageToken
            | Self::TooMuch { .. }
            | Self::TooManySubscriptions { .. }
            | Self::Search { .. }
            | Self::Refused { .. }
            | Self::Ambiguous { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthorized | Self::Ticket => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::Role { .. } => StatusCode::FORBIDDEN,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Changed { .. } => StatusCode::PRECONDITION_FAILED,
            Self::NotFound { .. } | Self::UnknownKind { .. } | Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. } | Self::Timeout | Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Other(status) => *status,
        }
    }

    /// A short stable word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Parameter { .. } | Self::Search { .. } => "invalid_parameter",
            Self::UnknownParameter { .. } => "unknown_parameter",
            Self::Body { .. } => "invalid_body",
            Self::PageToken => "invalid_page_token",
            Self::TooMuch { .. } | Self::TooManySubscriptions { .. } => "too_much",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NotFound { .. } => "not_found",
            Self::UnknownRoute => "unknown_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MediaType => "unsupported_media_type",
            Self::TooLarge { .. } => "too_large",
            Self::UriTooLong { .. } => "uri_too_long",
            Self::HeadersTooLarge { .. } => "headers_too_large",
            Self::Unauthorized => "unauthorized",
            Self::Ticket => "invalid_ticket",
            Self::Forbidden { .. } => "forbidden",
            Self::Role { .. } => "role_too_low",
            Self::Conflict { .. } => "conflict",
            Self::Changed { .. } => "changed_meanwhile",
            Self::SlowClient => "slow_client",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Busy { .. } => "busy",
            Self::Timeout => "timeout",
            Self::Unavailable { .. } => "unavailable",
            Self::Refused { .. } => "refused",
            Self::Internal => "internal",
            Self::Other(_) => "failed",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownParameter { known, .. } | Self::UnknownKind { known, .. } => {
                return Some(format!("known here: {}", shorten(known)));
            }
            Self::Parameter { field, .. } => return Some(hint_for(field)),
            Self::Search { .. } => "close it, or leave it out: words are searched for one by one",
            Self::TooManySubscriptions { .. } => "unsubscribe from one first, or open another connection",
            Self::Body { .. } => "see the request bodies and messages in /api/v1/openapi.json",
            Self::NotFound { .. } => {
                "it may be gone: look for it in the list of its kind, or name its ?cluster="
            }
            Self::MethodNotAllowed => "the header Allow names the methods of this address",
            Self::TooLarge { .. } | Self::UriTooLong { .. } | Self::HeadersTooLarge { .. } => {
                "ask for less at a time"
            }
            Self::SlowClient => "send the whole request at once",
            Self::TooManyRequests { .. } => "wait for the seconds of the header Retry-After",
            Self::Forbidden { .. } => {
                "use the address that the server listens on, or list yours in its configuration"
            }
            Self::PageToken => "ask for the first page again, with the parameters of this request",
            Self::TooMuch { .. } => "add a label to the selector, take a shorter range or a larger step",
            Self::Ambiguous { .. } => "add ?cluster=NAME",
            Self::MediaType => "send application/json without a content encoding",
            Self::Unauthorized => {
                "send Authorization: Bearer TOKEN, with the token of api.token or one that was made by \
                 sentinel tokens create"
            }
            Self::Role { .. } => "ask an admin for a token of that role: sentinel tokens create",
            Self::Changed { .. } => "read it again, and send its revision as If-Match",
            Self::Ticket => "get a new one from POST /api/v1/ws-ticket; it works once and soon expires",
            Self::UnknownRoute => "see /api/v1/openapi.json",
            Self::Busy { .. } | Self::Timeout | Self::Unavailable { .. } => {
                "try again in a moment; see /ready"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Parameter { field, .. }
            | Self::Search { field, .. }
            | Self::UnknownParameter { field, .. } => Some(field),
            Self::Body { field, .. } => field.as_deref(),
            Self::PageToken => Some("page_token"),
            Self::Ambiguous { .. } => Some("cluster"),
            _ => None,
        }
    }

    pub fn problem(&self, request_id: &str) -> Problem {
        let status = self.status();
        Problem {
            kind: format!("urn:sentinel:problem:{}", self.code()),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: shorten(&self.to_string()),
            instance: format!("urn:sentinel:request:{request_id}"),
            code: self.code().to_owned(),
            field: self.field().map(shorten),
            hint: self.hint(),
        }
    }
}

/// What to write instead.
fn hint_for(field: &str) -> String {
    let hint = match field.rsplit('.').next().unwrap_or(field) {
        "match" => "write a selector: name, {label=\"value\"} or name{label=~\"expression\"}",
        "from" | "to" | "at" => "write a time such as 2026-01-31T10:00:00Z, Unix milliseconds, or -15m",
        "step" | "bucket" => "write a span such as 30s or 5m, or leave it out",
        "limit" | "tail" => "leave it out for the default, and read on with page_token",
        _ => "see the parameters of this address in /api/v1/openapi.json",
    };
    hint.to_owned()
}

/// Cuts a text that may repeat what a stranger sent, and escapes its control characters.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == MAX_DETAIL_CHARS {
            short.push('…');
            break;
        }
        if c.is_control() {
            short.extend(c.escape_default());
        } else {
            short.push(c);
        }
    }
    short
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        match &self {
            Self::TooManyRequests { retry_after_s } => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
            }
            Self::Unauthorized => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response.extensions_mut().insert(Failure(self));
        response
    }
}

impl From<MetricStoreError> for ApiError {
    fn from(error: MetricStoreError) -> Self {
        match error {
            MetricStoreError::TooManySeries { n_series, limit } => {
                Self::TooMuch { selected: n_series.to_string(), limit }
            }
            MetricStoreError::TooManyPoints { limit } => {
                Self::TooMuch { selected: "points of the".to_owned(), limit }
            }
            error => Self::Unavailable { component: "the metric store", message: error.to_string() },
        }
    }
}

impl From<LogStoreError> for ApiError {
    fn from(error: LogStoreError) -> Self {
        match error {
            LogStoreError::Query { message } => Self::parameter("q", message),
            error => Self::Unavailable { component: "the log store", message: error.to_string() },
        }
    }
}

impl From<BusError> for ApiError {
    fn from(error: BusError) -> Self {
        Self::Unavailable { component: "the bus", message: error.to_string() }
    }
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        let component = "the topic of settings";
        match error {
            SettingsError::Conflict { key, expected, found } => Self::Changed { key, expected, found },
            SettingsError::Unknown { .. } | SettingsError::Full { .. } => {
                Self::Conflict { message: error.to_string() }
            }
            // A bus that did not answer may have taken it all the same.
            SettingsError::Bus(error) => {
                let message = format!("the change may still take effect, look before you repeat it: {error}");
                Self::Unavailable { component: "the bus", message }
            }
            SettingsError::NotRead | SettingsError::NotSeen => {
                Self::Unavailable { component, message: error.to_string() }
            }
        }
    }
}

impl From<CacheError> for ApiError {
    fn from(error: CacheError) -> Self {
        Self::Unavailable { component: "the cache", message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_stays_small_and_shows_no_control_characters() {
        let error = ApiError::parameter("q\r\nX: y", "x".repeat(100_000));
        let text = serde_json::to_string(&error.problem("1")).expect("plain data");
        assert!(text.len() < 1_024 * 2, "{} bytes", text.len());
        assert!(!text.contains('\n'));
        assert!(!error.problem("1").detail.contains('\r'));
    }
}
