//! Epochs of the streams that a pipeline publishes.

use sentinel_runtime::clock;

/// The epoch of a new owner, whose last one left `last` behind. Readers drop what is older than what they
/// know, so it grows also when this clock is behind the last owner's.
pub(crate) fn after(last: u64) -> u64 {
    u64::try_from(clock::now_millis()).unwrap_or(0).max(last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_even_when_the_clock_was_set_back() {
        let now = after(0);
        assert!(now > 1_700_000_000_000, "{now}");
        assert_eq!(after(now + 86_400_000), now + 86_400_001);
    }
}
