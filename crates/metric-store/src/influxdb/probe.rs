//! Looking after the server without anybody asking: so that `/ready` tells of an outage, and of its end.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use sentinel_runtime::{Task, spawn};

use super::http::MAX_MESSAGE_BYTES;
use super::server::Server;
use crate::{InfluxdbVersion, MetricStoreError};

/// Between two looks while all is well.
const EVERY: Duration = Duration::from_secs(10);
/// Whoever takes longer to say that all is well is not.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A closed gate opens for one of those who wait; this is not always the probe.
const AGAIN: Duration = Duration::from_millis(50);

pub(crate) fn start(server: Arc<Server>) -> Task<()> {
    spawn("metric-store-probe", async move {
        loop {
            look(&server).await;
            let wait = server.gate.closed_for().map_or(EVERY, |left| left.max(AGAIN));
            tokio::time::sleep(wait).await;
        }
    })
}

async fn look(server: &Server) {
    if server.gate.enter().is_err() {
        return;
    }
    match ping(server).await {
        Ok(()) => server.gate.succeeded(),
        Err(error) => server.gate.failed(&error),
    }
}

/// Whether it answers, and has our buckets.
async fn ping(server: &Server) -> Result<(), MetricStoreError> {
    let path = if server.config.version == InfluxdbVersion::V2 { "/health" } else { "/ping" };
    let request = server.http.request(Method::GET, path).timeout(TIMEOUT);
    let answer = server.http.ask(request, MAX_MESSAGE_BYTES).await?;
    if !answer.status.is_success() {
        return Err(server.http.refusal(&answer));
    }
    server.prepare().await
}
