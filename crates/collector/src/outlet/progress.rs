//! What the collector may promise: everything older than this has been handed to the queue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use sentinel_model::Timestamp;
use sentinel_runtime::clock;
use tracing::warn;

use super::wall::{Reading, Wall};

/// Where "now" comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Wall,
    /// A replay tells the time of what it has read.
    Recorded,
}

#[derive(Debug)]
enum Time {
    Wall(Wall),
    /// Latest time read.
    Recorded(i64),
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    time: Time,
    promised: i64,
    /// Starts of what is under way, with a number to tell equal ones apart.
    holds: BTreeSet<(i64, u64)>,
    next_hold: u64,
}

/// While it lives, the collector does not promise progress beyond [`Hold::scraped`]. Take one before a
/// fetch; a frame holds its own from `begin` until it is queued.
#[derive(Debug)]
pub struct Hold {
    progress: Progress,
    key: (i64, u64),
}

impl Progress {
    pub fn new(clock: Clock) -> Self {
        let time = match clock {
            Clock::Wall => Time::Wall(Wall::new(clock::now_millis(), Instant::now())),
            Clock::Recorded => Time::Recorded(i64::MIN),
        };
        let state = State { time, promised: i64::MIN, holds: BTreeSet::new(), next_hold: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// For a recorded clock: everything up to `now` has been read.
    pub fn advance(&self, now: Timestamp) {
        if let Time::Recorded(latest) = &mut self.0.lock().time {
            *latest = now.as_millis().max(*latest);
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.lock().read_clock())
    }

    /// A hold that begins now.
    pub fn hold(&self) -> Hold {
        let mut state = self.0.lock();
        let now = state.read_clock();
        self.hold_in(&mut state, now)
    }

    /// A hold that began at `scraped`.
    pub fn hold_at(&self, scraped: Timestamp) -> Hold {
        self.hold_in(&mut self.0.lock(), scraped.as_millis())
    }

    /// Goes back only with the clock, when that is set back far.
    pub fn promise(&self) -> Timestamp {
        let mut state = self.0.lock();
        let now = state.read_clock();
        let oldest = state.holds.first().map_or(now, |(scraped, _)| now.min(*scraped));
        state.promised = state.promised.max(oldest);
        Timestamp::from_millis(state.promised)
    }

    fn hold_in(&self, state: &mut State, scraped: i64) -> Hold {
        let key = (scraped, state.next_hold);
        state.next_hold += 1;
        state.holds.insert(key);
        Hold { progress: self.clone(), key }
    }
}

impl State {
    fn read_clock(&mut self) -> i64 {
        let wall = match &mut self.time {
            Time::Recorded(latest) => return *latest,
            Time::Wall(wall) => wall,
        };
        match wall.read(clock::now_millis(), Instant::now()) {
            Reading::Runs(now) => now,
            Reading::SetBack { now, from } => {
                warn!(
                    by_ms = from - now,
                    "the clock of this machine was set back: what was taken before is stamped ahead of what comes \
                     now, and what comes now may be late; keep the clock in step (chrony, systemd-timesyncd)"
                );
                self.promised = self.promised.min(now);
                now
            }
        }
    }
}

impl Hold {
    /// When what is under way began.
    pub const fn scraped(&self) -> Timestamp {
        Timestamp::from_millis(self.key.0)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.progress.0.lock().holds.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn promises_nothing_beyond_what_is_under_way() {
        let progress = Progress::new(Clock::Recorded);
        progress.advance(at(1_000));
        assert_eq!(progress.promise(), at(1_000));
        let slow = progress.hold();
        progress.advance(at(5_000));
        let quick = progress.hold();
        progress.advance(at(6_000));
        assert_eq!(progress.promise(), at(1_000));
        drop(slow);
        assert_eq!(progress.promise(), at(5_000));
        drop(quick);
        assert_eq!(progress.promise(), at(6_000));
    }

    #[test]
    fn never_takes_a_promise_back() {
        let progress = Progress::new(Clock::Recorded);
        progress.advance(at(5_000));
        assert_eq!(progress.promise(), at(5_000));
        let _late = progress.hold_at(at(1_000));
        progress.advance(at(2_000));
        assert_eq!(progress.promise(), at(5_000));
    }
}
