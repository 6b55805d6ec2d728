//! Events, logs, dead letters and the pipeline's state.

use sentinel_bus::{Bus as _, Commit, Outgoing, Record, Route, TopicPartition, trace};
use sentinel_log_store::{Document, DocumentId, DocumentKind, LogWriter as _};
use sentinel_model::{DeadLetter, MetricKind, Resolution, Timestamp, Topic};
use sentinel_proto::Wire as _;
use sentinel_testkit::build::{CLUSTER, NOW, pod, running, series, terminated, with_container};
use serde_json::{Value, json};

use super::harness::{Harness, ago};

pub(crate) fn document(kind: DocumentKind, id: u128, body: &str, at: Timestamp) -> Document {
    let is_event = kind == DocumentKind::Event;
    Document {
        id: DocumentId(id),
        kind,
        timestamp_ns: at.as_millis() * 1_000_000,
        origin_ns: at.as_millis() * 1_000_000,
        cluster: CLUSTER.into(),
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        workload: "web".into(),
        pod: "web-1".into(),
        container: if is_event { "" } else { "app" }.into(),
        node: "node-1".into(),
        severity: if is_event { "warning" } else { "info" }.into(),
        reason: if is_event { "BackOff" } else { "" }.into(),
        object_kind: if is_event { "Pod" } else { "" }.into(),
        object_name: if is_event { "web-1" } else { "" }.into(),
        body: body.to_owned(),
        extra: if is_event {
            r#"{"type":"Warning","count":4,"reporter":"kubelet","first_seen_ms":1795255000000}"#.into()
        } else {
            String::new()
        },
    }
}

async fn with_lines(n: usize) -> Harness {
    let harness = Harness::new();
    let line = |i: usize| document(DocumentKind::Log, i as u128, &format!("line {i}"), ago(600 - i as i64));
    harness.logs.write((0..n).map(line).collect()).await.expect("the fake takes everything");
    harness
}

fn bodies(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().expect("a list");
    items.iter().map(|item| item["body"].as_str().expect("a body")).collect()
}

#[tokio::test]
async fn log_lines_are_searched_and_paged_in_both_directions() {
    let harness = with_lines(25).await;
    assert_eq!(bodies(&harness.json("/api/v1/logs?q=%22line+7%22").await), ["line 7"]);
    assert_eq!(bodies(&harness.json("/api/v1/logs?limit=2").await), ["line 24", "line 23"]);
    let oldest = harness.pages("/api/v1/logs?order=asc", 4).await;
    let bodies: Vec<_> = oldest.iter().map(|item| item["body"].as_str().expect("a body")).collect();
    assert_eq!(bodies, (0..25).map(|i| format!("line {i}")).collect::<Vec<_>>());
    assert_eq!(harness.json("/api/v1/logs?pod=other").await["items"], json!([]));
    assert_eq!(harness.json("/api/v1/logs?severity=error&severity=fatal").await["items"], json!([]));
    let facets = harness.json("/api/v1/logs/facets?field=pod").await;
    assert_eq!(facets["items"], json!([{"value": "web-1", "count": 25}]));
    let histogram = harness.json("/api/v1/logs/histogram?from=-1h&bucket=1h").await;
    let counted: u64 = histogram["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|bucket| bucket["counts"]["info"].as_u64().unwrap_or_default())
        .sum();
    assert_eq!(counted, 25);
}

#[tokio::test]
async fn a_field_takes_several_values_and_fields_narrow_each_other() {
    let harness = Harness::new();
    let line = |(id, workload, pod, container): (u128, &str, &str, &str)| Document {
        workload: workload.into(),
        pod: pod.into(),
        container: container.into(),
        ..document(DocumentKind::Log, id, pod, ago(10 - id as i64))
    };
    let event = |(id, kind, workload): (u128, &str, &str)| Document {
        object_kind: kind.into(),
        workload: workload.into(),
        ..document(DocumentKind::Event, id, kind, ago(10))
    };
    let lines =
        [(1, "web", "web-1", "app"), (2, "web", "web-2", "proxy"), (3, "db", "db-0", "app")].map(line);
    let events = [(4, "Pod", "web"), (5, "Node", ""), (6, "Job", "backup")].map(event);
    harness.logs.write([lines, events].concat()).await.expect("the fake takes everything");
    for (asked, found) in [
        ("pod=web-1", vec!["web-1"]),
        ("pod=web-1&pod=db-0", vec!["db-0", "web-1"]),
        ("workload=web&workload=db&container=app", vec!["db-0", "web-1"]),
        ("container=app&container=proxy&workload=web", vec!["web-2", "web-1"]),
    ] {
        assert_eq!(bodies(&harness.json(&format!("/api/v1/logs?{asked}")).await), found, "{asked}");
    }
    let facets = harness.json("/api/v1/logs/facets?field=pod&workload=web&workload=none").await;
    assert_eq!(facets["items"].as_array().expect("a list").len(), 2);
    for (asked, n) in [
        ("object_kind=Pod&object_kind=Node", 2),
        ("workload=web&workload=backup", 2),
        ("object_kind=Pod&object_kind=Job&workload=backup", 1),
    ] {
        let events = harness.json(&format!("/api/v1/events?{asked}")).await;
        assert_eq!(events["items"].as_array().expect("a list").len(), n, "{asked}");
    }
}

#[tokio::test]
async fn lines_of_canaries_are_shown_to_whoever_asks_for_their_namespace() {
    let harness = with_lines(1).await;
    let mut canary = document(DocumentKind::Log, 99, "canary 0 started=1 sent=1", ago(5));
    canary.namespace = "sentinel-canary".into();
    harness.logs.write(vec![canary]).await.expect("the fake takes everything");
    assert_eq!(bodies(&harness.json("/api/v1/logs").await), ["line 0"]);
    let facets = harness.json("/api/v1/logs/facets?field=namespace").await;
    assert_eq!(facets["items"], json!([{"value": "shop", "count": 1}]));
    let asked = harness.json("/api/v1/logs?namespace=sentinel-canary").await;
    assert_eq!(bodies(&asked), ["canary 0 started=1 sent=1"]);
}

#[tokio::test]
async fn stages_tell_the_age_of_what_bus_and_stores_hold() {
    let harness = with_lines(1).await;
    let of = |pipeline: &Value, id: &str| {
        let stages = pipeline["stages"].as_array().expect("stages");
        stages.iter().find(|stage| stage["id"] == id).expect("a stage")["newest_age_s"].clone()
    };
    let own = series(MetricKind::Counter, "sentinel_processor_samples_total", &[]);
    harness.stored(&own, Resolution::TenSeconds, 60, &[1.0, 2.0]).await;
    harness.app.freshness.saw(ago(3));
    harness.app.freshness.saw(ago(9));
    let pipeline = harness.json("/api/v1/pipeline").await;
    assert_eq!(of(&pipeline, "bus"), 3.0);
    assert_eq!(of(&pipeline, "metric-store"), 40.0, "from the end of the newest window");
    assert_eq!(of(&pipeline, "log-store"), 600.0);
}

#[tokio::test]
async fn a_line_is_text_whatever_it_holds() {
    let harness = Harness::new();
    let hostile = "<img src=x onerror=alert(1)> \u{1b}]8;;http://evil \u{202e}";
    let line = document(DocumentKind::Log, 1, hostile, ago(5));
    harness.logs.write(vec![line]).await.expect("the fake takes everything");
    let answer = harness.get("/api/v1/logs").await;
    assert_eq!(bodies(&answer.json()), [hostile]);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn the_end_of_a_pods_log_comes_oldest_first_and_goes_back_by_pages() {
    let harness = with_lines(10).await;
    harness.objects(vec![pod("web-1", "web", running())]);
    let end = harness.json("/api/v1/pods/shop/web-1/logs?tail=3").await;
    assert_eq!(bodies(&end), ["line 7", "line 8", "line 9"]);
    assert_eq!(end["is_collected"], true);
    let token = end["next_page_token"].as_str().expect("a token");
    let before = harness.json(&format!("/api/v1/pods/shop/web-1/logs?tail=3&page_token={token}")).await;
    assert_eq!(bodies(&before), ["line 4", "line 5", "line 6"]);
    let other = harness.json("/api/v1/pods/shop/web-1/logs?container=proxy").await;
    assert_eq!((&other["items"], &other["is_collected"]), (&json!([]), &json!(true)));
}

#[tokio::test]
async fn a_pod_without_collected_logs_says_what_to_do() {
    let harness = Harness::new();
    harness.objects(vec![pod("web-1", "web", running())]);
    let logs = harness.json("/api/v1/pods/shop/web-1/logs").await;
    assert_eq!((&logs["items"], &logs["is_collected"]), (&json!([]), &json!(false)));
    assert!(logs["hint"].as_str().is_some_and(|hint| hint.contains("log_namespaces = [\"shop\"]")));
    assert_eq!(harness.get("/api/v1/pods/shop/gone/logs").await.status.as_u16(), 404);
}

#[tokio::test]
async fn previous_ends_where_the_last_run_did() {
    let harness = with_lines(0).await;
    let restarted = with_container(pod("web-1", "web", running()), |container| {
        container.restart_count = 1;
        container.last_state = terminated("Error", 1);
    });
    harness.objects(vec![restarted]);
    let lines = [
        document(DocumentKind::Log, 1, "before the end", ago(15)),
        document(DocumentKind::Log, 2, "after the restart", ago(5)),
    ];
    harness.logs.write(lines.to_vec()).await.expect("the fake takes everything");
    let previous = harness.json("/api/v1/pods/shop/web-1/logs?previous=true").await;
    assert_eq!(bodies(&previous), ["before the end"]);
}

#[tokio::test]
async fn events_carry_what_the_store_keeps_beside_its_fields() {
    let harness = Harness::new();
    let event = document(DocumentKind::Event, 7, "Back-off restarting failed container", ago(30));
    harness.logs.write(vec![event]).await.expect("the fake takes everything");
    let events = harness.json("/api/v1/events?severity=warning&object_kind=Pod&reason=BackOff").await;
    let row = &events["items"][0];
    assert_eq!(
        (&row["count"], &row["type"], &row["reporter"]),
        (&json!(4), &json!("Warning"), &json!("kubelet"))
    );
    assert_eq!(row["first_seen"], "2026-11-21T09:56:40.000Z");
    let overview = harness.json("/api/v1/overview").await;
    assert_eq!(overview["counts"]["n_warning_events"], 1);
    assert_eq!(overview["problems"][0]["reason"], "BackOff");
}

fn letter(topic: Topic, reason: &str, value: &'static [u8]) -> DeadLetter {
    DeadLetter {
        topic: topic.as_str().into(),
        partition: 1,
        offset: 42,
        reason: reason.into(),
        detail: "the frame is corrupt".into(),
        observed: NOW,
        role: "processor".into(),
        key: "key".into(),
        value: value.into(),
    }
}

/// From <https://www.w3.org/TR/trace-context/#examples-of-http-traceparent-headers>.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traceparent() -> Vec<(String, bytes::Bytes)> {
    vec![(trace::TRACEPARENT.to_owned(), format!("00-{TRACE}-00f067aa0ba902b7-01").into())]
}

async fn with_letters(letters: &[DeadLetter]) -> Harness {
    let harness = Harness::new();
    for letter in letters {
        let record =
            Record { key: letter.key(), value: letter.encode(), headers: traceparent(), timestamp: NOW };
        let message = Outgoing { topic: Topic::DeadLetters, route: Route::Partition(0), record };
        let positions = harness.bus.publish(vec![message]).await.expect("the fake takes everything");
        harness.app.dead_letters.apply(crate::dead_letters::LetterId::of(positions[0]), letter);
    }
    harness
}

#[tokio::test]
async fn dead_letters_are_listed_read_and_replayed() {
    let harness = with_letters(&[
        letter(Topic::Metrics, "corrupt", b"\x00\xffbytes"),
        letter(Topic::Metrics, "late", b"frame"),
        letter(Topic::Objects, "corrupt", b"state"),
    ])
    .await;
    let late = harness.json("/api/v1/dead-letters?reason=late").await;
    assert_eq!(late["items"][0]["id"], "0-1");
    assert_eq!(harness.pages("/api/v1/dead-letters", 2).await.len(), 3);
    let whole = harness.json("/api/v1/dead-letters/0-0").await;
    assert_eq!(
        (&whole["preview"], &whole["value_base64"]),
        (&json!(r"\x00\xffbytes"), &json!("AP9ieXRlcw=="))
    );
    assert_eq!(harness.get("/api/v1/dead-letters/0-9").await.status.as_u16(), 404);
    let replay = harness.post("/api/v1/dead-letters/replay", r#"{"ids":["0-0","0-2","1-7"]}"#).await;
    assert_eq!(replay.json(), json!({"n_replayed": 1, "skipped": ["1-7", "0-2"]}));
    let replayed = harness.bus.records(Topic::Metrics);
    assert_eq!(replayed.len(), 1);
    assert_eq!((&*replayed[0].key, &*replayed[0].value), (&b"key"[..], &b"\x00\xffbytes"[..]));
    assert_eq!(replayed[0].headers[0], ("replayed-from".to_owned(), "0-0".into()));
    assert_eq!(whole["trace_id"], TRACE);
    assert_eq!(trace::trace_id(&replayed[0]).as_deref(), Some(TRACE), "it goes on with its trace");
    let by_reason = harness.post("/api/v1/dead-letters/replay", r#"{"reason":"late"}"#).await;
    assert_eq!(by_reason.json()["n_replayed"], 1);
}

#[tokio::test]
async fn the_pipeline_tells_topics_lag_and_dead_letters() {
    let harness = with_letters(&[letter(Topic::Metrics, "late", b"frame")]).await;
    let record = Record { key: "k".into(), value: "v".into(), headers: Vec::new(), timestamp: NOW };
    let message = Outgoing { topic: Topic::Logs, route: Route::Partition(1), record };
    harness.bus.publish(vec![message; 5]).await.expect("the fake takes everything");
    let at = TopicPartition { topic: Topic::Logs, partition: 1 };
    harness.bus.set_commit("sentinel-logs", at, Commit { offset: 2, metadata: String::new() });
    let pipeline = harness.json("/api/v1/pipeline").await;
    let topics = pipeline["topics"].as_array().expect("a list");
    let logs = topics.iter().find(|topic| topic["name"] == "sentinel.logs.v1").expect("the topic");
    assert_eq!(logs["n_records"], 5);
    assert_eq!(logs["groups"], json!([{"name": "sentinel-logs", "lag": 3}]));
    assert_eq!(pipeline["dead_letters"], json!({"total": 1, "by_reason": {"late": 1}}));
    let bus = json!({"process": null, "name": "bus", "state": "ready", "reason": ""});
    assert_eq!(pipeline["components"][0], bus);
    let ids: Vec<_> =
        pipeline["stages"].as_array().expect("a list").iter().map(|stage| stage["id"].clone()).collect();
    assert_eq!(ids, ["collector", "bus", "processor", "metric-store", "log-store", "api"]);
}
