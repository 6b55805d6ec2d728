//! The clock of the simulated cluster: the one on the wall, or one that moves only when a test steps it.
//! How fast things go is the world's pace, not the clock's: what the cluster dates is never ahead of
//! those who ask.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sentinel_model::Timestamp;
use tokio::sync::watch;

/// Tells the time. Cheap to clone; clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Arc<Mutex<Source>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
enum Source {
    Wall(Wall),
    Stepped { now: Timestamp },
}

/// The wall clock, at a distance, and never going back when that one is set back.
#[derive(Debug)]
struct Wall {
    ahead_millis: i64,
    latest: Timestamp,
}

/// The wall clock may be set: nobody waits for longer without another look.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl Clock {
    /// Tells `start` now and goes on with the wall clock; without `start` it tells the wall's time.
    pub fn running(start: Option<Timestamp>) -> Self {
        let wall = sentinel_runtime::clock::now_millis();
        let latest = start.unwrap_or(Timestamp::from_millis(wall));
        Self::from(Source::Wall(Wall { ahead_millis: latest.as_millis() - wall, latest }))
    }

    /// Stands still between calls of [`Self::step`].
    pub fn stepped(start: Timestamp) -> Self {
        Self::from(Source::Stepped { now: start })
    }

    fn from(source: Source) -> Self {
        Self { source: Arc::new(Mutex::new(source)), changed: watch::Sender::new(0) }
    }

    pub fn now(&self) -> Timestamp {
        match &mut *self.source.lock() {
            Source::Wall(wall) => wall.at(sentinel_runtime::clock::now_millis()),
            Source::Stepped { now } => *now,
        }
    }

    pub fn is_stepped(&self) -> bool {
        matches!(*self.source.lock(), Source::Stepped { .. })
    }

    /// Moves a stepped clock forward; a running one is left alone.
    pub fn step(&self, by: Duration) {
        if let Source::Stepped { now } = &mut *self.source.lock() {
            *now = *now + by;
        }
        self.wake();
    }

    /// Lets all who wait look at the time again.
    pub fn wake(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Resolves when it is `at`, or when somebody asks those who wait to look again.
    pub async fn reached_or_woken(&self, at: Timestamp) {
        let mut changed = self.changed.subscribe();
        loop {
            let missing = at.millis_since(self.now());
            if missing <= 0 {
                return;
            }
            if self.is_stepped() {
                let _ = changed.changed().await;
                return;
            }
            // Rounded up, so that waiting never ends a millisecond early and spins.
            let wait = Duration::from_millis(missing.unsigned_abs() + 1).min(MAX_WAIT);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = changed.changed() => return,
            }
        }
    }

    /// Resolves when it is `at`.
    pub async fn reached(&self, at: Timestamp) {
        while self.now() < at {
            self.reached_or_woken(at).await;
        }
    }

    /// Resolves after `span`.
    pub async fn elapsed(&self, span: Duration) {
        self.reached(self.now() + span).await;
    }
}

impl Wall {
    fn at(&mut self, wall_millis: i64) -> Timestamp {
        let told = Timestamp::from_millis(wall_millis.saturating_add(self.ahead_millis));
        self.latest = self.latest.max(told);
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_000);

    #[test]
    fn follows_the_wall_clock_and_never_goes_back() {
        let mut wall = Wall { ahead_millis: -5_000, latest: START };
        assert_eq!(wall.at(1_007_000), Timestamp::from_secs(1_002));
        assert_eq!(wall.at(900_000), Timestamp::from_secs(1_002), "somebody set the clock back");
        assert_eq!(wall.at(1_008_000), Timestamp::from_secs(1_003));
    }

    #[test]
    fn tells_the_time_on_the_wall() {
        let clock = Clock::running(None);
        let before = sentinel_runtime::clock::now_millis();
        let told = clock.now().as_millis();
        let after = sentinel_runtime::clock::now_millis();
        assert!((before..=after).contains(&told), "{before} <= {told} <= {after}");
        assert!(Clock::running(Some(START)).now() >= START);
        assert!(Clock::running(Some(START)).now() < START + Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_stepped_clock_moves_only_when_stepped() {
        let clock = Clock::stepped(START);
        assert_eq!(clock.now(), START);
        let waiter = clock.clone();
        let waiting = sentinel_runtime::spawn("waiter", async move {
            waiter.reached(Timestamp::from_secs(1_005)).await;
        });
        clock.step(Duration::from_secs(3));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.step(Duration::from_secs(3));
        waiting.await;
        assert_eq!(clock.now(), Timestamp::from_secs(1_006));
    }

    #[tokio::test]
    async fn who_waits_can_be_woken_before_the_time() {
        let clock = Clock::stepped(START);
        let mut waiting = std::pin::pin!(clock.reached_or_woken(Timestamp::from_secs(9_000)));
        assert!(futures::poll!(&mut waiting).is_pending());
        clock.wake();
        waiting.await;
        assert_eq!(clock.now(), START);
    }
}
