//! Lists, pages, selectors, single objects, discovery and errors.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

use super::{Api, items, version_of};
use crate::testing::{name_of, parse, text};

#[tokio::test]
async fn a_list_names_its_kind_and_version_and_its_items_do_not() {
    let api = Api::new();
    let list = api.json("/api/v1/pods").await;
    assert_eq!(list["kind"], "PodList");
    assert_eq!(list["apiVersion"], "v1");
    assert!(version_of(&list) > 10_000_000);
    assert!(items(&list).len() > 50);
    assert!(items(&list).iter().all(|pod| pod.get("kind").is_none() && pod.get("apiVersion").is_none()));
    let in_shop = api.json("/api/v1/namespaces/shop/pods").await;
    assert!(items(&in_shop).iter().all(|pod| pod["metadata"]["namespace"] == "shop"));
    assert!(!items(&in_shop).is_empty() && items(&in_shop).len() < items(&list).len());
}

#[tokio::test]
async fn pages_are_all_of_one_version_and_give_the_whole_list() {
    let api = Api::new();
    let whole = api.json("/api/v1/pods").await;
    let mut names = Vec::new();
    let mut page = api.json("/api/v1/pods?limit=7").await;
    let version = version_of(&page);
    loop {
        names.extend(items(&page).iter().map(name_of));
        assert_eq!(version_of(&page), version);
        let token = text(&page["metadata"]["continue"]);
        if token.is_empty() {
            break;
        }
        let left = page["metadata"]["remainingItemCount"].as_u64().expect("a count") as usize;
        assert_eq!(left, items(&whole).len() - names.len());
        // Life goes on between the pages, which must not show in them.
        api.step(90.0);
        page = api.json(&format!("/api/v1/pods?limit=7&continue={token}")).await;
    }
    let expected: Vec<_> = items(&whole).iter().map(name_of).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_page_that_is_too_old_is_gone() {
    let api = Api::new();
    let page = api.json("/api/v1/pods?limit=7").await;
    let token = text(&page["metadata"]["continue"]);
    assert_eq!(api.post("/simulator/compact", "").await.status, StatusCode::NO_CONTENT);
    let answer = api.get(&format!("/api/v1/pods?limit=7&continue={token}")).await;
    assert_eq!(answer.status, StatusCode::GONE);
    let status = parse(&answer.text);
    assert_eq!(status["reason"], "Expired");
    assert!(text(&status["message"]).starts_with("The provided continue parameter is too old"));
    assert_eq!(api.get("/api/v1/pods?continue=nonsense").await.status, StatusCode::GONE);
}

#[tokio::test]
async fn selectors_narrow_a_list() {
    let api = Api::new();
    let on_node = api.json("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1").await;
    assert!(items(&on_node).iter().all(|pod| pod["spec"]["nodeName"] == "node-1"));
    assert!(!items(&on_node).is_empty());
    let carts = api.json("/api/v1/pods?labelSelector=app%20in%20(cart)").await;
    assert_eq!(items(&carts).len(), 2);
    let one = api.json("/api/v1/nodes?fieldSelector=metadata.name%3Dnode-3").await;
    assert_eq!(items(&one).len(), 1);
    let warnings = api.json("/api/v1/events?fieldSelector=type%3DWarning").await;
    assert!(items(&warnings).iter().all(|event| event["type"] == "Warning"));
    let refused = api.get("/api/v1/pods?fieldSelector=spec.colour%3Dred").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(parse(&refused.text)["reason"], "BadRequest");
}

#[tokio::test]
async fn an_object_is_found_by_name() {
    let api = Api::new();
    let node = api.json("/api/v1/nodes/node-1").await;
    assert_eq!((node["kind"].as_str(), node["apiVersion"].as_str()), (Some("Node"), Some("v1")));
    let deployment = api.json("/apis/apps/v1/namespaces/shop/deployments/cart").await;
    assert_eq!(deployment["spec"]["replicas"], 2);
    let missing = api.get("/apis/apps/v1/namespaces/shop/deployments/none").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let status = parse(&missing.text);
    assert_eq!(status["message"], "deployments.apps \"none\" not found");
    assert_eq!(status["details"]["kind"], "deployments");
    assert_eq!(api.get("/apis/apps/v1/pods").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn versions_that_do_not_exist_yet_or_are_no_numbers_are_refused() {
    let api = Api::new();
    let future = api.get("/api/v1/pods?resourceVersion=999999999999").await;
    assert_eq!(future.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(future.headers[header::RETRY_AFTER], "1");
    assert!(future.text.contains("Too large resource version"));
    assert_eq!(api.get("/api/v1/pods?resourceVersion=x").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(api.get("/api/v1/pods?watch=1&resourceVersion=x").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nothing_can_be_written() {
    let api = Api::new();
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = api.ask(method, "/api/v1/namespaces/shop/pods/x", "{}").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(parse(&answer.text)["reason"], "MethodNotAllowed");
    }
    let review = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "{}").await;
    assert_eq!(parse(&review.text)["status"]["allowed"], true);
}

#[tokio::test]
async fn metadata_alone_can_be_asked_for() {
    let api = Api::new();
    let request = Request::builder()
        .uri("/api/v1/namespaces/shop/configmaps")
        .header(header::ACCEPT, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        .body(Body::empty())
        .expect("a request");
    let response = api.send(request).await;
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    let list = parse(std::str::from_utf8(&bytes).expect("text"));
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert!(items(&list).iter().any(|item| name_of(item) == "cart-config"));
}

#[tokio::test]
async fn events_are_there_in_both_forms() {
    let api = Api::new();
    let old = api.json("/api/v1/events").await;
    let new = api.json("/apis/events.k8s.io/v1/events").await;
    assert_eq!(items(&old).len(), items(&new).len());
    assert_eq!(new["kind"], "EventList");
    assert_eq!(new["apiVersion"], "events.k8s.io/v1");
    for (old, new) in items(&old).iter().zip(items(&new)) {
        assert_eq!(old["metadata"]["uid"], new["metadata"]["uid"]);
        assert_eq!(old["message"], new["note"]);
        assert_eq!(old["involvedObject"], new["regarding"]);
    }
}

#[tokio::test]
async fn answers_what_clients_ask_before_anything_else() {
    let api = Api::new();
    assert_eq!(api.get("/livez").await.text, "ok");
    assert_eq!(api.get("/readyz?verbose").await.text, "ok");
    assert_eq!(api.json("/version").await["major"], "1");
    assert_eq!(api.json("/api").await["versions"][0], "v1");
    let groups = api.json("/apis").await;
    assert!(groups["groups"].as_array().expect("groups").len() > 5);
    assert_eq!(api.json("/apis/apps").await["preferredVersion"]["groupVersion"], "apps/v1");
    let resources = api.json("/api/v1").await;
    let names: Vec<_> =
        resources["resources"].as_array().expect("resources").iter().map(|r| text(&r["name"])).collect();
    assert!(names.contains(&"pods".to_owned()) && names.contains(&"pods/log".to_owned()));
    assert_eq!(api.get("/openapi/v3").await.status, StatusCode::NOT_FOUND);
}
