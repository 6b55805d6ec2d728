//! What a role says of itself on `/ready`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
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

/// All components of this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health {
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

impl Health {
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
