//! Waiting longer after each failure, never in step with others.

use std::time::Duration;

use rand::RngExt as _;

/// Exponential delays with full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015):
/// each delay is drawn between half the step and the step, and the step doubles up to a limit.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    step: Duration,
    n_failures: u32,
}

impl Backoff {
    /// Pure: no clock is read. `first` must not exceed `limit`.
    pub fn new(first: Duration, limit: Duration) -> Self {
        assert!(first <= limit, "the first delay must not exceed the limit");
        Self { first, limit, step: first, n_failures: 0 }
    }

    /// The delay to wait after one more failure.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.step;
        self.n_failures = self.n_failures.saturating_add(1);
        self.step = (step * 2).min(self.limit);
        step.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Call after a success.
    pub fn reset(&mut self) {
        self.step = self.first;
        self.n_failures = 0;
    }

    /// Failures since the last success.
    pub const fn n_failures(&self) -> u32 {
        self.n_failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit_and_starts_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        for step in [100, 200, 400, 400] {
            let delay = backoff.next_delay().as_millis();
            assert!((step / 2..=step).contains(&delay), "{delay} ms is outside {step} ms");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(100));
        assert_eq!(backoff.n_failures(), 1);
    }
}
