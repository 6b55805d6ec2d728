//! What surrounds every answer: request id, problem bodies, security headers, limits, counters. A panic
//! in a handler ends here as a problem like any other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ahash::AHashMap;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, body::Body};
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use rand::Rng as _;
use tokio::time::Instant;

use crate::app::App;
use crate::error::{ApiError, Failure};
use crate::extract::MAX_BODY_BYTES;
use crate::metrics::Answered;
use crate::params::QueryMap;
use crate::server::MAX_HEADER_BYTES;

/// Longest address that is read: a selector of full length, percent-encoded, and some more.
const MAX_URI_BYTES: usize = 56 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Everything comes from this server alone, nothing from the page's own text: charts and floating panels set
/// their styles through the object model, which needs no permission.
const CSP: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                   frame-ancestors 'none'";

const SECURITY: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Names of the query parameters of each documented route.
pub type KnownParameters = Arc<AHashMap<String, Vec<String>>>;

/// The outermost layer.
pub async fn surround(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id();
    let is_api = request.uri().path().starts_with("/api");
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = match matched {
        Some(path) => path,
        None => if is_api { "unknown" } else { "dashboard" }.to_owned(),
    };
    let response = AssertUnwindSafe(limited(&app, request, next)).catch_unwind().await;
    let response = response.unwrap_or_else(|panic| {
        tracing::error!(request_id, route, panic = panic_text(&*panic), "a handler panicked");
        ApiError::Internal.into_response()
    });
    let mut response = with_problem(&app, response, &request_id, is_api, &method);
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        headers.insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    app.own.request_seconds.observe(started.elapsed().as_secs_f64());
    app.own.requests.get_or_create(&Answered { route, status }).inc();
    response
}

async fn limited(app: &App, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).unwrap_or_default();
    if length > MAX_BODY_BYTES as u64 {
        return ApiError::TooLarge { limit: MAX_BODY_BYTES }.into_response();
    }
    // The server's own bound is on what is yet incomplete: what arrives at once may pass it.
    let n_header_bytes: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if n_header_bytes > MAX_HEADER_BYTES {
        return ApiError::HeadersTooLarge { limit: MAX_HEADER_BYTES }.into_response();
    }
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_URI_BYTES {
        return ApiError::UriTooLong { limit: MAX_URI_BYTES }.into_response();
    }
    let answer = async {
        match app.requests.acquire().await {
            Ok(_permit) => next.run(request).await,
            Err(_) => ApiError::Busy { message: "the server stops" }.into_response(),
        }
    };
    let in_time = tokio::time::timeout(app.config.limits.request_timeout, answer).await;
    in_time.unwrap_or_else(|_| ApiError::Timeout.into_response())
}

/// Gives every failed answer of the API a problem as its body.
fn with_problem(app: &App, response: Response, request_id: &str, is_api: bool, method: &Method) -> Response {
    let status = response.status();
    let failure = response.extensions().get::<Failure>().map(|failure| failure.0.clone());
    let error = match failure {
        Some(error) => error,
        None if is_api && status.as_u16() >= 400 => match status {
            StatusCode::NOT_FOUND => ApiError::UnknownRoute,
            StatusCode::METHOD_NOT_ALLOWED => ApiError::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge { limit: MAX_BODY_BYTES },
            status => ApiError::Other(status),
        },
        None => return response,
    };
    app.own.reject("rest", error.code());
    if status.is_server_error() {
        tracing::warn!(request_id, status = status.as_u16(), error = %error, "answered with an error");
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    let problem = Json(error.problem(request_id)).into_response();
    let body = if *method == Method::HEAD { Body::empty() } else { problem.into_body() };
    let mut response = Response::from_parts(parts, body);
    let media_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

/// Refuses parameters that the route does not have: a filter with a slip of the pen in its name would
/// silently filter nothing.
pub async fn known_parameters(
    State(known): State<KnownParameters>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if let (Some(names), Some(query)) = (route.and_then(|route| known.get(route)), request.uri().query()) {
        match QueryMap::parse(request.uri().path(), query) {
            Ok(query) => {
                if let Some(unknown) = query.names().find(|name| !names.iter().any(|known| known == name)) {
                    let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    return ApiError::UnknownParameter { field: unknown.to_owned(), known }.into_response();
                }
            }
            Err(error) => return error.into_response(),
        }
    }
    next.run(request).await
}

fn request_id() -> String {
    format!("{:016x}", rand::rng().next_u64())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
