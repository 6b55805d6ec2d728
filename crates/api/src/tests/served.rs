//! The service itself, listening on a free port, over fakes of the ports.

use std::net::SocketAddr;
use std::sync::Arc;

use sentinel_runtime::admin::Admin;
use sentinel_runtime::{
    Health, Registry, Service as _, ServiceError, Shutdown, ShutdownTrigger, Task, spawn,
};
use sentinel_settings::Settings;
use sentinel_testkit::{MemoryBus, MemoryCache, MemoryLogs, MemoryMetrics, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::harness::{dashboard, mode};
use crate::config::Config;
use crate::service::{Api, ApiHandles, BuildError};

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) bus: MemoryBus,
    pub(crate) health: Health,
    admin: Admin,
    pub(crate) settings: Settings,
    _reader: Task<()>,
    stop: ShutdownTrigger,
    task: Task<Result<(), ServiceError>>,
}

pub(crate) fn build(config: Config) -> Result<(Api, Rest), BuildError> {
    let bus = MemoryBus::default();
    let health = Health::default();
    let mut registry = Registry::default();
    let settings = Settings::new(Arc::new(bus.clone()));
    let handles = |admin: Admin| ApiHandles {
        rules: Vec::new(),
        settings: settings.clone(),
        retention: Vec::new(),
        bus: Arc::new(bus.clone()),
        metrics: Arc::new(MemoryMetrics::default()),
        logs: Arc::new(MemoryLogs::default()),
        cache: Arc::new(MemoryCache::default()),
        is_cache_shared: false,
        admin,
        health: health.clone(),
        dashboard: dashboard(),
    };
    let admin = Admin::new(health.clone(), Registry::default());
    let api = Api::build(config, handles(admin), mode(), &mut registry)?;
    let admin = Admin::new(health.clone(), registry);
    Ok((api, Rest { bus, health, admin, settings }))
}

/// What a test holds besides the service.
pub(crate) struct Rest {
    settings: Settings,
    bus: MemoryBus,
    health: Health,
    admin: Admin,
}

pub(crate) fn any_port() -> Config {
    Config { listen: "127.0.0.1:0".into(), ..Config::default() }
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with(any_port()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (api, Rest { bus, health, admin, settings }) = build(config).expect("a service");
        let reader = settings.start(health.component("settings"));
        let address = api.local_addr();
        let (stop, shutdown) = Shutdown::new();
        let task = spawn("api", api.run(shutdown));
        wait_until("all followers have caught up", || health.report().is_ready).await;
        Self { address, bus, health, admin, settings, stop, task, _reader: reader }
    }

    /// Value of one of the API's own metrics.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.admin.openmetrics();
        let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or_else(|| panic!("no metric {name} in {text}"))
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(bytes).await.expect("the server reads");
        let mut answer = Vec::new();
        // A reset after the answer is as good as a close.
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn stop(self) {
        self.stop.trigger();
        self.task.await.expect("a clean stop");
    }
}
