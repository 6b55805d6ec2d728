//! The wall clock as stamps need it: they must tell scrapes apart and keep their order, while a machine's clock
//! is set as its operator or NTP likes.

use std::time::Instant;

/// Set back by less, the clock goes at half its pace until it is right again; by more, it follows.
const MAX_SLEW_MS: i64 = 2_000;

#[derive(Debug)]
pub(super) struct Wall {
    now: i64,
    /// When `now` was read, by the steady clock.
    at: Instant,
}

/// What a reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Runs(i64),
    /// From the time before it, in milliseconds.
    SetBack {
        now: i64,
        from: i64,
    },
}

impl Wall {
    pub const fn new(wall_ms: i64, at: Instant) -> Self {
        Self { now: wall_ms, at }
    }

    /// What to take for now, in milliseconds since the epoch.
    pub fn read(&mut self, wall_ms: i64, at: Instant) -> Reading {
        let (before, elapsed) = (self.now, at.saturating_duration_since(self.at).as_millis());
        let is_set_back = before - wall_ms > MAX_SLEW_MS;
        let half_pace = before.saturating_add(i64::try_from(elapsed / 2).unwrap_or(i64::MAX));
        let now = if is_set_back { wall_ms } else { wall_ms.max(half_pace) };
        if now != before {
            *self = Self { now, at };
        }
        if is_set_back { Reading::SetBack { now, from: before } } else { Reading::Runs(now) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn follows_the_clock_forward() {
        let began = Instant::now();
        let mut wall = Wall::new(1_000, began);
        assert_eq!(wall.read(1_500, began + Duration::from_millis(500)), Reading::Runs(1_500));
        assert_eq!(wall.read(901_500, began + Duration::from_millis(500)), Reading::Runs(901_500));
    }

    #[test]
    fn goes_at_half_its_pace_when_set_back_a_little() {
        let began = Instant::now();
        let mut wall = Wall::new(10_000, began);
        let mut stamps = vec![10_000];
        for ms in (250..=4_000).step_by(250) {
            let Reading::Runs(now) = wall.read(9_000 + ms, began + Duration::from_millis(ms as u64)) else {
                panic!("it does not go back");
            };
            stamps.push(now);
        }
        assert!(stamps.is_sorted_by(|before, after| before < after), "{stamps:?}");
        assert_eq!(stamps.last(), Some(&13_000), "it is right again after twice as long");
    }

    #[test]
    fn follows_when_set_back_far() {
        let began = Instant::now();
        let mut wall = Wall::new(600_000, began);
        let later = began + Duration::from_secs(1);
        assert_eq!(wall.read(301_000, later), Reading::SetBack { now: 301_000, from: 600_000 });
        assert_eq!(wall.read(302_000, later + Duration::from_secs(1)), Reading::Runs(302_000));
    }

    #[test]
    fn readings_closer_than_a_millisecond_do_not_stop_it() {
        let began = Instant::now();
        let mut wall = Wall::new(10_000, began);
        let read = |us: u64| wall.read(9_500, began + Duration::from_micros(us));
        let last = (0..40).map(|n| n * 100).map(read).last();
        assert_eq!(last, Some(Reading::Runs(10_001)));
    }
}
