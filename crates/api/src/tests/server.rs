//! The service over TCP: who may listen where, what a broken client gets, how it stops.

use std::time::Duration;

use sentinel_bus::{Bus as _, Outgoing, Record, Route};
use sentinel_model::{ObjectState, Topic};
use sentinel_proto::Wire as _;
use sentinel_testkit::build::{NOW, pod, running};
use sentinel_testkit::wait_until;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::served::{Served, any_port, build};
use crate::config::Config;
use crate::service::BuildError;

const TOKEN: &str = "a-long-enough-token";

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

async fn get(served: &Served, path: &str, headers: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    served.raw(request.as_bytes()).await
}

async fn publish(served: &Served, state: &ObjectState) {
    let record = Record { key: state.key(), value: state.encode(), headers: Vec::new(), timestamp: NOW };
    let message = Outgoing { topic: Topic::Objects, route: Route::ByKey, record };
    served.bus.publish(vec![message]).await.expect("the fake takes everything");
}

async fn pods(served: &Served) -> Vec<String> {
    let answer = get(served, "/api/v1/pods", "").await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let page: Value = serde_json::from_str(body).unwrap_or_default();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let refused = |listen: &str, token: Option<&str>| {
        let config = Config { listen: listen.into(), token: token.map(str::to_owned), ..Config::default() };
        build(config).err().expect("it is refused")
    };
    let error = refused("0.0.0.0:0", None);
    assert!(matches!(error, BuildError::TokenMissing { .. }));
    assert!(error.to_string().contains("write token = "), "{error}");
    assert!(matches!(refused("[::]:0", None), BuildError::TokenMissing { .. }));
    assert!(matches!(refused("0.0.0.0:0", Some("short")), BuildError::TokenShort { length: 5 }));
    assert!(matches!(refused("no port", None), BuildError::Address { .. }));
}

#[test]
fn an_address_in_use_is_named() {
    let (api, _parts) = build(any_port()).expect("a free port");
    let listen = api.local_addr().to_string();
    let error = build(Config { listen: listen.clone(), ..Config::default() }).err().expect("it is taken");
    assert!(matches!(error, BuildError::Bind { .. }));
    assert!(error.to_string().contains(&listen));
}

#[tokio::test]
async fn objects_on_the_bus_become_rows_and_vanish_with_their_tombstone() {
    let served = Served::start().await;
    let state = pod("web-1", "web", running());
    publish(&served, &state).await;
    wait_until("the pod is known", || served.metric("sentinel_api_objects") == 1.0).await;
    assert_eq!(pods(&served).await, ["web-1"]);
    publish(&served, &ObjectState { is_deleted: true, ..state }).await;
    wait_until("the pod is gone", || served.metric("sentinel_api_objects") == 0.0).await;
    assert!(pods(&served).await.is_empty());
    served.stop().await;
}

#[tokio::test]
async fn a_bus_that_comes_back_is_read_again() {
    let served = Served::start().await;
    served.bus.outage.begin();
    wait_until("the outage shows", || served.health.report().is_degraded).await;
    assert_eq!(status(&get(&served, "/api/v1/pods", "").await), "200", "what is known is still told");
    served.bus.outage.end();
    publish(&served, &pod("web-1", "web", running())).await;
    wait_until("the pod is known", || served.metric("sentinel_api_objects") == 1.0).await;
    wait_until("all is well again", || !served.health.report().is_degraded).await;
    served.stop().await;
}

#[tokio::test]
async fn a_token_opens_what_it_guards_and_only_that_is_guarded() {
    let served = Served::with(Config { token: Some(TOKEN.into()), ..any_port() }).await;
    for headers in
        ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic YTpi\r\n", "Authorization: Bearer\r\n"]
    {
        let answer = get(&served, "/api/v1/pods", headers).await;
        assert_eq!(status(&answer), "401", "{headers}");
        assert!(answer.to_lowercase().contains("www-authenticate: bearer"));
        assert!(!answer.contains(TOKEN));
    }
    let right = format!("Authorization: bearer {TOKEN}\r\n");
    assert_eq!(status(&get(&served, "/api/v1/pods", &right).await), "200");
    assert_eq!(status(&get(&served, "/metrics", "").await), "401");
    for open in ["/health", "/ready", "/"] {
        assert_eq!(status(&get(&served, open, "").await), "200", "{open}");
    }
    let spoofed = "X-Forwarded-For: 127.0.0.1\r\nX-User-Id: admin\r\n";
    assert_eq!(status(&get(&served, "/api/v1/pods", spoofed).await), "401");
    served.stop().await;
}

#[tokio::test]
async fn one_address_may_not_ask_without_end() {
    let mut config = Config { token: Some(TOKEN.into()), ..any_port() };
    config.limits.requests_per_second = 1;
    let served = Served::with(config).await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(get(&served, "/api/v1/pods", "").await);
    }
    let refused = answers.iter().find(|answer| status(answer) == "429").expect("one too many");
    assert!(refused.to_lowercase().contains("retry-after: 1"));
    served.stop().await;
}

#[tokio::test]
async fn broken_requests_are_refused_and_harm_nobody() {
    let served = Served::start().await;
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "x".repeat(100 << 10));
    let get = "GET /api/v1/pods HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    let post =
        "POST /api/v1/dead-letters/replay HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for (request, expected, what) in [
        (format!("{get}{many}\r\n"), "431", "too many headers"),
        (format!("{get}{large}\r\n"), "431", "a large header"),
        ("nonsense\r\n\r\n".to_owned(), "400", "no HTTP at all"),
        ("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), "400", "a NUL in the address"),
        (format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"), "400", "two lengths"),
        (format!("{post}Content-Length: -1\r\n\r\n"), "400", "a negative length"),
        (
            format!("{post}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n"),
            "400",
            "a broken chunk",
        ),
        (format!("{get} X-Folded: a\r\n b\r\n\r\n"), "400", "a header with a space before it"),
    ] {
        let answer = served.raw(request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{what}: {answer}");
    }
    // Both a length and chunks: the chunks count, and the connection ends (RFC 9112 §6.1).
    let both = format!(
        "{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    assert_eq!(status(&served.raw(both.as_bytes()).await), "400");
    assert_eq!(status(&served.raw(format!("{get}\r\n").as_bytes()).await), "200");
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_slowly_is_cut_off() {
    let mut config = any_port();
    config.limits.receive_timeout = Duration::from_millis(100);
    let served = Served::with(config).await;
    let mut headers = TcpStream::connect(served.address).await.expect("a connection");
    headers.write_all(b"GET /api/v1/pods HT").await.expect("the server reads");
    let mut rest = Vec::new();
    headers.read_to_end(&mut rest).await.ok();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    let body = b"POST /api/v1/dead-letters/replay HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{";
    assert_eq!(status(&served.raw(body).await), "408");
    served.stop().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_stop() {
    let served = Served::start().await;
    let mut idle = TcpStream::connect(served.address).await.expect("a connection");
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("the server reads");
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.expect("an answer");
    served.stop().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.ok();
}
