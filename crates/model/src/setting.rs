//! What people have set, each setting under its own key. The last one of a key holds.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::{Resolution, Timestamp};

/// One setting as somebody has made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub value: SettingValue,
    pub changed: Timestamp,
    /// Who, in words: a token's name and id, `api.token`, or `anybody (no token is asked for)`.
    pub changed_by: String,
    /// Revision of the setting that this one was to replace; 0: there was none.
    pub base: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    Retention(RetentionSetting),
    Token(ApiToken),
    /// Of a kind or version that this program does not know. It is kept and never acted upon.
    Unknown {
        key: String,
        /// The message as it lay on the bus.
        message: Bytes,
    },
}

/// What has a retention of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kept {
    Metrics(Resolution),
    Logs,
    Events,
}

/// How long things are kept. What is not in it is kept as long as the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionSetting(BTreeMap<Kept, Duration>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} of {} s is not within {} s and {} s", kept.as_str(), asked.as_secs(), least.as_secs(), most.as_secs())]
pub struct RetentionError {
    pub kept: Kept,
    pub asked: Duration,
    pub least: Duration,
    pub most: Duration,
}

/// What the bearer of a token may do; each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessRole {
    /// Look at everything but tokens.
    Viewer,
    /// Recount, put dead letters back.
    Operator,
    /// Change settings, make and revoke tokens.
    Admin,
}

/// A token of the API. The token itself is known to its bearer alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Part of the token: finds its hash.
    pub id: String,
    /// Whose it is, or what for.
    pub name: String,
    pub role: AccessRole,
    /// SHA-256 of the whole token.
    pub sha256: [u8; 32],
    pub created: Timestamp,
    /// Never, without.
    pub expires: Option<Timestamp>,
}

// === impl SettingValue ===

impl SettingValue {
    /// The only key of its kind.
    pub const RETENTION: &str = "retention";

    pub fn key(&self) -> String {
        match self {
            Self::Retention(_) => Self::RETENTION.to_owned(),
            Self::Token(token) => Self::token_key(&token.id),
            Self::Unknown { key, .. } => key.clone(),
        }
    }

    pub fn token_key(id: &str) -> String {
        format!("token/{id}")
    }
}

// === impl Kept ===

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

impl Kept {
    pub const ALL: [Self; 6] = [
        Self::Metrics(Resolution::TenSeconds),
        Self::Metrics(Resolution::OneMinute),
        Self::Metrics(Resolution::FiveMinutes),
        Self::Metrics(Resolution::OneHour),
        Self::Logs,
        Self::Events,
    ];

    /// As people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics(Resolution::TenSeconds) => "metrics_10s",
            Self::Metrics(Resolution::OneMinute) => "metrics_1m",
            Self::Metrics(Resolution::FiveMinutes) => "metrics_5m",
            Self::Metrics(Resolution::OneHour) => "metrics_1h",
            Self::Logs => "logs",
            Self::Events => "events",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kept| kept.as_str() == name)
    }

    /// The shortest and the longest that every store can keep to: `InfluxDB` takes no less than an hour, and logs and
    /// events go by whole days.
    pub const fn bounds(self) -> (Duration, Duration) {
        let least = match self {
            Self::Metrics(Resolution::OneHour) => HOUR.saturating_mul(6),
            Self::Metrics(_) => HOUR,
            Self::Logs | Self::Events => DAY,
        };
        (least, DAY.saturating_mul(3_650))
    }
}

// === impl RetentionSetting ===

impl RetentionSetting {
    /// # Errors
    /// The first span that is out of its bounds.
    pub fn new(spans: impl IntoIterator<Item = (Kept, Duration)>) -> Result<Self, RetentionError> {
        let spans: BTreeMap<Kept, Duration> = spans.into_iter().collect();
        for (kept, asked) in &spans {
            let (least, most) = kept.bounds();
            if !(least..=most).contains(asked) {
                return Err(RetentionError { kept: *kept, asked: *asked, least, most });
            }
        }
        Ok(Self(spans))
    }

    pub fn of(&self, kept: Kept) -> Option<Duration> {
        self.0.get(&kept).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Kept, Duration)> {
        self.0.iter().map(|(kept, span)| (*kept, *span))
    }
}

// === impl AccessRole ===

impl AccessRole {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

// === impl ApiToken ===

impl ApiToken {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Without the hash: it has no place in logs.
impl std::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiToken")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("role", &self.role)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for kept in Kept::ALL {
            assert_eq!(Kept::from_name(kept.as_str()), Some(kept));
            assert!(kept.bounds().0 < kept.bounds().1);
        }
        for role in AccessRole::ALL {
            assert_eq!(AccessRole::from_name(role.as_str()), Some(role));
        }
        assert_eq!(Kept::from_name("10s"), None);
        assert!(AccessRole::Viewer < AccessRole::Operator && AccessRole::Operator < AccessRole::Admin);
    }

    #[test]
    fn spans_out_of_bounds_are_refused_with_the_bounds() {
        let error = RetentionSetting::new([(Kept::Logs, HOUR)]).expect_err("less than a day");
        assert_eq!((error.kept, error.least), (Kept::Logs, DAY));
        assert!(RetentionSetting::new([(Kept::Events, DAY * 4_000)]).is_err());
        let set = RetentionSetting::new([(Kept::Logs, DAY * 3)]).expect("within the bounds");
        assert_eq!((set.of(Kept::Logs), set.of(Kept::Events)), (Some(DAY * 3), None));
    }

    #[test]
    fn a_token_expires_at_its_time_and_never_shows_its_hash() {
        let mut token = ApiToken {
            id: "a1".into(),
            name: "ci".into(),
            role: AccessRole::Viewer,
            sha256: [171; 32],
            created: Timestamp::from_secs(1),
            expires: None,
        };
        assert!(!token.is_expired(Timestamp::MAX));
        token.expires = Some(Timestamp::from_secs(5));
        assert!(!token.is_expired(Timestamp::from_millis(4_999)));
        assert!(token.is_expired(Timestamp::from_secs(5)));
        assert!(!format!("{token:?}").contains("171"));
    }
}
