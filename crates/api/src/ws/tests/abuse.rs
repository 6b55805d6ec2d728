//! Clients that break the rules: refused before the upgrade, closed with the right code, or answered with
//! an error; never harmful to others.

use serde_json::json;

use super::client::{Client, frame, raw_close_code};
use crate::config::Config;
use crate::tests::served::{Served, any_port};

/// Status of the answer to an upgrade with these headers.
pub async fn upgrade_status(served: &Served, query: &str, headers: &str) -> u16 {
    let version =
        if headers.contains("Sec-WebSocket-Version") { "" } else { "Sec-WebSocket-Version: 13\r\n" };
    let request = format!(
        "GET /api/v1/ws{query} HTTP/1.1\r\nHost: localhost:7700\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{version}{headers}\r\n"
    );
    // A masked close frame follows, so that an accepted connection ends.
    let request = [request.as_bytes(), &frame(0x88, &[3, 232])].concat();
    let answer = served.raw(&request).await;
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn upgrades_that_other_sites_ask_for_are_refused() {
    let served = Served::start().await;
    for (query, headers, expected) in [
        ("", "", 101),
        ("", "Origin: http://localhost:7700\r\n", 101),
        ("", "Origin: https://evil.example\r\n", 403),
        ("", "Origin: null\r\n", 403),
        ("", "Origin: http://localhost:7700.evil.example\r\n", 403),
        ("", "Origin: http://localhost:9999\r\n", 403),
        ("", "Cookie: a=b\r\n", 403),
        ("", "Sec-WebSocket-Version: 8\r\n", 426),
        ("?token=secret", "", 400),
        ("?ticket=made-up", "", 401),
        ("?ticket=0123456789abcdef0123456789abcdef", "", 401),
        ("?ticket=%FF", "", 400),
    ] {
        assert_eq!(upgrade_status(&served, query, headers).await, expected, "{query} {headers}");
    }
    let old =
        "GET /api/v1/ws HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert!(served.raw(old.as_bytes()).await.contains(" 403 "));
    let plain = "GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(served.raw(plain.as_bytes()).await.contains(" 400 "));
    served.stop().await;
}

#[tokio::test]
async fn a_guarded_server_wants_a_ticket_and_allowed_origins_pass() {
    let config = Config {
        token: Some("a-long-enough-token".into()),
        allowed_origins: vec!["https://ops.example".into()],
        ..any_port()
    };
    let served = Served::with(config).await;
    assert_eq!(upgrade_status(&served, "", "").await, 401);
    let bearer = "Authorization: Bearer a-long-enough-token\r\n";
    assert_eq!(upgrade_status(&served, "", bearer).await, 101);
    let allowed = format!("{bearer}Origin: https://ops.example\r\n");
    assert_eq!(upgrade_status(&served, "", &allowed).await, 101);
    served.stop().await;
}

#[tokio::test]
async fn frames_that_break_the_protocol_are_closed_with_1002() {
    let served = Served::start().await;
    let unmasked = [0x81, 0x02, b'h', b'i'].to_vec();
    for (frames, what) in [
        (unmasked, "an unmasked frame"),
        (frame(0xc1, b"x"), "a reserved bit"),
        (frame(0x83, b"x"), "a reserved opcode"),
        (frame(0x8b, b"x"), "a reserved control opcode"),
        (frame(0x09, b"x"), "a fragmented ping"),
        (frame(0x89, &[b'x'; 126]), "a ping of 126 bytes"),
        (frame(0x80, b"x"), "a continuation of nothing"),
        ([frame(0x01, b"{"), frame(0x81, b"}")].concat(), "a new message within another"),
    ] {
        assert_eq!(raw_close_code(&served, &frames).await, Some(1002), "{what}");
    }
    served.stop().await;
}

#[tokio::test]
async fn messages_that_are_no_text_or_too_large_are_closed() {
    let served = Served::start().await;
    let split = [frame(0x01, b"\"\xce\xba\xe1"), frame(0x80, b"\xff\"")].concat();
    for (frames, expected, what) in [
        (frame(0x81, b"\xff\xfe"), 1007, "invalid UTF-8"),
        (split, 1007, "invalid UTF-8 over two fragments"),
        (frame(0x81, &vec![b'x'; 65 << 10]), 1009, "65 KiB"),
        (
            [frame(0x01, &vec![b' '; 40 << 10]), frame(0x80, &vec![b' '; 40 << 10])].concat(),
            1009,
            "two of 40 KiB",
        ),
        (frame(0x82, b"binary"), 1003, "a binary message"),
    ] {
        assert_eq!(raw_close_code(&served, &frames).await, Some(expected), "{what}");
    }
    served.stop().await;
}

#[tokio::test]
async fn messages_that_nobody_knows_are_answered_and_the_connection_lives() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for text in [
        "",
        "hello",
        "[]",
        "null",
        "{",
        r#"{"type":"approve","id":"1"}"#,
        r#"{"type":"ack","id":"1","seq":9}"#,
        r#"{"id":"1"}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","topic":"secrets"}"#,
        r#"{"type":"subscribe","id":1,"topic":"logs"}"#,
        r#"{"type":"subscribe","id":"1","topic":"logs","filter":[]}"#,
        r#"{"type":"subscribe","id":"1","topic":"logs","from":"1970-01-01"}"#,
        r#"{"type":"subscribe","id":"1","topic":"logs","max_rate":"NaN"}"#,
        r#"{"type":"ping","type":"ping"}"#,
        r#"{"type":"unsubscribe"}"#,
        &deep,
    ] {
        client.send_text(text).await;
        let error = client.next_of("error").await;
        assert_eq!(error["problem"]["code"], "invalid_body", "{text}");
    }
    client.send_text(r#"{"type":"subscribe","id":"s7","topic":"secrets"}"#).await;
    let error = client.next_of("error").await;
    assert_eq!(error["id"], "s7", "its sender learns which request failed");
    assert_eq!(client.subscribe("s7", "logs", json!({})).await["type"], "subscribed");
    served.stop().await;
}

#[tokio::test]
async fn requests_that_cannot_be_met_are_answered_and_the_connection_lives() {
    let served = Served::start().await;
    let mut client = Client::connect(&served).await;
    let session = client.session.clone();
    client.subscribe("taken", "logs", json!({})).await;
    let bomb = format!("up{{a=~\"{}\"}}", "(a{1000}){1000}");
    for (request, field) in [
        (json!({"type": "unsubscribe", "id": "other"}), "id"),
        (json!({"type": "subscribe", "id": "taken", "topic": "logs"}), "id"),
        (json!({"type": "subscribe", "id": "", "topic": "logs"}), "id"),
        (json!({"type": "subscribe", "id": "x".repeat(65), "topic": "logs"}), "id"),
        (json!({"type": "subscribe", "id": "1", "topic": "logs", "max_rate": 0}), "max_rate"),
        (json!({"type": "subscribe", "id": "1", "topic": "logs", "max_rate": 1e308}), "max_rate"),
        (json!({"type": "subscribe", "id": "1", "topic": "logs", "max_rate": -1}), "max_rate"),
        (json!({"type": "subscribe", "id": "1", "topic": "logs", "filter": {"pods": 1}}), "filter"),
        (json!({"type": "subscribe", "id": "1", "topic": "logs", "filter": {"q": "\"a b"}}), "filter.q"),
        (
            json!({"type": "subscribe", "id": "1", "topic": "logs", "filter": {"severity": "loud"}}),
            "filter.severity",
        ),
        (json!({"type": "subscribe", "id": "1", "topic": "metrics"}), "filter.match"),
        (
            json!({"type": "subscribe", "id": "1", "topic": "metrics", "filter": {"match": "up{"}}),
            "filter.match",
        ),
        (
            json!({"type": "subscribe", "id": "1", "topic": "metrics", "filter": {"match": bomb}}),
            "filter.match",
        ),
        (
            json!({"type": "subscribe", "id": "taken", "topic": "logs", "resume": {"session": session, "seq": 99}}),
            "id",
        ),
    ] {
        client.send(&request).await;
        let error = client.next_of("error").await;
        assert_eq!(
            (&error["problem"]["status"], &error["problem"]["field"]),
            (&json!(400), &json!(field)),
            "{request}"
        );
    }
    client.send(&json!({"type": "ping"})).await;
    client.next_of("pong").await;
    served.stop().await;
}

#[tokio::test]
async fn a_message_that_was_not_sent_yet_cannot_be_resumed_from() {
    let served = Served::start().await;
    let mut first = Client::connect(&served).await;
    first.subscribe("l", "logs", json!({})).await;
    let mut second = Client::connect(&served).await;
    let resume = json!({"session": first.session, "seq": 99});
    second
        .send(&json!({"type": "subscribe", "id": "l", "topic": "logs", "filter": {}, "resume": resume}))
        .await;
    assert_eq!(second.next_of("error").await["problem"]["field"], "resume.seq");
    served.stop().await;
}

#[tokio::test]
async fn subscriptions_and_clients_are_bounded() {
    let mut config = any_port();
    config.limits.websocket_clients = 2;
    config.limits.websocket_subscriptions = 3;
    let served = Served::with(config).await;
    let mut client = Client::connect(&served).await;
    for id in ["1", "2", "3"] {
        assert_eq!(client.subscribe(id, "logs", json!({})).await["type"], "subscribed");
    }
    let one_too_many = client.subscribe("4", "logs", json!({})).await;
    assert_eq!(one_too_many["problem"]["code"], "too_much");
    let detail = "this connection has 3 subscriptions, and may not have more";
    assert_eq!(one_too_many["problem"]["detail"], detail);
    let _second = Client::connect(&served).await;
    assert_eq!(upgrade_status(&served, "", "").await, 503);
    served.stop().await;
}

#[tokio::test]
async fn a_flood_of_messages_or_of_bad_requests_ends_the_connection() {
    let served = Served::start().await;
    let mut flood = Client::connect(&served).await;
    for _ in 0..2_000 {
        // The server may have closed already.
        if futures::SinkExt::send(&mut flood.socket, r#"{"type":"ping"}"#.into()).await.is_err() {
            break;
        }
    }
    assert!(matches!(flood.close_code().await, Some(1008) | None));
    let mut stubborn = Client::connect(&served).await;
    for _ in 0..60 {
        let request = json!({"type": "unsubscribe", "id": "nothing"}).to_string();
        if futures::SinkExt::send(&mut stubborn.socket, request.into()).await.is_err() {
            break;
        }
    }
    assert_eq!(stubborn.close_code().await, Some(1008));
    let mut babbling = Client::connect(&served).await;
    for _ in 0..60 {
        if futures::SinkExt::send(&mut babbling.socket, "hello".into()).await.is_err() {
            break;
        }
    }
    assert_eq!(babbling.close_code().await, Some(1008));
    served.stop().await;
}
