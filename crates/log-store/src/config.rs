//! Section `log_store` of the configuration.

use std::time::Duration;

use sentinel_runtime::config::{Problem, duration, tagged};
use serde::{Deserialize, Deserializer, Serialize};

mod elasticsearch;

pub use self::elasticsearch::{ElasticsearchConfig, Urls};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Config {
    /// One tantivy index a day in the data folder.
    Embedded {
        /// Days that end before now less this are deleted whole.
        #[serde(with = "duration")]
        retention: Duration,
        /// Writes are gathered this long into one commit; they return when it is done.
        #[serde(with = "duration")]
        commit_interval: Duration,
    },
    /// Elasticsearch 8 or 9, OpenSearch 2 or 3.
    Elasticsearch(Box<ElasticsearchConfig>),
}

const DAY: Duration = Duration::from_secs(86_400);

const fn default_retention() -> Duration {
    DAY.saturating_mul(7)
}

/// tantivy has no back-pressure against many small commits, so that a commit a second is as often as is
/// healthy.
const fn default_commit_interval() -> Duration {
    Duration::from_millis(1_000)
}

/// What is written waits for its commit, and its writers with it.
const MAX_COMMIT_INTERVAL: Duration = Duration::from_secs(60);

impl Default for Config {
    fn default() -> Self {
        Self::Embedded { retention: default_retention(), commit_interval: default_commit_interval() }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
        enum Tagged {
            Embedded {
                #[serde(default = "default_retention", with = "duration")]
                retention: Duration,
                #[serde(default = "default_commit_interval", with = "duration")]
                commit_interval: Duration,
            },
            Elasticsearch(Box<ElasticsearchConfig>),
        }
        Ok(match tagged(deserializer, "embedded")? {
            Tagged::Embedded { retention, commit_interval } => Self::Embedded { retention, commit_interval },
            Tagged::Elasticsearch(config) => Self::Elasticsearch(config),
        })
    }
}

impl Config {
    /// How long logs and events are kept, unless somebody sets another span.
    pub fn retention(&self) -> Duration {
        match self {
            Self::Embedded { retention, .. } => *retention,
            Self::Elasticsearch(config) => config.retention,
        }
    }

    /// Logs go by a policy of the server's own, which may be longer than what is configured.
    pub const fn is_retention_kept_by_server(&self) -> bool {
        matches!(self, Self::Elasticsearch(_))
    }

    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let (retention, commit_interval) = match self {
            Self::Embedded { retention, commit_interval } => (retention, commit_interval),
            Self::Elasticsearch(config) => return config.problems(),
        };
        let mut problems = Vec::new();
        Problem::new("log_store.retention", "must not be 0", "retention = \"7d\"")
            .when(retention.is_zero(), &mut problems);
        Problem::new(
            "log_store.commit_interval",
            "must be more than 0 and 1m at most",
            "commit_interval = \"1s\"",
        )
        .when(commit_interval.is_zero() || *commit_interval > MAX_COMMIT_INTERVAL, &mut problems);
        problems
    }
}

#[cfg(test)]
mod tests {
    use sentinel_runtime::config::{Sources, load};

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        log_store: Config,
    }

    fn read(key: &str, value: &str) -> Result<Config, String> {
        let env = vec![(format!("SENTINEL__LOG_STORE__{key}"), value.to_owned())];
        let whole: Whole = load(&Sources { env, ..Sources::default() }).map_err(|error| error.to_string())?;
        Ok(whole.log_store)
    }

    #[test]
    fn one_key_can_be_set_alone() {
        let expected = Config::Embedded { retention: DAY * 3, commit_interval: default_commit_interval() };
        assert_eq!(read("RETENTION", "3d"), Ok(expected));
        assert!(read("RETENTIONS", "3d").expect_err("no such key").ends_with("write: retention = \"3d\""));
        assert!(read("KIND", "paper").is_err());
    }

    #[test]
    fn values_that_cannot_work_are_named() {
        assert_eq!(Config::default().problems(), []);
        let wrong = Config::Embedded { retention: Duration::ZERO, commit_interval: Duration::ZERO };
        let keys: Vec<_> = wrong.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["log_store.retention", "log_store.commit_interval"]);
    }
}
