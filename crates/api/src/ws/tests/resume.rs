//! Going on after a broken connection, and what slowness costs.

use std::time::Duration;

use futures::StreamExt as _;
use sentinel_model::{LogSeverity, MetricKind, Timestamp};
use sentinel_runtime::clock;
use sentinel_testkit::build::{line, series};
use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::client::{Client, encoder, window};
use crate::tests::served::{Served, any_port};

async fn put(served: &Served, bodies: impl IntoIterator<Item = String>) {
    let now = Timestamp::from_millis(clock::now_millis());
    let lines = bodies.into_iter().map(|body| line("web-1", LogSeverity::Info, &body, now));
    served.put_lines(lines.collect()).await;
}

fn resume(session: &str, seq: u64) -> Value {
    json!({"type": "subscribe", "id": "l", "topic": "logs", "filter": {}, "resume": {"session": session, "seq": seq}})
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_over_a_broken_connection() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    client.subscribe("l", "logs", json!({})).await;
    put(&served, ["a".to_owned()]).await;
    let first = client.next_of("data").await;
    assert_eq!(first["seq"], 1);
    put(&served, ["b".to_owned()]).await;
    assert_eq!(client.next_of("data").await["seq"], 2);
    let session = client.session.clone();
    drop(client);
    put(&served, ["c".to_owned()]).await;
    // The client says that it has the first message only: the second comes again, then what it missed.
    let mut client = Client::connect(&served).await;
    client.send(&resume(&session, 1)).await;
    assert_eq!(client.next().await, json!({"type": "subscribed", "id": "l", "seq": 1, "resumed": true}));
    let items = client.items_until("l", |items| items.len() >= 2).await;
    let bodies: Vec<&Value> = items.iter().map(|item| &item["body"]).collect();
    assert_eq!(bodies, ["b", "c"]);
    served.stop().await;
}

#[tokio::test]
async fn series_that_a_lost_message_named_are_named_again() {
    let served = Served::start().await;
    let mut encoder = encoder();
    let gauge = series(MetricKind::Gauge, "used_bytes", &[("pod", "a")]);
    served.put_window(&mut encoder, window(2), &[(gauge.clone(), 1.0)]).await;
    wait_until("the overlay has it", || served.metric("sentinel_api_live_series") == 1.0).await;
    let mut client = Client::connect(&served).await;
    client.subscribe("m", "metrics", json!({"match": "used_bytes"})).await;
    client.next_of("data").await;
    let session = client.session.clone();
    drop(client);
    let mut client = Client::connect(&served).await;
    client
        .send(&json!({
            "type": "subscribe", "id": "m", "topic": "metrics", "filter": {"match": "used_bytes"},
            "resume": {"session": session, "seq": 0},
        }))
        .await;
    assert_eq!(client.next().await["resumed"], true);
    let items = client.items_until("m", |items| !items.is_empty()).await;
    assert_eq!(items[0]["labels"]["pod"], "a");
    served.stop().await;
}

#[tokio::test]
async fn a_session_that_is_not_known_or_asked_otherwise_starts_anew() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    client.send(&resume("00000000000000000000000000000000", 7)).await;
    assert_eq!(client.next().await, json!({"type": "subscribed", "id": "l", "seq": 0, "resumed": false}));
    let session = client.session.clone();
    drop(client);
    let mut client = Client::connect(&served).await;
    let mut other = resume(&session, 0);
    other["filter"] = json!({"pod": "other"});
    client.send(&other).await;
    assert_eq!(client.next().await["resumed"], false);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_misses_records_and_learns_how_many() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    client.subscribe("l", "logs", json!({})).await;
    // Far more than the ring and the sockets' buffers hold, while nobody reads.
    let n_batches = 60;
    for batch in 0..n_batches {
        put(&served, (0..500).map(|i| format!("{batch}/{i} {}", "x".repeat(1_000)))).await;
    }
    put(&served, ["the end".to_owned()]).await;
    let (mut n_items, mut n_dropped) = (0, 0);
    loop {
        let data = client.next_of("data").await;
        let items = data["items"].as_array().expect("items");
        n_items += items.len() as u64;
        n_dropped += data["dropped"].as_u64().expect("a number");
        if items.last().is_some_and(|item| item["body"] == "the end") {
            break;
        }
    }
    assert_eq!(n_items + n_dropped, n_batches * 500 + 1, "every record was sent or counted");
    assert!(n_dropped > 0);
    assert_eq!(served.metric("sentinel_api_websocket_dropped_total"), n_dropped as f64);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_long_is_closed_and_others_are_not() {
    let mut config = any_port();
    config.limits.websocket_stall = Duration::from_millis(200);
    let served = Served::with(config).await;
    let mut stuck = Client::connect(&served).await;
    let mut good = Client::connect(&served).await;
    stuck.subscribe("l", "logs", json!({})).await;
    good.subscribe("l", "logs", json!({"q": "important"})).await;
    let mut n_batches = 0;
    while served.metric("sentinel_api_websocket_stalled_total") == 0.0 {
        put(&served, (0..500).map(|i| format!("{i} {}", "x".repeat(1_000)))).await;
        tokio::task::yield_now().await;
        n_batches += 1;
        assert!(n_batches < 100_000, "it never stalls");
    }
    put(&served, ["important".to_owned()]).await;
    assert_eq!(good.items_until("l", |items| !items.is_empty()).await[0]["body"], "important");
    // The close frame waits behind what the client has not read.
    let mut last = None;
    while let Some(Ok(message)) = stuck.socket.next().await {
        last = Some(message);
    }
    if let Some(tokio_tungstenite::tungstenite::Message::Close(Some(frame))) = last {
        assert_eq!(u16::from(frame.code), 1013);
    }
    wait_until("one client is left", || served.metric("sentinel_api_websocket_clients") == 1.0).await;
    served.stop().await;
}
