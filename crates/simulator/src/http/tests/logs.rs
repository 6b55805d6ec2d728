//! Logs over the API.

use axum::http::StatusCode;

use super::Api;
use crate::testing::{Cluster, name_of, parse, text};
use crate::world::FaultKind;

async fn pod_of(api: &Api, app: &str) -> String {
    let list = api.json(&format!("/api/v1/pods?labelSelector=app%3D{app}")).await;
    let pod = &list["items"][0];
    format!("/api/v1/namespaces/{}/pods/{}/log", text(&pod["metadata"]["namespace"]), name_of(pod))
}

#[tokio::test]
async fn a_log_can_be_cut_by_lines_time_and_bytes() {
    let api = Api::new();
    let path = pod_of(&api, "frontend").await;
    let all = api.get(&path).await;
    assert_eq!(all.status, StatusCode::OK);
    let lines: Vec<_> = all.text.lines().collect();
    assert!(lines.len() > 100, "{}", lines.len());
    let tail = api.get(&format!("{path}?tailLines=5")).await.text;
    assert_eq!(tail.lines().collect::<Vec<_>>(), lines[lines.len() - 5..]);
    assert!(api.get(&format!("{path}?tailLines=0")).await.text.is_empty());
    let recent = api.get(&format!("{path}?sinceSeconds=60&timestamps=true")).await.text;
    assert!(!recent.is_empty() && recent.lines().count() < lines.len() / 10);
    assert!(recent.lines().all(|line| line.starts_with("2026-11-21T11:59:")), "{recent}");
    let since = api.get(&format!("{path}?sinceTime=2026-11-21T11:59:00Z&timestamps=true")).await.text;
    assert_eq!(since, recent);
    assert_eq!(api.get(&format!("{path}?limitBytes=10")).await.text.len(), 10);
    assert_eq!(api.get(&format!("{path}?sinceTime=yesterday")).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn followed_lines_are_those_that_are_there_afterwards() {
    let api = Api::new();
    let path = pod_of(&api, "ingest").await;
    let mut follow = api.stream(&format!("{path}?follow=true&tailLines=0&timestamps=true")).await;
    let mut followed = Vec::new();
    for _ in 0..30 {
        assert!(follow.is_silent().await);
        api.step(2.0);
        while !follow.is_silent().await {
            followed.push(follow.next().await.expect("a line"));
        }
    }
    let after = api.get(&format!("{path}?sinceTime=2026-11-21T12:00:00.001Z&timestamps=true")).await.text;
    assert!(followed.len() > 10);
    assert_eq!(followed, after.lines().collect::<Vec<_>>());
}

#[tokio::test]
async fn timestamps_never_go_back() {
    let api = Api::new();
    for app in ["frontend", "cart", "gateway", "orders-db", "recommendations"] {
        let path = pod_of(&api, app).await;
        let container = if app == "gateway" { "&container=gateway" } else { "" };
        let text = api.get(&format!("{path}?timestamps=true{container}")).await.text;
        let times: Vec<_> = text
            .lines()
            .map(|line| line.split(' ').next().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339"))
            .collect();
        assert!(times.len() > 10, "{app}: {}", times.len());
        assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{app}");
    }
}

#[tokio::test]
async fn a_crash_leaves_its_trace_in_the_log_of_the_container_before() {
    let mut cluster = Cluster::new();
    cluster.add_fault(FaultKind::CrashLoop, 60, Some("shop/cart"));
    let api = Api::over(cluster);
    // The first crash, and then the container after it.
    api.step(2.2);
    let truth = parse(&api.get("/simulator/truth").await.text);
    let pod = text(&truth[0]["root"]["name"]);
    let path = format!("/api/v1/namespaces/shop/pods/{pod}/log");
    let previous = api.get(&format!("{path}?previous=true&tailLines=10")).await.text;
    assert!(previous.contains("java.lang.IllegalStateException"), "{previous}");
    assert!(previous.lines().last().expect("lines").contains("... 2 more"), "{previous}");
    let now = api.get(&path).await.text;
    assert!(now.lines().next().expect("a line").contains("starting cart"), "{now}");
    assert!(!now.contains("request"), "nothing is served while it crashes: {now}");
}

#[tokio::test]
async fn says_why_there_is_no_log() {
    let mut cluster = Cluster::new();
    cluster.add_fault(FaultKind::ImagePull, 90, Some("shop/checkout"));
    let api = Api::over(cluster);
    let gateway = pod_of(&api, "gateway").await;
    let message = |text: &str| crate::testing::text(&parse(text)["message"]);
    let ambiguous = api.get(&gateway).await;
    assert_eq!(ambiguous.status, StatusCode::BAD_REQUEST);
    assert!(message(&ambiguous.text).contains("choose one of"), "{}", ambiguous.text);
    assert_eq!(api.get(&format!("{gateway}?container=envoy")).await.status, StatusCode::OK);
    let unknown = api.get(&format!("{gateway}?container=none")).await;
    assert!(message(&unknown.text).contains("is not valid for pod"));
    let cart = pod_of(&api, "frontend").await;
    let previous = api.get(&format!("{cart}?previous=true")).await;
    let is_refused = previous.status == StatusCode::BAD_REQUEST
        && message(&previous.text).contains("previous terminated container");
    assert!(is_refused || previous.status == StatusCode::OK);
    assert_eq!(api.get("/api/v1/namespaces/shop/pods/none/log").await.status, StatusCode::NOT_FOUND);
    api.step(20.0);
    let pods =
        api.json("/api/v1/pods?labelSelector=app%3Dcheckout&fieldSelector=status.phase%3DPending").await;
    let waiting = api.get(&format!("/api/v1/namespaces/shop/pods/{}/log", name_of(&pods["items"][0]))).await;
    assert_eq!(waiting.status, StatusCode::BAD_REQUEST);
    assert!(message(&waiting.text).contains("is waiting to start"), "{}", waiting.text);
}

#[tokio::test]
async fn a_followed_log_ends_with_its_container() {
    let mut cluster = Cluster::new();
    cluster.add_fault(FaultKind::CrashLoop, 60, Some("shop/cart"));
    let api = Api::over(cluster);
    let list = api.json("/api/v1/pods?labelSelector=app%3Dcart").await;
    let mut follows = Vec::new();
    for pod in list["items"].as_array().expect("items") {
        let path = format!("/api/v1/namespaces/shop/pods/{}/log?follow=true&tailLines=1", name_of(pod));
        follows.push(api.stream(&path).await);
    }
    for _ in 0..5 {
        api.step(1.0);
        tokio::task::yield_now().await;
    }
    let mut n_ended = 0;
    for follow in &mut follows {
        loop {
            if follow.is_silent().await {
                break;
            }
            if follow.next().await.is_none() {
                n_ended += 1;
                break;
            }
        }
    }
    assert_eq!(n_ended, 1, "the log of the pod that crashed ends, the other goes on");
}

#[tokio::test]
async fn a_log_of_a_node_that_is_cut_off_cannot_be_read() {
    let mut cluster = Cluster::new();
    for node in ["node-1", "node-2", "node-3", "node-4"] {
        cluster.add_fault(FaultKind::NodeNotReady, 60, Some(node));
    }
    let api = Api::over(cluster);
    let path = pod_of(&api, "cart").await;
    api.step(3.0);
    let answer = api.get(&path).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.text.contains("no route to host"), "{}", answer.text);
}
