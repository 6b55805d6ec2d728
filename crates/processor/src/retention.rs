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
                told = None;
                component.degraded(
                    "the retention was set by a later version of this program: it is not acted upon; upgrade, or \
                     unset it with: sentinel settings retention unset",
                );
                None
            }
            RetentionState::Known(set) if told.as_ref() == Some(set) => {
                component.ready();
                None
            }
            RetentionState::Known(set) => {
                // A store may act by it before it fails: from here on, what was told before holds no more.
                told = None;
                match store.keep(set).await {
                    Ok(()) => {
                        info!(?set, "told the store its retention");
                        told = Some(set.clone());
                        backoff.reset();
                        component.ready();
                        None
                    }
                    Err(error) => {
                        warn!(error, "the store does not take its retention");
                        component
                            .degraded(format!("the retention that is set is not carried out yet: {error}"));
                        Some(backoff.next_delay())
                    }
                }
            }
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

    /// As the stores do: it goes by what it was told, also where it says that it could not carry it out.
    #[derive(Default)]
    struct Store {
        kept: parking_lot::Mutex<Option<RetentionSetting>>,
        outage: sentinel_testkit::Outage,
    }

    #[async_trait]
    impl Keeps for Arc<Store> {
        async fn keep(&self, set: &RetentionSetting) -> Result<(), String> {
            *self.kept.lock() = Some(set.clone());
            if self.outage.is_on() { Err("an outage on purpose".to_owned()) } else { Ok(()) }
        }
    }

    fn change(value: Option<SettingValue>) -> Change {
        Change { key: SettingValue::RETENTION.to_owned(), value, expected: None, by: "a test".to_owned() }
    }

    #[tokio::test]
    async fn what_is_set_back_while_the_store_is_away_is_told_again() {
        let (store, health) = (Arc::new(Store::default()), Health::default());
        let settings = Settings::new(Arc::new(MemoryBus::default()));
        let _reader = settings.start(health.component("settings"));
        let (_stop, shutdown) = Shutdown::new();
        let telling = run(Arc::clone(&store), settings.clone(), health.component("logs"), shutdown);
        let _task = spawn("telling", telling);
        wait_until("as configured", || store.kept.lock().is_some()).await;
        settings.change(change(Some(SettingValue::Retention(days(30))))).await.expect("a change");
        wait_until("told", || *store.kept.lock() == Some(days(30))).await;
        wait_until("all is well", || health.report().is_ready && !health.report().is_degraded).await;
        store.outage.begin();
        settings.change(change(Some(SettingValue::Retention(days(1))))).await.expect("by mistake");
        wait_until("told", || *store.kept.lock() == Some(days(1))).await;
        wait_until("it is said", || health.report().is_degraded).await;
        settings.change(change(Some(SettingValue::Retention(days(30))))).await.expect("set back");
        wait_until("told again", || *store.kept.lock() == Some(days(30))).await;
        store.outage.end();
        wait_until("all is well", || !health.report().is_degraded).await;
        assert_eq!(*store.kept.lock(), Some(days(30)));
    }

    #[tokio::test]
    async fn what_could_not_be_read_is_over_once_it_is_gone() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
        let (store, health) = (Arc::new(Store::default()), Health::default());
        let settings = Settings::new(Arc::clone(&bus));
        let _reader = settings.start(health.component("settings"));
        let (_stop, shutdown) = Shutdown::new();
        let telling = run(Arc::clone(&store), settings.clone(), health.component("logs"), shutdown);
        let _task = spawn("telling", telling);
        wait_until("all is well", || health.report().is_ready && !health.report().is_degraded).await;
        let record = sentinel_bus::Record {
            key: SettingValue::RETENTION.into(),
            value: b"\x02of a later version".to_vec().into(),
            headers: Vec::new(),
            timestamp: sentinel_model::Timestamp::from_secs(1),
        };
        let topic = sentinel_model::Topic::Settings;
        let message = sentinel_bus::Outgoing { topic, route: sentinel_bus::Route::ByKey, record };
        bus.publish(vec![message]).await.expect("publish");
        wait_until("it is said", || health.report().is_degraded).await;
        settings.change(change(None)).await.expect("unset");
        wait_until("all is well", || !health.report().is_degraded).await;
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
        settings.change(change(Some(SettingValue::Retention(days(3))))).await.expect("a change");
        wait_until("told", || metrics.kept() == Some(days(3))).await;
        logs.outage.end();
        wait_until("told when it is back", || logs.kept() == Some(days(3))).await;
        wait_until("all is well", || health.report().is_ready && !health.report().is_degraded).await;
        settings.change(change(None)).await.expect("a change");
        wait_until("as configured", || logs.kept() == Some(RetentionSetting::default())).await;
    }
}
