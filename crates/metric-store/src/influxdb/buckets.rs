//! One bucket for each resolution, with its retention, and one for what is known of metrics.

use std::time::Duration;

use influxdb2::models::retention_rule::Type;
use influxdb2::models::{Bucket, Buckets as Found, Organizations, PostBucketRequest, RetentionRule};
use reqwest::{Method, RequestBuilder, StatusCode};
use sentinel_model::Resolution;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;

use super::http::{Answer, MAX_MESSAGE_BYTES};
use super::keep::Wanted;
use super::server::Server;
use crate::MetricStoreError;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Whole shard groups expire, so that several should fit into the retention; each costs files and an index.
const SHARD_SECONDS: [u64; 6] = [HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY, 30 * DAY];

#[derive(Debug, Default)]
pub(crate) struct Buckets {
    /// Identities by resolution, once all buckets are there.
    ids: Mutex<Option<Vec<(Resolution, String)>>>,
}

impl Buckets {
    /// # Errors
    /// Those of the server, and buckets that are missing and are not to be created.
    pub(crate) async fn ensure(&self, server: &Server) -> Result<(), MetricStoreError> {
        // Held meanwhile: others wait for the outcome instead of asking the same.
        let mut ids = self.ids.lock().await;
        if ids.is_some() {
            return Ok(());
        }
        let mut found = Vec::new();
        for resolution in Resolution::ALL {
            let wanted = server.wanted(resolution);
            found.push((resolution, ensure(server, &server.bucket(resolution), wanted).await?));
        }
        ensure(server, &server.meta_bucket(), Wanted::ForEver).await?;
        *ids = Some(found);
        Ok(())
    }

    pub(crate) async fn forget(&self) {
        *self.ids.lock().await = None;
    }

    pub(super) async fn id(&self, resolution: Resolution) -> Option<String> {
        self.ids().await.into_iter().find(|(of, _)| *of == resolution).map(|(_, id)| id)
    }

    /// # Errors
    /// Those of the server.
    pub(super) async fn is_as_wanted(
        &self,
        server: &Server,
        resolution: Resolution,
    ) -> Result<bool, MetricStoreError> {
        let bucket = find(server, &server.bucket(resolution)).await?;
        Ok(bucket.is_some_and(|bucket| is_as_wanted(&bucket, server.wanted(resolution))))
    }

    pub(crate) async fn ids(&self) -> Vec<(Resolution, String)> {
        self.ids.lock().await.clone().unwrap_or_default()
    }
}

/// Gives the identity of a bucket, which is created or altered if need be.
async fn ensure(server: &Server, name: &str, wanted: Wanted) -> Result<String, MetricStoreError> {
    if let Some(bucket) = find(server, name).await? {
        let id = bucket.id.clone().unwrap_or_default();
        if server.config.create_buckets && !is_as_wanted(&bucket, wanted) {
            alter(server, name, &id, wanted).await?;
        }
        return Ok(id);
    }
    if !server.config.create_buckets {
        let retention =
            wanted.seconds().map_or_else(String::new, |seconds| format!(" --retention {seconds}s"));
        let message = format!(
            "InfluxDB has no bucket {name}; write metric_store.create_buckets = true, or run: \
             influx bucket create --org {} --name {name}{retention}",
            server.config.org
        );
        return Err(MetricStoreError::Unavailable { message, retry_after: None });
    }
    create(server, name, wanted).await
}

async fn find(server: &Server, name: &str) -> Result<Option<Bucket>, MetricStoreError> {
    let query = [("org", server.config.org.as_str()), ("name", name)];
    let request = server.http.request(Method::GET, "/api/v2/buckets").query(&query);
    let answer = server.http.ask(request, MAX_MESSAGE_BYTES).await?;
    // So it says when the bucket does not exist, and when the organisation does not.
    if answer.status == StatusCode::NOT_FOUND && answer.text().contains("bucket") {
        return Ok(None);
    }
    let found: Found = read(server, &answer)?;
    Ok(found.buckets.into_iter().find(|bucket| bucket.name == name))
}

async fn create(server: &Server, name: &str, wanted: Wanted) -> Result<String, MetricStoreError> {
    let query = [("org", server.config.org.as_str())];
    let request = server.http.request(Method::GET, "/api/v2/orgs").query(&query);
    let found: Organizations = ask(server, request).await?;
    let org_id = found.orgs.into_iter().find(|org| org.name == server.config.org).and_then(|org| org.id);
    let Some(org_id) = org_id else {
        let message = format!(
            "InfluxDB shows no organisation {:?} to this token; put its name into metric_store.org",
            server.config.org
        );
        return Err(MetricStoreError::Unavailable { message, retry_after: None });
    };
    let description = Some("Written by Sentinel Mesh".to_owned());
    let bucket = PostBucketRequest {
        description,
        retention_rules: rules(wanted.seconds()),
        ..PostBucketRequest::new(org_id, name.to_owned())
    };
    let request = server.http.request(Method::POST, "/api/v2/buckets").json(&bucket);
    let answer = server.http.ask(request, MAX_MESSAGE_BYTES).await?;
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY
        && let Some(bucket) = find(server, name).await?
    {
        // Another process was faster.
        return Ok(bucket.id.unwrap_or_default());
    }
    let bucket: Bucket = read(server, &answer)?;
    tracing::info!(bucket = name, "created");
    Ok(bucket.id.unwrap_or_default())
}

async fn alter(server: &Server, name: &str, id: &str, wanted: Wanted) -> Result<(), MetricStoreError> {
    let kept = wanted.seconds();
    let path = format!("/api/v2/buckets/{id}");
    let request = server.http.request(Method::PATCH, &path).json(&json!({ "retentionRules": rules(kept) }));
    let _: Bucket = ask(server, request).await?;
    tracing::info!(bucket = name, retention_seconds = kept, "altered the retention");
    Ok(())
}

/// Removes all of ours, as far as they are there.
///
/// # Errors
/// Those of the server.
pub(crate) async fn remove(server: &Server) -> Result<(), MetricStoreError> {
    let mut names: Vec<String> =
        Resolution::ALL.iter().map(|resolution| server.bucket(*resolution)).collect();
    names.push(server.meta_bucket());
    for name in names {
        let Some(id) = find(server, &name).await?.and_then(|bucket| bucket.id) else { continue };
        let request = server.http.request(Method::DELETE, &format!("/api/v2/buckets/{id}"));
        let answer = server.http.ask(request, MAX_MESSAGE_BYTES).await?;
        if !answer.status.is_success() && answer.status != StatusCode::NOT_FOUND {
            return Err(server.http.refusal(&answer));
        }
    }
    Ok(())
}

fn is_as_wanted(bucket: &Bucket, wanted: Wanted) -> bool {
    let for_ever = |seconds: i64| if seconds == 0 { i64::MAX } else { seconds };
    let found = for_ever(bucket.retention_rules.first().map_or(0, |rule| i64::from(rule.every_seconds)));
    let asked = for_ever(wanted.seconds().map_or(0, |seconds| i64::from(every(seconds))));
    match wanted {
        Wanted::Created(_) => true,
        Wanted::AtLeast(_) | Wanted::ForEver => found >= asked,
        Wanted::Exactly(_) => found == asked,
    }
}

impl Wanted {
    /// `None`: for ever.
    fn seconds(self) -> Option<u64> {
        match self {
            Self::ForEver => None,
            Self::Created(span) | Self::AtLeast(span) | Self::Exactly(span) => Some(span.as_secs()),
        }
    }
}

/// No rule: for ever.
fn rules(kept: Option<u64>) -> Vec<RetentionRule> {
    let rule = |seconds| RetentionRule {
        shard_group_duration_seconds: i64::try_from(shard_seconds(seconds)).ok(),
        ..RetentionRule::new(Type::Expire, every(seconds))
    };
    kept.map(rule).into_iter().collect()
}

/// The model counts seconds in 32 bits, which is 68 years.
fn every(seconds: u64) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// The longest of which four fit into the retention.
fn shard_seconds(kept: u64) -> u64 {
    SHARD_SECONDS.into_iter().rev().find(|shard| shard * 4 <= kept).unwrap_or(HOUR)
}

async fn ask<T: DeserializeOwned>(server: &Server, request: RequestBuilder) -> Result<T, MetricStoreError> {
    let answer = server.http.ask(request, MAX_MESSAGE_BYTES).await?;
    read(server, &answer)
}

fn read<T: DeserializeOwned>(server: &Server, answer: &Answer) -> Result<T, MetricStoreError> {
    if !answer.status.is_success() {
        return Err(match server.http.refusal(answer) {
            // Without its buckets nothing can be stored, whatever the reason.
            MetricStoreError::Storage { message } => {
                MetricStoreError::Unavailable { message, retry_after: None }
            }
            other => other,
        });
    }
    serde_json::from_slice(&answer.body).map_err(|error| MetricStoreError::Unavailable {
        message: format!("this is no InfluxDB 2: {error}; check metric_store.url and version"),
        retry_after: Some(Duration::from_secs(5)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_shard_groups_and_more_fit_into_the_retention() {
        let expected = [
            (HOUR, HOUR),
            (DAY, 6 * HOUR),
            (2 * DAY, 12 * HOUR),
            (14 * DAY, DAY),
            (60 * DAY, 7 * DAY),
            (400 * DAY, 30 * DAY),
        ];
        for (kept, shard) in expected {
            assert_eq!(shard_seconds(kept), shard, "{kept} s");
        }
        assert_eq!(rules(None), []);
        assert_eq!(rules(Some(u64::MAX))[0].every_seconds, i32::MAX);
    }
}
