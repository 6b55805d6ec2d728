//! What every log store keeps, as tests that any adapter runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sentinel_model::{Kept, RetentionSetting, Timestamp};
use sentinel_runtime::clock;

use crate::{
    Cursor, Document, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, Handles, Order,
    SearchQuery,
};

/// Runs every test on one fresh store. `now_ms` is an instant within its retention.
///
/// # Panics
/// Where the store breaks the contract.
pub async fn suite(store: &Handles, now_ms: i64) {
    let base_ns = (now_ms - 3_600_000) * 1_000_000;
    finds_words_phrases_and_exclusions(store, base_ns).await;
    a_repeat_leaves_one_document(store, base_ns + 1_000_000_000).await;
    pages_neither_repeat_nor_miss(store, base_ns + 2_000_000_000).await;
    counts_by_time_severity_and_value(store, base_ns + 600_000_000_000).await;
    an_event_moves_to_its_last_sight(store, base_ns).await;
    every_character_is_data(store, base_ns).await;
    keeps_every_field(store, base_ns).await;
}

/// Runs the tests of the retention on a fresh store that is configured to keep `configured_days` (2 at least).
///
/// # Panics
/// Where the store breaks the contract.
pub async fn retention(store: &Handles, configured_days: u32) {
    const DAY: Duration = Duration::from_secs(86_400);
    let at = |days: u32| clock::now_nanos() - i64::from(days) * 86_400_000_000_000;
    let old_days = configured_days + 2;
    let log = |id, days| line("kept", id, at(days), "x");
    let event = |id, days| Document { kind: DocumentKind::Event, ..log(id, days) };
    let keep = async |spans: &[(Kept, u32)]| {
        let spans = spans.iter().map(|(kept, days)| (*kept, DAY * *days));
        let set = RetentionSetting::new(spans).expect("within the bounds");
        store.writer.keep(&set).await.expect("told");
    };
    let is_refused = async |document: Document| {
        let report = store.writer.write(vec![document]).await.expect("a write");
        assert_eq!(report.n_written + report.n_expired, 1);
        report.n_expired == 1
    };

    // Until it is told, nothing is refused or deleted for its age.
    write(store, vec![log(5_000, 0), log(5_001, old_days)]).await;
    write(store, vec![event(5_002, 0), event(5_003, old_days)]).await;

    // What somebody has set goes before what is configured, longer or shorter, by kind.
    keep(&[(Kept::Logs, old_days + 5), (Kept::Events, old_days + 5)]).await;
    assert!(!is_refused(log(5_004, old_days)).await);
    wait_for_count(store, DocumentKind::Log, 3).await;
    wait_for_count(store, DocumentKind::Event, 2).await;
    keep(&[(Kept::Logs, 1), (Kept::Events, old_days + 5)]).await;
    wait_for_count(store, DocumentKind::Log, 1).await;
    assert!(is_refused(log(5_001, old_days)).await);
    assert!(!is_refused(event(5_005, old_days)).await);
    wait_for_count(store, DocumentKind::Event, 3).await;

    // And back again, without a restart.
    keep(&[]).await;
    wait_for_count(store, DocumentKind::Event, 1).await;
    assert!(is_refused(event(5_003, old_days)).await && is_refused(log(5_001, old_days)).await);
    assert!(!is_refused(log(5_006, configured_days - 1)).await);
    wait_for_count(store, DocumentKind::Log, 2).await;
}

/// Of what the tests of the retention have written.
async fn wait_for_count(store: &Handles, kind: DocumentKind, n: u64) {
    let deadline = Instant::now() + SEARCHABLE_WITHIN;
    loop {
        let found = store.reader.count(&all_of("kept", kind)).await.expect("a count");
        if found == n {
            return;
        }
        assert!(Instant::now() < deadline, "{kind:?}: {found} of {n}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A log line of the cluster `cluster`, which keeps the tests apart. One store holds one document of an id.
pub fn line(cluster: &str, id: u128, timestamp_ns: i64, body: &str) -> Document {
    Document {
        id: DocumentId(id),
        kind: DocumentKind::Log,
        timestamp_ns,
        origin_ns: timestamp_ns,
        cluster: cluster.into(),
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        workload: "cart".into(),
        pod: "cart-1".into(),
        container: "app".into(),
        node: "node-1".into(),
        severity: "info".into(),
        reason: "".into(),
        object_kind: "".into(),
        object_name: "".into(),
        body: body.to_owned(),
        extra: String::new(),
    }
}

/// Everything of a cluster.
pub fn all_of(cluster: &str, kind: DocumentKind) -> DocumentFilter {
    DocumentFilter {
        kind,
        text: String::new(),
        fields: vec![FieldFilter {
            field: DocumentField::Cluster,
            values: vec![cluster.to_owned()],
            is_negated: false,
        }],
        start: Timestamp::from_millis(0),
        end: Timestamp::from_millis(i64::MAX / 2_000_000),
    }
}

/// What is written is found within 2 s; a machine that has other work as well gets five times as long.
const SEARCHABLE_WITHIN: Duration = Duration::from_secs(10);

/// Writes documents of one cluster and kind, and waits until each is found as it was written last.
async fn write(store: &Handles, documents: Vec<Document>) {
    let Some(first) = documents.first() else { return };
    let filter = all_of(&first.cluster, first.kind);
    let expected: BTreeMap<DocumentId, Document> =
        documents.iter().map(|document| (document.id, document.clone())).collect();
    let report = store.writer.write(documents.clone()).await.expect("a write");
    assert_eq!((report.n_written, report.n_expired, report.rejected.len()), (documents.len(), 0, 0));
    let query = SearchQuery { filter, order: Order::NewestFirst, limit: 1_000, after: None };
    let deadline = Instant::now() + SEARCHABLE_WITHIN;
    loop {
        let page = store.reader.search(&query).await.expect("a search");
        let is_found = |document: &Document| page.documents.contains(document);
        let missing: Vec<&Document> = expected.values().filter(|document| !is_found(document)).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "not found: {missing:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn bodies(store: &Handles, filter: DocumentFilter) -> Vec<String> {
    let query = SearchQuery { filter, order: Order::OldestFirst, limit: 100, after: None };
    let page = store.reader.search(&query).await.expect("a search");
    page.documents.into_iter().map(|document| document.body).collect()
}

async fn finds_words_phrases_and_exclusions(store: &Handles, base_ns: i64) {
    let lines = ["Connection refused by db-1", "connection reset", "GET /cart 200"];
    let documents =
        lines.iter().enumerate().map(|(i, body)| line("words", 1_000 + i as u128, base_ns + i as i64, body));
    write(store, documents.collect()).await;
    let find = |text: &str| {
        bodies(store, DocumentFilter { text: text.to_owned(), ..all_of("words", DocumentKind::Log) })
    };
    assert_eq!(find("CONNECTION").await, lines[..2]);
    assert_eq!(find("connection -refused").await, lines[1..2]);
    assert_eq!(find("\"refused by\" db-1").await, lines[..1]);
    assert_eq!(find("\"by refused\"").await, [""; 0]);
    assert_eq!(find("").await, lines);
    let mut other = all_of("words", DocumentKind::Log);
    other.fields.push(FieldFilter {
        field: DocumentField::Namespace,
        values: vec!["shop".into()],
        is_negated: true,
    });
    assert_eq!(bodies(store, other).await, [""; 0]);
}

async fn a_repeat_leaves_one_document(store: &Handles, base_ns: i64) {
    let again = line("repeat", 7, base_ns, "delivered twice");
    write(store, vec![again.clone()]).await;
    write(store, vec![again]).await;
    assert_eq!(bodies(store, all_of("repeat", DocumentKind::Log)).await, ["delivered twice"]);
    let document = line("twice", 8, base_ns, "same write");
    write(store, vec![document.clone(), document]).await;
    assert_eq!(bodies(store, all_of("twice", DocumentKind::Log)).await, ["same write"]);
    // An event may change without a later sight.
    let event = |body: &str| Document { kind: DocumentKind::Event, ..line("repeat", 7, base_ns, body) };
    write(store, vec![event("first")]).await;
    write(store, vec![event("second")]).await;
    assert_eq!(bodies(store, all_of("repeat", DocumentKind::Event)).await, ["second"]);
    write(store, vec![event("third"), event("fourth")]).await;
    assert_eq!(bodies(store, all_of("repeat", DocumentKind::Event)).await, ["fourth"]);
}

async fn pages_neither_repeat_nor_miss(store: &Handles, base_ns: i64) {
    // Many lines of one instant, so that only the id orders them.
    let documents =
        (0..50u128).map(|i| line("pages", 10_000 + i * 31, base_ns + (i as i64 / 20), &i.to_string()));
    write(store, documents.collect()).await;
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut seen: Vec<(i64, DocumentId)> = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let query = SearchQuery { filter: all_of("pages", DocumentKind::Log), order, limit: 7, after };
            let page = store.reader.search(&query).await.expect("a search");
            seen.extend(page.documents.iter().map(|document| (document.timestamp_ns, document.id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut expected = seen.clone();
        expected.sort_unstable();
        expected.dedup();
        if order == Order::NewestFirst {
            expected.reverse();
        }
        assert_eq!(seen.len(), 50);
        assert_eq!(seen, expected, "{order:?}");
    }
}

async fn counts_by_time_severity_and_value(store: &Handles, base_ns: i64) {
    let minute_ms = (base_ns / 1_000_000).div_euclid(60_000) * 60_000;
    let at = |offset_ms: i64| (minute_ms + offset_ms) * 1_000_000;
    let mut documents: Vec<Document> =
        (0..6).map(|i| line("counts", 2_000 + i, at(i as i64 * 20_000), "x")).collect();
    documents[5].severity = "error".into();
    documents[5].pod = "cart-2".into();
    write(store, documents).await;
    let filter = all_of("counts", DocumentKind::Log);
    let buckets = store.reader.histogram(&filter, 60_000).await.expect("a histogram");
    let counts: Vec<_> =
        buckets.iter().map(|bucket| (bucket.start.as_millis() - minute_ms, bucket.counts.clone())).collect();
    assert_eq!(
        counts,
        [(0, vec![("info".to_owned(), 3)]), (60_000, vec![("error".to_owned(), 1), ("info".to_owned(), 2)])]
    );
    let pods = store.reader.facet(&filter, DocumentField::Pod, 10).await.expect("a facet");
    assert_eq!(pods, [("cart-1".to_owned(), 5), ("cart-2".to_owned(), 1)]);
    assert_eq!(store.reader.count(&filter).await.expect("a count"), 6);
    assert!(store.reader.histogram(&filter, 0).await.is_err());
}

async fn an_event_moves_to_its_last_sight(store: &Handles, base_ns: i64) {
    let a_day_earlier = base_ns - 86_400_000_000_000;
    let event = |timestamp_ns, body: &str| Document {
        kind: DocumentKind::Event,
        origin_ns: a_day_earlier,
        ..line("moves", 9, timestamp_ns, body)
    };
    write(store, vec![event(a_day_earlier, "seen once")]).await;
    write(store, vec![event(base_ns, "seen twice")]).await;
    assert_eq!(bodies(store, all_of("moves", DocumentKind::Event)).await, ["seen twice"]);
    assert_eq!(bodies(store, all_of("moves", DocumentKind::Log)).await, [""; 0]);
}

async fn every_character_is_data(store: &Handles, base_ns: i64) {
    write(store, vec![line("data", 3_000, base_ns, "title body:secret")]).await;
    for text in [
        "body:*",
        "*:*",
        "_exists_:password",
        "secret~10",
        "/se.*/",
        "[* TO *]",
        "\\",
        "\"",
        "AND OR NOT",
        "((",
        "\u{0}",
    ] {
        let filter = DocumentFilter { text: text.to_owned(), ..all_of("data", DocumentKind::Log) };
        let found = bodies(store, filter).await;
        assert!(found.len() <= 1, "{text:?}");
    }
    let words = DocumentFilter { text: "AND".to_owned(), ..all_of("data", DocumentKind::Log) };
    assert_eq!(bodies(store, words).await, [""; 0]);
}

async fn keeps_every_field(store: &Handles, base_ns: i64) {
    let texts =
        ["plain", "quote \" backslash \\ new\nline nul \u{0} escape \u{1b}[31m bidi \u{202e} \u{1f980}"];
    let documents = texts.iter().enumerate().map(|(i, text)| Document {
        kind: DocumentKind::Event,
        // Nanoseconds are not lost.
        timestamp_ns: base_ns + 123_456_789 + i as i64,
        reason: (*text).into(),
        object_kind: "Pod".into(),
        object_name: "cart-1".into(),
        extra: format!("{{\"count\":{i},\"uid\":\"u\"}}"),
        ..line("fields", u128::MAX - i as u128, base_ns, text)
    });
    write(store, documents.collect()).await;
    // A name of 40 KiB is longer than what indexes keep as one word.
    let long = "x".repeat(40 << 10);
    let document =
        Document { pod: long.as_str().into(), ..line("long", 4_000, base_ns, &"word ".repeat(20_000)) };
    write(store, vec![document]).await;
}
