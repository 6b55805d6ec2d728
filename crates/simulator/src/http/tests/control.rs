//! The controls of the simulation.

use axum::http::{Method, StatusCode, header};

use super::Api;
use crate::testing::parse;

#[tokio::test]
async fn tells_what_it_is_and_how_fast_things_go() {
    let api = Api::new();
    let overview = api.json("/simulator").await;
    assert_eq!(overview["simulated"], true);
    assert_eq!(overview["nodes"], 4);
    assert_eq!(overview["now_ms"], 1_795_262_400_000_i64);
    let stepped = api.post("/simulator/step", r#"{"millis": 1500}"#).await;
    assert_eq!(parse(&stepped.text)["now_ms"], 1_795_262_401_500_i64);
    assert_eq!(
        api.post("/simulator/step", r#"{"millis": -5}"#).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let faster = api.post("/simulator/speed", r#"{"speed": 60}"#).await;
    assert_eq!(parse(&faster.text)["speed"], 60.0);
    assert_eq!(parse(&faster.text)["now_ms"], 1_795_262_401_500_i64, "the clock stays with the clients'");
    assert_eq!(
        api.post("/simulator/speed", r#"{"speed": 0}"#).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn a_fault_can_be_ordered_and_is_in_the_truth() {
    let api = Api::new();
    assert_eq!(api.get("/simulator/truth").await.text, "[]");
    let order = r#"{"kind": "crash_loop", "millis": 30000, "target": "shop/cart"}"#;
    let answer = api.post("/simulator/faults", order).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(parse(&answer.text)["id"], "f01");
    api.step(1.0);
    let truth = parse(&api.get("/simulator/truth").await.text);
    assert_eq!(truth[0]["kind"], "crash_loop");
    assert_eq!(truth[0]["root"]["kind"], "Pod");
    assert_eq!(truth[0]["root"]["namespace"], "shop");
    assert!(truth[0]["end_ms"].is_null());
    let affected: Vec<_> =
        truth[0]["also_affected"].as_array().expect("an array").iter().map(|o| o["name"].as_str()).collect();
    assert!(affected.contains(&Some("cart")) && affected.contains(&Some("frontend")), "{affected:?}");
    api.step(60.0);
    let truth = parse(&api.get("/simulator/truth").await.text);
    assert!(truth[0]["recovered_ms"].as_i64() > truth[0]["end_ms"].as_i64());
}

#[tokio::test]
async fn a_fault_that_cannot_be_is_refused() {
    let api = Api::new();
    for order in [
        r#"{"kind": "crash_loop", "millis": 30000, "target": "shop/none"}"#,
        r#"{"kind": "meteor", "millis": 30000}"#,
        r#"{"kind": "crash_loop"}"#,
        "no json",
    ] {
        let answer = api.post("/simulator/faults", order).await;
        assert!(answer.status.is_client_error(), "{order}: {}", answer.status);
    }
    assert_eq!(api.get("/simulator/truth").await.text, "[]");
}

#[tokio::test]
async fn failures_on_demand_hit_the_next_requests() {
    let api = Api::new();
    for (status, reason) in [
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
        (410, "Expired"),
    ] {
        let rule = format!(r#"{{"status": {status}, "path_prefix": "/api/v1/pods", "retry_after": 7}}"#);
        assert_eq!(api.post("/simulator/failures", &rule).await.status, StatusCode::OK);
        assert_eq!(api.get("/api/v1/nodes").await.status, StatusCode::OK, "another path");
        let answer = api.get("/api/v1/pods").await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.headers[header::RETRY_AFTER], "7");
        assert_eq!(parse(&answer.text)["reason"], reason);
        assert_eq!(api.get("/api/v1/pods").await.status, StatusCode::OK, "only once");
    }
    let rule = r#"{"status": 500, "count": 100}"#;
    api.post("/simulator/failures", rule).await;
    assert_eq!(api.get("/version").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(parse(&api.get("/simulator/failures").await.text)[0]["count"], 99);
    assert_eq!(api.ask(Method::DELETE, "/simulator/failures", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.get("/version").await.status, StatusCode::OK);
    assert_eq!(
        api.post("/simulator/failures", r#"{"status": 200}"#).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}
