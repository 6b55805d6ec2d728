//! What every log store keeps, as tests that any adapter runs.

use sentinel_model::Timestamp;

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
}

/// A log line of the cluster `cluster`, which keeps the tests apart.
pub fn line(cluster: &str, id: u128, timestamp_ns: i64, body: &str) -> Document {
    Document {
        id: DocumentId(id),
        kind: DocumentKind::Log,
        timestamp_ns,
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

async fn bodies(store: &Handles, filter: DocumentFilter) -> Vec<String> {
    let query = SearchQuery { filter, order: Order::OldestFirst, limit: 100, after: None };
    let page = store.reader.search(&query).await.expect("a search");
    page.documents.into_iter().map(|document| document.body).collect()
}

async fn finds_words_phrases_and_exclusions(store: &Handles, base_ns: i64) {
    let lines = ["Connection refused by db-1", "connection reset", "GET /cart 200"];
    let documents =
        lines.iter().enumerate().map(|(i, body)| line("words", i as u128, base_ns + i as i64, body));
    let report = store.writer.write(documents.collect()).await.expect("a write");
    assert_eq!((report.n_written, report.n_expired), (3, 0));
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
    store.writer.write(vec![line("repeat", 7, base_ns, "first")]).await.expect("a write");
    store.writer.write(vec![line("repeat", 7, base_ns, "second")]).await.expect("a write");
    assert_eq!(bodies(store, all_of("repeat", DocumentKind::Log)).await, ["second"]);
    let document = line("twice", 8, base_ns, "same write");
    store.writer.write(vec![document.clone(), document]).await.expect("a write");
    assert_eq!(bodies(store, all_of("twice", DocumentKind::Log)).await, ["same write"]);
}

async fn pages_neither_repeat_nor_miss(store: &Handles, base_ns: i64) {
    // Many lines of one instant, so that only the id orders them.
    let documents = (0..50u128).map(|i| line("pages", i * 31, base_ns + (i as i64 / 20), &i.to_string()));
    store.writer.write(documents.collect()).await.expect("a write");
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
        (0..6).map(|i| line("counts", i, at(i as i64 * 20_000), "x")).collect();
    documents[5].severity = "error".into();
    documents[5].pod = "cart-2".into();
    store.writer.write(documents).await.expect("a write");
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
    let event = |timestamp_ns, body: &str| Document {
        kind: DocumentKind::Event,
        ..line("moves", 9, timestamp_ns, body)
    };
    let a_day_earlier = base_ns - 86_400_000_000_000;
    store.writer.write(vec![event(a_day_earlier, "seen once")]).await.expect("a write");
    store.writer.write(vec![event(base_ns, "seen twice")]).await.expect("a write");
    assert_eq!(bodies(store, all_of("moves", DocumentKind::Event)).await, ["seen twice"]);
    assert_eq!(bodies(store, all_of("moves", DocumentKind::Log)).await, [""; 0]);
}

async fn every_character_is_data(store: &Handles, base_ns: i64) {
    store.writer.write(vec![line("data", 1, base_ns, "title body:secret")]).await.expect("a write");
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
