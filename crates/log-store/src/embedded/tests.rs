use sentinel_model::{Kept, RetentionSetting, Timestamp};
use sentinel_runtime::{ComponentState, DataDir, Health, Registry, clock};
use sentinel_testkit::wait_until;

use super::day::Day;
use crate::contract::{all_of, line, retention, suite};
use crate::day::DayNumber;
use crate::{Config, Document, DocumentFilter, DocumentId, DocumentKind, Handles, Order, SearchQuery, open};

const DAY_NS: i64 = 86_400_000_000_000;

fn store(folder: &std::path::Path) -> Handles {
    let config = Config::Embedded {
        retention: std::time::Duration::from_secs(3 * 86_400),
        commit_interval: std::time::Duration::from_millis(5),
    };
    open(&config, folder, &Health::default(), &mut Registry::default()).expect("an open store")
}

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    suite(&store(folder.path()), clock::now_millis()).await;
}

#[tokio::test]
async fn keeps_the_contract_of_the_retention() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    retention(&store(folder.path()), 3).await;
}

#[tokio::test]
async fn finds_what_was_written_before_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let now_ns = clock::now_nanos();
    store(folder.path()).writer.write(vec![line("c", 1, now_ns, "kept")]).await.expect("a write");
    let query = SearchQuery {
        filter: all_of("c", DocumentKind::Log),
        order: Order::NewestFirst,
        limit: 10,
        after: None,
    };
    let page = store(folder.path()).reader.search(&query).await.expect("a search");
    assert_eq!(page.documents, [line("c", 1, now_ns, "kept")]);
}

#[tokio::test]
async fn leaves_the_rest_of_the_disk_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (health, disk) = (Health::default(), DataDir::new(folder.path(), u64::MAX));
    let store = open(&Config::default(), disk, &health, &mut Registry::default()).expect("an open store");
    let written = store.writer.write(vec![line("c", 1, clock::now_nanos(), "refused")]).await;
    let error = written.expect_err("no disk has that much room");
    assert!(error.is_retryable() && error.to_string().contains("min_free_disk"), "{error}");
    let state = &health.report().components["log-store"];
    assert!(matches!(state, ComponentState::Degraded(_)), "{state:?}");
}

#[tokio::test]
async fn starts_anew_after_an_index_that_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = store(folder.path());
    let now_ns = clock::now_nanos();
    store.writer.write(vec![line("c", 1, now_ns, "before")]).await.expect("a write");
    // A file where the folder of another day should be.
    let day_before = now_ns - 86_400_000_000_000;
    let date = jiff::Timestamp::from_nanosecond(day_before.into()).expect("a time").to_string();
    let in_the_way = folder.path().join(&date[..10]);
    std::fs::write(&in_the_way, "").expect("a file");
    let both = vec![line("c", 2, now_ns, "today"), line("c", 3, day_before, "yesterday")];
    assert!(store.writer.write(both.clone()).await.is_err());
    std::fs::remove_file(&in_the_way).expect("remove the file");
    store.writer.write(both).await.expect("a write");
    let n = store.reader.count(&all_of("c", DocumentKind::Log)).await.expect("a count");
    assert_eq!(n, 3);
}

#[tokio::test]
async fn deletes_days_past_the_retention_and_refuses_their_documents() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let old_day = folder.path().join("2001-01-01");
    std::fs::create_dir(&old_day).expect("an old day");
    let store = store(folder.path());
    store.writer.keep(&RetentionSetting::default()).await.expect("as configured");
    let long_ago = Timestamp::from_secs(1_000_000_000).as_millis() * 1_000_000;
    let report = store.writer.write(vec![line("c", 1, long_ago, "old")]).await.expect("a write");
    assert_eq!((report.n_written, report.n_expired), (0, 1));
    assert!(!old_day.exists());
    assert_eq!(store.reader.stats().await.expect("stats").days, [""; 0]);
}

#[tokio::test]
async fn what_somebody_has_set_is_deleted_by_kind_at_once_and_nothing_before_it_is_known() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = store(folder.path());
    let day = std::time::Duration::from_secs(86_400);
    let at = |days: i64| clock::now_nanos() - days * 86_400_000_000_000;
    let documents = |days: i64| {
        let id = u128::try_from(days).expect("not negative");
        let log = line("c", id, at(days), "x");
        vec![log.clone(), Document { id: DocumentId(id + 100), kind: DocumentKind::Event, ..log }]
    };
    let all: Vec<_> = [0, 2, 5].into_iter().flat_map(documents).collect();
    assert_eq!(
        store.writer.write(all).await.expect("a write").n_written,
        6,
        "nothing is refused for its age"
    );
    let set = async |spans: &[(Kept, u32)]| {
        let spans = spans.iter().map(|(kept, days)| (*kept, day * *days));
        let set = RetentionSetting::new(spans).expect("within the bounds");
        store.writer.keep(&set).await.expect("set");
        let count = async |kind| {
            let mut filter = all_of("c", kind);
            (filter.start, filter.end) = (Timestamp::MIN, Timestamp::MAX);
            store.reader.count(&filter).await.expect("a count")
        };
        (count(DocumentKind::Log).await, count(DocumentKind::Event).await)
    };
    assert_eq!(set(&[(Kept::Logs, 9), (Kept::Events, 9)]).await, (3, 3));
    assert_eq!(set(&[(Kept::Logs, 1), (Kept::Events, 9)]).await, (1, 3));
    assert_eq!(set(&[(Kept::Logs, 9), (Kept::Events, 9)]).await, (1, 3), "gone is gone");
    assert_eq!(store.writer.write(documents(2)).await.expect("a write").n_written, 2);
    assert_eq!(set(&[(Kept::Logs, 1), (Kept::Events, 9)]).await, (1, 3), "also what came later");
    assert_eq!(set(&[(Kept::Logs, 1)]).await, (1, 2), "events as configured: three days");
    assert_eq!(store.reader.stats().await.expect("stats").days.len(), 2);
}

/// `2026-11-19`, where it is the 21st and two days are asked for.
fn name_of(days_ago: i64) -> String {
    DayNumber::holding_ns(clock::now_nanos() - days_ago * DAY_NS).name()
}

#[tokio::test]
async fn days_that_are_past_the_retention_of_one_kind_keep_no_writer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let event = |id, days: i64| Document {
        kind: DocumentKind::Event,
        ..line("c", id, clock::now_nanos() - days * DAY_NS, "x")
    };
    let both = [event(1, 5), Document { kind: DocumentKind::Log, ..event(2, 5) }, event(3, 6)];
    store(folder.path()).writer.write(both.to_vec()).await.expect("a write");
    let (both, events) = (folder.path().join(name_of(5)), folder.path().join(name_of(6)));
    let is_free = |path: &std::path::Path| {
        let day = Day::open(path, DayNumber::MIN).expect("a day");
        day.writer().is_ok()
    };
    wait_until("the first store has gone", || is_free(&both) && is_free(&events)).await;
    let lock = events.join(".tantivy-writer.lock");
    std::fs::remove_file(&lock).expect("the lock of the last writer");

    let store = store(folder.path());
    let kept = RetentionSetting::new([(Kept::Events, std::time::Duration::from_secs(9 * 86_400))]);
    store.writer.keep(&kept.expect("within the bounds")).await.expect("set");
    let all = |kind| DocumentFilter { start: Timestamp::MIN, end: Timestamp::MAX, ..all_of("c", kind) };
    let count = async |kind| store.reader.count(&all(kind)).await.expect("a count");
    assert_eq!((count(DocumentKind::Log).await, count(DocumentKind::Event).await), (0, 2));
    assert!(!lock.exists(), "there was nothing to delete");
    assert!(is_free(&both), "its writer has gone");
}

#[tokio::test]
async fn a_day_that_cannot_be_deleted_is_tried_again_and_holds_up_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let days = ["2001-01-01", "2001-01-02"].map(|name| folder.path().join(name));
    days.iter().for_each(|day| std::fs::create_dir(day).expect("an old day"));
    let store = store(folder.path());
    // No folder, so that deleting it as one fails.
    std::fs::remove_dir_all(&days[0]).expect("remove");
    std::fs::write(&days[0], "").expect("a file");
    for _ in 0..2 {
        let kept = store.writer.keep(&RetentionSetting::default()).await;
        assert!(kept.is_err_and(|error| error.to_string().contains("2001-01-01")));
        assert!(!days[1].exists());
        assert_eq!(store.reader.stats().await.expect("stats").days, ["2001-01-01"]);
    }
    std::fs::remove_file(&days[0]).expect("remove");
    store.writer.keep(&RetentionSetting::default()).await.expect("it has gone");
    assert_eq!(store.reader.stats().await.expect("stats").days, [""; 0]);
}

#[tokio::test]
async fn says_what_to_do_about_an_index_it_cannot_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let day = folder.path().join("2026-11-21");
    std::fs::create_dir(&day).expect("a day");
    std::fs::write(day.join("meta.json"), "{").expect("a broken index");
    let opened = open(&Config::default(), folder.path(), &Health::default(), &mut Registry::default());
    let message = opened.err().expect("an error").to_string();
    assert!(message.contains("delete this folder"), "{message}");
}
