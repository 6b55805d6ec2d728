//! Retention and tokens over the routes: roles, conflicts, revocation, bad bodies.

use axum::body::Body;
use http::header;
use sentinel_model::{AccessRole, Topic};
use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::harness::{Answer, Harness, request};
use crate::config::Config;

const TOKEN: &str = "a-long-enough-token";
const RETENTION: &str = "/api/v1/settings/retention";
const TOKENS: &str = "/api/v1/tokens";

async fn guarded() -> Harness {
    let harness = Harness::with(Config { token: Some(TOKEN.into()), ..Config::default() });
    harness.settings_are_read().await;
    harness
}

async fn ask(harness: &Harness, method: &str, path: &str, token: &str, body: Option<&str>) -> Answer {
    let mut request = request(method, path).header(header::CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    harness.send(request.body(Body::from(body.unwrap_or_default().to_owned())).expect("a request")).await
}

async fn status(harness: &Harness, method: &str, path: &str, token: &str, body: Option<&str>) -> u16 {
    ask(harness, method, path, token, body).await.status.as_u16()
}

/// A new token and its id.
async fn create(harness: &Harness, body: &str) -> (String, String) {
    let created = ask(harness, "POST", TOKENS, TOKEN, Some(body)).await;
    assert_eq!(created.status.as_u16(), 201, "{}", created.text());
    let text = |key: &str| created.json()[key].as_str().expect("a text").to_owned();
    (text("token"), text("id"))
}

fn put(revision: &str, body: &str) -> http::Request<Body> {
    request("PUT", RETENTION)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::IF_MATCH, revision)
        .body(Body::from(body.to_owned()))
        .expect("a request")
}

fn span(answer: &Value, name: &str) -> (Value, Value) {
    let spans = answer["spans"].as_array().expect("spans");
    let span = spans.iter().find(|span| span["name"] == name).expect("a span");
    (span["configured"].clone(), span["set"].clone())
}

#[tokio::test]
async fn retention_is_set_seen_and_unset_with_a_word_about_what_it_deletes() {
    let harness = guarded().await;
    let before = ask(&harness, "GET", RETENTION, TOKEN, None).await;
    assert_eq!((before.header("etag"), before.json()["revision"].as_u64()), ("\"0\"", Some(0)));
    assert_eq!(span(&before.json(), "logs"), (json!("7d"), Value::Null));

    let longer = ask(&harness, "PUT", RETENTION, TOKEN, Some(r#"{"logs":"240h","events":"2d"}"#)).await;
    assert_eq!(longer.status.as_u16(), 200, "{}", longer.text());
    let longer = longer.json();
    assert_eq!(span(&longer, "logs"), (json!("7d"), json!("10d")));
    assert_eq!(longer["changed_by"], "api.token");
    // How long events are kept otherwise is not known to this server, so it may delete.
    let warnings = longer["warnings"].to_string();
    assert!(warnings.contains("events are kept for 2d now") && !warnings.contains("logs"), "{warnings}");

    let shorter = ask(&harness, "PUT", RETENTION, TOKEN, Some(r#"{"logs":"3d","events":"2d"}"#)).await.json();
    assert!(shorter["warnings"][0].as_str().is_some_and(|text| text.contains("deleted")), "{shorter}");
    let unset = ask(&harness, "DELETE", RETENTION, TOKEN, None).await.json();
    assert_eq!((unset["revision"].as_u64(), span(&unset, "logs").1), (Some(0), Value::Null));
}

/// What a change says besides.
async fn warnings(harness: &Harness, method: &str, body: Option<&str>) -> Vec<String> {
    let answer = ask(harness, method, RETENTION, TOKEN, body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    serde_json::from_value(answer.json()["warnings"].clone()).expect("texts")
}

#[tokio::test]
async fn a_server_may_keep_more_than_is_configured_and_what_is_said_is_true_for_it() {
    let harness = guarded().await;
    let before = ask(&harness, "GET", RETENTION, TOKEN, None).await.json();
    let row =
        |name: &str| before["spans"].as_array().and_then(|rows| rows.iter().find(|row| row["name"] == name));
    let may_be_longer = |name| row(name).map(|row| row["may_be_longer"].clone());
    assert_eq!(
        (may_be_longer("metrics_10s"), may_be_longer("logs")),
        (Some(json!(true)), Some(json!(false)))
    );
    assert_eq!(before["is_unreadable"], false);

    // Longer than is configured, and less than what the server may have from before.
    let set = warnings(&harness, "PUT", Some(r#"{"metrics_10s":"90d","logs":"10d"}"#)).await;
    assert_eq!(set.len(), 1, "{set:?}");
    assert!(set[0].contains("metrics_10s") && set[0].contains("deleted for good"), "{set:?}");
    let longer = warnings(&harness, "PUT", Some(r#"{"metrics_10s":"91d","logs":"10d"}"#)).await;
    assert_eq!(longer, [""; 0]);
    let unset = warnings(&harness, "DELETE", None).await;
    assert_eq!(unset.len(), 2, "{unset:?}");
    assert!(unset[0].contains("metrics_10s stay for as long as the server keeps them"), "{unset:?}");
    assert!(unset[1].contains("logs are kept for 7d now: what is older is being deleted"), "{unset:?}");
    assert_eq!(warnings(&harness, "DELETE", None).await, [""; 0], "there was nothing");
    warnings(&harness, "PUT", Some(r#"{"logs":"3d"}"#)).await;
    assert_eq!(warnings(&harness, "DELETE", None).await, [""; 0], "it was shorter");
}

#[tokio::test]
async fn removing_what_cannot_be_read_warns_that_it_may_have_been_longer() {
    let harness = guarded().await;
    let record = sentinel_bus::Record {
        key: b"retention".to_vec().into(),
        value: b"\x02of a later version".to_vec().into(),
        headers: Vec::new(),
        timestamp: super::harness::ago(1),
    };
    let message =
        sentinel_bus::Outgoing { topic: Topic::Settings, route: sentinel_bus::Route::ByKey, record };
    sentinel_bus::Bus::publish(&harness.bus, vec![message]).await.expect("publish");
    let app = harness.app.clone();
    wait_until("it is read", move || app.settings.book().revision("retention") > 0).await;
    let shown = ask(&harness, "GET", RETENTION, TOKEN, None).await.json();
    assert_eq!(shown["is_unreadable"], true);
    let unset = warnings(&harness, "DELETE", None).await;
    assert!(unset.iter().any(|text| text.contains("logs are kept for 7d now")), "{unset:?}");
}

#[tokio::test]
async fn whoever_has_not_seen_the_last_change_is_told() {
    let harness = guarded().await;
    let first = harness.send(put("\"0\"", r#"{"logs":"3d"}"#)).await;
    assert_eq!(first.status.as_u16(), 200, "{}", first.text());
    let seen = first.header("etag").to_owned();
    let stale = harness.send(put("\"0\"", r#"{"logs":"4d"}"#)).await;
    assert_eq!(stale.status.as_u16(), 412);
    assert_eq!(stale.json()["code"], "changed_meanwhile");
    assert!(stale.text().contains("somebody else has changed it") && stale.text().contains("If-Match"));
    assert_eq!(harness.send(put(&seen, r#"{"logs":"4d"}"#)).await.status.as_u16(), 200);
    assert_eq!(harness.send(put("soon", r#"{"logs":"4d"}"#)).await.status.as_u16(), 400);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_nothing_is_written() {
    let harness = guarded().await;
    for body in [
        "",
        "[]",
        "null",
        r#"{"log":"3d"}"#,
        r#"{"logs":3}"#,
        r#"{"logs":"soon"}"#,
        r#"{"logs":"1h"}"#,
        r#"{"logs":"4000d"}"#,
        r#"{"metrics_10s":"59m"}"#,
        r#"{"metrics_1h":"5h"}"#,
    ] {
        let answer = ask(&harness, "PUT", RETENTION, TOKEN, Some(body)).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}: {}", answer.text());
    }
    let bounds = ask(&harness, "PUT", RETENTION, TOKEN, Some(r#"{"logs":"1h"}"#)).await;
    assert_eq!(bounds.json()["field"], "logs");
    assert!(
        bounds.text().contains("logs = 1h, which must be 1d at least and 3650d at most"),
        "{}",
        bounds.text()
    );
    let long = format!(r#"{{"name":"{}","role":"viewer"}}"#, "x".repeat(101));
    for body in [
        "",
        "{}",
        r#"{"name":"x"}"#,
        r#"{"name":" ","role":"viewer"}"#,
        r#"{"name":"a\nb","role":"viewer"}"#,
        r#"{"name":"x","role":"root"}"#,
        r#"{"name":"x","role":"viewer","expires_in":"1s"}"#,
        r#"{"name":"x","role":"viewer","expires_in":"-1d"}"#,
        &long,
    ] {
        let answer = ask(&harness, "POST", TOKENS, TOKEN, Some(body)).await;
        assert_eq!(answer.status.as_u16(), 400, "{body}: {}", answer.text());
    }
    assert_eq!(harness.bus.records(Topic::Settings).len(), 0);
}

#[tokio::test]
async fn each_role_may_do_what_it_may_and_no_more() {
    let harness = guarded().await;
    // Method, path, body, and the least role.
    let operations = [
        ("GET", "/api/v1/status", None, AccessRole::Viewer),
        ("GET", RETENTION, None, AccessRole::Viewer),
        ("GET", "/metrics", None, AccessRole::Viewer),
        ("POST", "/api/v1/ws-ticket", None, AccessRole::Viewer),
        ("POST", "/api/v1/verify", Some("{}"), AccessRole::Operator),
        ("POST", "/api/v1/dead-letters/replay", Some(r#"{"ids":[]}"#), AccessRole::Operator),
        ("PUT", RETENTION, Some("{}"), AccessRole::Admin),
        ("DELETE", RETENTION, None, AccessRole::Admin),
        ("GET", TOKENS, None, AccessRole::Admin),
        ("POST", TOKENS, Some(r#"{"name":"x","role":"admin"}"#), AccessRole::Admin),
        ("GET", "/api/v1/tokens/0123", None, AccessRole::Admin),
        ("DELETE", "/api/v1/tokens/0123", None, AccessRole::Admin),
    ];
    for role in AccessRole::ALL {
        let (token, _) = create(&harness, &json!({ "name": "x", "role": role.as_str() }).to_string()).await;
        for (method, path, body, needed) in operations {
            let answer = ask(&harness, method, path, &token, body).await;
            let what = format!("{method} {path} as {}: {}", role.as_str(), answer.text());
            assert_eq!(answer.status.as_u16() == 403, role < needed, "{what}");
            assert_ne!(answer.status.as_u16(), 401, "{what}");
        }
    }
    for (method, path, body, _) in operations {
        assert_eq!(status(&harness, method, path, "", body).await, 401, "{method} {path}");
        assert_eq!(status(&harness, method, path, "a-long-enough-tokem", body).await, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_hash_is_kept() {
    let harness = guarded().await;
    let (token, id) = create(&harness, r#"{"name":" grafana ","role":"viewer"}"#).await;
    let listed = ask(&harness, "GET", TOKENS, TOKEN, None).await;
    let row = &listed.json()["items"][0];
    assert_eq!((row["id"].as_str(), row["name"].as_str()), (Some(id.as_str()), Some("grafana")));
    assert_eq!((row["created_by"].as_str(), row["is_expired"].as_bool()), (Some("api.token"), Some(false)));
    let secret = token.rsplit('_').next().expect("a secret");
    assert!(!listed.text().contains(secret) && !listed.text().contains("sha256"));
    for record in harness.bus.records(Topic::Settings) {
        assert!(!String::from_utf8_lossy(&record.value).contains(secret));
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_so_is_one_that_has_expired() {
    let harness = guarded().await;
    let (token, id) = create(&harness, r#"{"name":"x","role":"viewer"}"#).await;
    let (other, _) = create(&harness, r#"{"name":"y","role":"viewer","expires_in":"1m"}"#).await;
    let ticket = ask(&harness, "POST", "/api/v1/ws-ticket", &token, None).await.json();
    assert_eq!(status(&harness, "GET", "/api/v1/status", &token, None).await, 200);
    let path = format!("{TOKENS}/{id}");
    assert_eq!(status(&harness, "DELETE", &path, TOKEN, None).await, 200);
    assert_eq!(status(&harness, "GET", "/api/v1/status", &token, None).await, 401);
    assert_eq!(status(&harness, "DELETE", &path, TOKEN, None).await, 404);
    assert_eq!(status(&harness, "GET", "/api/v1/status", &other, None).await, 200, "another's stays");
    let redeemed = crate::tickets::redeem(&*harness.app.cache, ticket["ticket"].as_str().expect("a ticket"));
    let holder = redeemed.await.expect("it is there");
    assert!(crate::access::Caller::holder(&harness.app, holder.as_deref()).is_err(), "nor by a ticket");

    // One that expired an hour ago.
    let (token, id) = crate::secret::generate();
    let made = sentinel_model::ApiToken {
        id: id.clone(),
        name: "z".into(),
        role: AccessRole::Admin,
        sha256: crate::secret::hash(token.as_bytes()),
        created: super::harness::ago(7_200),
        expires: Some(super::harness::ago(3_600)),
    };
    let value = Some(sentinel_model::SettingValue::Token(made));
    let change =
        sentinel_settings::Change { key: format!("token/{id}"), value, expected: None, by: "t".into() };
    harness.app.settings.change(change).await.expect("a change");
    assert_eq!(status(&harness, "GET", "/api/v1/status", &token, None).await, 401);
    let listed = ask(&harness, "GET", TOKENS, TOKEN, None).await.json();
    assert_eq!(listed["items"][1]["is_expired"], true, "{listed}");
}

#[tokio::test]
async fn while_the_bus_is_away_known_tokens_hold_and_changes_are_refused() {
    let harness = guarded().await;
    let (token, _) = create(&harness, r#"{"name":"x","role":"admin"}"#).await;
    harness.bus.outage.begin();
    assert_eq!(status(&harness, "GET", "/api/v1/status", &token, None).await, 200);
    let refused = ask(&harness, "PUT", RETENTION, &token, Some("{}")).await;
    assert_eq!(refused.status.as_u16(), 503);
    assert!(refused.text().contains("may still take effect"), "{}", refused.text());
    harness.bus.outage.end();
    let accepted = ask(&harness, "PUT", RETENTION, &token, Some(r#"{"logs":"3d"}"#)).await;
    assert_eq!(accepted.status.as_u16(), 200, "{}", accepted.text());
    assert_eq!(span(&accepted.json(), "logs").1, json!("3d"));
}

#[tokio::test]
async fn before_the_settings_are_read_only_the_configured_token_is_known() {
    let harness = Harness::with(Config { token: Some(TOKEN.into()), ..Config::default() });
    let (token, _) = crate::secret::generate();
    assert_eq!(status(&harness, "GET", "/api/v1/status", TOKEN, None).await, 200);
    assert_eq!(status(&harness, "GET", "/api/v1/status", "nonsense", None).await, 401);
    let early = Harness::with(Config { token: Some(TOKEN.into()), ..Config::default() });
    early.bus.outage.begin();
    assert_eq!(status(&early, "GET", "/api/v1/status", &token, None).await, 503);
}

#[tokio::test]
async fn without_a_configured_token_whoever_reaches_loopback_may_do_everything() {
    let harness = Harness::new();
    harness.settings_are_read().await;
    let created = harness.post(TOKENS, r#"{"name":"x","role":"viewer"}"#).await;
    assert_eq!(created.status.as_u16(), 201);
    assert!(created.text().contains("set api.token"), "{}", created.text());
    assert_eq!(created.json()["created_by"], "anybody (no token is asked for)");
    // No token is looked at: not one of a viewer, and none that is none.
    for token in [created.json()["token"].as_str().expect("a token"), "nonsense"] {
        assert_eq!(status(&harness, "PUT", RETENTION, token, Some(r#"{"logs":"3d"}"#)).await, 200);
    }
}
