//! Answers given again for a moment: many dashboards ask the same questions at the same time.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use sentinel_model::Timestamp;
use serde::Serialize;

use crate::app::App;
use crate::error::ApiError;
use crate::metrics::Cached;
use crate::params::{FromQuery, QueryMap};

/// Memory for answers. They have a cache of their own, so that they never push out a ticket.
pub const MAX_BYTES: u64 = 16 << 20;
/// A larger answer is not kept: a few of them would push out all the others.
const MAX_ANSWER_BYTES: usize = 2 << 20;

/// What ended this long ago is written: windows close within a minute, and a processor that was away for
/// a while has caught up.
const SETTLED_MS: i64 = 15 * 60 * 1_000;
/// How long an answer about the settled past is given again. Not for ever: a processor that was away for
/// longer may still be filling it in.
const SETTLED_TTL: Duration = Duration::from_secs(30);

/// An answer as it is sent.
#[derive(Clone, Debug)]
pub struct JsonBytes(Bytes);

/// What is asked besides the span of time, the same for parameters in any order.
#[derive(Clone, Debug)]
pub struct Question(pub String);

/// A question with all that its answer depends on.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As in the counter of hits and misses.
    pub route: &'static str,
    pub key: String,
    /// End of what is asked for; `None`: it is about now.
    pub until: Option<Timestamp>,
}

impl Asked {
    fn ttl(&self, app: &App) -> Duration {
        let live = app.config.limits.answer_ttl;
        let is_settled = self.until.is_some_and(|until| app.now().millis_since(until) >= SETTLED_MS);
        if is_settled && !live.is_zero() { SETTLED_TTL } else { live }
    }
}

/// The answer that was given a moment ago, else a new one. A cache that does not answer costs only time.
///
/// # Errors
/// Those of `compute`, which are not kept.
pub async fn answer<T: Serialize>(
    app: &App,
    asked: Asked,
    compute: impl Future<Output = Result<T, ApiError>>,
) -> Result<JsonBytes, ApiError> {
    let ttl = asked.ttl(app);
    let key = format!("api/answer/{}/{}", asked.route, asked.key);
    if !ttl.is_zero()
        && let Ok(Some(bytes)) = app.answers.get(&key).await
    {
        app.own.cached(asked.route, Cached::HIT);
        return Ok(JsonBytes(bytes));
    }
    app.own.cached(asked.route, Cached::MISS);
    let computed = compute.await?;
    let bytes = Bytes::from(serde_json::to_vec(&computed).map_err(|_| ApiError::Internal)?);
    if !ttl.is_zero()
        && bytes.len() <= MAX_ANSWER_BYTES
        && let Err(error) = app.answers.put(&key, bytes.clone(), ttl).await
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "an answer was not kept");
    }
    Ok(JsonBytes(bytes))
}

impl IntoResponse for JsonBytes {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

impl FromQuery for Question {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self(query.question(&["from", "to"])))
    }
}
