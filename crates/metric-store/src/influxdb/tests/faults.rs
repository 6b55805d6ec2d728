//! Answers that no healthy server gives, and what becomes of the rows.

use std::path::Path;
use std::time::{Duration, Instant};

use sentinel_model::{Aggregate, Field, Resolution, Selector, Timestamp, Window};
use sentinel_runtime::config::Secret;
use sentinel_runtime::{ComponentState, Health, Registry, clock};
use sentinel_testkit::wait_until;

use super::stub::{Asked, Reply, Stub, answer, in_turn};
use crate::contract::{query, row};
use crate::{Config, Handles, InfluxdbConfig, InfluxdbVersion, MetricStoreError, WindowRows, WriteReport};

fn config(stub: &Stub) -> InfluxdbConfig {
    InfluxdbConfig {
        url: stub.url.clone(),
        org: "ops".to_owned(),
        token: Secret::new("t0ken"),
        timeout: Duration::from_secs(1),
        ..InfluxdbConfig::default()
    }
}

fn open(config: InfluxdbConfig) -> (Handles, Health) {
    let (health, mut registry) = (Health::default(), Registry::default());
    let config = Config::Influxdb(Box::new(config));
    let store = crate::open(&config, Path::new("/nonexistent"), &health, &mut registry).expect("a store");
    (store, health)
}

fn now() -> Timestamp {
    Timestamp::from_millis(clock::now_millis())
}

/// Rows of unknown kind, so that nothing is read beforehand.
fn rows(names: &[&str]) -> Vec<WindowRows> {
    let window = Window::holding(now(), Resolution::TenSeconds);
    let row = |name: &&str| {
        let mut row = row("m", name, Aggregate::Single(1.0));
        row.series.kind = sentinel_model::MetricKind::Unknown;
        row
    };
    vec![WindowRows { window, rows: names.iter().map(row).collect() }]
}

async fn write(stub: &Stub, names: &[&str]) -> Result<WriteReport, MetricStoreError> {
    open(config(stub)).0.writer.write(rows(names).into()).await
}

/// Sorted.
fn rejected(report: &WriteReport) -> Vec<&str> {
    let names = report.rejected.iter().map(|rejected| rejected.row.series.labels.get("n"));
    let mut names: Vec<&str> = names.map(Option::unwrap_or_default).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn holds_for_as_long_as_the_server_asks_and_says_so() {
    let busy = |headers: &str| Reply::Answer(429, headers.to_owned(), "{}".to_owned());
    let stub = Stub::start(in_turn(vec![busy("Retry-After: 120\r\n")])).await;
    let (store, health) = open(config(&stub));
    let error = store.writer.write(rows(&["a"]).into()).await.expect_err("refused");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert!(error.is_retryable());
    // Who comes too early hears the same, and the server nothing.
    for _ in 0..20 {
        let error = store.writer.write(rows(&["a"]).into()).await.expect_err("too early");
        assert!(error.retry_after().is_some_and(|wait| wait > Duration::from_secs(100)), "{error:?}");
    }
    assert_eq!(stub.asked().len(), 1);
    let state = health.report().components["metric-store"].clone();
    assert!(matches!(&state, ComponentState::Degraded(reason) if reason.contains("429")), "{state:?}");
}

#[tokio::test]
async fn asks_twice_a_second_at_most_in_an_outage_and_comes_back_by_itself() {
    let began = Instant::now();
    let away = Duration::from_millis(2_500);
    let storm = move |_: &Asked| if began.elapsed() < away { answer(503, "{}") } else { answer(204, "") };
    let stub = Stub::start(storm).await;
    let (store, _) = open(config(&stub));
    let report = loop {
        match store.writer.write(rows(&["a", "b"]).into()).await {
            Ok(report) => break report,
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                tokio::task::yield_now().await;
            }
        }
    };
    assert_eq!(report.n_written, 2);
    let n_asked = stub.asked().len() as f64;
    assert!(n_asked <= 1.0 + 2.0 * began.elapsed().as_secs_f64(), "{n_asked} in {:?}", began.elapsed());
}

#[tokio::test]
async fn recovers_without_traffic() {
    let stub = Stub::start(in_turn(vec![answer(500, "{}")])).await;
    let (store, health) = open(config(&stub));
    store.writer.write(rows(&["a"]).into()).await.expect_err("refused");
    assert!(health.report().is_degraded);
    wait_until("the store is ready again", || !health.report().is_degraded).await;
}

#[tokio::test]
async fn a_shard_that_is_given_up_needs_a_restart_of_the_server_and_is_said_so() {
    let said = r#"{"code":"internal error","message":"not attempting to open shard 4; opening shard previously failed"}"#;
    let stub = Stub::start(in_turn(vec![answer(500, said)])).await;
    let (store, _) = open(config(&stub));
    let error = store.writer.write(rows(&["a"]).into()).await.expect_err("refused");
    assert!(error.is_retryable() && error.to_string().contains("restart it"), "{error}");
}

#[tokio::test]
async fn a_line_that_is_named_is_rejected_and_the_rest_is_written() {
    let stub = Stub::start(|asked: &Asked| {
        let bad: Vec<String> = asked
            .body
            .lines()
            .filter(|line| line.contains("n=b"))
            .map(|line| format!("unable to parse '{line}': nonsense"))
            .collect();
        if bad.is_empty() {
            answer(204, "")
        } else {
            answer(400, &serde_json::json!({ "message": bad.join("\n") }).to_string())
        }
    })
    .await;
    let report = write(&stub, &["a", "b1", "c", "b2"]).await.expect("written");
    assert_eq!((report.n_written, rejected(&report)), (2, vec!["b1", "b2"]));
    assert!(report.rejected[0].reason.contains("nonsense"), "{}", report.rejected[0].reason);
    assert_eq!(stub.asked().len(), 2);
}

#[tokio::test]
async fn a_bad_line_that_nobody_names_is_found() {
    let stub = Stub::start(|asked: &Asked| match asked.body.contains("n=bad") {
        true => answer(400, r#"{"message":"something is wrong"}"#),
        false => answer(204, ""),
    })
    .await;
    let names: Vec<String> =
        (0..500).map(|n| if n == 321 { "bad".to_owned() } else { n.to_string() }).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let report = write(&stub, &names).await.expect("written");
    assert_eq!((report.n_written, rejected(&report)), (499, vec!["bad"]));
    assert!(stub.asked().len() < 25, "{}", stub.asked().len());
}

#[tokio::test]
async fn a_refusal_that_is_not_of_influxdb_blames_no_line() {
    let page = "<html>400 The plain HTTP request was sent to HTTPS port</html>";
    let stub = Stub::start(move |_: &Asked| answer(400, page)).await;
    let error = write(&stub, &["a", "b"]).await.expect_err("nothing was judged");
    assert!(error.is_retryable(), "{error}");
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_every_line_costs_bounded_work_and_loses_none() {
    let stub = Stub::start(|_: &Asked| answer(400, r#"{"message":"no"}"#)).await;
    let names: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let report = write(&stub, &names).await.expect("judged");
    assert_eq!((report.n_written, report.rejected.len()), (0, 2_000));
    assert!(stub.asked().len() <= 512, "{}", stub.asked().len());
}

#[tokio::test]
async fn a_body_that_is_too_large_is_divided() {
    let stub =
        Stub::start(|asked: &Asked| if asked.body.len() > 100 { answer(413, "{}") } else { answer(204, "") })
            .await;
    let report = write(&stub, &["1", "2", "3", "4", "5", "6", "7", "8", "9"]).await.expect("written");
    assert_eq!((report.n_written, report.rejected.len()), (9, 0));
}

#[tokio::test]
async fn points_beyond_retention_are_counted() {
    let partial = r#"{"message":"partial write: points beyond retention policy dropped=2"}"#;
    let stub = Stub::start(in_turn(vec![answer(422, partial)])).await;
    let report = write(&stub, &["a", "b", "c"]).await.expect("written");
    assert_eq!((report.n_written, report.n_expired, stub.asked().len()), (1, 2, 1));
}

#[tokio::test]
async fn an_answer_that_is_lost_means_the_same_lines_again() {
    let stub = Stub::start(in_turn(vec![Reply::Nothing])).await;
    let (store, health) = open(config(&stub));
    let windows = rows(&["a", "b"]);
    let error = store.writer.write(windows.clone().into()).await.expect_err("no answer");
    assert!(matches!(error, MetricStoreError::Unavailable { .. }), "{error:?}");
    wait_until("the store is ready again", || !health.report().is_degraded).await;
    assert_eq!(store.writer.write(windows.into()).await.expect("written").n_written, 2);
    let lines = stub.lines();
    assert_eq!(lines[..2], lines[2..]);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let stub = Stub::start(in_turn(vec![Reply::Never])).await;
    let began = Instant::now();
    let error = write(&stub, &["a"]).await.expect_err("no answer");
    assert!(error.to_string().contains("did not answer within 1s"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn readers_do_not_wait_for_a_server_that_is_known_to_be_away() {
    let stub = Stub::start(in_turn(vec![Reply::Never, Reply::Never])).await;
    let (store, _) = open(config(&stub));
    store.writer.write(rows(&["a"]).into()).await.expect_err("no answer");
    let began = Instant::now();
    let error = store.reader.range(&query("m", now(), Field::Last)).await.expect_err("no answer");
    assert!(error.is_retryable() && began.elapsed() < Duration::from_millis(500), "{error}");
}

#[tokio::test]
async fn readers_go_on_where_only_writes_are_refused() {
    let reply = |asked: &Asked| match asked.path.starts_with("/api/v2/query") {
        true => answer(200, "\r\n"),
        false => answer(403, "{}"),
    };
    let stub = Stub::start(reply).await;
    let (store, _) = open(config(&stub));
    store.writer.write(rows(&["a"]).into()).await.expect_err("refused");
    assert_eq!(store.reader.range(&query("m", now(), Field::Last)).await.expect("an answer"), []);
}

#[tokio::test]
async fn a_huge_refusal_is_read_to_a_bound() {
    let stub = Stub::start(in_turn(vec![answer(500, &"x".repeat(50 << 20))])).await;
    let error = write(&stub, &["a"]).await.expect_err("refused");
    assert!(error.to_string().len() < 1_000, "{}", error.to_string().len());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Stub::start(|_: &Asked| answer(204, "")).await;
    let headers = format!("Location: {}/api/v2/write\r\n", other.url);
    let stub = Stub::start(in_turn(vec![Reply::Answer(307, headers, String::new())])).await;
    let error = write(&stub, &["a"]).await.expect_err("refused");
    assert!(error.to_string().contains("write the address itself in metric_store.url"), "{error}");
    assert_eq!(other.asked().len(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_the_set_up_is_held_and_told() {
    for (status, advice) in [(401, "token_file"), (403, "access"), (404, "bucket_prefix")] {
        let stub = Stub::start(in_turn(vec![answer(status, r#"{"message":"no"}"#)])).await;
        let error = write(&stub, &["a"]).await.expect_err("refused");
        assert!(error.is_retryable() && error.to_string().contains(advice), "{error}");
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "old\n").expect("written");
    let reply =
        |asked: &Asked| if asked.head.contains("token new") { answer(204, "") } else { answer(401, "{}") };
    let stub = Stub::start(reply).await;
    let (store, _) =
        open(InfluxdbConfig { token: Secret::new(""), token_file: token_file.clone(), ..config(&stub) });
    std::fs::write(&token_file, "new\n").expect("written");
    assert_eq!(store.writer.write(rows(&["a"]).into()).await.expect("written").n_written, 1);
    assert_eq!(stub.asked().len(), 2);
}

#[tokio::test]
async fn writes_to_each_version_in_its_way_and_below_a_path() {
    let cases = [
        (InfluxdbVersion::V1, "", "/write?db=sentinel_10s&precision=ms", "token t0ken"),
        (InfluxdbVersion::V2, "", "/api/v2/write?org=ops&bucket=sentinel_10s&precision=ms", "token t0ken"),
        (
            InfluxdbVersion::V3,
            "",
            "/api/v3/write_lp?db=sentinel_10s&precision=millisecond&accept_partial=true",
            "bearer t0ken",
        ),
        (
            InfluxdbVersion::V2,
            "/influx/",
            "/influx/api/v2/write?org=ops&bucket=sentinel_10s&precision=ms",
            "token",
        ),
    ];
    for (version, base, path, authorization) in cases {
        let stub = Stub::start(|_: &Asked| answer(204, "")).await;
        let url = format!("{}{base}", stub.url);
        let (store, _) = open(InfluxdbConfig { version, url, ..config(&stub) });
        store.writer.write(rows(&["a"]).into()).await.expect("written");
        let asked = &stub.asked()[0];
        assert_eq!(asked.path, path);
        assert!(asked.head.contains(authorization), "{}", asked.head);
        let read = store.reader.range(&query("m", now(), Field::Last)).await;
        match version {
            InfluxdbVersion::V2 => {}
            _ => assert!(read.expect_err("no Flux").to_string().contains("reads need InfluxDB 2.x")),
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_fails_is_an_error_and_never_half_a_result() {
    let table = "#datatype,string,long,dateTime:RFC3339,double,string,string,string\r\n\
        ,result,table,_time,_value,_field,_measurement,n\r\n,_result,0,2026-11-21T20:04:40Z,1,last,m,a\r\n";
    let failed = format!("{table}\r\n#datatype,string,string\r\n,error,reference\r\n,out of memory,1\r\n");
    let cases = [
        (Reply::Cut(table.to_owned()), "cannot be reached"),
        (answer(200, table), "breaks off"),
        (answer(200, &table[..table.len() - 6]), "breaks off"),
        (answer(200, &failed), "out of memory"),
        (answer(200, "<html>\r\n"), "cannot be read"),
        (answer(400, r#"{"message":"compilation failed"}"#), "compilation failed"),
    ];
    for (reply, reason) in cases {
        let stub = Stub::start(in_turn(vec![reply])).await;
        let mut query = query("m", now(), Field::Last);
        query.selector = Selector::default();
        let error = open(config(&stub)).0.reader.range(&query).await.expect_err("no result");
        assert!(error.to_string().contains(reason), "{error}");
    }
}
