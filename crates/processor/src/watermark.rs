//! How far event time has come, by the log's content alone.

use ahash::AHashMap;
use sentinel_model::Timestamp;

/// Progress of every collector that has been seen in one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Watermark {
    /// By [`collector_hash`].
    progress: AHashMap<u64, Timestamp>,
    frontier: Option<Timestamp>,
}

/// The two spans that decide, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatermarkLimits {
    pub(crate) lateness_ms: i64,
    pub(crate) idle_ms: i64,
}

/// Width to which the frontier is rounded down: the finest window.
pub(crate) const STEP_MS: i64 = 10_000;

/// Identity of a collector in commit metadata, where every byte counts.
pub(crate) fn collector_hash(cluster: &str, collector: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in cluster.bytes().chain([0xff]).chain(collector.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3); // FNV-1a, stable across builds
    }
    hash
}

impl Watermark {
    pub(crate) fn restore(
        frontier: Option<Timestamp>,
        progress: impl IntoIterator<Item = (u64, Timestamp)>,
    ) -> Self {
        Self { progress: progress.into_iter().collect(), frontier }
    }

    /// Notes a collector's progress (it never goes back) and gives the frontier: windows that end at
    /// or before it are closed. It is the smallest progress of a live collector, less the allowed
    /// lateness, rounded down, and never falls.
    pub(crate) fn advance(
        &mut self,
        collector: u64,
        progress: Timestamp,
        limits: WatermarkLimits,
    ) -> Option<Timestamp> {
        let known = self.progress.entry(collector).or_insert(progress);
        *known = (*known).max(progress);
        self.step(limits)
    }

    /// Forgets a collector that has ended: the others need not wait for it. Gives the frontier.
    pub(crate) fn leave(&mut self, collector: u64, limits: WatermarkLimits) -> Option<Timestamp> {
        self.progress.remove(&collector);
        self.step(limits).or(self.frontier)
    }

    fn step(&mut self, limits: WatermarkLimits) -> Option<Timestamp> {
        let newest = self.progress.values().copied().max()?;
        let oldest_live = newest.saturating_sub_millis(limits.idle_ms);
        // A collector that trails by ten times the limit is gone for good; forgetting it is a function
        // of the log too.
        let oldest_known = newest.saturating_sub_millis(limits.idle_ms.saturating_mul(10));
        self.progress.retain(|_, progress| *progress >= oldest_known);
        let slowest = self.progress.values().copied().filter(|progress| *progress >= oldest_live).min()?;
        let candidate = slowest.saturating_sub_millis(limits.lateness_ms).floor(STEP_MS);
        self.frontier = Some(self.frontier.map_or(candidate, |frontier| frontier.max(candidate)));
        self.frontier
    }

    pub(crate) const fn frontier(&self) -> Option<Timestamp> {
        self.frontier
    }

    /// Sorted, so that equal states print alike.
    pub(crate) fn progress(&self) -> Vec<(u64, Timestamp)> {
        let mut progress: Vec<_> = self.progress.iter().map(|(hash, at)| (*hash, *at)).collect();
        progress.sort_unstable();
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: WatermarkLimits = WatermarkLimits { lateness_ms: 30_000, idle_ms: 60_000 };

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn follows_the_slowest_live_collector() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.advance(1, at(100), LIMITS), Some(at(70)));
        assert_eq!(watermark.advance(2, at(95), LIMITS), Some(at(70)), "the frontier never falls");
        assert_eq!(watermark.advance(1, at(140), LIMITS), Some(at(70)), "collector 2 holds it");
        assert_eq!(watermark.advance(2, at(141), LIMITS), Some(at(110)));
    }

    #[test]
    fn a_collector_that_trails_beyond_the_idle_limit_holds_nothing() {
        let mut watermark = Watermark::default();
        watermark.advance(1, at(100), LIMITS);
        watermark.advance(2, at(100), LIMITS);
        assert_eq!(watermark.advance(1, at(160), LIMITS), Some(at(70)));
        assert_eq!(watermark.advance(1, at(161), LIMITS), Some(at(130)));
    }

    #[test]
    fn a_collector_that_has_left_holds_nothing() {
        let mut watermark = Watermark::default();
        watermark.advance(1, at(100), LIMITS);
        watermark.advance(2, at(130), LIMITS);
        assert_eq!(watermark.leave(1, LIMITS), Some(at(100)));
        assert_eq!(watermark.leave(2, LIMITS), Some(at(100)), "the last one leaves the frontier where it is");
        assert_eq!(watermark.advance(1, at(120), LIMITS), Some(at(100)), "it may come back");
        assert_eq!(watermark.advance(1, at(150), LIMITS), Some(at(120)));
    }

    #[test]
    fn a_collectors_progress_never_goes_back() {
        let mut watermark = Watermark::default();
        watermark.advance(1, at(200), LIMITS);
        assert_eq!(watermark.advance(1, at(100), LIMITS), Some(at(170)));
        let again = Watermark::restore(watermark.frontier(), watermark.progress());
        assert_eq!(again, watermark);
    }
}
