//! What subscriptions give.

use futures::SinkExt as _;
use sentinel_model::{LogSeverity, MetricKind, ObjectDetail, ObjectState, Timestamp};
use sentinel_runtime::clock;
use sentinel_testkit::build::{
    deployment, event, line, node, pod, running, series, terminated, with_container,
};
use sentinel_testkit::wait_until;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, encoder, window};
use crate::config::Config;
use crate::tests::served::{Served, any_port};

fn now() -> Timestamp {
    Timestamp::from_millis(clock::now_millis())
}

#[tokio::test]
async fn lines_and_events_arrive_filtered_and_in_order() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    let subscribed = client.subscribe("l", "logs", json!({"pod": "web-1", "severity": ["error"]})).await;
    assert_eq!(subscribed, json!({"type": "subscribed", "id": "l", "seq": 0, "resumed": false}));
    client.subscribe("e", "events", json!({"reason": "BackOff"})).await;
    served
        .put_lines(vec![
            line("web-1", LogSeverity::Error, "first <b>", now()),
            line("web-1", LogSeverity::Info, "not asked for", now()),
            line("web-2", LogSeverity::Error, "of another pod", now()),
            line("web-1", LogSeverity::Error, "second", now()),
        ])
        .await;
    served
        .put_events(vec![event("u1", "Killing", "web-1", now()), event("u2", "BackOff", "web-1", now())])
        .await;
    let (mut lines, mut events) = (Vec::new(), Vec::new());
    while lines.len() < 2 || events.is_empty() {
        let data = client.next_of("data").await;
        let items = data["items"].as_array().expect("items").clone();
        if data["id"] == "l" { lines.extend(items) } else { events.extend(items) }
    }
    let bodies: Vec<&Value> = lines.iter().map(|line| &line["body"]).collect();
    assert_eq!(bodies, ["first <b>", "second"]);
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["reason"], &events[0]["count"]), (&json!("BackOff"), &json!(3)));
    served.stop().await;
}

#[tokio::test]
async fn series_are_named_once_and_then_meant_by_number() {
    let served = Served::start().await;
    let mut encoder = encoder();
    let rows = |a: f64, b: f64| {
        let of = |pod| series(MetricKind::Gauge, "used_bytes", &[("pod", pod), ("namespace", "shop")]);
        let other = series(MetricKind::Gauge, "other", &[]);
        [(of("a"), a), (of("b"), b), (other, 9.0)]
    };
    served.put_window(&mut encoder, window(2), &rows(1.0, 2.0)).await;
    wait_until("the overlay has it", || served.metric("sentinel_api_live_series") == 3.0).await;
    let mut client = Client::connect(&served).await;
    client.subscribe("m", "metrics", json!({"match": "used_bytes"})).await;
    let first = client.items_until("m", |items| items.len() >= 2).await;
    assert_eq!(first.len(), 2, "what is known already comes first");
    let pod_of = |item: &Value| item["labels"]["pod"].as_str().map(str::to_owned);
    assert!(first.iter().all(|item| item["t"] == window(2).as_millis() && pod_of(item).is_some()));
    served.put_window(&mut encoder, window(1), &rows(3.0, 4.0)).await;
    let second = client.items_until("m", |items| items.len() >= 2).await;
    for item in &second {
        assert!(item.get("labels").is_none(), "named before: {item}");
        let same = first.iter().find(|known| known["ref"] == item["ref"]).expect("a known number");
        let expected = if pod_of(same).as_deref() == Some("a") { 3.0 } else { 4.0 };
        assert_eq!((&item["v"], &item["provisional"]), (&json!(expected), &json!(true)));
    }
    served.stop().await;
}

#[tokio::test]
async fn counters_come_as_rates() {
    let served = Served::start().await;
    let mut encoder = encoder();
    let counter = series(MetricKind::Counter, "requests_total", &[("pod", "a")]);
    let mut client = Client::connect(&served).await;
    client.subscribe("m", "metrics", json!({"match": "requests_total"})).await;
    served.put_window(&mut encoder, window(2), &[(counter.clone(), 100.0)]).await;
    served.put_window(&mut encoder, window(1), &[(counter.clone(), 150.0)]).await;
    let items = client.items_until("m", |items| !items.is_empty()).await;
    assert_eq!((&items[0]["t"], &items[0]["v"]), (&json!(window(1).as_millis()), &json!(5.0)));
    served.stop().await;
}

#[tokio::test]
async fn a_pods_change_brings_its_row_and_those_that_count_it() {
    let served = Served::start().await;
    for state in [node("node-1"), deployment("web", 1, 1), pod("web-1", "web", running())] {
        served.put_object(&state).await;
    }
    wait_until("all are known", || served.metric("sentinel_api_objects") == 3.0).await;
    let mut client = Client::connect(&served).await;
    client.subscribe("o", "objects", json!({"kinds": ["Pod", "Deployment", "Node"]})).await;
    let crashed = with_container(pod("web-1", "web", terminated("OOMKilled", 137)), |container| {
        container.restart_count = 1;
    });
    let crashed = ObjectState { observed: now(), ..crashed };
    served.put_object(&crashed).await;
    let items = client.items_until("o", |items| items.len() >= 3).await;
    let of = |kind: &str| items.iter().find(|item| item["kind"] == kind).expect("a row").clone();
    assert_eq!(of("Pod")["row"]["reason"], "OOMKilled");
    assert_eq!(of("Deployment")["row"]["n_restarts"], 1);
    assert_eq!(of("Node")["row"]["n_pods"], 1);
    served.put_object(&ObjectState { is_deleted: true, ..crashed }).await;
    let items = client.items_until("o", |items| items.len() >= 3).await;
    let gone = items.iter().find(|item| item["op"] == "delete").expect("a farewell");
    assert_eq!((&gone["kind"], &gone["row"]["name"]), (&json!("Pod"), &json!("web-1")));
    let node = items.iter().find(|item| item["kind"] == "Node").expect("a row");
    assert_eq!(node["row"]["n_pods"], 0);
    served.stop().await;
}

#[tokio::test]
async fn a_snapshot_of_objects_comes_when_it_is_asked_for() {
    let served = Served::start().await;
    served.put_object(&pod("web-1", "web", running())).await;
    wait_until("it is known", || served.metric("sentinel_api_objects") == 1.0).await;
    let mut client = Client::connect(&served).await;
    client.subscribe("o", "objects", json!({"kinds": "Pod", "snapshot": true})).await;
    let items = client.items_until("o", |items| !items.is_empty()).await;
    assert_eq!((&items[0]["op"], &items[0]["row"]["name"]), (&json!("upsert"), &json!("web-1")));
    served.stop().await;
}

#[tokio::test]
async fn usage_that_was_measured_before_a_pods_end_is_kept_back() {
    let served = Served::start().await;
    let mut done = pod("web-1", "web", terminated("Completed", 0));
    if let ObjectDetail::Pod(detail) = &mut done.detail {
        detail.phase = "Succeeded".to_owned();
    }
    let cluster = done.key.cluster.to_string();
    for state in [done, pod("web-2", "web", running())] {
        served.put_object(&state).await;
    }
    let memory = |name: &str| {
        let labels =
            [("cluster", cluster.as_str()), ("namespace", "shop"), ("pod", name), ("container", "app")];
        (series(MetricKind::Gauge, "container_memory_working_set_bytes", &labels), 5e6)
    };
    served.put_window(&mut encoder(), window(1), &[memory("web-1"), memory("web-2")]).await;
    let is_known = |name, n| served.metric(name) == n;
    wait_until("all is known", || {
        is_known("sentinel_api_live_series", 2.0) && is_known("sentinel_api_objects", 2.0)
    })
    .await;
    let mut client = Client::connect(&served).await;
    client.subscribe("u", "usage", json!({})).await;
    let items = client.items_until("u", |items| !items.is_empty()).await;
    let names: Vec<&Value> = items.iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["web-2"]);
    served.stop().await;
}

#[tokio::test]
async fn too_many_series_are_told_with_what_to_raise() {
    let mut config = any_port();
    config.limits.live_series = 2;
    let served = Served::with(config).await;
    let rows: Vec<_> =
        ["a", "b", "c"].map(|pod| (series(MetricKind::Gauge, "m", &[("pod", pod)]), 1.0)).into();
    served.put_window(&mut encoder(), window(1), &rows).await;
    wait_until("it is told", || served.health.report().is_degraded).await;
    let told = format!("{:?}", served.health.report());
    assert!(told.contains("api.limits.live_series = 2"), "{told}");
    assert_eq!(served.metric("sentinel_api_live_refused_windows"), 1.0);
    served.stop().await;
}

#[tokio::test]
async fn usage_and_pipeline_come_at_once() {
    let served = Served::start().await;
    let labels =
        [("cluster", "test"), ("namespace", "shop"), ("pod", "web-1"), ("container", "app"), ("node", "n1")];
    let memory = series(MetricKind::Gauge, "container_memory_working_set_bytes", &labels);
    served.put_window(&mut encoder(), window(1), &[(memory, 5e6)]).await;
    wait_until("the overlay has it", || served.metric("sentinel_api_live_series") == 1.0).await;
    let mut client = Client::connect(&served).await;
    client.subscribe("u", "usage", json!({"namespaces": ["shop"]})).await;
    let usage = client.items_until("u", |items| !items.is_empty()).await;
    assert_eq!(
        usage[0],
        json!({
            "kind": "Pod", "cluster": "test", "namespace": "shop", "name": "web-1",
            "cpu": null, "memory": 5e6, "t": window(1).as_millis(),
        })
    );
    client.subscribe("p", "pipeline", json!({})).await;
    let pipeline = client.items_until("p", |items| !items.is_empty()).await;
    assert_eq!(pipeline[0]["stages"].as_array().map(Vec::len), Some(6));
    served.stop().await;
}

#[tokio::test]
async fn fast_news_are_gathered_to_the_rate_that_was_asked_for() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    client.send(&json!({"type": "subscribe", "id": "l", "topic": "logs", "max_rate": 5})).await;
    client.next_of("subscribed").await;
    for i in 0..100 {
        served.put_lines(vec![line("web-1", LogSeverity::Info, &i.to_string(), now())]).await;
    }
    let (mut n_items, mut n_messages) = (0, 0);
    while n_items < 100 {
        let data = client.next_of("data").await;
        n_messages += 1;
        assert_eq!(data["seq"], n_messages);
        n_items += data["items"].as_array().expect("items").len();
    }
    assert!(n_messages < 20, "{n_messages} messages");
    served.stop().await;
}

#[tokio::test]
async fn a_subscription_that_was_ended_is_silent() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    client.subscribe("a", "logs", json!({})).await;
    client.subscribe("b", "logs", json!({})).await;
    client.send(&json!({"type": "unsubscribe", "id": "a"})).await;
    client.send(&json!({"type": "ping"})).await;
    assert!(client.next_of("pong").await["time_ms"].is_i64());
    served.put_lines(vec![line("web-1", LogSeverity::Info, "x", now())]).await;
    assert_eq!(client.next_of("data").await["id"], "b");
    served.stop().await;
}

#[tokio::test]
async fn a_ticket_admits_one_client_once() {
    let token = "a-long-enough-token";
    let served = Served::with(Config { token: Some(token.into()), ..any_port() }).await;
    let request = format!(
        "POST /api/v1/ws-ticket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = served.raw(request.as_bytes()).await;
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let ticket = body["ticket"].as_str().expect("a ticket");
    let client = Client::connect_by(&served, &format!("?ticket={ticket}")).await;
    drop(client);
    let again = super::abuse::upgrade_status(&served, &format!("?ticket={ticket}"), "").await;
    assert_eq!(again, 401, "it works once");
    served.stop().await;
}

#[tokio::test]
async fn whoever_s_token_is_revoked_is_told_to_leave() {
    let config = Config { token: Some("a-long-enough-token".into()), ..any_port() };
    let served = Served::with(config).await;
    let (token, id) = crate::secret::generate();
    let made = sentinel_model::ApiToken {
        id: id.clone(),
        name: "ci".into(),
        role: sentinel_model::AccessRole::Viewer,
        sha256: crate::secret::hash(token.as_bytes()),
        created: Timestamp::from_secs(1),
        expires: None,
    };
    let set = |value| sentinel_settings::Change {
        key: sentinel_model::SettingValue::token_key(&id),
        value,
        expected: None,
        by: "a test".into(),
    };
    let value = Some(sentinel_model::SettingValue::Token(made));
    served.settings.change(set(value)).await.expect("a token");
    let request = format!(
        "POST /api/v1/ws-ticket HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = served.raw(request.as_bytes()).await;
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let ticket = body["ticket"].as_str().expect("a ticket");
    let mut client = Client::connect_by(&served, &format!("?ticket={ticket}")).await;
    served.settings.change(set(None)).await.expect("revoked");
    // It does not help to keep asking.
    for _ in 0..400 {
        client.socket.feed(Message::text(r#"{"type":"ping"}"#)).await.ok();
    }
    client.socket.flush().await.ok();
    let (code, reason) = client.close_frame().await.expect("a last word");
    assert_eq!((code, reason.as_str()), (4401, "the token was revoked"));
    served.stop().await;
}

#[tokio::test]
async fn clients_are_told_when_the_server_stops() {
    let served = Served::start().await;
    let client = Client::connect(&served).await;
    let (code, ()) = tokio::join!(client.close_code(), served.stop());
    assert_eq!(code, Some(1001));
}
