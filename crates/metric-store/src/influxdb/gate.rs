//! When the server may be asked again, and what `/ready` says meanwhile.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sentinel_runtime::{Backoff, Component};

use crate::MetricStoreError;

/// Between two attempts: each delay is half of this at least, so that a writer makes two a second at most.
const FIRST: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(15);
/// Longest that a server's wish to be left alone is followed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Closed after a failure. Whoever comes while it is closed is told so at once, without a request; then one
/// at a time may try.
#[derive(Debug)]
pub(crate) struct Gate {
    health: Component,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    backoff: Backoff,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Closed {
    until: Instant,
    message: String,
}

/// Who may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Open,
    /// The first after a failure: one request at a time.
    Trial,
}

impl Gate {
    pub(crate) fn new(health: Component) -> Self {
        let state = State { backoff: Backoff::new(FIRST, LIMIT), closed: None };
        Self { health, state: Mutex::new(state) }
    }

    /// # Errors
    /// The last failure again, while it is too early.
    pub(crate) fn enter(&self) -> Result<Pass, MetricStoreError> {
        let mut state = self.state.lock();
        let Some(closed) = &mut state.closed else { return Ok(Pass::Open) };
        let left = closed.until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Err(MetricStoreError::Unavailable {
                message: closed.message.clone(),
                retry_after: Some(left),
            });
        }
        // Others wait for what becomes of this one.
        closed.until = Instant::now() + FIRST;
        Ok(Pass::Trial)
    }

    /// As [`Self::enter`], for those who may always try once it is time.
    ///
    /// # Errors
    /// The last failure again, while it is too early.
    pub(crate) fn look(&self) -> Result<(), MetricStoreError> {
        let state = self.state.lock();
        let Some(closed) = &state.closed else { return Ok(()) };
        let left = closed.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        Err(MetricStoreError::Unavailable { message: closed.message.clone(), retry_after: Some(left) })
    }

    /// Time until the next attempt makes sense; `None` when nothing is wrong.
    pub(crate) fn closed_for(&self) -> Option<Duration> {
        let state = self.state.lock();
        state.closed.as_ref().map(|closed| closed.until.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock();
        state.backoff.reset();
        state.closed = None;
        drop(state);
        self.health.ready();
    }

    /// Takes note of a failure that concerns the server as a whole.
    pub(crate) fn failed(&self, error: &MetricStoreError) {
        let MetricStoreError::Unavailable { message, retry_after } = error else { return };
        let mut state = self.state.lock();
        let delay = state.backoff.next_delay().max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
        state.closed = Some(Closed { until: Instant::now() + delay, message: message.clone() });
        drop(state);
        self.health.degraded(message.clone());
    }
}

#[cfg(test)]
mod tests {
    use sentinel_runtime::{ComponentState, Health};

    use super::*;

    fn failure(retry_after: Option<Duration>) -> MetricStoreError {
        MetricStoreError::Unavailable { message: "away; start it".to_owned(), retry_after }
    }

    #[test]
    fn holds_everybody_after_a_failure_for_as_long_as_the_server_asks() {
        let health = Health::default();
        let gate = Gate::new(health.component("metric-store"));
        assert_eq!(gate.enter().expect("open"), Pass::Open);
        gate.failed(&failure(Some(Duration::from_secs(30))));
        let wait = gate.enter().expect_err("closed").retry_after().expect("a time");
        assert!((29..=30).contains(&wait.as_secs()), "{wait:?}");
        let state = health.report().components["metric-store"].clone();
        assert_eq!(state, ComponentState::Degraded("away; start it".to_owned()));
        gate.succeeded();
        assert_eq!(gate.enter().expect("open"), Pass::Open);
        assert!(!health.report().is_degraded);
    }

    #[test]
    fn follows_no_wish_for_ever_and_waits_half_a_second_at_least() {
        let gate = Gate::new(Health::default().component("metric-store"));
        gate.failed(&failure(Some(Duration::from_secs(86_400))));
        assert!(gate.closed_for().expect("closed") <= MAX_RETRY_AFTER);
        let gate = Gate::new(Health::default().component("metric-store"));
        gate.failed(&failure(None));
        let wait = gate.closed_for().expect("closed");
        assert!((450..=1_000).contains(&wait.as_millis()), "{wait:?}");
    }

    #[test]
    fn lets_one_at_a_time_try_again() {
        let gate = Gate::new(Health::default().component("metric-store"));
        gate.failed(&failure(None));
        gate.state.lock().closed.as_mut().expect("closed").until = Instant::now();
        assert_eq!(gate.enter().expect("a trial"), Pass::Trial);
        assert!(gate.enter().is_err());
    }
}
