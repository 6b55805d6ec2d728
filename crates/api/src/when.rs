//! Moments in parameters: RFC 3339, Unix milliseconds, or relative to now.

use std::str::FromStr;

use sentinel_model::Timestamp;
use sentinel_runtime::config::duration;

/// A moment, or a distance from a now that is known later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    At(Timestamp),
    /// Milliseconds before now.
    Before(i64),
}

/// Moments outside of 1970 to 2262 are refused: beyond, nanoseconds do not fit 64 bits.
const LAST_MILLIS: i64 = i64::MAX / 1_000_000;

#[derive(Debug, thiserror::Error)]
pub enum WhenError {
    #[error("must be RFC 3339 (2026-11-21T10:00:00Z), Unix milliseconds, or relative to now (-15m)")]
    Syntax,
    #[error("lies outside of the years 1970 to 2262")]
    OutOfRange,
}

impl When {
    pub const NOW: Self = Self::Before(0);

    pub const fn before_now(millis: i64) -> Self {
        Self::Before(millis)
    }

    pub const fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(timestamp) => timestamp,
            Self::Before(millis) => now.saturating_sub_millis(millis),
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        if text == "now" {
            return Ok(Self::NOW);
        }
        if let Some(span) = text.strip_prefix('-').and_then(duration::parse) {
            let millis = i64::try_from(span.as_millis()).map_err(|_| WhenError::OutOfRange)?;
            return if millis <= LAST_MILLIS { Ok(Self::Before(millis)) } else { Err(WhenError::OutOfRange) };
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let millis = if is_number {
            text.parse::<i64>().map_err(|_| WhenError::OutOfRange)?
        } else {
            text.parse::<jiff::Timestamp>().map_err(|_| WhenError::Syntax)?.as_millisecond()
        };
        if (0..=LAST_MILLIS).contains(&millis) {
            Ok(Self::At(Timestamp::from_millis(millis)))
        } else {
            Err(WhenError::OutOfRange)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_all_three_ways_of_naming_a_moment() {
        let now = Timestamp::from_secs(1_000);
        let at = |text: &str| text.parse::<When>().expect("a moment").resolve(now).as_millis();
        assert_eq!(at("now"), 1_000_000);
        assert_eq!(at("-15m"), 100_000);
        assert_eq!(at("1795255200000"), 1_795_255_200_000);
        assert_eq!(at("2026-11-21T10:00:00Z"), 1_795_255_200_000);
        assert_eq!(at("2026-11-21T12:00:00.500+02:00"), 1_795_255_200_500);
    }

    #[test]
    fn refuses_what_is_not_a_moment_or_lies_too_far_away() {
        for text in [
            "",
            "yesterday",
            "-",
            "-5",
            "15m",
            "1e400",
            "10000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "9223372036854775808",
            "-99999999d",
            "2026-11-21T10:00:00[Mars/Base]",
            "2026-11-21",
        ] {
            assert!(text.parse::<When>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,30}") {
            let _ = text.parse::<When>();
        }
    }
}
