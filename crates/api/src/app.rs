//! What every route and every follower share.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sentinel_bus::Bus;
use sentinel_cache::Cache;
use sentinel_log_store::LogReader;
use sentinel_metric_store::MetricReader;
use sentinel_model::{Kept, Timestamp};
use sentinel_recount::Rule;
use sentinel_runtime::{Health, Shutdown, clock};
use sentinel_settings::Settings;
use tokio::sync::Semaphore;

use crate::access::Rates;
use crate::config::Config;
use crate::dead_letters::DeadLetters;
use crate::dto::record::{EventRow, LogRow};
use crate::feed::Feed;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::objects::Objects;
use crate::pipeline::Freshness;
use crate::query::Source;
use crate::rows::{PodGroups, View};
use crate::traffic::Traffic;
use crate::usage;
use crate::verify::Verifications;
use crate::ws::Sessions;

/// How this server was started; told on `/status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    pub version: String,
    /// `run`, `demo` or `replay`.
    pub mode: String,
    pub is_simulated: bool,
}

/// Shared by everything that answers. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<State>);

pub struct State {
    pub bus: Arc<dyn Bus>,
    pub metrics: Arc<dyn MetricReader>,
    pub logs: Arc<dyn LogReader>,
    pub cache: Arc<dyn Cache>,
    /// Other API processes see what is in it.
    pub is_cache_shared: bool,
    /// Answers that may be given again.
    pub answers: Arc<dyn Cache>,
    pub health: Health,
    pub config: Config,
    pub mode: Mode,
    pub started: Timestamp,
    clock: Clock,
    pub own: Metrics,
    pub objects: Objects,
    pub live: Live,
    pub usage: usage::Cached,
    groups: Mutex<Option<(u64, Arc<PodGroups>)>>,
    pub recent_events: Feed<EventRow>,
    pub recent_logs: Feed<LogRow>,
    pub dead_letters: DeadLetters,
    /// As the processor has them, for recounts.
    pub rules: Vec<Rule>,
    /// What people have set.
    pub settings: Settings,
    retention: BTreeMap<Kept, Configured>,
    pub verifications: Verifications,
    pub traffic: Traffic,
    pub freshness: Freshness,
    pub sessions: Sessions,
    pub rates: Rates,
    /// One permit for each request being answered.
    pub requests: Semaphore,
    /// One permit for each client of the WebSocket.
    pub websocket_clients: Arc<Semaphore>,
    /// Asks clients of the WebSocket to leave.
    pub shutdown: Shutdown,
}

/// How long something is kept unless somebody sets another span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configured {
    pub span: Duration,
    /// A server's own retention keeps it. Configuration only lengthens that, so more may be there.
    pub is_least: bool,
}

/// Tells the time, so that answers can be tested.
pub type Clock = fn() -> Timestamp;

/// What of the state comes from outside.
pub struct Parts {
    pub bus: Arc<dyn Bus>,
    pub metrics: Arc<dyn MetricReader>,
    pub logs: Arc<dyn LogReader>,
    pub cache: Arc<dyn Cache>,
    /// Other API processes see what is in it.
    pub is_cache_shared: bool,
    /// Answers that may be given again.
    pub answers: Arc<dyn Cache>,
    pub health: Health,
    /// As the processor has them.
    pub rules: Vec<Rule>,
    pub settings: Settings,
    /// Of the configuration.
    pub retention: Vec<(Kept, Configured)>,
    pub clock: Clock,
}

/// Records kept for live watchers: some seconds of a busy cluster.
const MAX_RECENT_EVENTS: usize = 5_000;
const MAX_RECENT_LOGS: usize = 10_000;
const MAX_RECENT_BYTES: usize = 4 << 20;

impl App {
    /// Whether anything that is shown comes from a simulated cluster.
    pub fn is_simulated(&self) -> bool {
        self.mode.is_simulated || self.objects.is_simulated(None)
    }

    pub fn new(parts: Parts, config: Config, mode: Mode, (own, shutdown): (Metrics, Shutdown)) -> Self {
        let Parts { bus, metrics, logs, cache, is_cache_shared, answers, health, .. } = parts;
        let Parts { rules, settings, retention, clock, .. } = parts;
        let live = Live::new(config.limits.live_series);
        Self(Arc::new(State {
            bus,
            metrics,
            logs,
            cache,
            is_cache_shared,
            answers,
            health,
            mode,
            started: clock(),
            clock,
            own,
            objects: Objects::default(),
            live,
            usage: usage::Cached::default(),
            groups: Mutex::default(),
            recent_events: Feed::new(MAX_RECENT_EVENTS, MAX_RECENT_BYTES),
            recent_logs: Feed::new(MAX_RECENT_LOGS, MAX_RECENT_BYTES),
            dead_letters: DeadLetters::default(),
            rules,
            settings,
            retention: retention.into_iter().collect(),
            verifications: Verifications::default(),
            traffic: Traffic::default(),
            freshness: Freshness::default(),
            sessions: Sessions::default(),
            rates: Rates::default(),
            requests: Semaphore::new(config.limits.concurrent_requests),
            websocket_clients: Arc::new(Semaphore::new(config.limits.websocket_clients)),
            shutdown,
            config,
        }))
    }

    /// How long something is kept by the configuration.
    pub fn configured(&self, kept: Kept) -> Option<Configured> {
        self.retention.get(&kept).copied()
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub fn usage_table(&self) -> Arc<usage::Table> {
        self.usage.table(&self.live, self.now())
    }

    /// Pods by workload and node; the same for everybody until an object changes.
    pub fn pod_groups(&self) -> Arc<PodGroups> {
        let mut cached = self.groups.lock();
        let version = self.objects.version();
        if let Some((_, groups)) = cached.as_ref().filter(|(computed, _)| *computed == version) {
            return Arc::clone(groups);
        }
        let usage = self.usage_table();
        let view = View { now: self.now(), usage: &usage };
        let groups = Arc::new(PodGroups::new(&self.objects.of_kind("Pod"), view));
        *cached = Some((version, Arc::clone(&groups)));
        groups
    }

    pub fn source(&self) -> Source<'_> {
        Source {
            metrics: &*self.metrics,
            live: &self.live,
            max_series: self.config.limits.query_series,
            max_points: self.config.limits.query_points,
        }
    }
}

impl Deref for App {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

pub fn now() -> Timestamp {
    Timestamp::from_millis(clock::now_millis())
}
