//! Leaves a server alone that does not answer.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES: u32 = 3;
const FIRST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(10);

/// A circuit breaker (Nygard, Release It!, 2007): closed while calls succeed; open for a while after several
/// failures in a row; then one call at a time may try, and decides.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    n_failures: u32,
    rest: Duration,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made now.
    pub(crate) fn allows(&self) -> bool {
        let mut state = self.0.lock();
        let now = Instant::now();
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                // This caller tries; the others wait for what it finds.
                state.open_until = Some(now + state.rest);
                true
            }
        }
    }

    pub(crate) fn succeeded(&self) {
        *self.0.lock() = State::default();
    }

    pub(crate) fn failed(&self) {
        let mut state = self.0.lock();
        state.n_failures = state.n_failures.saturating_add(1);
        if state.n_failures >= FAILURES {
            state.rest = (state.rest * 2).clamp(FIRST_REST, LONGEST_REST);
            state.open_until = Some(Instant::now() + state.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_lets_one_try_at_a_time() {
        let breaker = Breaker::default();
        for _ in 1..FAILURES {
            breaker.failed();
        }
        breaker.succeeded();
        (0..FAILURES).for_each(|_| {
            assert!(breaker.allows());
            breaker.failed();
        });
        assert!(!breaker.allows());
        tokio::time::advance(FIRST_REST).await;
        assert!(breaker.allows(), "one may try");
        assert!(!breaker.allows(), "and no other meanwhile");
        breaker.failed();
        tokio::time::advance(FIRST_REST).await;
        assert!(!breaker.allows(), "it rests longer each time");
        tokio::time::advance(FIRST_REST).await;
        assert!(breaker.allows());
        breaker.succeeded();
        assert!(breaker.allows() && breaker.allows());
    }

    #[tokio::test(start_paused = true)]
    async fn asks_again_within_ten_seconds_however_long_it_lasts() {
        let breaker = Breaker::default();
        for _ in 0..50 {
            breaker.failed();
        }
        tokio::time::advance(LONGEST_REST).await;
        assert!(breaker.allows());
    }
}
