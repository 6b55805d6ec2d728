//! The topics of the bus.

use std::fmt;

/// Every topic there is; its name is part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    Metrics,
    Logs,
    Events,
    Objects,
    Rollups,
    /// Provisional rollups of open windows; kept for minutes.
    Live,
    DeadLetters,
    /// What people have set: the last of each key.
    Settings,
}

impl Topic {
    pub const ALL: [Self; 8] = [
        Self::Metrics,
        Self::Logs,
        Self::Events,
        Self::Objects,
        Self::Rollups,
        Self::Live,
        Self::DeadLetters,
        Self::Settings,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "sentinel.metrics.v1",
            Self::Logs => "sentinel.logs.v1",
            Self::Events => "sentinel.events.v1",
            Self::Objects => "sentinel.objects.v1",
            Self::Rollups => "sentinel.rollups.v1",
            Self::Live => "sentinel.live.v1",
            Self::DeadLetters => "sentinel.dead-letters.v1",
            Self::Settings => "sentinel.settings.v1",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name)
    }

    /// Compacted topics keep the last record of each key instead of a span of time.
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::Objects | Self::Settings)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
