//! Section `cache` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use sentinel_runtime::config::{Problem, Secret, bytes, duration, tagged};
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
    /// A Redis or Valkey that the API processes share.
    Redis(RedisConfig),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://HOST:PORT/DB`, `rediss://` over TLS, or `redis+unix:///PATH`.
    pub url: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// In place of `password`; read anew for each connection.
    pub password_file: Option<PathBuf>,
    /// Before every key, so that several installations can share a server.
    pub key_prefix: String,
    /// An answer that takes longer is computed instead.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Larger entries are not kept.
    #[serde(with = "bytes")]
    pub max_entry_bytes: u64,
}

pub(crate) const NEEDS_REDIS: &str = "this build has no Redis: build with --features redis";

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            password_file: None,
            key_prefix: "sentinel:".to_owned(),
            timeout: Duration::from_millis(250),
            max_entry_bytes: 4 << 20,
        }
    }
}

impl RedisConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
            Problem::new(format!("cache.{key}"), fact, line).when(is_wrong, &mut problems);
        };
        refuse(cfg!(not(feature = "redis")), "kind", NEEDS_REDIS, "kind = \"memory\"");
        let is_url =
            ["redis://", "rediss://", "redis+unix://"].iter().any(|scheme| self.url.starts_with(scheme));
        let url = "url = \"redis://127.0.0.1:6379/0\"";
        refuse(!is_url, "url", "must be redis://HOST:PORT, rediss://HOST:PORT or redis+unix:///PATH", url);
        let has_password = self.url.rsplit_once("://").is_some_and(|(_, rest)| rest.contains('@'));
        let line = "password_file = \"/etc/sentinel-mesh/redis-password\"";
        refuse(has_password, "url", "must hold no password, it would be shown and logged", line);
        let is_double = self.password.is_some() && self.password_file.is_some();
        refuse(is_double, "password", "and password_file exclude each other; keep one", line);
        refuse(self.timeout.is_zero(), "timeout", "must not be 0", "timeout = \"250ms\"");
        let is_small = self.max_entry_bytes < MIN_BYTES;
        refuse(is_small, "max_entry_bytes", "must be 64KiB at least", "max_entry_bytes = \"4MiB\"");
        problems
    }
}

pub(crate) const DEFAULT_MAX_BYTES: u64 = 8 << 20;

const fn default_max_bytes() -> u64 {
    DEFAULT_MAX_BYTES
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
            Redis(RedisConfig),
        }
        Ok(match tagged(deserializer, "memory")? {
            Tagged::Memory { max_bytes } => Self::Memory { max_bytes },
            Tagged::Redis(redis) => Self::Redis(redis),
        })
    }
}

impl Config {
    /// Whether other processes see what is kept.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self {
            Self::Memory { max_bytes } => {
                Problem::new("cache.max_bytes", "must be 64KiB at least", "max_bytes = \"8MiB\"")
                    .when(*max_bytes < MIN_BYTES, &mut problems);
            }
            Self::Redis(redis) => problems.extend(redis.problems()),
        }
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

    #[test]
    fn the_kind_of_one_source_holds_for_the_keys_of_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("sentinel.toml");
        std::fs::write(&file, "[cache]\nkind = \"redis\"\nurl = \"redis://a\"\n").expect("written");
        let read = |env: &[(&str, &str)]| {
            let env = env.iter().map(|(key, value)| (format!("SENTINEL__CACHE__{key}"), (*value).to_owned()));
            let sources = Sources { file: Some(file.clone()), env: env.collect(), ..Sources::default() };
            load::<Whole>(&sources).map(|whole| whole.cache)
        };
        let Ok(Config::Redis(config)) = read(&[("KEY_PREFIX", "mine:")]) else { panic!("redis of the file") };
        assert_eq!((config.url.as_str(), config.key_prefix.as_str()), ("redis://a", "mine:"));
        assert!(read(&[("MAX_BYTES", "1MiB")]).is_err(), "a key of the other kind");
        std::fs::write(&file, "[cache]\nmax_bytes = \"1MiB\"\n").expect("written");
        assert!(read(&[]).is_ok() && read(&[("KIND", "redis")]).is_err());
    }

    #[test]
    fn redis_needs_an_address_without_a_password_in_it() {
        let keys = |config: RedisConfig| -> Vec<String> {
            let problems = Config::Redis(config).problems();
            problems.into_iter().map(|problem| problem.key).filter(|key| key != "cache.kind").collect()
        };
        let with = |url: &str| RedisConfig { url: url.to_owned(), ..RedisConfig::default() };
        assert_eq!(keys(with("redis://127.0.0.1:6379")), [""; 0]);
        assert_eq!(keys(with("127.0.0.1:6379")), ["cache.url"]);
        assert_eq!(keys(with("rediss://:secret@db:6379")), ["cache.url"]);
        assert_eq!(keys(RedisConfig { timeout: Duration::ZERO, ..with("redis://db") }), ["cache.timeout"]);
    }
}
