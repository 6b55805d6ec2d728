//! One request and its answer, with bounds, and errors that say what to do next.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;

/// Of an error's body, in its message.
const MAX_MESSAGE: usize = 300;

/// A refusal is never longer than this before it is cut.
const MAX_ERROR_BODY: u64 = 64 << 10;

/// What the answer should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Accept {
    Json,
    /// Prometheus text.
    Text,
    /// Log lines.
    Any,
}

impl Accept {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain;version=0.0.4",
            Self::Any => "*/*",
        }
    }
}

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bounds {
    pub(in super::super) timeout: Duration,
    pub(in super::super) bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub(in super::super) enum CallError {
    #[error("the server answers {status}: {message}")]
    Status { status: StatusCode, message: String, retry_after: Option<Duration> },
    #[error("the server cannot be reached: {message}")]
    Unreachable { message: String },
    #[error("no answer within {after:?}")]
    Timeout { after: Duration },
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the answer broke off: {message}")]
    Cut { message: String },
    #[error("{url:?} is not a URL")]
    Url { url: String },
}

impl CallError {
    /// Stable short name for counters.
    pub(in super::super) fn reason(&self) -> &'static str {
        match self {
            Self::Status { status, .. } => match status.as_u16() {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not_found",
                410 => "gone",
                429 => "throttled",
                500.. => "server_error",
                _ => "refused",
            },
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Cut { .. } => "cut",
            Self::Url { .. } => "bad_url",
        }
    }

    pub(in super::super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the server asks to be left alone.
    pub(in super::super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Waits for a good status; the body is still to be read.
pub(in super::super) async fn open(
    client: &kube::Client,
    url: &str,
    accept: Accept,
    timeout: Duration,
) -> Result<Body, CallError> {
    let request = Request::get(url).header(ACCEPT, accept.as_str()).body(Body::empty());
    let request = request.map_err(|_| CallError::Url { url: url.to_owned() })?;
    send(client, request, timeout).await
}

/// Asks for something to be changed, by a JSON body if it takes one; gives the whole answer.
pub(in super::super) async fn call(
    client: &kube::Client,
    (method, url): (Method, &str),
    body: Option<Vec<u8>>,
    bounds: Bounds,
) -> Result<Bytes, CallError> {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(ACCEPT, Accept::Json.as_str())
        .header(CONTENT_TYPE, "application/json")
        .body(body.map_or_else(Body::empty, Body::from));
    let request = request.map_err(|_| CallError::Url { url: url.to_owned() })?;
    let answer = async {
        let body = send(client, request, bounds.timeout).await?;
        collect(body, bounds.bytes).await
    };
    let timed_out = Err(CallError::Timeout { after: bounds.timeout });
    tokio::time::timeout(bounds.timeout, answer).await.unwrap_or(timed_out)
}

async fn send(client: &kube::Client, request: Request<Body>, timeout: Duration) -> Result<Body, CallError> {
    let response = tokio::time::timeout(timeout, client.send(request))
        .await
        .map_err(|_| CallError::Timeout { after: timeout })?
        .map_err(|error| CallError::Unreachable { message: chain(&error) })?;
    if response.status().is_success() {
        return Ok(response.into_body());
    }
    Err(refusal(response, timeout).await)
}

/// Waits for the whole body.
pub(in super::super) async fn fetch(
    client: &kube::Client,
    url: &str,
    accept: Accept,
    bounds: Bounds,
) -> Result<Bytes, CallError> {
    let read = async {
        let body = open(client, url, accept, bounds.timeout).await?;
        collect(body, bounds.bytes).await
    };
    tokio::time::timeout(bounds.timeout, read)
        .await
        .unwrap_or(Err(CallError::Timeout { after: bounds.timeout }))
}

/// The next piece of a body; `None` at its end.
pub(in super::super) async fn next_chunk(body: &mut Body) -> Option<Result<Bytes, CallError>> {
    loop {
        match body.frame().await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(CallError::Cut { message: chain(&error) })),
        }
    }
}

async fn collect(mut body: Body, limit: u64) -> Result<Bytes, CallError> {
    let mut collected = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut body).await {
        let chunk = chunk?;
        if (collected.len() + chunk.len()) as u64 > limit {
            return Err(CallError::TooLarge { limit });
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

async fn refusal(response: Response<Body>, timeout: Duration) -> CallError {
    let status = response.status();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let body = tokio::time::timeout(timeout, collect(response.into_body(), MAX_ERROR_BODY)).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    CallError::Status { status, message: message_of(&body), retry_after }
}

/// `message` of a Kubernetes Status, else the beginning of the text.
pub(in super::super) fn message_of(body: &[u8]) -> String {
    let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = status.as_ref().and_then(|status| status.get("message")).and_then(|text| text.as_str());
    let text = message.map_or_else(|| String::from_utf8_lossy(body), Into::into);
    text.trim().chars().take(MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An error with its causes, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
