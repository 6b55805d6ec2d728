//! Simulated time: it runs at a multiple of real time, or only when a test steps it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sentinel_model::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

/// Tells the simulated time. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Arc<Mutex<Source>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
enum Source {
    /// `at` was the simulated time when real time was `since`.
    Running {
        since: Instant,
        at: Timestamp,
        speed: f64,
    },
    Stepped {
        now: Timestamp,
    },
}

impl Clock {
    /// Runs from `start` at `speed` simulated seconds a second.
    pub fn running(start: Timestamp, speed: f64) -> Self {
        Self::from(Source::Running { since: Instant::now(), at: start, speed })
    }

    /// Stands still between calls of [`Self::step`].
    pub fn stepped(start: Timestamp) -> Self {
        Self::from(Source::Stepped { now: start })
    }

    fn from(source: Source) -> Self {
        Self { source: Arc::new(Mutex::new(source)), changed: watch::Sender::new(0) }
    }

    pub fn now(&self) -> Timestamp {
        self.source.lock().now()
    }

    /// Simulated seconds a second; 0 when time is stepped.
    pub fn speed(&self) -> f64 {
        match *self.source.lock() {
            Source::Running { speed, .. } => speed,
            Source::Stepped { .. } => 0.0,
        }
    }

    pub fn is_stepped(&self) -> bool {
        matches!(*self.source.lock(), Source::Stepped { .. })
    }

    /// From now on time runs at `speed`; it never jumps.
    pub fn set_speed(&self, speed: f64) {
        let mut source = self.source.lock();
        *source = Source::Running { since: Instant::now(), at: source.now(), speed };
        drop(source);
        self.wake();
    }

    /// Moves a stepped clock forward; a running one is left alone.
    pub fn step(&self, by: Duration) {
        if let Source::Stepped { now } = &mut *self.source.lock() {
            *now = *now + by;
        }
        self.wake();
    }

    /// Resolves when the simulated time has reached `at`.
    pub async fn reached(&self, at: Timestamp) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let wait = self.source.lock().real_time_until(at);
            match wait {
                Some(Duration::ZERO) => return,
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = changed.changed() => {}
                    }
                }
                None => {
                    if changed.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Resolves after `span` of a client's time: real time, or stepped time when time is stepped.
    pub async fn elapsed(&self, span: Duration) {
        if self.is_stepped() {
            self.reached(self.now() + span).await;
        } else {
            tokio::time::sleep(span).await;
        }
    }

    fn wake(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }
}

impl Source {
    fn now(&self) -> Timestamp {
        match *self {
            Self::Running { since, at, speed } => {
                at.saturating_add_millis((since.elapsed().as_secs_f64() * speed * 1_000.0) as i64)
            }
            Self::Stepped { now } => now,
        }
    }

    /// `None`: only a step can bring it.
    fn real_time_until(&self, at: Timestamp) -> Option<Duration> {
        let missing = at.millis_since(self.now());
        match *self {
            _ if missing <= 0 => Some(Duration::ZERO),
            Self::Running { speed, .. } => {
                // Rounded up, so that waiting never ends a millisecond early and spins.
                Some(Duration::from_secs_f64(missing as f64 / 1_000.0 / speed) + Duration::from_millis(1))
            }
            Self::Stepped { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_000);

    #[tokio::test(start_paused = true)]
    async fn runs_at_its_speed_and_does_not_jump_when_the_speed_changes() {
        let clock = Clock::running(START, 10.0);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(1_020));
        clock.set_speed(1.0);
        assert_eq!(clock.now(), Timestamp::from_secs(1_020));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(1_022));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_in_simulated_time() {
        let clock = Clock::running(START, 100.0);
        let begun = Instant::now();
        clock.reached(Timestamp::from_secs(1_100)).await;
        assert!(clock.now() >= Timestamp::from_secs(1_100));
        assert!(begun.elapsed() < Duration::from_millis(1_100), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stepped_clock_moves_only_when_stepped() {
        let clock = Clock::stepped(START);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), START);
        let waiter = clock.clone();
        let waiting = sentinel_runtime::spawn("waiter", async move {
            waiter.reached(Timestamp::from_secs(1_005)).await;
        });
        clock.step(Duration::from_secs(3));
        assert!(!waiting.is_finished());
        clock.step(Duration::from_secs(3));
        waiting.await;
        assert_eq!(clock.now(), Timestamp::from_secs(1_006));
    }
}
