//! Leases as clients write them.

use axum::http::Method;
use serde_json::json;

use super::*;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases";

fn lease(holder: &str, version: &str) -> String {
    json!({"metadata": {"name": "one", "labels": {"a": "b"}, "resourceVersion": version},
        "spec": {"holderIdentity": holder}})
    .to_string()
}

#[tokio::test]
async fn a_lease_is_changed_only_by_who_knows_its_last_version() {
    let api = Api::new();
    let one = format!("{LEASES}/one");
    let created = api.ask(Method::POST, LEASES, &lease("x", "")).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(api.ask(Method::POST, LEASES, &lease("y", "")).await.status, StatusCode::CONFLICT);
    let first = parse(&created.text)["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    assert_eq!(api.ask(Method::PUT, &one, &lease("y", &first)).await.status, StatusCode::OK);
    let late = api.ask(Method::PUT, &one, &lease("x", &first)).await;
    assert_eq!((late.status, parse(&late.text)["reason"].as_str()), (StatusCode::CONFLICT, Some("Conflict")));
    let listed = api.json(&format!("{LEASES}?labelSelector=a%3Db")).await;
    assert_eq!(listed["items"][0]["spec"]["holderIdentity"], "y");
    assert!(api.json(&format!("{LEASES}?labelSelector=a%3Dc")).await["items"][0].is_null());
    let outdated = json!({"preconditions": {"resourceVersion": first}}).to_string();
    assert_eq!(api.ask(Method::DELETE, &one, &outdated).await.status, StatusCode::CONFLICT);
    assert_eq!(api.ask(Method::DELETE, &one, "").await.status, StatusCode::OK);
    assert_eq!(api.get(&one).await.status, StatusCode::NOT_FOUND);
    assert_eq!(api.ask(Method::PUT, &one, &lease("x", "")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nonsense_is_refused() {
    let api = Api::new();
    for (method, path, body) in [
        (Method::POST, LEASES, "{"),
        (Method::POST, LEASES, "{}"),
        (Method::POST, LEASES, "[1]"),
        (Method::POST, "/apis/coordination.k8s.io/v1/leases", "{}"),
        (Method::PATCH, LEASES, "{}"),
    ] {
        assert!(api.ask(method, path, body).await.status.is_client_error(), "{path} {body}");
    }
    let large = format!("{{\"metadata\": {{\"name\": \"{}\"}}}}", "a".repeat(1 << 20));
    assert_eq!(api.ask(Method::POST, LEASES, &large).await.status, StatusCode::BAD_REQUEST);
}
