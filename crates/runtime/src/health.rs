//! What a role says of itself on `/ready`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use serde::Serialize;
use tokio::sync::watch;

/// State of one component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum ComponentState {
    Starting,
    Ready,
    /// Works in part; the reason says what is missing and what to do.
    Degraded(String),
    /// Does not work.
    Failed(String),
}

/// Each component as a series of value 1, with labels `component`, `state`, `reason` and `process` (see
/// [`Health::process`]): so that the state of every process is where the metrics are.
pub const STATE_METRIC: &str = "sentinel_runtime_component_state";

/// Of a reason as a label's value.
const MAX_REASON_CHARS: usize = 256;

/// All components of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health {
    process: Arc<str>,
    components: Arc<RwLock<BTreeMap<String, ComponentState>>>,
    /// Told of each change.
    changes: Arc<watch::Sender<()>>,
}

/// One component's own line in [`Health`].
#[derive(Clone, Debug)]
pub struct Component {
    name: String,
    health: Health,
}

/// What `/ready` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthReport {
    /// No component is starting or failed. A degraded role stays ready: it still does useful work.
    pub is_ready: bool,
    pub is_degraded: bool,
    pub components: BTreeMap<String, ComponentState>,
}

impl Default for Health {
    fn default() -> Self {
        let process = format!("{:08x}", rand::random::<u32>()).into();
        Self { process, components: Arc::default(), changes: Arc::default() }
    }
}

impl Health {
    /// Tells this process from all others, and from itself after a restart.
    pub fn process(&self) -> &str {
        &self.process
    }

    /// Registers a component as starting.
    pub fn component(&self, name: impl Into<String>) -> Component {
        let component = Component { name: name.into(), health: self.clone() };
        component.set(ComponentState::Starting);
        component
    }

    pub fn report(&self) -> HealthReport {
        let components = self.components.read().clone();
        let any = |is: fn(&ComponentState) -> bool| components.values().any(is);
        HealthReport {
            is_ready: !any(|state| matches!(state, ComponentState::Starting | ComponentState::Failed(_))),
            is_degraded: any(|state| matches!(state, ComponentState::Degraded(_))),
            components,
        }
    }
}

impl ComponentState {
    /// As in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded(_) => "degraded",
            Self::Failed(_) => "failed",
        }
    }

    /// Empty where nothing is wrong.
    pub fn reason(&self) -> &str {
        match self {
            Self::Starting | Self::Ready => "",
            Self::Degraded(reason) | Self::Failed(reason) => reason,
        }
    }
}

impl Collector for Health {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let help = "Components of this process: 1 for the state that each is in, and the reason";
        let mut family = encoder.encode_descriptor(STATE_METRIC, help, None, MetricType::Gauge)?;
        for (component, state) in self.components.read().iter() {
            let reason = label_text(state.reason());
            let labels = [
                ("component", component.as_str()),
                ("state", state.as_str()),
                ("reason", reason.as_str()),
                ("process", &self.process),
            ];
            ConstGauge::new(1i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// A reason as a label's value, which should not be another one whenever a count in it is: numbers that stand by
/// themselves are `N`.
fn label_text(reason: &str) -> String {
    let is_number = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation()).replace(',', "");
        word.starts_with(|c: char| c.is_ascii_digit()) && word.parse::<f64>().is_ok()
    };
    let words: Vec<&str> = reason.split(' ').map(|word| if is_number(word) { "N" } else { word }).collect();
    words.join(" ").chars().take(MAX_REASON_CHARS).collect()
}

impl Health {
    /// Resolves once no component is starting or failed.
    pub async fn ready(&self) {
        let mut changes = self.changes.subscribe();
        // Its sender lives as long as this does.
        while !self.report().is_ready && changes.changed().await.is_ok() {}
    }
}

impl Component {
    /// Logs when the state changes.
    pub fn set(&self, state: ComponentState) {
        let previous = self.health.components.write().insert(self.name.clone(), state.clone());
        if previous.as_ref() == Some(&state) {
            return;
        }
        self.health.changes.send_replace(());
        let component = self.name.as_str();
        match &state {
            ComponentState::Starting => tracing::debug!(component, "starting"),
            ComponentState::Ready => tracing::info!(component, "ready"),
            ComponentState::Degraded(reason) => tracing::warn!(component, reason, "degraded"),
            ComponentState::Failed(reason) => tracing::error!(component, reason, "failed"),
        }
    }

    pub fn ready(&self) {
        self.set(ComponentState::Ready);
    }

    pub fn degraded(&self, reason: impl Into<String>) {
        self.set(ComponentState::Degraded(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_when_all_are_ready() {
        let health = Health::default();
        let components = [health.component("bus"), health.component("api")];
        let waiting = crate::spawn("waiting", {
            let health = health.clone();
            async move { health.ready().await }
        });
        components[0].ready();
        assert!(!health.report().is_ready && !waiting.is_finished());
        components[1].degraded("no token");
        waiting.await;
    }

    #[test]
    fn metrics_tell_of_each_component_and_what_is_wrong_with_it() {
        let health = Health::default();
        health.component("bus").ready();
        health.component("collector/logs").degraded(format!("\"a\" of 1,200 is {}", "ä".repeat(300)));
        let process = health.process().to_owned();
        let text = crate::admin::Admin::new(health, crate::Registry::default()).openmetrics();
        let series = |labels: &str| format!("{STATE_METRIC}{{{labels},process=\"{process}\"}} 1\n");
        assert!(text.contains(&series(r#"component="bus",state="ready",reason="""#)), "{text}");
        let reason = format!(r#"\"a\" of N is {}"#, "ä".repeat(244));
        let degraded = format!(r#"component="collector/logs",state="degraded",reason="{reason}""#);
        assert!(text.contains(&series(&degraded)), "{text}");
    }

    #[test]
    fn a_degraded_role_is_ready_and_a_starting_one_is_not() {
        let health = Health::default();
        let store = health.component("metric-store");
        assert!(!health.report().is_ready);
        store.ready();
        assert!(health.report().is_ready);
        store.degraded("the store does not answer");
        let report = health.report();
        assert!(report.is_ready && report.is_degraded);
        store.set(ComponentState::Failed("gone".into()));
        assert!(!health.report().is_ready);
    }
}
