//! `kind = "influxdb"` of section `metric_store`.

use std::path::PathBuf;
use std::time::Duration;

use sentinel_model::Resolution;
use sentinel_runtime::config::{Problem, Secret, bytes, duration};
use serde::{Deserialize, Serialize};

use super::Retention;

/// An InfluxDB server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InfluxdbConfig {
    /// Of the server, with the path that a proxy may put before its API.
    pub url: String,
    /// Name of the organisation.
    pub org: String,
    pub token: Secret,
    /// A file with the token, read again when the server refuses the one that is known.
    pub token_file: PathBuf,
    /// Certificates in PEM of whom to trust beside the well-known authorities.
    pub ca_file: PathBuf,
    /// Of the names of buckets: `sentinel` gives `sentinel_10s`, `_1m`, `_5m`, `_1h` and `_meta`.
    pub bucket_prefix: String,
    /// Whether buckets that are missing are created, and those whose retention differs altered.
    pub create_buckets: bool,
    pub retention: Retention,
    /// Values of series beyond this many are refused and counted; each processor counts its own share.
    pub series_limit: usize,
    /// Bytes of memory in which the names and tags of series are kept ready for their next line, some 300 of each
    /// series. Beyond them lines cost a third more processor time; 0 keeps none.
    #[serde(with = "bytes")]
    pub text_cache: u64,
    /// Lines of one request.
    pub batch_lines: usize,
    /// Bytes of one request before compression.
    #[serde(with = "bytes")]
    pub batch_bytes: u64,
    /// Whether requests are compressed.
    pub gzip: bool,
    /// Requests of one write that are under way at the same time.
    pub concurrency: usize,
    /// Longest time that one request may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
    pub version: InfluxdbVersion,
}

/// What the server speaks. All of them take the same lines; only 2.x answers our queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InfluxdbVersion {
    /// 1.8 and later of 1.x: buckets are databases with their default retention policy.
    #[serde(rename = "1")]
    V1,
    #[serde(rename = "2")]
    V2,
    /// 3 Core and Enterprise: buckets are databases.
    #[serde(rename = "3")]
    V3,
}

const LEAST_RETENTION: Duration = Duration::from_secs(3_600);
/// The server takes 50 MB and more, but a batch may be in memory a few times.
const MAX_BATCH_BYTES: u64 = 32 << 20;

impl Default for InfluxdbConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            org: String::new(),
            token: Secret::new(""),
            token_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            bucket_prefix: "sentinel".to_owned(),
            create_buckets: true,
            retention: Retention::default(),
            series_limit: 500_000,
            text_cache: 64 << 20,
            batch_lines: 5_000,
            batch_bytes: 1 << 20,
            gzip: true,
            concurrency: 2,
            timeout: Duration::from_secs(30),
            version: InfluxdbVersion::V2,
        }
    }
}

impl InfluxdbConfig {
    /// Values that cannot work.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
            Problem::new(format!("metric_store.{key}"), fact, line).when(is_wrong, &mut problems);
        };
        let fact = "this build has no InfluxDB; build with --features influxdb, or take the embedded store";
        refuse(!cfg!(feature = "influxdb"), "kind", fact, "kind = \"embedded\"");
        let is_http = ["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme));
        let has_host = self.url.split_once("://").is_some_and(|(_, rest)| !rest.trim_matches('/').is_empty());
        let line = "url = \"http://influxdb.example.org:8086\"";
        refuse(!is_http || !has_host, "url", "must be the server's address", line);
        let needs_org = self.version == InfluxdbVersion::V2 && self.org.trim().is_empty();
        refuse(needs_org, "org", "must name the organisation", "org = \"my-org\"");
        let has_two = !self.token.is_empty() && !self.token_file.as_os_str().is_empty();
        let line = "token_file = \"/etc/sentinel-mesh/influxdb-token\"";
        refuse(has_two, "token", "must not be given with token_file", line);
        let has_none = self.token.is_empty() && self.token_file.as_os_str().is_empty();
        let needs_token = self.version == InfluxdbVersion::V2 && has_none;
        refuse(needs_token, "token_file", "must name a file with the token, unless token is given", line);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let prefix = &self.bucket_prefix;
        // Buckets that begin with an underscore are the server's own.
        let is_wrong = prefix.is_empty() || prefix.starts_with('_') || !prefix.chars().all(is_name);
        let fact = "must be letters, digits, - and _, not beginning with _";
        refuse(is_wrong, "bucket_prefix", fact, "bucket_prefix = \"sentinel\"");
        refuse(self.series_limit == 0, "series_limit", "must be 1 at least", "series_limit = 500000");
        let is_wrong = !(1..=100_000).contains(&self.batch_lines);
        refuse(is_wrong, "batch_lines", "must be 1 to 100000", "batch_lines = 5000");
        let is_wrong = !(1_024..=MAX_BATCH_BYTES).contains(&self.batch_bytes);
        refuse(is_wrong, "batch_bytes", "must be 1KiB to 32MiB", "batch_bytes = \"1MiB\"");
        let is_wrong = !(1..=16).contains(&self.concurrency);
        refuse(is_wrong, "concurrency", "must be 1 to 16", "concurrency = 2");
        let is_wrong = self.timeout < Duration::from_secs(1);
        refuse(is_wrong, "timeout", "must be 1s at least", "timeout = \"30s\"");
        for resolution in Resolution::ALL {
            let is_wrong = self.retention.of(resolution) < LEAST_RETENTION;
            let key = format!("retention.{}", resolution.as_str());
            let usual = duration::print(Retention::default().of(resolution));
            let line = format!("{} = \"{usual}\"", resolution.as_str());
            refuse(is_wrong, &key, "must be 1h at least: InfluxDB takes no less", &line);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable() -> InfluxdbConfig {
        InfluxdbConfig {
            url: "http://127.0.0.1:8086/influx".to_owned(),
            org: "ops".to_owned(),
            token: Secret::new("t"),
            ..InfluxdbConfig::default()
        }
    }

    fn keys(config: &InfluxdbConfig) -> Vec<String> {
        let problems = config.problems();
        assert!(problems.iter().all(|problem| problem.write.is_some()), "{problems:?}");
        problems.into_iter().map(|problem| problem.key.replace("metric_store.", "")).collect()
    }

    #[test]
    #[cfg(feature = "influxdb")]
    fn names_the_line_for_values_that_cannot_work() {
        assert_eq!(keys(&usable()), [""; 0]);
        let hour = |ten_seconds| Retention { ten_seconds, ..Retention::default() };
        let wrong = [
            ("url", InfluxdbConfig { url: "localhost:8086".to_owned(), ..usable() }),
            ("url", InfluxdbConfig { url: "http://".to_owned(), ..usable() }),
            ("org", InfluxdbConfig { org: " ".to_owned(), ..usable() }),
            ("token", InfluxdbConfig { token_file: "/token".into(), ..usable() }),
            ("token_file", InfluxdbConfig { token: Secret::new(""), ..usable() }),
            ("bucket_prefix", InfluxdbConfig { bucket_prefix: "_x".to_owned(), ..usable() }),
            ("bucket_prefix", InfluxdbConfig { bucket_prefix: "a/b".to_owned(), ..usable() }),
            ("series_limit", InfluxdbConfig { series_limit: 0, ..usable() }),
            ("batch_lines", InfluxdbConfig { batch_lines: 0, ..usable() }),
            ("batch_bytes", InfluxdbConfig { batch_bytes: 1, ..usable() }),
            ("concurrency", InfluxdbConfig { concurrency: 0, ..usable() }),
            ("timeout", InfluxdbConfig { timeout: Duration::from_millis(10), ..usable() }),
            ("retention.10s", InfluxdbConfig { retention: hour(Duration::from_secs(3_599)), ..usable() }),
        ];
        for (key, config) in wrong {
            assert_eq!(keys(&config), [key]);
        }
    }

    #[test]
    #[cfg(not(feature = "influxdb"))]
    fn says_which_feature_is_missing() {
        assert_eq!(keys(&usable()), ["kind"]);
    }

    #[test]
    fn reads_versions_and_hides_the_token() {
        let config: InfluxdbConfig =
            serde_json::from_str(r#"{"url":"http://h","version":"1","token":"hunter2"}"#).expect("readable");
        assert_eq!(config.version, InfluxdbVersion::V1);
        let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("text"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
