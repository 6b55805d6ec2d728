//! When a target is scraped: at an offset of its own within the interval, so that targets do not come all
//! at once, and at the same moments after a restart.

use std::time::Duration;

use sentinel_runtime::clock;
use tokio::time::{Instant, sleep_until};

/// The first scrape comes soon, whatever the interval.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

pub(crate) struct Schedule {
    offset: Duration,
    interval: Duration,
    is_first: bool,
    next: Instant,
}

impl Schedule {
    pub fn new(target: &str, interval: Duration) -> Self {
        let hash = xxhash_rust::xxh3::xxh3_64(target.as_bytes());
        let interval = interval.max(Duration::from_millis(1));
        let within = |span: Duration| span.mul_f64((hash >> 11) as f64 / (1_u64 << 53) as f64);
        let next = Instant::now() + within(FIRST_WITHIN.min(interval));
        Self { offset: within(interval), interval, is_first: true, next }
    }

    /// Waits for the next moment. Moments that passed meanwhile are left out.
    pub async fn next(&mut self) {
        if self.is_first {
            self.is_first = false;
        } else {
            let now = Duration::from_millis(clock::now_millis().unsigned_abs());
            self.next = Instant::now() + until_next(now, self.offset, self.interval);
        }
        sleep_until(self.next).await;
    }
}

/// From `now` (since the epoch) to the next multiple of `interval` plus `offset`; never zero.
fn until_next(now: Duration, offset: Duration, interval: Duration) -> Duration {
    let since = (now + interval - offset).as_nanos() % interval.as_nanos();
    interval - Duration::from_nanos(u64::try_from(since).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn moments_are_fixed_in_time_and_never_now() {
        let until = |now| until_next(ms(now), ms(3_000), ms(10_000));
        assert_eq!(until(1_000_000), ms(3_000));
        assert_eq!(until(1_002_999), ms(1));
        assert_eq!(until(1_003_000), ms(10_000));
        assert_eq!(until(1_003_001), ms(9_999));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_scrape_comes_soon_and_offsets_differ() {
        let started = Instant::now();
        let mut schedule = Schedule::new("scrape/a", ms(60_000));
        schedule.next().await;
        assert!(started.elapsed() <= FIRST_WITHIN);
        let other = Schedule::new("scrape/b", ms(60_000));
        assert_ne!(schedule.offset, other.offset);
        assert!(schedule.offset < ms(60_000));
    }
}
