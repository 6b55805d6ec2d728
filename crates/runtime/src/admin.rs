//! `/health`, `/ready` and `/metrics`, on every role.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;

use crate::Health;

/// Type of the body that `/metrics` answers with.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the endpoints read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    health: Health,
    registry: Arc<Mutex<Registry>>,
}

impl Admin {
    pub fn new(health: Health, registry: Registry) -> Self {
        Self { health, registry: Arc::new(Mutex::new(registry)) }
    }

    /// Own metrics as OpenMetrics text.
    pub fn openmetrics(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry.lock()) {
            Ok(()) => text,
            Err(std::fmt::Error) => "# EOF\n".to_owned(),
        }
    }

    /// Routes to merge into a server.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/health", get(|| async { "ok\n" }))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let report = admin.health.report();
    let status = if report.is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    ([(header::CONTENT_TYPE, OPENMETRICS)], admin.openmetrics()).into_response()
}
