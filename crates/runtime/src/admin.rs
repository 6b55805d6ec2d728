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

use crate::{Health, Service, ServiceError, Shutdown};

/// Type of the body that `/metrics` answers with.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the endpoints read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    health: Health,
    registry: Arc<Mutex<Registry>>,
}

impl Admin {
    pub fn new(health: Health, mut registry: Registry) -> Self {
        registry.register_collector(Box::new(health.clone()));
        Self { health, registry: Arc::new(Mutex::new(registry)) }
    }

    /// Lets a service register its metrics while it is being built.
    pub fn register<T>(&self, work: impl FnOnce(&mut Registry) -> T) -> T {
        work(&mut self.registry.lock())
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

/// Serves the endpoints by themselves, for processes without the API role.
pub struct AdminServer {
    listener: std::net::TcpListener,
    router: Router,
}

impl AdminServer {
    /// Binds; serves nothing yet.
    ///
    /// # Errors
    /// An address that cannot be had.
    pub fn build(listen: &str, admin: &Admin) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, router: admin.router() })
    }

    /// Where it answers: the port is known even when 0 was asked for.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addr(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }
}

impl Service for AdminServer {
    const NAME: &'static str = "admin";

    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let failed = |error: std::io::Error| ServiceError::new(Self::NAME, error);
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(failed)?;
        let stop = async move { shutdown.requested().await };
        axum::serve(listener, self.router).with_graceful_shutdown(stop).await.map_err(failed)
    }
}
