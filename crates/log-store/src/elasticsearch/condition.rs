//! How the store is, for `/ready`.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sentinel_runtime::Component;

use super::failure::Failure;

pub(super) struct Condition {
    component: Component,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last sign of life, if it was none.
    contact: Option<String>,
    /// The last write, if it was refused, and when.
    writes: Option<(String, Instant)>,
    is_known: bool,
}

/// A refusal counts for so long if nobody writes any more.
const REFUSAL_COUNTS: Duration = Duration::from_secs(60);

impl Condition {
    pub(super) fn new(component: Component) -> Self {
        Self { component, state: Mutex::default() }
    }

    /// The server was asked for a sign of life.
    pub(super) fn probed(&self, answer: Result<(), &Failure>) {
        self.change(|state| {
            state.is_known = true;
            state.contact = answer.err().map(ToString::to_string);
            state.writes.take_if(|(_, at)| at.elapsed() > REFUSAL_COUNTS);
        });
    }

    /// A write was not taken.
    pub(super) fn refused(&self, failure: &Failure) {
        self.change(|state| match failure {
            // The next sign of life tells when this is over.
            Failure::Away { .. } => state.contact = Some(failure.to_string()),
            _ => state.writes = Some((failure.to_string(), Instant::now())),
        });
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
