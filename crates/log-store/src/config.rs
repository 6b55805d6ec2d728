//! Section `log_store` of the configuration.

use std::time::Duration;

use sentinel_runtime::config::duration;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Config {
    /// One tantivy index a day in the data folder.
    Embedded {
        /// Days that end before now less this are deleted whole.
        #[serde(default = "default_retention", with = "duration")]
        retention: Duration,
        /// Writes are gathered this long into one commit; they return when it is done.
        #[serde(default = "default_commit_interval", with = "duration")]
        commit_interval: Duration,
    },
}

const fn default_retention() -> Duration {
    Duration::from_secs(7 * 86_400)
}

/// tantivy has no back-pressure against many small commits, so that a commit a second is as often as is
/// healthy.
const fn default_commit_interval() -> Duration {
    Duration::from_millis(1_000)
}

impl Default for Config {
    fn default() -> Self {
        Self::Embedded { retention: default_retention(), commit_interval: default_commit_interval() }
    }
}
