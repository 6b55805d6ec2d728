//! The service: binds, serves, and keeps the world in step with the clock.

use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sentinel_model::Timestamp;
use sentinel_runtime::{Service, ServiceError, Shutdown};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::founding::{self, Founded};
use crate::http;
use crate::scenario::{Scenario, ScenarioError};
use crate::shared::Shared;

/// A cluster that is founded and bound, but does not answer yet.
#[derive(Debug)]
pub struct Simulator {
    shared: Shared,
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("write {path}")]
    Keep { path: PathBuf, source: std::io::Error },
    #[error("listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// The world catches up at least so often, so that watchers hear of things as they happen, …
const MAX_WAIT: i64 = 1_000;

/// … and at most so often, so that a busy world is advanced in batches.
const MIN_WAIT: Duration = Duration::from_millis(20);

/// Answers under way may take so long when the service stops.
const DRAIN: Duration = Duration::from_secs(3);

impl Simulator {
    /// Founds the cluster and binds the socket. With a folder to keep its founding in, the next process that is
    /// asked for such a cluster within a day takes this one up where it is by then.
    ///
    /// # Errors
    /// A configuration out of range, a folder that cannot be written, or an address that cannot be bound.
    pub async fn build(config: &Config, folder: Option<&Path>) -> Result<Self, BuildError> {
        let clock = Clock::running(config.start_ms.map(Timestamp::from_millis));
        Self::build_with(config, clock, folder).await
    }

    /// The same with a clock of the caller's, such as a stepped one.
    ///
    /// # Errors
    /// Those of [`Self::build`].
    pub async fn build_with(
        config: &Config,
        clock: Clock,
        folder: Option<&Path>,
    ) -> Result<Self, BuildError> {
        config.check()?;
        let scenario = Scenario::load(config.scenario.as_deref())?;
        let now = clock.now();
        let mut founded = Founded::new(config, scenario, now);
        if let Some(folder) = folder {
            let keep = |source| BuildError::Keep { path: founding::file_in(folder), source };
            founded = founded.or_earlier(&founding::file_in(folder)).map_err(keep)?;
        }
        let world = sentinel_runtime::spawn_blocking("found", move || founded.world(now)).await?;
        let listen = |source| BuildError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { shared: Shared::new(world, clock), listener, address })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL of the API server, without a slash at the end.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Base URL of one node's kubelet, without a slash at the end.
    pub fn kubelet_url(&self, node: &str) -> String {
        format!("http://{}/kubelet/{node}", self.address)
    }

    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }
}

impl Service for Simulator {
    const NAME: &'static str = "simulator";

    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        tracing::info!(url = %self.api_url(), "a simulated cluster answers");
        let shared = self.shared.clone();
        let keeper = sentinel_runtime::spawn("world", keep_up(shared));
        let (stop, closing) = (shutdown.clone(), self.shared.clone());
        let served = axum::serve(self.listener, http::router(self.shared.clone()))
            .with_graceful_shutdown(async move {
                stop.requested().await;
                // Watches and followed logs would never end by themselves, nor would their clients know.
                closing.close();
            })
            .into_future();
        let too_late = async {
            shutdown.requested().await;
            tokio::time::sleep(DRAIN).await;
        };
        let result = tokio::select! {
            result = served => result,
            () = too_late => Ok(()),
        };
        self.shared.close();
        drop(keeper);
        result.map_err(|error| ServiceError::new(Self::NAME, error))
    }
}

/// Advances the world whenever something is due.
async fn keep_up(shared: Shared) {
    loop {
        let next = shared.advance();
        let latest = shared.clock.now().saturating_add_millis(MAX_WAIT);
        // A change of pace brings forward what is next.
        shared.clock.reached_or_woken(next.map_or(latest, |next| next.min(latest))).await;
        if !shared.clock.is_stepped() {
            tokio::time::sleep(MIN_WAIT).await;
        }
    }
}
