//! Times as Kubernetes writes them. Written by hand: an answer holds thousands of them.

use std::fmt::Write as _;

use sentinel_model::Timestamp;

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A date and a time of day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

impl Civil {
    /// Howard Hinnant's `civil_from_days`.
    pub fn of(at: Timestamp) -> Self {
        let millis = at.as_millis();
        let (days, rest) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: rest / HOUR,
            minute: rest / MINUTE % 60,
            second: rest / SECOND % 60,
            millisecond: rest % SECOND,
        }
    }

    /// `Nov`, as in access logs.
    pub fn month_name(&self) -> &'static str {
        const NAMES: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        NAMES[(self.month as usize - 1) % 12]
    }
}

/// `2026-11-21T08:51:18`, without a zone.
pub fn push_civil(out: &mut String, at: Timestamp) {
    let c = Civil::of(at);
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    );
}

pub fn push_seconds(out: &mut String, at: Timestamp) {
    push_civil(out, at);
    out.push('Z');
}

pub fn push_micros(out: &mut String, at: Timestamp) {
    push_civil(out, at);
    let _ = write!(out, ".{:06}Z", at.as_millis().rem_euclid(SECOND) * 1_000 + micros_of(at));
}

/// Nanoseconds with trailing zeros cut, as Go's `RFC3339Nano` gives them.
pub fn nano_text(at: Timestamp, nanos: u32) -> String {
    let mut out = String::with_capacity(30);
    push_civil(&mut out, at);
    let fraction = at.as_millis().rem_euclid(SECOND) * 1_000_000 + i64::from(nanos % 1_000_000);
    if fraction > 0 {
        let digits = format!("{fraction:09}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    out.push('Z');
    out
}

pub fn seconds_text(at: Timestamp) -> String {
    let mut out = String::with_capacity(20);
    push_seconds(&mut out, at);
    out
}

/// Microseconds below the millisecond: the simulation counts in milliseconds, real clocks do not.
fn micros_of(at: Timestamp) -> i64 {
    (crate::dice::mix(at.as_millis() as u64) % 1_000) as i64
}

/// `1m20s`, as Go prints a duration.
pub fn go_duration(seconds: i64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_times_as_the_api_server_does() {
        let at = Timestamp::from_millis(1_795_251_078_693);
        assert_eq!(seconds_text(at), "2026-11-21T08:51:18Z");
        assert_eq!(nano_text(at, 5), "2026-11-21T08:51:18.693000005Z");
        assert_eq!(nano_text(Timestamp::from_secs(0), 0), "1970-01-01T00:00:00Z");
        assert_eq!(go_duration(10), "10s");
        assert_eq!(go_duration(80), "1m20s");
        assert_eq!(go_duration(300), "5m0s");
        assert_eq!(Civil::of(at).month_name(), "Nov");
    }

    proptest! {
        #[test]
        fn agrees_with_a_calendar_library(millis in -2_000_000_000_000_i64..4_000_000_000_000) {
            let expected = jiff::Timestamp::from_millisecond(millis).expect("in range");
            let seconds = jiff::Timestamp::from_second(millis.div_euclid(1_000)).expect("in range");
            prop_assert_eq!(seconds_text(Timestamp::from_millis(millis)), seconds.to_string());
            prop_assert_eq!(nano_text(Timestamp::from_millis(millis), 0), expected.to_string());
        }
    }
}
