//! Days, which indexes are made by.

use std::time::Duration;

use jiff::Timestamp as Instant;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use parking_lot::RwLock;
use sentinel_model::{Kept, RetentionSetting};

use crate::DocumentKind;

/// Days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DayNumber(i64);

const DAY_MS: i64 = 86_400_000;

impl DayNumber {
    pub(crate) const MIN: Self = Self(i64::MIN);

    pub(crate) const fn holding_ms(millis: i64) -> Self {
        Self(millis.div_euclid(DAY_MS))
    }

    pub(crate) const fn holding_ns(nanos: i64) -> Self {
        Self::holding_ms(nanos.div_euclid(1_000_000))
    }

    /// The oldest day that is not past the retention.
    pub(crate) fn first_kept(retention: Duration, now_ms: i64) -> Self {
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        Self::holding_ms(now_ms.saturating_sub(retention_ms))
    }

    /// `2026-11-21`.
    pub(crate) fn name(self) -> String {
        let date = Instant::from_millisecond(self.0.saturating_mul(DAY_MS))
            .map(|at| at.to_zoned(TimeZone::UTC).date());
        date.map_or_else(|_| self.0.to_string(), |date| date.to_string())
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let date: Date = name.parse().ok()?;
        let start = date.to_zoned(TimeZone::UTC).ok()?;
        (date.to_string() == name).then_some(Self(start.timestamp().as_millisecond().div_euclid(DAY_MS)))
    }
}

/// The retention as it is configured, and as people have set it.
#[derive(Debug)]
pub(crate) struct Retention {
    configured: Duration,
    /// `None` before it was told, while everything is kept.
    set: RwLock<Option<RetentionSetting>>,
}

impl Retention {
    pub(crate) fn new(configured: Duration) -> Self {
        Self { configured, set: RwLock::default() }
    }

    pub(crate) fn set(&self, set: &RetentionSetting) {
        *self.set.write() = Some(set.clone());
    }

    /// Whether somebody has set it.
    #[cfg(feature = "elasticsearch")]
    pub(crate) fn is_set(&self, kind: DocumentKind) -> bool {
        self.set.read().as_ref().is_some_and(|set| set.of(Self::kept(kind)).is_some())
    }

    const fn kept(kind: DocumentKind) -> Kept {
        match kind {
            DocumentKind::Log => Kept::Logs,
            DocumentKind::Event => Kept::Events,
        }
    }

    /// How long it is kept; `None` while that is not known.
    pub(crate) fn of(&self, kind: DocumentKind) -> Option<Duration> {
        Some(self.set.read().as_ref()?.of(Self::kept(kind)).unwrap_or(self.configured))
    }

    /// The oldest day that is not past its retention.
    pub(crate) fn first_kept(&self, kind: DocumentKind, now_ms: i64) -> DayNumber {
        self.of(kind).map_or(DayNumber::MIN, |retention| DayNumber::first_kept(retention, now_ms))
    }
}

#[cfg(feature = "elasticsearch")]
impl DayNumber {
    pub(crate) const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from an earlier one.
    pub(crate) const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_name_that_leads_back_to_it() {
        let day = DayNumber::holding_ms(1_795_219_200_000);
        assert_eq!(day.name(), "2026-11-21");
        assert_eq!(DayNumber::from_name("2026-11-21"), Some(day));
        assert_eq!(DayNumber::from_name("lost+found"), None);
        assert_eq!(DayNumber::from_name("20261121"), None);
    }
}
