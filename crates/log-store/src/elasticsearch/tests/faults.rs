//! Answers that a real server gives on bad days, and some that it never should.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sentinel_runtime::{ComponentState, Health, Registry, clock};
use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::stub::{Asked, Reply, Stub, ids, items};
use crate::contract::{all_of, line};
use crate::{
    Config, Document, DocumentField, DocumentKind, ElasticsearchConfig, Handles, LogStoreError, Order,
    SearchQuery, Urls, open,
};

fn config(url: &str) -> ElasticsearchConfig {
    let url = Urls(vec![url.to_owned()]);
    let timeout = Duration::from_secs(2);
    ElasticsearchConfig { url, timeout, max_response_bytes: 1 << 20, ..ElasticsearchConfig::default() }
}

fn store_of(config: ElasticsearchConfig, health: &Health) -> Handles {
    let config = Config::Elasticsearch(Box::new(config));
    open(&config, std::path::Path::new("/nonexistent"), health, &mut Registry::default())
        .expect("an open store")
}

fn store(url: &str) -> Handles {
    store_of(config(url), &Health::default())
}

fn lines(n: u128) -> Vec<Document> {
    (0..n).map(|i| line("c", i, clock::now_nanos(), "text")).collect()
}

fn is_bulk(asked: &Asked) -> bool {
    asked.path.starts_with("/_bulk")
}

fn query() -> SearchQuery {
    let filter = all_of("c", DocumentKind::Log);
    SearchQuery { filter, order: Order::NewestFirst, limit: 10, after: None }
}

fn message(error: &LogStoreError) -> String {
    assert!(error.is_retryable(), "{error}");
    error.to_string()
}

#[tokio::test]
async fn only_what_was_not_taken_is_sent_again() {
    // By id: 0 written, 1 known, 2 and 5 overloaded twice, 3 never, 4 unavailable once.
    let mut n_times: HashMap<u128, u32> = HashMap::new();
    let stub = Stub::start(move |asked| {
        is_bulk(asked).then(|| {
            items(&asked.body, |id, _| {
                let n = n_times.entry(id).or_default();
                *n += 1;
                match (id % 6, *n) {
                    (1, _) => (409, Some("version_conflict_engine_exception")),
                    (2 | 5, 1..=2) => (429, Some("es_rejected_execution_exception")),
                    (3, _) => (400, Some("document_parsing_exception")),
                    (4, 1) => (503, Some("unavailable_shards_exception")),
                    _ => (201, None),
                }
            })
        })
    })
    .await;
    let report = store(&stub.url).writer.write(lines(60)).await.expect("a write");
    assert_eq!((report.n_written, report.rejected.len()), (50, 10));
    let rejected: Vec<usize> = report.rejected.iter().map(|document| document.index).collect();
    assert_eq!(rejected, (0..60).filter(|i| i % 6 == 3).collect::<Vec<_>>());
    assert_eq!(report.rejected[0].reason, "400 document_parsing_exception, reason of 3");
    let sent: Vec<Vec<u128>> = stub.asked("/_bulk").iter().map(|asked| ids(&asked.body)).collect();
    let of = |kinds: &[u128]| (0..60).filter(|id| kinds.contains(&(id % 6))).collect::<Vec<u128>>();
    assert_eq!(sent, [of(&[0, 1, 2, 3, 4, 5]), of(&[2, 4, 5]), of(&[2, 5])]);
}

#[tokio::test]
async fn leaves_a_server_alone_for_as_long_as_it_asks() {
    let mut n_bulks = 0;
    let stub = Stub::start(move |asked| {
        n_bulks += usize::from(is_bulk(asked));
        let busy = || Reply::text(429, "{\"error\":{\"type\":\"es_rejected_execution_exception\"}}");
        (is_bulk(asked) && n_bulks == 1).then(|| busy().header("Retry-After", "1"))
    })
    .await;
    let began = Instant::now();
    assert_eq!(store(&stub.url).writer.write(lines(1)).await.expect("a write").n_written, 1);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

    let stub =
        Stub::start(|asked| is_bulk(asked).then(|| Reply::text(503, "no").header("retry-after", "120")))
            .await;
    let error = store(&stub.url).writer.write(lines(1)).await.expect_err("it is long");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(stub.asked("/_bulk").len(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_means_nothing() {
    let good = json!({ "errors": false, "items": [{ "create": { "status": 201 } }] }).to_string();
    let mut bad = vec![
        Reply::text(200, "{\"errors\":false,\"items\":[{"),
        Reply::text(200, good.clone()).cut(),
        Reply::text(200, "<html>a proxy</html>"),
        Reply::text(200, ""),
        Reply::json(200, &json!({ "errors": false, "items": [] })),
        Reply::text(200, vec![0xff; 100]),
    ];
    let stub = Stub::start(move |asked| if is_bulk(asked) { bad.pop() } else { None }).await;
    assert_eq!(store(&stub.url).writer.write(lines(1)).await.expect("a write").n_written, 1);
    assert_eq!(stub.asked("/_bulk").len(), 7);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_halves() {
    let stub = Stub::start(|asked| {
        let is_too_large = is_bulk(asked) && (ids(&asked.body).len() > 3 || ids(&asked.body).contains(&7));
        is_too_large.then(|| Reply::text(413, "too large"))
    })
    .await;
    let report = store(&stub.url).writer.write(lines(20)).await.expect("a write");
    assert_eq!(report.n_written, 19);
    assert_eq!(report.rejected.iter().map(|document| document.index).collect::<Vec<_>>(), [7]);
}

#[tokio::test]
async fn redirects_are_told_and_not_followed() {
    let trap = Stub::start(|_| None).await;
    let to = format!("{}/elsewhere", trap.url);
    let stub = Stub::start(move |_| Some(Reply::text(307, "").header("Location", &to))).await;
    let store = store(&stub.url);
    let written = store.writer.write(lines(1)).await.expect_err("a redirect");
    let found = store.reader.search(&query()).await.expect_err("a redirect");
    for error in [written, found] {
        assert!(message(&error).contains("log_store.url"), "{error}");
    }
    assert_eq!(trap.asked("/").len(), 0);
}

#[tokio::test]
async fn answers_of_any_length_take_little_room() {
    let huge = |status| Reply::text(status, vec![b'x'; 8 << 20]);
    let stub = Stub::start(move |asked| {
        let is_search = asked.path.contains("/_search");
        if is_bulk(asked) { Some(huge(500)) } else { is_search.then(|| huge(200)) }
    })
    .await;
    let store = store(&stub.url);
    assert!(message(&store.writer.write(lines(1)).await.expect_err("500")).contains("500"));
    let error = store.reader.search(&query()).await.expect_err("too long");
    assert!(message(&error).contains("max_response_bytes"), "{error}");
    // 10, 2 and 1 documents were asked for.
    assert_eq!(stub.asked("/").iter().filter(|asked| asked.path.contains("/_search")).count(), 3);
}

#[tokio::test]
async fn a_page_of_large_documents_is_shorter() {
    let stub = Stub::start(|asked| {
        asked.path.contains("/_search").then(|| {
            let body: Value = serde_json::from_str(&asked.body).expect("a search");
            let n = body["size"].as_u64().expect("a size");
            let hit = |i: u64| {
                let (id, message) = (format!("{i:032x}"), "x".repeat(300 << 10));
                json!({ "_source": {
                    "@timestamp": "2026-11-21T20:00:00Z", "sentinel.id": id, "message": message,
                } })
            };
            Reply::json(200, &json!({ "hits": { "hits": (0..n).map(hit).collect::<Vec<_>>() } }))
        })
    })
    .await;
    let page = store(&stub.url).reader.search(&query()).await.expect("a page");
    assert_eq!(page.documents.len(), 2);
    assert!(page.next.is_some());
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_noticed() {
    let is_well = Arc::new(AtomicBool::new(false));
    let stub = Stub::start({
        let is_well = Arc::clone(&is_well);
        move |_| {
            let hang = Reply::text(200, "{}").after(Duration::from_secs(60));
            (!is_well.load(Ordering::Relaxed)).then_some(hang)
        }
    })
    .await;
    let health = Health::default();
    let store = store_of(config(&stub.url), &health);
    let began = Instant::now();
    let error = store.writer.write(lines(1)).await.expect_err("it hangs");
    assert!(message(&error).contains("too long"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let state = || health.report().components["log-store"].clone();
    wait_until("it is degraded", || matches!(state(), ComponentState::Degraded(_))).await;
    let n_asked = stub.asked("/").len();
    wait_until("a question is given up, and the next one begun", || stub.asked("/").len() > n_asked + 1)
        .await;
    is_well.store(true, Ordering::Relaxed);
    wait_until("it is ready without traffic", || state() == ComponentState::Ready).await;
    assert_eq!(store.writer.write(lines(1)).await.expect("a write").n_written, 1);
}

#[tokio::test]
async fn writes_that_hang_are_told_although_questions_are_answered() {
    let stub =
        Stub::start(|asked| is_bulk(asked).then(|| Reply::text(200, "{}").after(Duration::from_secs(60))))
            .await;
    let health = Health::default();
    let store = store_of(config(&stub.url), &health);
    let state = || health.report().components["log-store"].clone();
    wait_until("it answers", || state() == ComponentState::Ready).await;
    store.writer.write(lines(1)).await.expect_err("it hangs");
    let n_asked = stub.asked("/").len();
    wait_until("an answer was heard, and the next one asked for", || stub.asked("/").len() > n_asked + 1)
        .await;
    assert!(matches!(state(), ComponentState::Degraded(_)), "{:?}", state());
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_read_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("key");
    std::fs::write(&file, "old\n").expect("written");
    let is_new = Arc::new(AtomicBool::new(false));
    let stub = Stub::start({
        let is_new = Arc::clone(&is_new);
        move |asked| {
            let expected = if is_new.load(Ordering::Relaxed) { "ApiKey new" } else { "ApiKey old" };
            (asked.headers.get("authorization").map(String::as_str) != Some(expected))
                .then(|| Reply::text(401, "{\"error\":{\"type\":\"security_exception\",\"reason\":\"r\"}}"))
        }
    })
    .await;
    let config = ElasticsearchConfig { api_key_file: Some(file.clone()), ..config(&stub.url) };
    let store = store_of(config, &Health::default());
    store.writer.write(lines(1)).await.expect("a write");
    is_new.store(true, Ordering::Relaxed);
    let error = store.writer.write(lines(1)).await.expect_err("the old key");
    assert!(message(&error).contains("log_store.api_key"), "{error}");
    std::fs::write(&file, "new").expect("written");
    // A file is read once a second at most.
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = store.writer.write(lines(1)).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let n_refused = stub.asked("/_bulk").len();
    assert!(n_refused < 60, "{n_refused}");
}

#[tokio::test]
async fn searches_of_some_shards_are_no_answers() {
    let half = json!({ "timed_out": false, "_shards": { "failed": 1 }, "hits": { "hits": [] }, "count": 1 });
    let late = json!({ "timed_out": true, "hits": { "hits": [] } });
    for answer in [half, late] {
        let stub = Stub::start(move |asked| {
            let is_probe = asked.body.contains("match_none");
            (!is_probe && asked.method == "POST").then(|| Reply::json(200, &answer))
        })
        .await;
        let store = store(&stub.url);
        assert!(store.reader.search(&query()).await.expect_err("not all").is_retryable());
        assert!(store.reader.facet(&query().filter, DocumentField::Pod, 5).await.is_err());
        assert!(store.reader.histogram(&query().filter, 60_000).await.is_err());
    }
}

#[tokio::test]
async fn another_node_is_asked_when_one_cannot_be_connected_to() {
    let stub = Stub::start(|_| None).await;
    // A port that is taken, so that no other test gets it, and at which nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let nobody = format!("http://{}", socket.local_addr().expect("an address"));
    let url = Urls(vec![nobody, stub.url.clone()]);
    let store = store_of(ElasticsearchConfig { url, ..config(&stub.url) }, &Health::default());
    for _ in 0..4 {
        assert_eq!(store.writer.write(lines(1)).await.expect("a write").n_written, 1);
    }
}

#[tokio::test]
async fn a_path_in_the_address_is_kept() {
    let stub = Stub::start(|asked| {
        let inner =
            Asked { path: asked.path.strip_prefix("/es").unwrap_or_default().to_owned(), ..asked.clone() };
        is_bulk(&inner).then(|| items(&inner.body, |_, _| (201, None)))
    })
    .await;
    let store = store(&format!("{}/es/", stub.url));
    assert_eq!(store.writer.write(lines(1)).await.expect("a write").n_written, 1);
    assert_eq!(stub.asked("/es/_bulk").len(), 1);
}

fn n_searches(stub: &Stub) -> usize {
    stub.asked("/").iter().filter(|asked| asked.path.contains("/_search")).count()
}

#[tokio::test]
async fn a_search_waits_for_shards_that_are_coming_up_and_not_for_ever() {
    let mut n_left = 3;
    let stub = Stub::start(move |asked| {
        let is_early = asked.path.contains("_search") && n_left > 0;
        n_left -= u32::from(is_early);
        let error =
            json!({"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}});
        is_early.then(|| Reply::json(503, &error))
    })
    .await;
    assert_eq!(store(&stub.url).reader.search(&query()).await.expect("an answer").documents, []);
    assert_eq!(n_searches(&stub), 4);

    let never = Stub::start(|asked| {
        let error = json!({"error": {"type": "no_shard_available_action_exception", "reason": "none"}});
        asked.path.contains("_search").then(|| Reply::json(503, &error))
    })
    .await;
    message(&store(&never.url).reader.search(&query()).await.expect_err("no shard ever"));
    assert_eq!(n_searches(&never), 26, "the first attempt and 25 more");
}

#[tokio::test]
async fn a_large_write_goes_in_parts_and_every_refusal_finds_its_document() {
    let stub = Stub::start(|asked| {
        is_bulk(asked).then(|| {
            items(&asked.body, |id, _| match id % 400 {
                399 => (400, Some("document_parsing_exception")),
                _ => (201, None),
            })
        })
    })
    .await;
    let report = store(&stub.url).writer.write(lines(1_200)).await.expect("a write");
    let rejected: Vec<usize> = report.rejected.iter().map(|document| document.index).collect();
    assert_eq!((report.n_written, rejected), (1_197, vec![399, 799, 1_199]));
    let mut sizes: Vec<usize> = stub.asked("/_bulk").iter().map(|asked| ids(&asked.body).len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [200, 500, 500]);
}
