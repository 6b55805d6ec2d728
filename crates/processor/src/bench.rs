//! Three stages of the processor, fed by hand: no consumer group, no loop. For benchmarks only.

use std::sync::Arc;

use sentinel_bus::{Bus, Delivered, TopicPartition};
use sentinel_metric_store::MetricWriter;
use sentinel_model::{LabelPool, Topic};
use sentinel_runtime::{Health, Shutdown, ShutdownTrigger};

use crate::config::ProcessorConfig;
use crate::metrics::{Metrics, Partition};
use crate::pipeline::{Pipeline, Stage};
use crate::pipelines::metric_store::MetricStoreStage;
use crate::pipelines::stage2::Stage2;
use crate::pipelines::windows::WindowsStage;
use crate::rules::Rules;

/// What samples go through. A part is freed by [`Stages::drop_part`].
pub struct Stages {
    windows: Option<WindowsStage>,
    stage2: Option<Stage2>,
    metric_store: Option<MetricStoreStage>,
    metrics: Metrics,
    /// Dropping it would request shutdown.
    _trigger: ShutdownTrigger,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Windows,
    Stage2,
    MetricStore,
}

impl Stages {
    /// Stages that own all partitions of the rollups, and partition 0 of the samples.
    pub fn new(bus: &Arc<dyn Bus>, store: Arc<dyn MetricWriter>) -> Self {
        let config = ProcessorConfig::default();
        let (trigger, shutdown) = Shutdown::new();
        let (metrics, labels) = (Metrics::default(), Arc::new(LabelPool::default()));
        let on = |name, topic| Pipeline {
            name,
            topic,
            bus: Arc::clone(bus),
            health: Health::default().component(name),
            metrics: metrics.clone(),
            labels: Arc::clone(&labels),
            commit_interval: config.commit_interval,
        };
        let (limits, rules) = (config.window_limits(), Arc::new(Rules::default()));
        let mut windows = WindowsStage::new(on("windows", Topic::Metrics), limits, rules, shutdown.clone());
        let mut stage2 = Stage2::new(on("stage2", Topic::Rollups), shutdown.clone());
        let mut metric_store = MetricStoreStage::new(on("metric-store", Topic::Rollups), store, shutdown);
        windows.assigned(TopicPartition { topic: Topic::Metrics, partition: 0 }, None);
        for partition in 0..bus.n_partitions(Topic::Rollups) {
            let at = TopicPartition { topic: Topic::Rollups, partition };
            stage2.assigned(at, None);
            metric_store.assigned(at, None);
        }
        Self {
            windows: Some(windows),
            stage2: Some(stage2),
            metric_store: Some(metric_store),
            metrics,
            _trigger: trigger,
        }
    }

    /// One poll's records through one stage, and a commit; what it publishes is on the bus then.
    pub async fn handle(&mut self, part: Part, records: Vec<Delivered>) {
        match part {
            Part::Windows => handle(self.windows.as_mut(), records).await,
            Part::Stage2 => handle(self.stage2.as_mut(), records).await,
            Part::MetricStore => handle(self.metric_store.as_mut(), records).await,
        }
    }

    /// Frees a stage with its state.
    pub fn drop_part(&mut self, part: Part) {
        match part {
            Part::Windows => self.windows = None,
            Part::Stage2 => self.stage2 = None,
            Part::MetricStore => self.metric_store = None,
        }
    }

    /// Samples that went into windows, or that were there already because their source showed them again.
    pub fn n_samples(&self) -> u64 {
        self.metrics.samples.get() + self.metrics.repeated_samples.get()
    }

    pub fn n_active_series(&self) -> i64 {
        self.metrics.active_series.get_or_create(&Partition { partition: 0 }).get()
    }
}

async fn handle(stage: Option<&mut impl Stage>, records: Vec<Delivered>) {
    let Some(stage) = stage else { return };
    let _ = stage.handle(records).await;
    stage.commits();
}
