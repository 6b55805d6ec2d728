//! The processor as a service: its pipelines, each a task.

use std::sync::Arc;

use futures::future::join_all;
use sentinel_bus::Bus;
use sentinel_log_store::{DocumentKind, LogWriter};
use sentinel_metric_store::MetricWriter;
use sentinel_model::{LabelPool, Topic};
use sentinel_runtime::{Health, Registry, Service, ServiceError, Shutdown, Task, spawn};
use sentinel_settings::Settings;

use crate::config::ProcessorConfig;
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::pipelines::documents::DocumentsStage;
use crate::pipelines::metric_store::MetricStoreStage;
use crate::pipelines::stage2::Stage2;
use crate::pipelines::windows::WindowsStage;
use crate::retention;
use crate::rules::{RuleError, Rules};

/// Bus → windows → stores.
pub struct Processor {
    config: ProcessorConfig,
    rules: Arc<Rules>,
    handles: ProcessorHandles,
    metrics: Metrics,
    labels: Arc<LabelPool>,
}

/// What the processor reads from and writes to.
pub struct ProcessorHandles {
    pub bus: Arc<dyn Bus>,
    pub metrics: Arc<dyn MetricWriter>,
    pub logs: Arc<dyn LogWriter>,
    /// What people have set of the retention.
    pub settings: Settings,
    pub health: Health,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error("processor.workers is 0; write workers = 1")]
    NoWorkers,
}

impl Processor {
    /// # Errors
    /// A configuration that cannot work.
    pub fn build(
        config: ProcessorConfig,
        handles: ProcessorHandles,
        registry: &mut Registry,
    ) -> Result<Self, BuildError> {
        if config.workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        let labels = Arc::new(LabelPool::default());
        let rules = Arc::new(Rules::new(&config.rules)?.sharing(Arc::clone(&labels)));
        Ok(Self { config, rules, handles, metrics: Metrics::register(registry), labels })
    }

    fn pipeline(&self, name: &'static str, topic: Topic) -> Pipeline {
        Pipeline {
            name,
            topic,
            bus: Arc::clone(&self.handles.bus),
            health: self.handles.health.component(format!("processor/{name}")),
            metrics: self.metrics.clone(),
            labels: Arc::clone(&self.labels),
            commit_interval: self.config.commit_interval,
        }
    }

    fn start_windows(&self, shutdown: &Shutdown) -> Vec<Task<()>> {
        (0..self.config.workers)
            .map(|_| {
                let pipeline = self.pipeline("windows", Topic::Metrics);
                let stage = WindowsStage::new(
                    pipeline.clone(),
                    self.config.window_limits(),
                    Arc::clone(&self.rules),
                    shutdown.clone(),
                );
                spawn("windows", pipeline.run(stage, shutdown.clone()))
            })
            .collect()
    }

    fn start_sinks(&self, shutdown: &Shutdown) -> Vec<Task<()>> {
        let stage2 = self.pipeline("stage2", Topic::Rollups);
        let store = self.pipeline("metric-store", Topic::Rollups);
        let logs = self.pipeline("logs", Topic::Logs);
        let events = self.pipeline("events", Topic::Events);
        let writer = Arc::clone(&self.handles.metrics);
        let documents = |pipeline: &Pipeline, kind| {
            DocumentsStage::new(pipeline.clone(), kind, Arc::clone(&self.handles.logs), shutdown.clone())
        };
        vec![
            spawn("stage2", stage2.clone().run(Stage2::new(stage2, shutdown.clone()), shutdown.clone())),
            spawn(
                "metric-store",
                store.clone().run(MetricStoreStage::new(store, writer, shutdown.clone()), shutdown.clone()),
            ),
            spawn("logs", logs.clone().run(documents(&logs, DocumentKind::Log), shutdown.clone())),
            spawn("events", events.clone().run(documents(&events, DocumentKind::Event), shutdown.clone())),
        ]
    }
}

impl Processor {
    fn start_retention(&self, shutdown: &Shutdown) -> Vec<Task<()>> {
        let component = |store: &str| self.handles.health.component(format!("processor/retention/{store}"));
        let settings = || self.handles.settings.clone();
        let metrics = retention::Metrics(Arc::clone(&self.handles.metrics));
        let logs = retention::Logs(Arc::clone(&self.handles.logs));
        vec![
            spawn("retention", retention::run(metrics, settings(), component("metrics"), shutdown.clone())),
            spawn("retention", retention::run(logs, settings(), component("logs"), shutdown.clone())),
        ]
    }
}

impl Service for Processor {
    const NAME: &'static str = "processor";

    /// Drains in the direction of the data: windows first, then what reads their results.
    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let (stop_sinks, sinks_shutdown) = Shutdown::new();
        let sinks = self.start_sinks(&sinks_shutdown);
        let retention = self.start_retention(&shutdown);
        join_all(self.start_windows(&shutdown)).await;
        shutdown.requested().await;
        stop_sinks.trigger();
        join_all(sinks).await;
        join_all(retention).await;
        Ok(())
    }
}
