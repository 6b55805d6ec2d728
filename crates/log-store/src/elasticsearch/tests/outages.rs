//! A server that is stopped, killed and starved while we write. It is one of its own, so that no other test
//! suffers: `cargo test -p sentinel-log-store --features elasticsearch -- --ignored`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sentinel_runtime::{Health, Registry, clock, spawn};

use crate::contract::{all_of, line};
use crate::{Config, Cursor, DocumentKind, ElasticsearchConfig, Handles, Order, SearchQuery, Urls, open};

/// The server, its folder, and the scripts that tend it.
struct Own {
    server: &'static str,
    folder: PathBuf,
    port: u16,
}

impl Own {
    fn start(server: &'static str) -> Self {
        // Not in the folder of temporary files: the server runs as somebody else, who cannot enter there.
        let folder = PathBuf::from(format!("/var/tmp/sentinel-outages-{}-{server}", std::process::id()));
        let own = Self { server, folder, port: 24_000 };
        own.script("up.sh", &[server]);
        own
    }

    fn url(&self) -> String {
        let offset = match self.server {
            "opensearch2" => 201,
            "opensearch3" => 202,
            _ => 200,
        };
        format!("http://127.0.0.1:{}", self.port + offset)
    }

    fn tend(&self, verb: &str) {
        // The port of a killed server may be taken a moment longer.
        let is_done = (0..10).any(|_| self.run("server.sh", &[verb, self.server]));
        assert!(is_done, "{verb} {}", self.server);
    }

    fn script(&self, name: &str, arguments: &[&str]) {
        assert!(self.run(name, arguments), "{name} {arguments:?}");
    }

    fn run(&self, name: &str, arguments: &[&str]) -> bool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/stack").join(name);
        let status = Command::new(script)
            .args(arguments)
            .env("SENTINEL_STACK_RUN", &self.folder)
            .env("SENTINEL_STACK_PORT", self.port.to_string())
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// A line of its settings, from its next start on.
    fn set(&self, line: &str) {
        let product = self.server.trim_end_matches(char::is_numeric);
        let path = self.folder.join(self.server).join(format!("config/{product}.yml"));
        let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("its settings");
        writeln!(file, "{line}").expect("written");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.script("down.sh", &[]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn store(own: &Own) -> Handles {
    let config = ElasticsearchConfig {
        url: Urls(vec![own.url()]),
        timeout: Duration::from_secs(3),
        batch_documents: 500,
        ..ElasticsearchConfig::default()
    };
    let config = Config::Elasticsearch(Box::new(config));
    open(&config, Path::new("/nonexistent"), &Health::default(), &mut Registry::default())
        .expect("an open store")
}

/// Writes ids until it is told to stop, each batch until it is taken, as the processor does.
async fn write_on(store: Handles, start_ns: i64, mut is_wanted: impl FnMut(u128) -> bool) -> u128 {
    let mut next = 0;
    while is_wanted(next) {
        let batch: Vec<_> =
            (next..next + 1_000).map(|id| line("c", id, start_ns + id as i64, "some text")).collect();
        loop {
            match store.writer.write(batch.clone()).await {
                Ok(report) => {
                    assert_eq!((report.n_written, report.rejected.len()), (1_000, 0));
                    break;
                }
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        next += 1_000;
    }
    next
}

/// Every id that is there, by pages; twice is a failure.
async fn ids(store: &Handles) -> BTreeSet<u128> {
    let mut found = BTreeSet::new();
    let mut after: Option<Cursor> = None;
    loop {
        let filter = all_of("c", DocumentKind::Log);
        let query = SearchQuery { filter, order: Order::OldestFirst, limit: 5_000, after };
        let page = store.reader.search(&query).await.expect("a page");
        for document in page.documents {
            assert!(found.insert(document.id.0), "{:?} is there twice", document.id);
        }
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn survives(server: &'static str) {
    let own = Own::start(server);
    let store = store(&own);
    let (start_ns, stop) =
        (clock::now_nanos(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let writing = spawn("writing", {
        let (store, stop) = (store.clone(), std::sync::Arc::clone(&stop));
        write_on(store, start_ns, move |_| !stop.load(std::sync::atomic::Ordering::Relaxed))
    });
    for round in 0..3 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        own.tend("stop");
        tokio::time::sleep(Duration::from_secs(5)).await;
        own.tend("cont");
        tokio::time::sleep(Duration::from_millis(700 * (round + 1))).await;
        own.tend("kill");
        own.tend("start");
    }
    // Nearly everything is more than it takes now: 429 for whole requests.
    own.tend("kill");
    own.set("indexing_pressure.memory.limit: 64kb");
    own.tend("start");
    tokio::time::sleep(Duration::from_secs(5)).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let n_written = writing.await;
    for _ in 0..100 {
        if store.reader.count(&all_of("c", DocumentKind::Log)).await.expect("a count") >= n_written as u64 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let found = ids(&store).await;
    let missing = (0..n_written).filter(|id| !found.contains(id)).count();
    assert_eq!((missing, found.len() as u128), (0, n_written), "on {server}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts a server of its own, and takes two minutes"]
async fn nothing_is_lost_or_doubled_by_outages_of_elasticsearch() {
    survives("elasticsearch").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts a server of its own, and takes two minutes"]
async fn nothing_is_lost_or_doubled_by_outages_of_opensearch() {
    survives("opensearch2").await;
}
