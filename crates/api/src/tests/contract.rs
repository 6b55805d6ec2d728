//! What holds for every route of the document.

use axum::body::Body;
use serde_json::Value;

use super::harness::{Harness, request};
use crate::openapi;
use crate::router::documented;

fn document() -> Value {
    serde_json::from_str(&openapi::render(&documented().1)).expect("valid JSON")
}

/// An address of each documented operation, with names that exist nowhere.
fn operations() -> Vec<(String, String)> {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let of_path = |(path, item): (&String, &Value)| {
        let address = path
            .replace("{kind}", "Pod")
            .replace("{namespace}", "nowhere")
            .replace("{name}", "nobody")
            .replace("{label}", "pod")
            .replace("{id}", "0-0");
        let methods = item.as_object().expect("operations").keys().cloned();
        methods.map(|method| (method.to_uppercase(), address.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn every_documented_operation_answers_with_json_and_security_headers() {
    let harness = Harness::new();
    harness.settings_are_read().await;
    for (method, path) in operations() {
        let needed = match path.as_str() {
            path if path.ends_with("facets") => "?field=severity",
            path if path.contains("/query") => "?match=up",
            _ => "",
        };
        let answer = harness
            .send(request(&method, &format!("{path}{needed}")).body(Body::empty()).expect("a request"))
            .await;
        let expected: &[u16] = match method.as_str() {
            "POST" if ["replay", "verify", "tokens"].iter().any(|end| path.ends_with(end)) => &[415],
            "PUT" => &[415],
            _ if path.contains("nobody") || path.contains("0-0") => &[404],
            _ => &[200],
        };
        assert!(expected.contains(&answer.status.as_u16()), "{method} {path}: {}", answer.text());
        let media_type =
            if answer.status.is_success() { "application/json" } else { "application/problem+json" };
        assert_eq!(answer.header("content-type"), media_type, "{method} {path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{method} {path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("x-request-id").len(), 16);
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_documented_is_refused_everywhere() {
    let harness = Harness::new();
    for (method, path) in operations() {
        let path = format!("{path}?namespce=shop");
        let answer = harness.send(request(&method, &path).body(Body::empty()).expect("a request")).await;
        let problem = answer.json();
        assert_eq!((answer.status.as_u16(), problem["field"].as_str()), (400, Some("namespce")), "{path}");
    }
}

#[test]
fn every_schema_that_is_referred_to_exists_and_every_operation_has_a_name_of_its_own() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(schemas.contains_key(name), "{name}");
    }
    let ids: Vec<&str> =
        text.split("\"operationId\":\"").skip(1).filter_map(|id| id.split('"').next()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn the_document_is_served_and_the_dashboard_answers_the_rest() {
    let harness = Harness::new();
    assert_eq!(harness.json("/api/v1/openapi.json").await, document());
    let page = harness.get("/pods/shop/web-1").await;
    assert_eq!((page.status.as_u16(), page.text().as_str()), (200, "the dashboard"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(harness.get("/health").await.text(), "ok\n");
    assert_eq!(harness.get("/ready").await.status.as_u16(), 200);
    assert!(harness.get("/metrics").await.text().contains("sentinel_api_requests_total"));
}

#[tokio::test]
async fn answers_are_compressed_for_whoever_asks() {
    let harness = Harness::new();
    let request = request("GET", "/api/v1/openapi.json").header("accept-encoding", "gzip");
    let answer = harness.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert!(answer.body.starts_with(&[0x1f, 0x8b]));
}
