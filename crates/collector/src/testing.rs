//! For tests: a bus that fails on demand, and what it was given.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sentinel_bus::{
    Bus, BusError, Commit, Consumer, Follower, Offsets, Outgoing, Position, Route, Start, TopicPartition,
};
use sentinel_model::{FrameKind, MetricBatch, Topic};
use sentinel_proto::{DecodeError, MetricDecoder};
use sentinel_runtime::{Health, Registry};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::outlet::{Clock, OutletService, OutletSettings};
use crate::sharding::Ownership;
use crate::{Limits, Outlet, OutletConfig, SourceContext};

/// Partitions of every topic.
pub(crate) const N_PARTITIONS: u32 = 4;

/// How the bus answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Works,
    Fails,
    /// Takes the first message of each publish and then fails.
    TakesOneAndFails,
    Hangs,
    /// Refuses values longer than that.
    TakesUpTo(usize),
}

/// Keeps what was published.
pub(crate) struct FakeBus {
    mode: watch::Sender<Mode>,
    taken: Mutex<Vec<Outgoing>>,
    n_calls: watch::Sender<u64>,
}

impl FakeBus {
    pub fn new(mode: Mode) -> Arc<Self> {
        let (mode, n_calls) = (watch::Sender::new(mode), watch::Sender::new(0));
        Arc::new(Self { mode, taken: Mutex::default(), n_calls })
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Everything it took, in order.
    pub fn taken(&self) -> Vec<Outgoing> {
        self.taken.lock().clone()
    }

    pub fn taken_of(&self, topic: Topic) -> Vec<Outgoing> {
        self.taken().into_iter().filter(|message| message.topic == topic).collect()
    }

    /// Frames by key that a reader can decode (repeats left out), and how many it cannot.
    pub fn frames(&self) -> (Vec<MetricBatch>, usize) {
        let mut decoder = MetricDecoder::new();
        let (mut frames, mut n_lost) = (Vec::new(), 0);
        for message in self.taken_of(Topic::Metrics) {
            match decoder.decode(&message.record.value) {
                Ok(frame) if frame.frame == FrameKind::Punctuation => {}
                Ok(frame) => frames.push(frame),
                Err(DecodeError::Duplicate { .. }) => {}
                Err(_) => n_lost += 1,
            }
        }
        (frames, n_lost)
    }

    /// Progress of each punctuation of a partition, in order.
    pub fn punctuation(&self, partition: u32) -> Vec<i64> {
        let is_of = |message: &&Outgoing| message.route == Route::Partition(partition);
        let taken = self.taken();
        let decode = |message: &Outgoing| {
            let frame = MetricDecoder::new().decode(&message.record.value).expect("punctuation");
            frame.progress.as_millis()
        };
        taken.iter().filter(is_of).map(decode).collect()
    }

    /// Resolves once `publish` was called `n` times more.
    pub async fn called(&self, n: u64) {
        let mut calls = self.n_calls.subscribe();
        let goal = *calls.borrow() + n;
        let _ = calls.wait_for(|calls| *calls >= goal).await;
    }
}

#[async_trait]
impl Bus for FakeBus {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        self.n_calls.send_modify(|calls| *calls += 1);
        let failed = || BusError::Storage { message: "out of order".to_owned() };
        let mode = *self.mode.borrow();
        match mode {
            Mode::Works => self.taken.lock().extend(messages),
            Mode::Fails => return Err(failed()),
            Mode::TakesOneAndFails => {
                self.taken.lock().extend(messages.into_iter().take(1));
                return Err(failed());
            }
            Mode::Hangs => std::future::pending().await,
            Mode::TakesUpTo(limit) => {
                let too_large =
                    messages.iter().map(|message| message.record.value.len()).find(|bytes| *bytes > limit);
                if let Some(bytes) = too_large {
                    return Err(BusError::TooLarge { bytes, limit });
                }
                self.taken.lock().extend(messages);
            }
        }
        Ok(Vec::new())
    }

    fn n_partitions(&self, _: Topic) -> u32 {
        N_PARTITIONS
    }

    async fn offsets(&self, _: TopicPartition) -> Result<Offsets, BusError> {
        Ok(Offsets::default())
    }

    async fn committed(&self, _: &str, _: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        Ok(Vec::new())
    }

    async fn join(&self, _: &str, _: &[Topic], _: Start) -> Result<Box<dyn Consumer>, BusError> {
        Err(BusError::Closed)
    }

    async fn follow(&self, _: Topic, _: Start) -> Result<Box<dyn Follower>, BusError> {
        Err(BusError::Closed)
    }

    async fn stored_bytes(&self, _: Topic) -> Result<Option<u64>, BusError> {
        Ok(Some(0))
    }
}

/// An outlet of collector `c1` in cluster `test`, and what watches it.
pub(crate) struct Bench {
    pub bus: Arc<FakeBus>,
    pub outlet: Outlet,
    pub service: Option<OutletService>,
    pub metrics: Arc<Metrics>,
    pub health: Health,
}

impl Bench {
    pub fn new(bus: &Arc<FakeBus>, folder: &Path, config: OutletConfig) -> Self {
        Self::with_clock(bus, folder, config, Clock::Recorded)
    }

    pub fn with_clock(bus: &Arc<FakeBus>, folder: &Path, config: OutletConfig, clock: Clock) -> Self {
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let health = Health::default();
        let settings = OutletSettings {
            cluster: "test".into(),
            collector: "c1".into(),
            config,
            series_per_target: 1_000,
            clock,
        };
        let component = health.component("collector/outlet");
        let bus_port = Arc::clone(bus) as Arc<dyn Bus>;
        let (outlet, service) =
            Outlet::build(settings, bus_port, folder.into(), Arc::clone(&metrics), component)
                .expect("a spool");
        Self { bus: Arc::clone(bus), outlet, service: Some(service), metrics, health }
    }

    pub fn context(&self) -> SourceContext {
        SourceContext {
            outlet: self.outlet.clone(),
            cluster: "test".into(),
            collector: "c1".into(),
            limits: Limits::default(),
            scrape_interval: std::time::Duration::from_secs(10),
            scrape_timeout: std::time::Duration::from_secs(8),
            openmetrics: crate::OpenMetricsRules::Strict,
            metrics: Arc::clone(&self.metrics),
            health: self.health.clone(),
            ownership: Ownership::everything(Arc::clone(&self.metrics)),
        }
    }
}
