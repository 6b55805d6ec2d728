//! The process that is killed: it writes documents and says so. What write number `m` holds follows from
//! `m` alone, so that the other side knows what to expect.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use sentinel_log_store::{Config, Document, DocumentId, DocumentKind, Handles, open};
use sentinel_runtime::{Health, Registry};

/// Each is written again and again, and moves to another day now and then.
const EVENTS: u64 = 7;
const DAYS: u64 = 4;
const DAY_NS: i64 = 86_400_000_000_000;

pub(crate) fn store(folder: &Path) -> Handles {
    let config = Config::Embedded {
        retention: Duration::from_secs(30 * 86_400),
        commit_interval: Duration::from_millis(2),
    };
    open(&config, folder, &Health::default(), &mut Registry::default()).expect("open the store")
}

/// Writes from `first` on until it is killed.
pub(crate) fn run(folder: &Path, first: u64, newest_ns: i64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = store(folder);
        // Ends the line that the test harness has begun.
        println!();
        for number in first.. {
            store.writer.write(write(number, newest_ns)).await.expect("a write");
            println!("ack {number} .");
            std::io::stdout().flush().expect("a reader");
        }
    });
}

/// A few lines of several days and the newest sight of one event.
pub(crate) fn write(number: u64, newest_ns: i64) -> Vec<Document> {
    let n_lines = number % 5 + 1;
    let mut documents: Vec<Document> = (0..n_lines)
        .map(|line| {
            let id = u128::from(number * 8 + line) + 1_000;
            document(DocumentKind::Log, id, day(number + line, newest_ns) + line as i64, number)
        })
        .collect();
    let event = u128::from(number % EVENTS);
    documents.push(document(DocumentKind::Event, event, day(number / 30, newest_ns), number));
    documents
}

fn day(n: u64, newest_ns: i64) -> i64 {
    newest_ns - (n % DAYS) as i64 * DAY_NS
}

fn document(kind: DocumentKind, id: u128, timestamp_ns: i64, number: u64) -> Document {
    Document {
        id: DocumentId(id),
        kind,
        timestamp_ns,
        origin_ns: timestamp_ns,
        cluster: "test".into(),
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
        body: format!("write {number} {}", "of many words ".repeat((number % 40) as usize)),
        extra: String::new(),
    }
}
