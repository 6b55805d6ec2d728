//! Requests that must be refused, each with the right status, the right word and a small problem, and
//! without harm.

use axum::body::Body;
use http::header;
use sentinel_testkit::build::{pod, running};

use super::harness::{Answer, Harness, request};

/// Asserts that an answer is a proper problem.
fn expect(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{what}: {problem}");
    assert_eq!(problem["status"], status, "{what}");
    assert_eq!(problem["type"], format!("urn:sentinel:problem:{code}"), "{what}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
    assert!(problem["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "the next step: {what}");
    assert!(answer.body.len() <= 1_024, "{what}: {} bytes", answer.body.len());
    assert!(!answer.body.contains(&b'\n') && !answer.body.contains(&0x1b), "{what}");
}

async fn expect_gets(cases: &[(&str, &str, &str)]) {
    let harness = Harness::new();
    harness.objects(vec![pod("web-1", "web", running())]);
    for (path, code, field) in cases {
        let answer = harness.get(path).await;
        expect(&answer, 400, code, path);
        if !field.is_empty() {
            assert_eq!(answer.json()["field"], **field, "{path}");
        }
    }
    assert_eq!(harness.get("/api/v1/pods").await.status.as_u16(), 200, "nothing broke");
}

#[tokio::test]
async fn numbers_and_words_out_of_bounds_are_named() {
    expect_gets(&[
        ("/api/v1/pods?limit=0", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=-1", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=5001", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=1000000000", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=9223372036854775808", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=18446744073709551616", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=1e400", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=NaN", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=-0", "invalid_parameter", "limit"),
        ("/api/v1/pods?limit=1&limit=2", "invalid_parameter", "limit"),
        ("/api/v1/pods?is_healthy=maybe", "invalid_parameter", "is_healthy"),
        ("/api/v1/logs?order=sideways", "invalid_parameter", "order"),
        ("/api/v1/logs?q=%22not%20closed", "invalid_parameter", "q"),
        ("/api/v1/events/histogram?q=a%20-%22b", "invalid_parameter", "q"),
        ("/api/v1/events?severity=loud", "invalid_parameter", "severity"),
        ("/api/v1/events/facets", "invalid_parameter", "field"),
        ("/api/v1/events/facets?field=colour", "invalid_parameter", "field"),
        ("/api/v1/events/facets?field=reason&limit=1001", "invalid_parameter", "limit"),
        ("/api/v1/events/histogram?bucket=0s", "invalid_parameter", "bucket"),
        ("/api/v1/events/histogram?from=-10d&bucket=1s", "invalid_parameter", "bucket"),
        ("/api/v1/pods/shop/web-1/logs?tail=5001", "invalid_parameter", "tail"),
        ("/api/v1/pods?namespce=shop", "unknown_parameter", "namespce"),
    ])
    .await;
}

#[tokio::test]
async fn times_and_steps_out_of_bounds_are_named() {
    expect_gets(&[
        ("/api/v1/logs?from=yesterday", "invalid_parameter", "from"),
        ("/api/v1/logs?from=10000-01-01T00:00:00Z", "invalid_parameter", "from"),
        ("/api/v1/logs?from=2026-11-21T10:00:00[Mars/Base]", "invalid_parameter", "from"),
        ("/api/v1/logs?from=now&to=-1h", "invalid_parameter", "from"),
        ("/api/v1/query_range?match=up&from=-1h&to=-2h", "invalid_parameter", "from"),
        ("/api/v1/query_range?match=up&step=0s", "invalid_parameter", "step"),
        ("/api/v1/query_range?match=up&step=1s&from=-3650d", "invalid_parameter", "step"),
        ("/api/v1/query_range?match=up&step=10s&from=-3650d", "invalid_parameter", "step"),
        ("/api/v1/query_range?match=up&step=-10s", "invalid_parameter", "step"),
        ("/api/v1/query?match=up&at=99999999999999999999", "invalid_parameter", "at"),
    ])
    .await;
}

#[tokio::test]
async fn selectors_that_cannot_work_are_named() {
    let huge = format!("/api/v1/query?match=up{{a=~%22{}%22}}", "x".repeat(17 * 1024));
    expect_gets(&[
        ("/api/v1/query", "invalid_parameter", "match"),
        ("/api/v1/query?match=%7B%7D", "invalid_parameter", "match"),
        ("/api/v1/query?match=up{", "invalid_parameter", "match"),
        ("/api/v1/query?match=up{a%22b=%22c%22}", "invalid_parameter", "match"),
        ("/api/v1/query?match=up{a=~%22(%22}", "invalid_parameter", "match"),
        ("/api/v1/query?match=up{a=~%22(a{1000}){1000}%22}", "invalid_parameter", "match"),
        (&huge, "invalid_parameter", "match"),
        ("/api/v1/query?match=up&function=magic", "invalid_parameter", "function"),
        ("/api/v1/query?match=up&aggregate=most", "invalid_parameter", "aggregate"),
    ])
    .await;
}

#[tokio::test]
async fn a_regular_expression_that_hangs_others_is_answered_at_once() {
    let harness = Harness::new();
    let answer = harness.get("/api/v1/query?match=up{a=~%22(a%2B)%2B$%22}").await;
    assert_eq!(answer.status.as_u16(), 200, "matching takes linear time");
}

#[tokio::test]
async fn text_that_is_not_text_is_refused() {
    expect_gets(&[
        ("/api/v1/pods?q=%FF", "invalid_parameter", "q"),
        ("/api/v1/pods?q=%ED%A0%80", "invalid_parameter", "q"),
        ("/api/v1/pods?q=%00", "invalid_parameter", "q"),
        ("/api/v1/pods?q=%0d%0aSet-Cookie:x", "invalid_parameter", "q"),
        ("/api/v1/pods?q=%1b[31m", "invalid_parameter", "q"),
        ("/api/v1/pods?q=%zz", "invalid_parameter", "q"),
        ("/api/v1/pods/shop/%FF", "invalid_parameter", "path"),
        ("/api/v1/pods/shop/..%2F..%2Fetc%2Fpasswd", "invalid_parameter", "name"),
        ("/api/v1/pods/shop/web%0d%0aX:y", "invalid_parameter", "name"),
        ("/api/v1/nodes/%2e%2e", "invalid_parameter", "name"),
        ("/api/v1/metrics/labels/a%22b/values", "invalid_parameter", "label"),
    ])
    .await;
}

#[tokio::test]
async fn a_page_token_that_was_made_up_or_belongs_elsewhere_is_refused() {
    let harness = Harness::new();
    harness.objects((0..9).map(|i| pod(&format!("web-{i}"), "web", running())).collect());
    let first = harness.json("/api/v1/pods?limit=2&namespace=shop").await;
    let token = first["next_page_token"].as_str().expect("a token");
    let flipped = format!("{}{}", if token.starts_with('A') { 'B' } else { 'A' }, &token[1..]);
    for path in [
        format!("/api/v1/pods?limit=2&page_token={token}"),
        format!("/api/v1/nodes?limit=2&namespace=shop&page_token={token}"),
        format!("/api/v1/pods?limit=2&namespace=shop&page_token={flipped}"),
        format!("/api/v1/pods?page_token={}", "x".repeat(5_000)),
        "/api/v1/logs?page_token=bm90aGluZw".to_owned(),
    ] {
        expect(&harness.get(&path).await, 400, "invalid_page_token", &path);
    }
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused() {
    let harness = Harness::new();
    let deep = format!("{{\"ids\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let utf16: Vec<u8> = "{\"ids\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&[u8], &str); 22] = [
        (b"", "an empty body"),
        (b"{", "a cut body"),
        (b"{\"ids\":[],}", "a trailing comma"),
        (b"{\"ids\":NaN}", "not a number"),
        (b"{\"ids\":[\"0-0\"],\"ids\":[\"0-1\"]}", "a key twice"),
        (deep.as_bytes(), "too deep"),
        (b"\xef\xbb\xbf{\"ids\":[]}", "a byte order mark"),
        (&utf16, "UTF-16"),
        (b"{\"ids\":[\"\xff\"]}", "invalid UTF-8"),
        (b"{\"ids\":[\"\\ud800\"]}", "a lone surrogate"),
        (b"{\"ids\":[\"0\\u0000-1\"]}", "a NUL"),
        (b"{\"ids\":\"0-0\"}", "a string for a list"),
        (b"{\"ids\":[1e400]}", "a number for a string"),
        (b"{\"ids\":[-0]}", "minus zero"),
        (b"{\"ids\":[9223372036854775808]}", "2^63"),
        (b"{\"ids\":[\"0-18446744073709551616\"]}", "u64::MAX + 1"),
        (b"{\"ids\":[],\"role\":\"admin\"}", "an unknown field"),
        (b"{\"approved\":true}", "a field of something else"),
        (b"{}", "nothing chosen"),
        (b"{\"ids\":[],\"reason\":\"late\"}", "both"),
        (b"[[\"0-0\"],null]", "a list for an object"),
        (b"{\"ids\":[\"../../etc/passwd\"]}", "a path for an id"),
    ];
    for (body, what) in cases {
        let request = request("POST", "/api/v1/dead-letters/replay")
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        let answer = harness.send(request.body(Body::from(body.to_vec())).expect("a request")).await;
        expect(&answer, 400, "invalid_body", what);
    }
    let answer = harness.post("/api/v1/dead-letters/replay", r#"{"role":"admin"}"#).await;
    assert_eq!(answer.json()["field"], "role");
}

#[tokio::test]
async fn types_and_sizes_of_bodies_are_bounded() {
    let harness = Harness::new();
    let post = |content_type: Option<&str>, encoding: Option<&str>, body: Vec<u8>| {
        let mut request = request("POST", "/api/v1/dead-letters/replay");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(encoding) = encoding {
            request = request.header(header::CONTENT_ENCODING, encoding);
        }
        request.body(Body::from(body)).expect("a request")
    };
    let json = Some("application/json");
    for (request, status, code, what) in [
        (post(None, None, b"{}".to_vec()), 415, "unsupported_media_type", "no type"),
        (post(Some("text/xml"), None, b"<a/>".to_vec()), 415, "unsupported_media_type", "XML"),
        (post(json, Some("gzip"), vec![0x1f; 100]), 415, "unsupported_media_type", "a compressed body"),
        (post(json, None, vec![b' '; 17 << 20]), 413, "too_large", "17 MiB"),
    ] {
        expect(&harness.send(request).await, status, code, what);
    }
    // Without a length the limit holds while reading.
    let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let endless = request("POST", "/api/v1/dead-letters/replay")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(chunks))
        .expect("a request");
    expect(&harness.send(endless).await, 413, "too_large", "an endless body");
}

#[tokio::test]
async fn methods_and_addresses_that_are_not_there_are_refused() {
    let harness = Harness::new();
    let send = |method: &'static str, path: &'static str| {
        harness.send(request(method, path).body(Body::empty()).expect("a request"))
    };
    for (method, path) in [
        ("PUT", "/api/v1/pods"),
        ("DELETE", "/api/v1/pods/shop/web-1"),
        ("TRACE", "/api/v1/pods"),
        ("PATCH", "/api/v1/status"),
        ("GET", "/api/v1/dead-letters/replay/x"),
        ("POST", "/api/v1/query"),
    ] {
        let answer = send(method, path).await;
        let (status, code) =
            if path.ends_with("/x") { (404, "unknown_route") } else { (405, "method_not_allowed") };
        expect(&answer, status, code, path);
    }
    assert!(send("PUT", "/api/v1/pods").await.header("allow").contains("GET"));
    for path in ["/api", "/api/v2/pods", "/api/v1/nothing", "/api/v1/pods/", "/api/v1/pods/a/b/c/d"] {
        expect(&send("GET", path).await, 404, "unknown_route", path);
    }
    let long = format!("/api/v1/pods?q={}", "x".repeat(60_000));
    expect(&harness.get(&long).await, 414, "uri_too_long", "a long address");
}

#[tokio::test]
async fn what_is_absent_looks_the_same_whoever_asks() {
    let harness = Harness::new();
    harness.objects(vec![pod("web-1", "web", running())]);
    let without_id = |answer: Answer| {
        expect(&answer, 404, "not_found", "an absent pod");
        let mut problem = answer.json();
        problem["instance"] = serde_json::Value::Null;
        problem
    };
    let absent = without_id(harness.get("/api/v1/pods/shop/absent").await);
    let elsewhere = without_id(harness.get("/api/v1/pods/shop/web-1?cluster=other").await);
    assert_eq!(absent, elsewhere);
}

#[tokio::test]
async fn a_head_request_has_no_body_even_when_it_fails() {
    let harness = Harness::new();
    let send =
        |path: &'static str| harness.send(request("HEAD", path).body(Body::empty()).expect("a request"));
    let (good, bad) = (send("/api/v1/pods").await, send("/api/v1/pods?limit=0").await);
    assert_eq!((good.status.as_u16(), bad.status.as_u16()), (200, 400));
    assert!(bad.body.is_empty());
}

#[tokio::test]
async fn other_names_of_this_server_are_refused_without_a_token() {
    let harness = Harness::new();
    for (host, uri) in [
        ("evil.example", "/api/v1/pods"),
        ("127.0.0.1.evil.example", "/api/v1/pods"),
        ("evil.example", "/"),
        ("localhost", "http://evil.example/api/v1/pods"),
    ] {
        let request = http::Request::get(uri).header(header::HOST, host).body(Body::empty());
        let answer = harness.send(request.expect("a request")).await;
        expect(&answer, 403, "forbidden", host);
    }
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let harness = Harness::new();
    harness.get("/api/v1/pods?limit=0").await;
    harness.get("/api/v1/nothing").await;
    let metrics = harness.get("/metrics").await.text();
    for expected in [
        r#"sentinel_api_rejected_total{door="rest",reason="invalid_parameter"} 1"#,
        r#"sentinel_api_rejected_total{door="rest",reason="unknown_route"} 1"#,
        r#"sentinel_api_requests_total{route="/api/v1/pods",status="400"} 1"#,
    ] {
        assert!(metrics.contains(expected), "{expected} in {metrics}");
    }
}
