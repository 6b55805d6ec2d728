//! Section `bus` of the configuration.

use sentinel_runtime::config::{Problem, tagged};
use serde::{Deserialize, Deserializer, Serialize};

mod embedded;
mod kafka;
mod keep;

pub use embedded::{EmbeddedConfig, Fsync};
pub use kafka::{Compression, GroupProtocol, KafkaConfig, Mechanism, Sasl, Tls};
pub(crate) use keep::Keep;
pub use keep::{MaxBytes, Retention};

/// Which bus, and how it is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum Config {
    Embedded(EmbeddedConfig),
    Kafka(KafkaConfig),
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl Config {
    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Embedded(embedded) => embedded.problems(),
            Self::Kafka(kafka) => kafka.problems(),
        }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase")]
        #[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
        enum Tagged {
            Embedded(EmbeddedConfig),
            Kafka(KafkaConfig),
        }
        Ok(match tagged(deserializer, "embedded")? {
            Tagged::Embedded(embedded) => Self::Embedded(embedded),
            Tagged::Kafka(kafka) => Self::Kafka(kafka),
        })
    }
}

#[cfg(test)]
mod tests;
