//! Tells the stores what people have set of the retention, again and again until each has taken it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sentinel_log_store::LogWriter;
use sentinel_metric_store::MetricWriter;
use sentinel_model::RetentionSetting;
use sentinel_runtime::{Backoff, Component, Shutdown};
use sentinel_settings::{RetentionState, Settings};
use tracing::{info, warn};

/// A store that can be told.
#[async_trait]
pub(crate) trait Keeps: Send + Sync {
    async fn keep(&self, set: &RetentionSetting) -> Result<(), String>;
}

pub(crate) struct Metrics(pub Arc<dyn MetricWriter>);
pub(crate) struct Logs(pub Arc<dyn LogWriter>);

#[async_trait]
impl Keeps for Metrics {
    async fn keep(&self, set: &RetentionSetting) -> Result<(), String> {
        self.0.keep(set).await.map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Keeps for Logs {
    async fn keep(&self, set: &RetentionSetting) -> Result<(), String> {
        self.0.keep(set).await.map_err(|error| error.to_string())
    }
}

/// Settings that are not there after this time are said to be missing.
const READING: Duration = Duration::from_secs(10);

/// Until shutdown is requested. Each store has its own, so that one that is away holds up no other.
pub(crate) async fn run(store: impl Keeps, settings: Settings, component: Component, shutdown: Shutdown) {
    shutdown.guard(follow(store, settings, component)).await;
}

async fn follow(store: impl Keeps, settings: Settings, component: Component) {
    let mut watch = settings.watch();
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
    let mut told = None;
    loop {
        let state = watch.borrow_and_update().retention();
        let wait = match &state {
            RetentionState::NotRead => Some(READING),
            RetentionState::Unreadable => {
                // What was told before stays: it may be shorter, and so may what cannot be read.
                component.degraded(
                    "the retention was set by a later version of this program: it is not acted upon; upgrade, or \
                     unset it with: sentinel settings retention unset",
                );
                None
            }
            RetentionState::Known(set) if told.as_ref() == Some(set) => None,
            RetentionState::Known(set) => match store.keep(set).await {
                Ok(()) => {
                    info!(?set, "told the store its retention");
                    told = Some(set.clone());
                    backoff.reset();
                    component.ready();
                    None
                }
                Err(error) => {
                    warn!(error, "the store does not take its retention");
                    component.degraded(format!("the retention that is set is not carried out yet: {error}"));
                    Some(backoff.next_delay())
                }
            },
        };
        let changed = watch.changed();
        let outcome = match wait {
            Some(wait) => tokio::time::timeout(wait, changed).await.unwrap_or(Ok(())),
            None => changed.await,
        };
        if outcome.is_err() {
            return;
        }
        if state == RetentionState::NotRead && !watch.borrow().is_read() {
            component
                .degraded("nothing is deleted for its age until the settings have been read; see settings");
        }
    }
}

#[cfg(test)]
mod tests {
    use sentinel_bus::Bus;
    use sentinel_model::{Kept, SettingValue};
    use sentinel_runtime::{Health, spawn};
    use sentinel_settings::Change;
    use sentinel_testkit::{MemoryBus, MemoryLogs, MemoryMetrics, wait_until};

    use super::*;

    fn days(n: u32) -> RetentionSetting {
        let day = Duration::from_secs(86_400);
        RetentionSetting::new([(Kept::Logs, day * n)]).expect("within the bounds")
    }

    #[tokio::test]
    async fn each_store_is_told_what_is_set_as_soon_as_it_listens() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
        let (metrics, logs) = (Arc::new(MemoryMetrics::default()), Arc::new(MemoryLogs::default()));
        let (health, settings) = (Health::default(), Settings::new(bus));
        let (_stop, shutdown) = Shutdown::new();
        logs.outage.begin();
        let component = |name: &str| health.component(name);
        let to_metrics = Metrics(Arc::clone(&metrics) as _);
        let to_logs = Logs(Arc::clone(&logs) as _);
        let _tasks = [
            spawn("a", run(to_metrics, settings.clone(), component("metrics"), shutdown.clone())),
            spawn("b", run(to_logs, settings.clone(), component("logs"), shutdown)),
        ];
        assert_eq!(metrics.kept(), None, "before anything is read");
        let _reader = settings.start(component("settings"));
        wait_until("as configured", || metrics.kept() == Some(RetentionSetting::default())).await;
        wait_until("it is said", || health.report().is_degraded).await;
        assert_eq!(logs.kept(), None, "it is away");
        let set = |value| Change {
            key: SettingValue::RETENTION.to_owned(),
            value,
            expected: None,
            by: "a test".to_owned(),
        };
        settings.change(set(Some(SettingValue::Retention(days(3))))).await.expect("a change");
        wait_until("told", || metrics.kept() == Some(days(3))).await;
        logs.outage.end();
        wait_until("told when it is back", || logs.kept() == Some(days(3))).await;
        wait_until("all is well", || health.report().is_ready && !health.report().is_degraded).await;
        settings.change(set(None)).await.expect("a change");
        wait_until("as configured", || logs.kept() == Some(RetentionSetting::default())).await;
    }
}
