//! Kills a writing process with SIGKILL again and again, and looks at what it left: every acknowledged
//! document is there once and unharmed, and nothing else but parts of the write that was under way.
//!
//! `SENTINEL_CRASH_ROUNDS` sets how often (20), `SENTINEL_CRASH_SEED` repeats a run's choices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sentinel_log_store::{Document, DocumentFilter, DocumentKind, Order, SearchQuery};
use sentinel_model::Timestamp;
use sentinel_runtime::{clock, config::variable};
use sentinel_testkit::Victim;

#[expect(clippy::print_stdout, reason = "it tells the other process what was acknowledged")]
#[path = "crash/victim.rs"]
mod victim;

/// Rounds on one folder; a new one is begun then, because each round reads all that is kept.
const ROUNDS_A_FOLDER: u64 = 20;
/// One round in this many kills the process while it starts.
const EARLY_KILL: u32 = 5;

/// What a store should hold, by kind and identity.
type Documents = BTreeMap<(DocumentKind, u128), Document>;

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let number = |name: &str| variable(name).map(|text| text.parse::<u64>().expect("a number"));
    let n_rounds = number("SENTINEL_CRASH_ROUNDS").unwrap_or(20);
    let seed = number("SENTINEL_CRASH_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("{n_rounds} rounds, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let newest_ns = clock::now_millis() * 1_000_000;
    let mut folder = tempfile::tempdir().expect("a temporary folder");
    let mut acknowledged = Documents::new();
    let (mut next, mut n_acknowledged) = (0, 0);
    for round in 0..n_rounds {
        if round > 0 && round % ROUNDS_A_FOLDER == 0 {
            folder = tempfile::tempdir().expect("a temporary folder");
            acknowledged.clear();
        }
        let n_acks = if random.random_ratio(1, EARLY_KILL) { 0 } else { random.random_range(1..20) };
        let end = run_victim(folder.path(), next, n_acks, newest_ns);
        for number in next..end {
            acknowledged.extend(keyed(victim::write(number, newest_ns)));
        }
        verify(&read(folder.path()), &acknowledged, keyed(victim::write(end, newest_ns)).collect());
        n_acknowledged += end - next;
        // What was not acknowledged is written again, as the processor does.
        next = end;
    }
    eprintln!("{n_acknowledged} writes acknowledged before the kills");
    assert!(n_acknowledged > 0);
}

/// Not a test by itself: what the other one starts as a process of its own.
#[test]
fn victim() {
    if let Some(folder) = variable("SENTINEL_CRASH_FOLDER") {
        let number = |name| variable(name).and_then(|text| text.parse::<i64>().ok()).expect("a number");
        let first = number("SENTINEL_CRASH_FIRST").cast_unsigned();
        victim::run(Path::new(&folder), first, number("SENTINEL_CRASH_NEWEST_NS"));
    }
}

/// Lets the victim write from `first` on until it has acknowledged `n_acks` writes, kills it, and
/// returns the number of the first write that it had not acknowledged by then.
fn run_victim(folder: &Path, first: u64, n_acks: u64, newest_ns: i64) -> u64 {
    let variables = [
        ("SENTINEL_CRASH_FOLDER", folder.to_str().expect("a folder of plain letters")),
        ("SENTINEL_CRASH_FIRST", &first.to_string()),
        ("SENTINEL_CRASH_NEWEST_NS", &newest_ns.to_string()),
    ];
    Victim::start(&variables).kill_after(first, n_acks)
}

fn keyed(documents: Vec<Document>) -> impl Iterator<Item = ((DocumentKind, u128), Document)> {
    documents.into_iter().map(|document| ((document.kind, document.id.0), document))
}

fn verify(found: &[Document], acknowledged: &Documents, under_way: Documents) {
    let mut seen = BTreeSet::new();
    for document in found {
        let key = (document.kind, document.id.0);
        assert!(seen.insert(key), "{key:?} is there twice");
        let is_known = [acknowledged.get(&key), under_way.get(&key)].contains(&Some(document));
        assert!(is_known, "{key:?} is not as it was written: {document:?}");
    }
    // An event that the write under way was moving to another day may be in neither; it is written again.
    let lost: Vec<_> =
        acknowledged.keys().filter(|key| !seen.contains(key) && !under_way.contains_key(key)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Everything that the store in a folder holds.
fn read(folder: &Path) -> Vec<Document> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = victim::store(folder);
        let mut found = Vec::new();
        for kind in [DocumentKind::Log, DocumentKind::Event] {
            let filter = DocumentFilter {
                kind,
                text: String::new(),
                fields: Vec::new(),
                start: Timestamp::from_millis(0),
                end: Timestamp::from_millis(i64::MAX / 2_000_000),
            };
            let mut query = SearchQuery { filter, order: Order::OldestFirst, limit: 1_000, after: None };
            loop {
                let page = store.reader.search(&query).await.expect("a search");
                found.extend(page.documents);
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
        }
        found
    })
}
