//! The server that `make stack` starts.

use std::path::Path;
use std::time::Duration;

use sentinel_model::{Aggregate, Resolution, Timestamp, Window};
use sentinel_runtime::config::Secret;
use sentinel_runtime::{Health, Registry, clock};
use sentinel_testkit::stack;

use crate::{Config, Handles, InfluxdbConfig, Retention, WindowRows, contract};

/// A prefix of its own for each test; its buckets are deleted in the end.
pub(super) struct Place {
    pub(super) config: InfluxdbConfig,
}

pub(super) fn place(name: &str) -> Option<Place> {
    let server = stack::influxdb()?;
    let config = InfluxdbConfig {
        url: server.url,
        org: server.org,
        token: Secret::new(server.token),
        bucket_prefix: format!("test-{name}-{:08x}", rand::random::<u32>()),
        ..InfluxdbConfig::default()
    };
    Some(Place { config })
}

impl Place {
    pub(super) fn open(&self) -> Handles {
        open(self.config.clone())
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request =
            reqwest::Client::new().request(method, format!("{}/api/v2/buckets{path}", self.config.url));
        request.header("Authorization", format!("Token {}", self.config.token.expose()))
    }

    async fn buckets(&self) -> Vec<serde_json::Value> {
        let request = self.request(reqwest::Method::GET, "?limit=100");
        let found: serde_json::Value = request.send().await.expect("an answer").json().await.expect("JSON");
        let is_ours = |bucket: &serde_json::Value| {
            bucket["name"].as_str().is_some_and(|name| name.starts_with(&self.config.bucket_prefix))
        };
        found["buckets"]
            .as_array()
            .expect("buckets")
            .iter()
            .filter(|bucket| is_ours(bucket))
            .cloned()
            .collect()
    }

    /// Seconds that a bucket is kept, and those of a shard group.
    pub(super) async fn retention(&self, name: &str) -> (i64, i64) {
        let buckets = self.buckets().await;
        let bucket = buckets.iter().find(|bucket| bucket["name"] == name).expect("the bucket");
        let rule = &bucket["retentionRules"][0];
        let seconds = |key: &str| rule[key].as_i64().expect("seconds");
        (seconds("everySeconds"), seconds("shardGroupDurationSeconds"))
    }

    pub(super) async fn delete_buckets(&self) {
        for bucket in self.buckets().await {
            let path = format!("/{}", bucket["id"].as_str().expect("an identity"));
            self.request(reqwest::Method::DELETE, &path).send().await.expect("an answer");
        }
    }

    pub(super) async fn clean_up(self) {
        self.delete_buckets().await;
    }
}

fn open(config: InfluxdbConfig) -> Handles {
    let (health, mut registry) = (Health::default(), Registry::default());
    let folder = Path::new("/nonexistent");
    crate::open(&Config::Influxdb(Box::new(config)), folder, &health, &mut registry).expect("a store")
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_millis(clock::now_millis())
}

#[tokio::test]
async fn keeps_the_contract() {
    let Some(place) = place("contract") else { return };
    contract::suite(&place.open(), now()).await;
    place.clean_up().await;
}

#[tokio::test]
async fn keeps_its_limits() {
    let Some(mut place) = place("limits") else { return };
    let hour = Duration::from_secs(3_600);
    place.config.series_limit = 5;
    place.config.retention = Retention { ten_seconds: hour, ..Retention::default() };
    // Buckets are made with a retention, by which the server refuses from then on: here with a longer one.
    let longer = Retention { ten_seconds: 2 * hour, ..Retention::default() };
    let maker = open(InfluxdbConfig { retention: longer, ..place.config.clone() });
    let window = Window::holding(now(), Resolution::TenSeconds);
    let rows = vec![contract::row("limited", "0", Aggregate::Single(1.0))];
    maker.writer.write([WindowRows { window, rows }].into()).await.expect("a write");
    contract::limits(&place.open(), 5, 3_600_000, now()).await;
    place.clean_up().await;
}
