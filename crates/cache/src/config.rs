//! Section `cache` of the configuration.

use sentinel_runtime::config::bytes;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Config {
    /// In this process's memory.
    Memory {
        /// Keys and values together; the least used entries go first.
        #[serde(default = "default_max_bytes", with = "bytes")]
        max_bytes: u64,
    },
}

const fn default_max_bytes() -> u64 {
    8 << 20
}

impl Default for Config {
    fn default() -> Self {
        Self::Memory { max_bytes: default_max_bytes() }
    }
}
