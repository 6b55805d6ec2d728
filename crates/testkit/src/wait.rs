//! Waiting for a state instead of for time.

use std::time::Duration;

/// Far more than any state takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns as soon as `is_so` holds.
///
/// # Panics
/// When it does not within 20 s, naming `what` was awaited.
pub async fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("waited in vain for: {what}");
    }
}
