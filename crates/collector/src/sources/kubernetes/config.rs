//! Section `collector.kubernetes` of the configuration.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// Watch a cluster; without it only static targets are scraped.
    pub enabled: bool,
}
