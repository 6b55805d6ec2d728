//! Retention by the server's own means, against answers as Elasticsearch and OpenSearch document them: the
//! builds that tests have lack both modules.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sentinel_model::{Kept, RetentionSetting};
use sentinel_runtime::{Health, Registry, clock};
use serde_json::{Value, json};

use super::stub::{Asked, Reply, Stub};
use crate::contract::line;
use crate::{Config, ElasticsearchConfig, Handles, LogStoreError, Urls, open};

fn store(url: &str, retention_days: u64) -> Handles {
    let config = ElasticsearchConfig {
        url: Urls(vec![url.to_owned()]),
        retention: Duration::from_secs(retention_days * 86_400),
        timeout: Duration::from_secs(2),
        ..ElasticsearchConfig::default()
    };
    let config = Config::Elasticsearch(Box::new(config));
    open(&config, std::path::Path::new("/nonexistent"), &Health::default(), &mut Registry::default())
        .expect("an open store")
}

async fn write(store: &Handles) -> Result<(), LogStoreError> {
    store.writer.write(vec![line("c", 1, clock::now_nanos(), "x")]).await.map(drop)
}

fn body(asked: &Asked) -> Value {
    serde_json::from_str(&asked.body).expect("JSON")
}

/// Elasticsearch with ILM: a policy is a map by its name.
fn ilm() -> impl FnMut(&Asked) -> Option<Reply> + Send {
    let mut policy: Option<Value> = None;
    move |asked| {
        let name = asked.path.strip_prefix("/_ilm/policy")?;
        Some(match (asked.method.as_str(), name, &policy) {
            ("PUT", ..) => {
                policy = Some(body(asked));
                Reply::json(200, &json!({ "acknowledged": true }))
            }
            (_, "", _) => Reply::json(200, &json!({ "watch-history-ilm-policy-16": { "version": 1 } })),
            (_, _, None) => {
                let reason = "Lifecycle policy not found: logs-sentinel.kubernetes";
                let error = json!({ "type": "resource_not_found_exception", "reason": reason });
                Reply::json(404, &json!({ "error": error, "status": 404 }))
            }
            (_, name, Some(policy)) => {
                let of = json!({
                    "version": 1, "modified_date": "2026-11-21T20:00:00.000Z", "policy": policy["policy"],
                    "in_use_by": { "indices": [], "data_streams": [], "composable_templates": [] },
                });
                Reply::json(200, &json!({ name.trim_start_matches('/'): of }))
            }
        })
    }
}

#[tokio::test]
async fn elasticsearch_is_given_a_policy_once() {
    let stub = Stub::start(ilm()).await;
    write(&store(&stub.url, 7)).await.expect("a write");
    write(&store(&stub.url, 7)).await.expect("a write");
    let puts = |path| stub.asked(path).into_iter().filter(|asked| asked.method == "PUT").collect::<Vec<_>>();
    let policies = puts("/_ilm/policy/logs-sentinel.kubernetes");
    assert_eq!(policies.len(), 1);
    // A day more than the retention: age counts from the beginning of the day.
    let age = body(&policies[0])["policy"]["phases"]["delete"]["min_age"].clone();
    assert_eq!(age, format!("{}s", 8 * 86_400));
    let template = body(&puts("/_index_template/logs-sentinel.kubernetes")[0]);
    let settings = &template["template"]["settings"];
    assert_eq!(settings["index.lifecycle.name"], "logs-sentinel.kubernetes");
    assert_eq!(settings["index.lifecycle.parse_origination_date"], true);
    // What people have set is not known to it yet, then it is.
    let other = store(&stub.url, 3);
    write(&other).await.expect("a write");
    assert_eq!(puts("/_ilm/policy/logs-sentinel.kubernetes").len(), 1);
    other.writer.keep(&RetentionSetting::default()).await.expect("as configured");
    assert_eq!(puts("/_ilm/policy/logs-sentinel.kubernetes").len(), 1, "configuration only lengthens");
    let longer = store(&stub.url, 9);
    longer.writer.keep(&RetentionSetting::default()).await.expect("as configured");
    assert_eq!(puts("/_ilm/policy/logs-sentinel.kubernetes").len(), 2);
    let set =
        RetentionSetting::new([(Kept::Logs, Duration::from_secs(5 * 86_400))]).expect("within the bounds");
    for _ in 0..2 {
        other.writer.keep(&set).await.expect("put");
        let policies = puts("/_ilm/policy/logs-sentinel.kubernetes");
        let age = body(&policies[2])["policy"]["phases"]["delete"]["min_age"].clone();
        assert_eq!((policies.len(), age), (3, json!(format!("{}s", 6 * 86_400))));
    }
    // Unset again, the longest configuration counts.
    for (store, n_puts) in [(&other, 3), (&longer, 4), (&other, 4)] {
        store.writer.keep(&RetentionSetting::default()).await.expect("as configured");
        assert_eq!(puts("/_ilm/policy/logs-sentinel.kubernetes").len(), n_puts);
    }
}

/// OpenSearch with ISM: who replaces a policy must have read it.
fn ism() -> impl FnMut(&Asked) -> Option<Reply> + Send {
    let mut policy: Option<(Value, u32)> = None;
    move |asked| {
        let id = asked.path.strip_prefix("/_plugins/_ism/policies")?;
        let answer = |policy: &(Value, u32)| {
            json!({
                "_id": "logs-sentinel.kubernetes", "_version": 1, "_seq_no": policy.1, "_primary_term": 1,
                "policy": policy.0["policy"],
            })
        };
        Some(match (asked.method.as_str(), id, &policy) {
            ("PUT", id, Some((_, sequence))) if !id.contains(&format!("if_seq_no={sequence}")) => {
                let error = json!({ "type": "version_conflict_engine_exception", "reason": "r" });
                Reply::json(409, &json!({ "error": error, "status": 409 }))
            }
            ("PUT", ..) => {
                let sequence = policy.as_ref().map_or(7, |(_, sequence)| sequence + 1);
                policy = Some((body(asked), sequence));
                Reply::json(201, &json!({ "_id": "logs-sentinel.kubernetes", "_seq_no": sequence }))
            }
            (_, "", _) => Reply::json(200, &json!({ "policies": [], "total_policies": 0 })),
            (_, _, None) => {
                let error = json!({ "type": "status_exception", "reason": "Policy not found" });
                Reply::json(404, &json!({ "error": error, "status": 404 }))
            }
            (_, _, Some(policy)) => Reply::json(200, &answer(policy)),
        })
    }
}

#[tokio::test]
async fn opensearch_is_given_a_policy_and_a_new_one_when_it_changes() {
    let stub = Stub::start(ism()).await;
    for days in [3, 3, 7, 7, 3] {
        let store = store(&stub.url, days);
        write(&store).await.expect("a write");
        store.writer.keep(&RetentionSetting::default()).await.expect("as configured");
    }
    let path = "/_plugins/_ism/policies/logs-sentinel.kubernetes";
    let puts: Vec<_> = stub.asked(path).into_iter().filter(|asked| asked.method == "PUT").collect();
    assert_eq!(puts.len(), 2);
    assert!(puts[1].path.contains("if_seq_no=7&if_primary_term=1"), "{}", puts[1].path);
    let policy = &body(&puts[1])["policy"];
    assert_eq!(policy["ism_template"][0]["index_patterns"], json!(["logs-sentinel.kubernetes-*"]));
    let transition = &policy["states"][0]["transitions"][0];
    assert_eq!(transition["conditions"]["min_index_age"], format!("{}s", 8 * 86_400));
    let template = &stub.asked("/_index_template/logs-sentinel.kubernetes");
    assert!(template.iter().all(|asked| !asked.body.contains("lifecycle")));
}

#[tokio::test]
async fn a_server_that_fails_is_not_one_that_lacks_a_module() {
    for status in [500, 503, 429, 401, 403] {
        let is_well = Arc::new(Mutex::new(false));
        let stub = Stub::start({
            let (is_well, mut ilm) = (Arc::clone(&is_well), ilm());
            move |asked| {
                if *is_well.lock() {
                    return ilm(asked);
                }
                asked.path.starts_with("/_ilm").then(|| Reply::text(status, "no"))
            }
        })
        .await;
        let store = store(&stub.url, 7);
        let error = write(&store).await.expect_err("nothing is known of the server");
        assert!(error.is_retryable(), "{error}");
        assert_eq!(stub.asked("/_bulk").len() + stub.asked("/_index_template").len(), 0);
        *is_well.lock() = true;
        write(&store).await.expect("a write");
        assert!(stub.asked("/_ilm/policy/").iter().any(|asked| asked.method == "PUT"), "{status}");
    }
}
