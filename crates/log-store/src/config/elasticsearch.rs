//! `log_store` of `kind = "elasticsearch"`.

use std::path::PathBuf;
use std::time::Duration;

use sentinel_runtime::config::{Problem, Secret, bytes, duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticsearchConfig {
    /// `https://HOST:PORT`, with a path where a proxy wants one; or a list of them, nodes of one cluster.
    pub url: Urls,
    pub username: String,
    pub password: Option<Secret>,
    /// Read again when the server refuses it.
    pub password_file: Option<PathBuf>,
    /// In place of a user: the encoded form, as the server gives it.
    pub api_key: Option<Secret>,
    /// Read again when the server refuses it.
    pub api_key_file: Option<PathBuf>,
    /// Certificates (PEM) of whoever signed the server's, beside those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Part of every name on the server, so that several installations can share it.
    pub index_prefix: String,
    /// Days that end before now less this are deleted whole.
    #[serde(with = "duration")]
    pub retention: Duration,
    /// Of each day's index.
    pub shards: u32,
    /// Copies of each shard; left out: one, where the cluster has a second node for it.
    pub replicas: Option<u32>,
    /// How soon a search finds what was written.
    #[serde(with = "duration")]
    pub refresh_interval: Duration,
    /// Most documents of one request.
    pub batch_documents: usize,
    /// Most bytes of one request, before compression.
    #[serde(with = "bytes")]
    pub batch_bytes: u64,
    /// Most requests that write at once.
    pub concurrency: usize,
    /// An answer is waited for this long.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Send requests compressed.
    pub compress: bool,
    /// Longer answers are not read.
    #[serde(with = "bytes")]
    pub max_response_bytes: u64,
}

impl Default for ElasticsearchConfig {
    fn default() -> Self {
        Self {
            url: Urls::default(),
            username: String::new(),
            password: None,
            password_file: None,
            api_key: None,
            api_key_file: None,
            ca_file: None,
            index_prefix: "sentinel".to_owned(),
            retention: super::default_retention(),
            shards: 1,
            replicas: None,
            refresh_interval: Duration::from_secs(1),
            batch_documents: 2_000,
            batch_bytes: 5 << 20,
            concurrency: 2,
            timeout: Duration::from_secs(30),
            compress: true,
            max_response_bytes: 64 << 20,
        }
    }
}

/// One address or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Urls(pub Vec<String>);

impl Serialize for Urls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => serializer.serialize_str(""),
            [url] => serializer.serialize_str(url),
            urls => urls.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Urls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an address such as \"https://search:9200\", or a list of them")]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        Ok(Self(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(url) if url.is_empty() => Vec::new(),
            OneOrMany::One(url) => vec![url],
            OneOrMany::Many(urls) => urls,
        }))
    }
}

impl ElasticsearchConfig {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut check = |key: &str, is_wrong: bool, fact: &str, write: &str| {
            Problem::new(format!("log_store.{key}"), fact, write).when(is_wrong, &mut problems);
        };
        check(
            "kind",
            !cfg!(feature = "elasticsearch"),
            "is not in this build: build it with --features elasticsearch",
            "kind = \"embedded\"",
        );
        let url = "url = \"https://search.example.org:9200\"";
        check("url", self.url.0.is_empty(), "is needed", url);
        let bad = self.url.0.iter().any(|url| !is_address(url));
        check("url", bad, "must be http:// or https://, without user, query or fragment", url);
        self.check_credentials(&mut check);
        check(
            "index_prefix",
            !is_prefix(&self.index_prefix),
            "must be 1 to 64 small letters, digits and _, with a letter first",
            "index_prefix = \"sentinel\"",
        );
        check("retention", self.retention.is_zero(), "must not be 0", "retention = \"7d\"");
        check("shards", !(1..=64).contains(&self.shards), "must be 1 to 64", "shards = 1");
        let too_many = self.replicas.is_some_and(|replicas| replicas > 10);
        check("replicas", too_many, "must be 10 at most", "replicas = 1");
        self.check_limits(&mut check);
        problems
    }

    fn check_credentials(&self, check: &mut impl FnMut(&str, bool, &str, &str)) {
        let has_password = self.password.is_some() || self.password_file.is_some();
        let has_key = self.api_key.is_some() || self.api_key_file.is_some();
        let file = "password_file = \"/etc/sentinel-mesh/search-password\"";
        check(
            "password",
            self.password.is_some() && self.password_file.is_some(),
            "and password_file: one of the two",
            file,
        );
        check("password", !self.username.is_empty() && !has_password, "is needed for the username", file);
        check(
            "username",
            self.username.is_empty() && has_password,
            "is needed for the password",
            "username = \"sentinel\"",
        );
        let file = "api_key_file = \"/etc/sentinel-mesh/search-api-key\"";
        check(
            "api_key",
            self.api_key.is_some() && self.api_key_file.is_some(),
            "and api_key_file: one of the two",
            file,
        );
        check("api_key", has_key && !self.username.is_empty(), "and username: one of the two", file);
    }

    fn check_limits(&self, check: &mut impl FnMut(&str, bool, &str, &str)) {
        let within = |at: Duration, least_ms: u64, most_s: u64| {
            (Duration::from_millis(least_ms)..=Duration::from_secs(most_s)).contains(&at)
        };
        check(
            "refresh_interval",
            !within(self.refresh_interval, 100, 60),
            "must be 100ms to 1m",
            "refresh_interval = \"1s\"",
        );
        check(
            "batch_documents",
            !(1..=20_000).contains(&self.batch_documents),
            "must be 1 to 20000",
            "batch_documents = 2000",
        );
        check(
            "batch_bytes",
            !(64 << 10..=64 << 20).contains(&self.batch_bytes),
            "must be 64KiB to 64MiB",
            "batch_bytes = \"5MiB\"",
        );
        check("concurrency", !(1..=32).contains(&self.concurrency), "must be 1 to 32", "concurrency = 2");
        check("timeout", !within(self.timeout, 1_000, 600), "must be 1s to 10m", "timeout = \"30s\"");
        check(
            "max_response_bytes",
            !(1 << 20..=1 << 30).contains(&self.max_response_bytes),
            "must be 1MiB to 1GiB",
            "max_response_bytes = \"64MiB\"",
        );
    }
}

/// What a client can be pointed at. A user in it would be shown wherever the address is.
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_plain = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !rest.contains(['@', '?', '#', ' ', '\\']) && !rest.contains(char::is_control)
    };
    rest.is_some_and(is_plain)
}

fn is_prefix(prefix: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    prefix.len() <= 64 && prefix.starts_with(|c: char| c.is_ascii_lowercase()) && prefix.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn keys(text: &str) -> Vec<String> {
        let config: Config = toml::from_str(&format!("kind = \"elasticsearch\"\n{text}")).expect("readable");
        let problems = config.problems().into_iter().map(|problem| problem.key);
        problems.map(|key| key.replace("log_store.", "")).filter(|key| key != "kind").collect()
    }

    #[test]
    fn an_address_is_all_that_is_needed() {
        assert_eq!(keys("url = \"http://127.0.0.1:9200/es\""), [""; 0]);
        assert_eq!(keys("url = [\"https://a:9200\", \"https://b:9200\"]"), [""; 0]);
        assert_eq!(keys(""), ["url"]);
        assert!(toml::from_str::<Config>("kind = \"elasticsearch\"\nurls = \"x\"").is_err());
    }

    #[test]
    fn values_that_cannot_work_are_named() {
        for url in ["search:9200", "https://", "http://me:secret@search", "http://a/?q", "ftp://a"] {
            assert_eq!(keys(&format!("url = {url:?}")), ["url"], "{url}");
        }
        let url = "url = \"http://a\"\n";
        let wrong = [
            ("username = \"a\"", "password"),
            ("password = \"a\"", "username"),
            ("username = \"a\"\npassword = \"a\"\npassword_file = \"a\"", "password"),
            ("api_key = \"a\"\napi_key_file = \"a\"", "api_key"),
            ("username = \"a\"\npassword = \"a\"\napi_key = \"a\"", "api_key"),
            ("index_prefix = \"a-b\"", "index_prefix"),
            ("index_prefix = \"*\"", "index_prefix"),
            ("index_prefix = \"\"", "index_prefix"),
            ("retention = \"0s\"", "retention"),
            ("shards = 0", "shards"),
            ("replicas = 11", "replicas"),
            ("refresh_interval = \"0s\"", "refresh_interval"),
            ("batch_documents = 0", "batch_documents"),
            ("batch_bytes = 0", "batch_bytes"),
            ("concurrency = 0", "concurrency"),
            ("timeout = \"0s\"", "timeout"),
            ("max_response_bytes = \"1GB\"\nbatch_bytes = \"1GiB\"", "batch_bytes"),
        ];
        for (text, key) in wrong {
            assert_eq!(keys(&format!("{url}{text}")), [key], "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = "kind = \"elasticsearch\"\nurl = \"http://a\"\nusername = \"u\"\npassword = \"hunter2\"";
        let config: Config = toml::from_str(text).expect("readable");
        let printed = format!("{config:?}{}", toml::to_string(&config).expect("printable"));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_build_without_it_says_so() {
        let config: Config =
            toml::from_str("kind = \"elasticsearch\"\nurl = \"http://a\"").expect("readable");
        assert_eq!(config.problems().is_empty(), cfg!(feature = "elasticsearch"));
    }
}
