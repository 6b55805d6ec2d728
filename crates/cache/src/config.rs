//! Section `cache` of the configuration.

use sentinel_runtime::config::{Problem, bytes, tagged};
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Config {
    /// In this process's memory.
    Memory {
        /// Keys and values together; the least used entries go first.
        #[serde(with = "bytes")]
        max_bytes: u64,
    },
}

const fn default_max_bytes() -> u64 {
    8 << 20
}

/// Less holds no answer of the API.
const MIN_BYTES: u64 = 64 << 10;

impl Default for Config {
    fn default() -> Self {
        Self::Memory { max_bytes: default_max_bytes() }
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
        enum Tagged {
            Memory {
                #[serde(default = "default_max_bytes", with = "bytes")]
                max_bytes: u64,
            },
        }
        let Tagged::Memory { max_bytes } = tagged(deserializer, "memory")?;
        Ok(Self::Memory { max_bytes })
    }
}

impl Config {
    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let Self::Memory { max_bytes } = self;
        let mut problems = Vec::new();
        Problem::new("cache.max_bytes", "must be 64KiB at least", "max_bytes = \"8MiB\"")
            .when(*max_bytes < MIN_BYTES, &mut problems);
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
        cache: Config,
    }

    #[test]
    fn the_kind_may_be_left_out() {
        let read = |value: &str| {
            let env = vec![("SENTINEL__CACHE__MAX_BYTES".to_owned(), value.to_owned())];
            load::<Whole>(&Sources { env, ..Sources::default() }).map(|whole| whole.cache)
        };
        assert_eq!(read("1MiB").expect("valid"), Config::Memory { max_bytes: 1 << 20 });
        assert_eq!(read("0").expect("readable").problems().len(), 1);
        assert!(read("much").is_err());
    }
}
