//! A line as the kubelet gives it: `2026-11-21T08:52:18.335808121Z text`.

use crate::sources::kubernetes::json::parse_nanos;

/// When it was written, by the kubelet's clock, and what.
pub(crate) fn split(line: &str) -> Option<(i64, &str)> {
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    // Some runtimes keep the carriage return of a terminal.
    Some((parse_nanos(time)?, text.trim_end_matches('\r')))
}

/// RFC 3339 in whole seconds, as `sinceTime` takes it.
pub(crate) fn whole_seconds(nanos: i64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// How many lines a container may write, measured by the times of the lines themselves: a backlog that
/// is read at once is not taken for a flood.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    burst: f64,
    tokens: f64,
    last_ns: i64,
}

impl RateLimit {
    pub(crate) fn new(lines_per_second: u32, burst_lines: u32) -> Self {
        let burst = f64::from(burst_lines.max(1));
        Self { per_second: f64::from(lines_per_second), burst, tokens: burst, last_ns: i64::MAX }
    }

    /// Whether a line of this time may pass.
    pub(crate) fn admits(&mut self, timestamp_ns: i64) -> bool {
        let passed = timestamp_ns.saturating_sub(self.last_ns).max(0) as f64 / 1e9;
        self.last_ns = timestamp_ns;
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        let is_admitted = self.tokens >= 1.0;
        if is_admitted {
            self.tokens -= 1.0;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_time_and_text_apart() {
        let line = "2026-11-21T08:52:18.335808121Z   File \"x\"\r";
        assert_eq!(split(line), Some((1_795_251_138_335_808_121, "  File \"x\"")));
        assert_eq!(split("2026-11-21T08:52:18Z"), Some((1_795_251_138_000_000_000, "")));
        assert_eq!(split("failed to get logs"), None);
        assert_eq!(split(""), None);
    }

    #[test]
    fn asks_since_the_second_that_holds_an_instant() {
        assert_eq!(whole_seconds(1_795_251_138_335_808_121), "2026-11-21T08:52:18Z");
        assert_eq!(whole_seconds(i64::MIN), "1677-09-21T00:12:43Z");
    }

    #[test]
    fn admits_a_burst_and_then_the_rate() {
        let mut limit = RateLimit::new(10, 5);
        let admitted = (0..100).filter(|i| limit.admits(i * 1_000_000)).count();
        assert_eq!(admitted, 5);
        let second_later = (1..=100).filter(|i| limit.admits(1_000_000_000 * i)).count();
        assert_eq!(second_later, 100);
    }

    proptest! {
        #[test]
        fn never_panics_on_odd_lines(line in "\\PC{0,60}", times in prop::collection::vec(any::<i64>(), 0..20)) {
            split(&line);
            let mut limit = RateLimit::new(1, 1);
            for time in times {
                limit.admits(time);
                whole_seconds(time);
            }
        }
    }
}
