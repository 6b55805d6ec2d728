//! How the store is, for `/ready`.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sentinel_runtime::Component;

use super::failure::Failure;

pub(super) struct Condition {
    component: Component,
    /// A refusal counts for so long if nobody writes any more.
    refusal_counts: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What came of the last question for a sign of life, if it was none.
    contact: Option<String>,
    /// The last write, if it was refused, and when.
    writes: Option<(String, Instant)>,
    is_known: bool,
}

/// Who writes tries again after this at the latest.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Condition {
    /// `timeout` is that of a request.
    pub(super) fn new(component: Component, timeout: Duration) -> Self {
        let refusal_counts = 2 * timeout + LONGEST_PAUSE;
        Self { component, refusal_counts, state: Mutex::default() }
    }

    /// The server was asked for a sign of life.
    pub(super) fn probed(&self, answer: Result<(), &Failure>) {
        self.change(|state| {
            state.is_known = true;
            let was_away = state.contact.is_some();
            state.contact = answer.err().map(ToString::to_string);
            // Writes that failed while it was away say nothing of it now. Otherwise a sign of life does not make up
            // for them: a server may answer questions while writes hang.
            let is_back = was_away && state.contact.is_none();
            state.writes.take_if(|(_, at)| is_back || at.elapsed() > self.refusal_counts);
        });
    }

    /// A write was not taken.
    pub(super) fn refused(&self, failure: &Failure) {
        self.change(|state| state.writes = Some((failure.to_string(), Instant::now())));
    }

    /// A write was taken.
    pub(super) fn written(&self) {
        self.change(|state| *state = State { is_known: true, ..State::default() });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        match (&state.contact, &state.writes) {
            (Some(reason), _) | (None, Some((reason, _))) => self.component.degraded(reason.clone()),
            (None, None) if state.is_known => self.component.ready(),
            (None, None) => {}
        }
    }
}
