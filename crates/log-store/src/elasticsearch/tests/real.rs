//! Against the servers that `make stack` starts.

use std::time::Duration;

use sentinel_model::{Kept, RetentionSetting};
use sentinel_runtime::{ComponentState, Health, Registry, clock, spawn};
use sentinel_testkit::{stack, wait_until};
use serde_json::json;

use super::admin::Admin;
use crate::contract::{all_of, line, retention, suite};
use crate::day::DayNumber;
use crate::{
    Config, Document, DocumentField, DocumentFilter, DocumentKind, ElasticsearchConfig, FieldFilter, Handles,
    LogStoreError, Order, SearchQuery, Urls, open,
};

const DAY_NS: i64 = 86_400_000_000_000;

fn config(admin: &Admin) -> ElasticsearchConfig {
    ElasticsearchConfig {
        url: Urls(vec![admin.url.clone()]),
        index_prefix: admin.prefix.clone(),
        retention: Duration::from_secs(3 * 86_400),
        ..ElasticsearchConfig::default()
    }
}

fn store(admin: &Admin, health: &Health) -> Handles {
    let config = Config::Elasticsearch(Box::new(config(admin)));
    open(&config, std::path::Path::new("/nonexistent"), health, &mut Registry::default())
        .expect("an open store")
}

/// `2026.11.21`.
fn day(at_ns: i64) -> String {
    DayNumber::holding_ns(at_ns).name().replace('-', ".")
}

async fn count(store: &Handles, kind: DocumentKind) -> u64 {
    store.reader.count(&all_of("c", kind)).await.expect("a count")
}

/// What was written is found within a moment.
async fn wait_for_count(store: &Handles, kind: DocumentKind, n: u64) {
    for _ in 0..500 {
        if count(store, kind).await == n {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(store, kind).await, n);
}

fn lines(n: u128) -> Vec<Document> {
    let now_ns = clock::now_nanos();
    (0..n).map(|i| line("c", i, now_ns, "text")).collect()
}

fn event(timestamp_ns: i64, origin_ns: i64, body: &str) -> Document {
    Document { kind: DocumentKind::Event, origin_ns, ..line("c", 1, timestamp_ns, body) }
}

/// Runs a test on each server that there is.
#[expect(clippy::print_stderr, reason = "a test that fails must say where")]
async fn on_each<F: Future<Output = ()>>(test: impl Fn(Admin) -> F) {
    for (name, url) in stack::searches() {
        eprintln!("{name}");
        test(Admin::new(&url)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    on_each(async |admin| suite(&store(&admin, &Health::default()), clock::now_millis()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_of_the_retention() {
    on_each(async |admin| retention(&store(&admin, &Health::default()), 3).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivery_to_another_process_changes_nothing() {
    on_each(async |admin| {
        let documents = lines(3_000);
        let first = store(&admin, &Health::default());
        assert_eq!(first.writer.write(documents.clone()).await.expect("a write").n_written, 3_000);
        let second = store(&admin, &Health::default());
        assert_eq!(second.writer.write(documents).await.expect("a write").n_written, 3_000);
        wait_for_count(&second, DocumentKind::Log, 3_000).await;
        // A log line keeps its first version for good.
        let path = format!("/{}/_count?q=_version:2", admin.logs("*"));
        assert_eq!(admin.make("GET", &path, "")["count"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_sight_does_not_replace_a_newer_one() {
    on_each(async |admin| {
        let (store, now) = (store(&admin, &Health::default()), clock::now_nanos());
        let origin = now - 30 * DAY_NS;
        for (at, body) in [(now - 5, "first"), (now, "last"), (now - 9, "redelivered")] {
            let report = store.writer.write(vec![event(at, origin, body)]).await.expect("a write");
            assert_eq!(report.n_written, 1);
        }
        wait_for_count(&store, DocumentKind::Event, 1).await;
        let filter = all_of("c", DocumentKind::Event);
        let query = SearchQuery { filter, order: Order::NewestFirst, limit: 10, after: None };
        let page = store.reader.search(&query).await.expect("a search");
        assert_eq!(page.documents, [event(now, origin, "last")]);
    })
    .await;
}

/// `FAULTS.md`, F11, as far as it concerns this store: data or an error, never executed.
const INJECTIONS: [&str; 34] = [
    "\") |> yield()",
    "\" or true or r.x==\"",
    "${1+1}",
    "// comment",
    "/* */",
    "new\nline",
    "\\\"",
    "\\\\\"",
    "\\x22",
    "\\u0022",
    "\u{201c}quotes\u{201d}",
    "\u{0}",
    "../x",
    "' OR 1=1 --",
    "/.*/",
    "=~ /(a+)+$/",
    "*:*",
    "_exists_:password",
    "message:[* TO *]",
    "secret~10",
    "*secret",
    "/.*{1000}/",
    "\\",
    "\"((",
    "_index:other",
    "index=.security,*",
    "a,b/../c,-*",
    "<logs-{now/d}>",
    "{\"script\":{\"source\":\"1\"}}",
    "{\"runtime_mappings\":{}}",
    "{\"match_all\":{}}",
    "\"size\":1000000",
    "_id",
    "-",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_searched_for_is_data() {
    on_each(async |admin| {
        let store = store(&admin, &Health::default());
        let foreign =
            Document { cluster: "other".into(), ..line("other", 9, clock::now_nanos(), "secret password") };
        let own = line("c", 1, clock::now_nanos(), "title");
        store.writer.write(vec![own, foreign]).await.expect("a write");
        wait_for_count(&store, DocumentKind::Log, 1).await;
        let long = ["x".repeat(64 << 10), "x ".repeat(32 << 10), "\"".repeat(1_000)];
        for text in INJECTIONS.into_iter().chain(long.iter().map(String::as_str)) {
            let of_text = DocumentFilter { text: text.to_owned(), ..all_of("c", DocumentKind::Log) };
            let query =
                SearchQuery { filter: of_text.clone(), order: Order::NewestFirst, limit: 10, after: None };
            match store.reader.search(&query).await {
                Ok(page) => assert!(page.documents.iter().all(|found| &*found.cluster == "c"), "{text:?}"),
                Err(error) => assert!(matches!(error, LogStoreError::Query { .. }), "{error}"),
            }
            for field in DocumentField::ALL {
                let values = vec![text.to_owned()];
                let field = FieldFilter { field, values, is_negated: false };
                let of_field = DocumentFilter { fields: vec![field], ..all_of("c", DocumentKind::Log) };
                assert_eq!(store.reader.count(&of_field).await.expect("a count"), 0, "{text:?}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_of_too_many_buckets_is_refused() {
    on_each(async |admin| {
        let (store, now) = (store(&admin, &Health::default()), clock::now_nanos());
        let documents = (0..2_001).map(|i| line("c", i as u128, now - i * 2_000_000, "x"));
        store.writer.write(documents.collect()).await.expect("a write");
        wait_for_count(&store, DocumentKind::Log, 2_001).await;
        let filter = all_of("c", DocumentKind::Log);
        let refused = store.reader.histogram(&filter, 1).await;
        assert!(matches!(refused, Err(LogStoreError::Query { .. })), "{refused:?}");
        let buckets = store.reader.histogram(&filter, i64::MAX).await.expect("one bucket");
        assert_eq!((buckets.len(), buckets[0].counts[0].1), (1, 2_001));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_when_a_write_block_is_lifted() {
    on_each(async |admin| {
        let health = Health::default();
        let store = store(&admin, &health);
        store.writer.write(lines(10)).await.expect("a write");
        let settings = format!("/{}/_settings", admin.logs(&day(clock::now_nanos())));
        let block = |is_on: &str| json!({ "index.blocks.read_only_allow_delete": is_on }).to_string();
        admin.make("PUT", &settings, &block("true"));
        let writing = spawn("writing", {
            let store = store.clone();
            async move {
                loop {
                    if let Ok(report) = store.writer.write(lines(20)).await {
                        return report;
                    }
                }
            }
        });
        let is_degraded = || match &health.report().components["log-store"] {
            ComponentState::Degraded(reason) => reason.contains("index.blocks"),
            _ => false,
        };
        wait_until("the block is told", is_degraded).await;
        assert!(!writing.is_finished());
        admin.make("PUT", &settings, &block("false"));
        let report = writing.await;
        assert_eq!((report.n_written, report.rejected.len()), (20, 0));
        assert_eq!(health.report().components["log-store"], ComponentState::Ready);
        wait_for_count(&store, DocumentKind::Log, 20).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_deleted_comes_back_with_our_mapping() {
    on_each(async |admin| {
        let (store, today) = (store(&admin, &Health::default()), day(clock::now_nanos()));
        let (prefix, index) = (&admin.prefix, admin.logs(&today));
        store.writer.write(lines(5)).await.expect("a write");
        // With all that it was made of.
        admin.make("DELETE", &format!("/{index}"), "");
        admin.make("DELETE", &format!("/_index_template/logs-{prefix}.*"), "");
        admin.make("DELETE", &format!("/_component_template/logs-{prefix}.documents"), "");
        assert_eq!(store.writer.write(lines(7)).await.expect("a write").n_written, 7);
        wait_for_count(&store, DocumentKind::Log, 7).await;
        let mapping = admin.make("GET", &format!("/{index}/_mapping"), "");
        assert_eq!(mapping[&index]["mappings"]["dynamic"], "false", "{mapping}");
        // Without the alias that documents are written to.
        let alias = index.trim_end_matches("-000001");
        admin.make("DELETE", &format!("/{index}/_alias/{alias}"), "");
        assert_eq!(store.writer.write(lines(9)).await.expect("a write").n_written, 9);
        wait_for_count(&store, DocumentKind::Log, 9).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mapping_does_not_take_is_told_and_the_rest_is_written() {
    on_each(async |admin| {
        let index = admin.logs(&day(clock::now_nanos()));
        let mapping = json!({ "mappings": { "properties": {
            "@timestamp": { "type": "date_nanos" },
            "sentinel": { "properties": { "id": { "type": "keyword" } } },
            "orchestrator": { "properties": { "cluster": { "properties": { "name": { "type": "keyword" } } } } },
            "kubernetes": { "properties": { "pod": { "properties": { "name": { "type": "integer" } } } } },
        } } });
        admin.make("PUT", &format!("/{index}"), &mapping.to_string());
        let store = store(&admin, &Health::default());
        let mut documents = lines(10);
        documents.iter_mut().enumerate().filter(|(i, _)| i % 3 != 0).for_each(|(i, document)| {
            document.pod = i.to_string().into();
        });
        let report = store.writer.write(documents).await.expect("a write");
        let rejected: Vec<usize> = report.rejected.iter().map(|document| document.index).collect();
        assert_eq!((report.n_written, rejected), (6, vec![0, 3, 6, 9]));
        assert!(report.rejected[0].reason.contains("parsing_exception"), "{}", report.rejected[0].reason);
        wait_for_count(&store, DocumentKind::Log, 6).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_that_somebody_sets_deletes_without_a_restart() {
    on_each(async |admin| {
        let (now, before) = (clock::now_nanos(), clock::now_nanos() - 2 * DAY_NS);
        let store = store(&admin, &Health::default());
        store.writer.keep(&RetentionSetting::default()).await.expect("as configured");
        let both = vec![line("c", 1, now, "x"), line("c", 2, before, "x"), event(before, before, "x")];
        assert_eq!(store.writer.write(both).await.expect("a write").n_written, 3);
        let day_before = day(before);
        let is_there = |index: &str| admin.ask("GET", &format!("/{index}"), "").is_some();
        assert!(is_there(&admin.logs(&day_before)));
        let day = Duration::from_secs(86_400);
        let set = RetentionSetting::new([(Kept::Logs, day)]).expect("within the bounds");
        store.writer.keep(&set).await.expect("set");
        wait_until("the old day is gone", || !is_there(&admin.logs(&day_before))).await;
        assert!(is_there(&admin.events(&day_before)), "only logs were set");
        let report = store.writer.write(vec![line("c", 3, before, "x")]).await.expect("a write");
        assert_eq!(report.n_expired, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_past_the_retention_go_and_events_that_are_still_seen_stay() {
    on_each(async |admin| {
        let (now, long_ago) = (clock::now_nanos(), clock::now_nanos() - 40 * DAY_NS);
        let put = |index: &str, at_ns: i64| {
            let time = super::super::document::time(at_ns);
            // What was written last is not found before somebody refreshes.
            let body = json!({
                "settings": { "index.refresh_interval": "-1" },
                "mappings": { "properties": { "@timestamp": { "type": "date_nanos" } } },
            });
            admin.make("PUT", &format!("/{index}"), &body.to_string());
            let document = json!({ "@timestamp": time }).to_string();
            admin.make("PUT", &format!("/{index}/_doc/1"), &document);
        };
        let (old, older) = (day(long_ago), day(long_ago - DAY_NS));
        put(&admin.logs(&old), long_ago);
        put(&admin.events(&older), long_ago);
        put(&admin.events(&old), now);
        put(&format!("logs-{}.kubernetes-notes", admin.prefix), long_ago);
        let store = store(&admin, &Health::default());
        store.writer.write(vec![line("c", 1, now, "x"), event(now, now, "x")]).await.expect("a write");
        store.writer.keep(&RetentionSetting::default()).await.expect("as configured");
        let expired = store.writer.write(vec![line("c", 2, long_ago, "x")]).await.expect("a write");
        assert_eq!((expired.n_written, expired.n_expired), (0, 1));
        let is_there = |index: &str| admin.ask("GET", &format!("/{index}"), "").is_some();
        wait_until("old days are gone", || !is_there(&admin.logs(&old)) && !is_there(&admin.events(&older)))
            .await;
        assert!(is_there(&admin.events(&old)), "an event of it is still seen");
        assert!(is_there(&format!("logs-{}.kubernetes-notes", admin.prefix)), "it is not ours");
        assert!(is_there(&admin.logs(&day(now))));
        let stats = store.reader.stats().await.expect("stats");
        assert_eq!(stats.days, [old, day(now)].map(|day| day.replace('.', "-")));
    })
    .await;
}
