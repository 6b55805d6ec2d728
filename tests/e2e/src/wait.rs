//! Waiting for a state.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine; a test that waits this long has failed.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until there is something to see.
///
/// # Panics
/// When [`DEADLINE`] has passed.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < DEADLINE, "not seen within {DEADLINE:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
