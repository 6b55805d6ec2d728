//! What handlers take from a request besides query parameters: names in the path and JSON bodies.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::response::IntoResponse as _;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::ApiError;

/// Largest body that is read; the biggest legitimate one is a list of ids.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Longest name in a path: the longest that Kubernetes gives.
const MAX_NAME_BYTES: usize = 253;

/// The parts of the path, checked to be names.
#[derive(Debug)]
pub struct Names<const N: usize>(pub [String; N]);

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// The revision that a change is to replace; `None`: whatever there is.
#[derive(Debug)]
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let quoted = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"'));
        let revision = quoted.and_then(|text| text.parse().ok());
        let refusal = || ApiError::parameter("If-Match", "must be one revision in quotes, as ETag has it");
        revision.map(|revision| Self(Some(revision))).ok_or_else(refusal)
    }
}

// === impl Names ===

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Names<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::parameter("path", "is not valid UTF-8"))?;
        let names = params
            .iter()
            .map(|(field, name)| {
                if is_name(name) {
                    Ok(name.to_owned())
                } else {
                    Err(ApiError::parameter(
                        field,
                        "must be a name of at most 253 letters, digits, '-', '_', '.' and ':'",
                    ))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        names.try_into().map(Self).map_err(|_| ApiError::Internal)
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    !text.is_empty()
        && text.len() <= MAX_NAME_BYTES
        && text.bytes().all(is_part)
        && text != "."
        && text != ".."
}

// === impl JsonBody ===

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        if !is_plain_json(request.headers()) {
            return Err(ApiError::MediaType);
        }
        let body = Bytes::from_request(request, app);
        let received = tokio::time::timeout(app.config.limits.receive_timeout, body).await;
        let bytes = received.map_err(|_| ApiError::SlowClient)?.map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge { limit: MAX_BODY_BYTES },
                _ => ApiError::Body { field: None, message: "was cut off".to_owned() },
            }
        })?;
        parse(&bytes).map(Self)
    }
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && !headers.contains_key(header::CONTENT_ENCODING)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.is_empty() {
        return Err(ApiError::Body { field: None, message: "is empty".to_owned() });
    }
    // Derived readers take a list for an object, by position.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::Body { field: None, message: "is not a JSON object".to_owned() });
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let message = error.to_string();
        // serde names the field in backquotes: "unknown field `x`, expected …".
        let field = message.split('`').nth(1).map(str::to_owned);
        ApiError::Body { field, message: format!("is not usable: {message}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_pass_as_names() {
        for name in ["web-1", "system:node", "a.b", "kube_x", "_"] {
            assert!(is_name(name), "{name}");
        }
        for text in ["", ".", "..", "../../etc/passwd", "a b", "a\r\nb", "ä", &"x".repeat(254), "a;b", "%2e"]
        {
            assert!(!is_name(text), "{text}");
        }
    }
}
