//! The API as a service: built with its listener bound, run until asked to stop.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use sentinel_bus::Bus;
use sentinel_cache::Cache;
use sentinel_log_store::LogReader;
use sentinel_metric_store::MetricReader;
use sentinel_model::Kept;
use sentinel_recount::Rule;
use sentinel_runtime::admin::Admin;
use sentinel_runtime::{Component, Health, Registry, Service, ServiceError, Shutdown, Task, spawn};
use sentinel_settings::Settings;

use crate::answers;
use crate::app::{App, Configured, Mode, Parts, now};
use crate::canary;
use crate::config::{Config, MIN_TOKEN};
use crate::follow::{
    Follow, FollowDeadLetters, FollowEvents, FollowLive, FollowLogs, FollowObjects, follow, keep_house,
};
use crate::metrics::Metrics;
use crate::router::router;
use crate::server::serve;

/// What the API reads, and what it serves besides itself.
pub struct ApiHandles {
    pub bus: Arc<dyn Bus>,
    pub metrics: Arc<dyn MetricReader>,
    pub logs: Arc<dyn LogReader>,
    pub cache: Arc<dyn Cache>,
    /// Other API processes use the same cache: answers and limits are shared with them.
    pub is_cache_shared: bool,
    pub admin: Admin,
    pub health: Health,
    /// Rules of the processor, by which a recount expects windows.
    pub rules: Vec<Rule>,
    /// What people have set: read, and changed here.
    pub settings: Settings,
    /// How long things are kept by the configuration.
    pub retention: Vec<(Kept, Configured)>,
    /// Answers every address that is not the API's: the files of the dashboard.
    pub dashboard: Router,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "api.listen = \"{listen}\" can be reached from other machines, so it needs a token; write \
         token = \"…\" in section [api], or listen = \"127.0.0.1:7700\""
    )]
    TokenMissing { listen: String },
    #[error("api.token has {length} characters; write one of at least {MIN_TOKEN} in section [api]")]
    TokenShort { length: usize },
    #[error("api.listen = \"{listen}\" is not HOST:PORT; write listen = \"127.0.0.1:7700\"")]
    Address {
        listen: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// Time for WebSocket clients to take their leave.
const LEAVING: Duration = Duration::from_secs(8);

/// REST and WebSocket over the stores and the bus.
pub struct Api {
    app: App,
    listener: std::net::TcpListener,
    local_addr: SocketAddr,
    router: Router,
    component: Component,
    stop_clients: sentinel_runtime::ShutdownTrigger,
}

impl Api {
    /// Binds the listener and starts nothing.
    ///
    /// # Errors
    /// An address that cannot be used, or one that others can reach without a token.
    pub fn build(
        config: Config,
        handles: ApiHandles,
        mode: Mode,
        registry: &mut Registry,
    ) -> Result<Self, BuildError> {
        let listener = bind(&config)?;
        let local_addr = listener
            .local_addr()
            .map_err(|source| BuildError::Address { listen: config.listen.clone(), source })?;
        let ApiHandles { bus, metrics, logs, cache, is_cache_shared, admin, health, .. } = handles;
        let ApiHandles { rules, settings, retention, dashboard, .. } = handles;
        let component = health.component("api");
        let answers =
            if is_cache_shared { Arc::clone(&cache) } else { sentinel_cache::memory(answers::MAX_BYTES) };
        let parts = Parts {
            bus,
            metrics,
            logs,
            cache,
            is_cache_shared,
            answers,
            health,
            rules,
            settings,
            retention,
            clock: now,
        };
        let (stop_clients, shutdown) = Shutdown::new();
        let app = App::new(parts, config, mode, (Metrics::register(registry), shutdown));
        let router = router(app.clone(), admin.router(), dashboard);
        Ok(Self { app, listener, local_addr, router, component, stop_clients })
    }

    /// Where it listens; with port 0 in the configuration, the port that it got.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    fn start_followers(&self, shutdown: &Shutdown) -> Vec<Task<()>> {
        fn start<F: Follow + Default + 'static>(
            app: &App,
            component: Component,
            shutdown: &Shutdown,
        ) -> Task<()> {
            spawn(F::TOPIC.as_str(), follow(app.clone(), F::default(), component, shutdown.clone()))
        }
        let component = |name: &str| self.app.health.component(format!("api/{name}"));
        vec![
            start::<FollowObjects>(&self.app, component("objects"), shutdown),
            start::<FollowLive>(&self.app, component("live"), shutdown),
            start::<FollowEvents>(&self.app, component("events"), shutdown),
            start::<FollowLogs>(&self.app, component("logs"), shutdown),
            start::<FollowDeadLetters>(&self.app, component("dead-letters"), shutdown),
            spawn("canaries", canary::look_regularly(self.app.clone(), shutdown.clone())),
            spawn("keep-house", keep_house(self.app.clone(), shutdown.clone())),
        ]
    }
}

impl Service for Api {
    const NAME: &'static str = "api";

    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let fail = |error: std::io::Error| ServiceError::new(Self::NAME, error);
        let followers = self.start_followers(&shutdown);
        self.listener.set_nonblocking(true).map_err(fail)?;
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(fail)?;
        tracing::info!(address = %self.local_addr, "listening");
        self.component.ready();
        serve(self.app.clone(), listener, self.router, shutdown).await;
        self.stop_clients.trigger();
        let n_clients = u32::try_from(self.app.config.limits.websocket_clients).unwrap_or(u32::MAX);
        let all_gone = self.app.websocket_clients.acquire_many(n_clients);
        if tokio::time::timeout(LEAVING, all_gone).await.is_err() {
            tracing::warn!("some WebSocket clients did not take their leave in time");
        }
        for follower in followers {
            follower.await;
        }
        Ok(())
    }
}

fn bind(config: &Config) -> Result<std::net::TcpListener, BuildError> {
    let listen = config.listen.clone();
    if let Some(token) = &config.token
        && token.len() < MIN_TOKEN
    {
        return Err(BuildError::TokenShort { length: token.len() });
    }
    let addresses = config.listen.to_socket_addrs();
    let addresses = addresses.map_err(|source| BuildError::Address { listen: listen.clone(), source })?;
    let mut first_error = None;
    for address in addresses {
        if !address.ip().is_loopback() && config.token.is_none() {
            return Err(BuildError::TokenMissing { listen });
        }
        match std::net::TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(source) => {
                first_error.get_or_insert(BuildError::Bind { address, source });
            }
        }
    }
    Err(first_error.unwrap_or_else(|| BuildError::Address {
        listen,
        source: std::io::Error::other("the name has no address"),
    }))
}
