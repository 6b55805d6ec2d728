//! Questions to servers that may hang: what one of them does not tell must not keep back what all others do.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sentinel_model::Timestamp;

const PATIENCE: Duration = Duration::from_secs(2);
/// Who has not answered is not asked for so long.
const SILENCE_MS: i64 = 10_000;

/// Of one server.
#[derive(Debug, Default)]
pub struct Patience {
    silent_until_ms: AtomicI64,
}

impl Patience {
    /// `None` without an answer in time.
    pub async fn ask<T>(&self, now: Timestamp, question: impl Future<Output = T>) -> Option<T> {
        if now.as_millis() < self.silent_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let answer = tokio::time::timeout(PATIENCE, question).await.ok();
        if answer.is_none() {
            self.silent_until_ms.store(now.as_millis().saturating_add(SILENCE_MS), Ordering::Relaxed);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_hangs_is_waited_for_once_and_asked_again_later() {
        let (patience, began) = (Patience::default(), tokio::time::Instant::now());
        let at = Timestamp::from_secs;
        assert_eq!(patience.ask(at(100), ready(1)).await, Some(1));
        assert_eq!(patience.ask(at(100), pending::<u32>()).await, None);
        assert_eq!(began.elapsed(), PATIENCE);
        assert_eq!(patience.ask(at(109), ready(2)).await, None);
        assert_eq!(patience.ask(at(110), ready(3)).await, Some(3));
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
