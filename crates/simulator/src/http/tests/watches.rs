//! Watches: every change once, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt as _;
use futures::task::ArcWake;
use proptest::prelude::*;

use super::{Api, items, version_of};
use crate::testing::{Cluster, name_of, text};
use crate::world::FaultKind;

#[tokio::test]
async fn a_watch_goes_on_where_the_list_ended() {
    let mut cluster = Cluster::new();
    cluster.add_fault(FaultKind::CrashLoop, 60, Some("shop/cart"));
    let api = Api::over(cluster);
    let list = api.json("/api/v1/namespaces/shop/pods").await;
    let mut known: BTreeMap<String, String> =
        items(&list).iter().map(|pod| (name_of(pod), text(&pod["metadata"]["resourceVersion"]))).collect();
    let version = version_of(&list);
    api.step(5.0);
    let mut watch =
        api.stream(&format!("/api/v1/namespaces/shop/pods?watch=true&resourceVersion={version}")).await;
    let mut last = version;
    for _ in 0..12 {
        api.step(20.0);
        while !watch.is_silent().await {
            let event = watch.json().await;
            let object = &event["object"];
            assert_eq!(object["metadata"]["namespace"], "shop");
            let (name, at) = (name_of(object), text(&object["metadata"]["resourceVersion"]));
            let number: u64 = at.parse().expect("a number");
            assert!(number > last, "{number} after {last}");
            last = number;
            match text(&event["type"]).as_str() {
                "ADDED" => assert!(known.insert(name, at).is_none()),
                "MODIFIED" => assert!(known.insert(name, at).is_some()),
                "DELETED" => assert!(known.remove(&name).is_some()),
                other => panic!("{other}"),
            }
        }
    }
    let now = api.json("/api/v1/namespaces/shop/pods").await;
    let expected: BTreeMap<String, String> =
        items(&now).iter().map(|pod| (name_of(pod), text(&pod["metadata"]["resourceVersion"]))).collect();
    assert_eq!(known, expected);
    assert!(last > version + 10);
}

#[tokio::test]
async fn a_watch_from_nowhere_begins_with_what_is_there() {
    let api = Api::new();
    let mut watch = api.stream("/api/v1/nodes?watch=1").await;
    for number in 1..=4 {
        let event = watch.json().await;
        assert_eq!(event["type"], "ADDED");
        assert_eq!(name_of(&event["object"]), format!("node-{number}"));
        assert_eq!(event["object"]["kind"], "Node");
    }
    assert!(watch.is_silent().await);
}

#[tokio::test]
async fn a_streaming_list_ends_with_a_bookmark_that_says_so() {
    let api = Api::new();
    let path = "/apis/apps/v1/daemonsets?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = api.stream(path).await;
    assert_eq!(watch.json().await["type"], "ADDED");
    assert_eq!(watch.json().await["type"], "ADDED");
    let bookmark = watch.json().await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(bookmark["object"]["kind"], "DaemonSet");
}

#[tokio::test]
async fn bookmarks_come_once_a_minute_to_those_who_want_them() {
    let api = Api::new();
    let version = version_of(&api.json("/apis/networking.k8s.io/v1/ingresses").await);
    let path = format!("/apis/networking.k8s.io/v1/ingresses?watch=1&resourceVersion={version}");
    let mut with = api.stream(&format!("{path}&allowWatchBookmarks=true")).await;
    let mut without = api.stream(&path).await;
    for _ in 0..2 {
        assert!(with.is_silent().await && without.is_silent().await);
        api.step(61.0);
        let bookmark = with.json().await;
        assert_eq!(bookmark["type"], "BOOKMARK");
        assert!(version_of(&bookmark["object"]) > version, "leases have been renewed since");
        assert!(without.is_silent().await);
    }
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout() {
    let api = Api::new();
    let version = version_of(&api.json("/apis/networking.k8s.io/v1/ingresses").await);
    let path =
        format!("/apis/networking.k8s.io/v1/ingresses?watch=1&resourceVersion={version}&timeoutSeconds=30");
    let mut watch = api.stream(&path).await;
    assert!(watch.is_silent().await);
    api.step(31.0);
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_expired() {
    let api = Api::new();
    let version = version_of(&api.json("/api/v1/pods").await);
    api.step(300.0);
    assert_eq!(api.post("/simulator/compact", "").await.status, StatusCode::NO_CONTENT);
    let mut watch = api.stream(&format!("/api/v1/pods?watch=1&resourceVersion={version}")).await;
    let event = watch.json().await;
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
    assert_eq!(event["object"]["reason"], "Expired");
    assert!(text(&event["object"]["message"]).starts_with(&format!("too old resource version: {version} (")));
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn objects_come_and_go_with_a_selector() {
    let mut cluster = Cluster::new();
    cluster.add_fault(FaultKind::Unschedulable, 30, Some("analytics/ingest"));
    let api = Api::over(cluster);
    let version = version_of(&api.json("/api/v1/pods").await);
    let path = format!(
        "/api/v1/pods?watch=1&resourceVersion={version}&labelSelector=app%3Dtrainer&fieldSelector=status.phase%3DPending"
    );
    let mut watch = api.stream(&path).await;
    api.step(10.0);
    assert_eq!(watch.json().await["type"], "ADDED");
    assert_eq!(watch.json().await["type"], "MODIFIED");
    assert!(watch.is_silent().await);
    api.step(40.0);
    assert_eq!(watch.json().await["type"], "MODIFIED", "it is marked for deletion");
    assert_eq!(watch.json().await["type"], "DELETED");
    let mut settled = api.stream(&format!(
        "/api/v1/pods?watch=1&resourceVersion={version}&labelSelector=app%3Dcompact&fieldSelector=status.phase%3DPending"
    )).await;
    api.step(130.0);
    let mut types = Vec::new();
    while !settled.is_silent().await {
        types.push(text(&settled.json().await["type"]));
    }
    // A pod that runs does not match any more: to this watcher it is gone.
    assert!(types.starts_with(&["ADDED".to_owned(), "MODIFIED".to_owned()]), "{types:?}");
    assert_eq!(
        types.iter().filter(|kind| *kind == "DELETED").count(),
        types.iter().filter(|kind| *kind == "ADDED").count()
    );
}

#[tokio::test]
async fn watches_can_be_stalled_ended_and_reduced_to_bookmarks() {
    let api = Api::new();
    let version = version_of(&api.json("/apis/coordination.k8s.io/v1/leases").await);
    let path = format!(
        "/apis/coordination.k8s.io/v1/leases?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
    );
    let mut watch = api.stream(&path).await;
    assert!(watch.is_silent().await);
    api.post("/simulator/watches", "\"stall\"").await;
    api.step(70.0);
    assert!(watch.is_silent().await, "stalled");
    api.post("/simulator/watches", "\"resume\"").await;
    api.post("/simulator/watches", "\"bookmarks-only\"").await;
    api.step(61.0);
    assert_eq!(watch.json().await["type"], "BOOKMARK");
    api.post("/simulator/watches", "\"resume\"").await;
    api.step(11.0);
    assert_eq!(watch.json().await["type"], "MODIFIED");
    api.post("/simulator/watches", "\"close\"").await;
    while watch.next().await.is_some() {}
    let mut next = api.stream(&path).await;
    assert_eq!(next.json().await["type"], "MODIFIED", "a new watch is not concerned");
}

/// Counts how often a stream asked to be looked at again.
#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl ArcWake for Wakes {
    fn wake_by_ref(this: &Arc<Self>) {
        this.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_watch_with_nothing_to_say_sleeps() {
    for order in ["\"stall\"", "\"bookmarks-only\"", "\"resume\""] {
        let api = Api::new();
        api.post("/simulator/watches", order).await;
        let version = version_of(&api.json("/apis/networking.k8s.io/v1/ingresses").await);
        let path = format!("/apis/networking.k8s.io/v1/ingresses?watch=1&resourceVersion={version}");
        let mut watch = api.stream(&path).await;
        let wakes = Arc::new(Wakes::default());
        let waker = futures::task::waker(Arc::clone(&wakes));
        assert!(watch.body.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        api.step(11.0);
        assert!(wakes.0.swap(0, Ordering::Relaxed) > 0, "leases were renewed");
        assert!(watch.body.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "{order}: looked at once and asked for more at once");
    }
}

#[tokio::test]
async fn watches_and_followed_logs_end_when_the_server_closes() {
    let api = Api::new();
    let pods = api.json("/api/v1/namespaces/shop/pods?labelSelector=app%3Dfrontend").await;
    let name = name_of(&items(&pods)[0]);
    let mut idle = api.stream("/api/v1/services?watch=1&resourceVersion=99999999").await;
    let mut log =
        api.stream(&format!("/api/v1/namespaces/shop/pods/{name}/log?follow=true&tailLines=1")).await;
    api.post("/simulator/watches", "\"stall\"").await;
    let mut stalled = api.stream("/api/v1/pods?watch=1&resourceVersion=99999999").await;
    assert!(log.next().await.is_some());
    assert!(idle.is_silent().await && stalled.is_silent().await && log.is_silent().await);
    api.shared.close();
    assert_eq!((idle.next().await, stalled.next().await, log.next().await), (None, None, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn two_watches_from_one_version_hear_the_same(seed: u64, steps in prop::collection::vec(1_u64..90, 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let api = Api::over(Cluster::sized(30, 3, seed));
            let version = version_of(&api.json("/api/v1/pods").await);
            let path = format!("/api/v1/pods?watch=1&resourceVersion={version}");
            let mut early = api.stream(&path).await;
            let mut heard = Vec::new();
            for step in steps {
                api.shared.clock.step(Duration::from_secs(step));
                api.shared.advance();
                while !early.is_silent().await {
                    heard.push(early.next().await);
                }
            }
            let mut late = api.stream(&path).await;
            for line in heard {
                assert_eq!(late.next().await, line);
            }
            assert!(late.is_silent().await);
        });
    }
}
