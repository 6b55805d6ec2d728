//! Documents a second into a real Elasticsearch through our writer, against a bare writer that sends the same
//! bytes and does nothing else: what is lost to us. Needs `make stack`; figures go to standard error.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use sentinel_log_store::contract::{all_of, line};
use sentinel_log_store::{Config, Document, DocumentKind, ElasticsearchConfig, Handles, Urls, open};
use sentinel_runtime::{Health, Registry, clock};
use sentinel_testkit::stack;

#[expect(dead_code, reason = "faults are for tests")]
#[path = "../src/elasticsearch/tests/stub.rs"]
mod stub;

const N_DOCUMENTS: u128 = 100_000;
/// As the processor does.
const A_WRITE: usize = 4_096;
const ROUNDS: usize = 3;

fn documents() -> Vec<Document> {
    let now_ns = clock::now_nanos();
    let document = |i: u128| {
        let body = format!(
            "level=info ts=2026-11-21T20:{:02}:00Z caller=handler.go:{} msg=\"request served\" method=GET \
             path=/api/v1/cart/{} status={} duration_ms={} trace={:016x}",
            i % 60,
            i % 500,
            i * 7_919 % 100_000,
            [200, 200, 200, 404, 500][(i % 5) as usize],
            i * 31 % 1_000,
            (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let mut document = line("bench", i << 64 | i, now_ns + i as i64 * 1_000, &body);
        document.pod = format!("cart-{}", i % 200).into();
        document.node = format!("node-{}", i % 20).into();
        document
    };
    (0..N_DOCUMENTS).map(document).collect()
}

fn config(url: &str, prefix: &str) -> ElasticsearchConfig {
    ElasticsearchConfig {
        url: Urls(vec![url.to_owned()]),
        index_prefix: prefix.to_owned(),
        ..ElasticsearchConfig::default()
    }
}

fn store(url: &str, prefix: &str) -> Handles {
    let config = Config::Elasticsearch(Box::new(config(url, prefix)));
    let (health, mut registry) = (Health::default(), Registry::default());
    open(&config, std::path::Path::new("/nonexistent"), &health, &mut registry).expect("an open store")
}

/// Always as long, so that one can take another's place in a body.
fn prefix() -> String {
    format!("t{:016x}", rand::random::<u64>())
}

async fn ours(store: &Handles, documents: &[Document]) -> Duration {
    let writes: Vec<Vec<Document>> = documents.chunks(A_WRITE).map(<[Document]>::to_vec).collect();
    let began = Instant::now();
    for write in writes {
        let n_documents = write.len();
        let report = store.writer.write(write).await.expect("a write");
        assert_eq!(report.n_written, n_documents);
    }
    began.elapsed()
}

/// A store that has made its index.
async fn prepared(url: &str, prefix: &str) -> Handles {
    let store = store(url, prefix);
    store.writer.write(vec![line("first", 7, clock::now_nanos(), "x")]).await.expect("a write");
    store
}

/// The bodies that our writer sends for these documents, as it sends them.
async fn bodies(prefix: &str, documents: &[Document]) -> Vec<String> {
    let stub = stub::Stub::start(|_| None).await;
    ours(&store(&stub.url, prefix), documents).await;
    stub.asked("/_bulk").into_iter().map(|asked| asked.body).collect()
}

/// As many at once as ours has, each write waiting for its own: in so many parts are writes of this size sent.
async fn bare(url: &str, bodies: &[Vec<u8>], concurrency: usize) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let path = format!("{url}/_bulk?require_alias=true&filter_path=errors,items.*.status");
    let began = Instant::now();
    for write in bodies.chunks(2 * concurrency) {
        let posts = futures::stream::iter(write).map(|body| {
            client
                .post(&path)
                .header("content-type", "application/x-ndjson")
                .header("content-encoding", "gzip")
                .body(body.clone())
                .send()
        });
        let answers: Vec<_> = posts.buffer_unordered(concurrency).collect().await;
        for answer in answers {
            let text = answer.expect("an answer").text().await.expect("its text");
            assert!(text.starts_with("{\"errors\":false"), "{}", &text[..200.min(text.len())]);
        }
    }
    began.elapsed()
}

fn packed(body: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, body.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

async fn clean(url: &str, prefix: &str) {
    let client = reqwest::Client::new();
    for path in [
        format!("logs-{prefix}.*"),
        format!("_index_template/logs-{prefix}.*"),
        format!("_component_template/logs-{prefix}.documents"),
    ] {
        client.delete(format!("{url}/{path}")).send().await.expect("an answer");
    }
}

#[expect(clippy::print_stderr, reason = "that is where figures go")]
async fn compare(name: &str, url: &str) {
    let documents = documents();
    let place = prefix();
    let bodies = bodies(&place, &documents).await;
    let n_bytes: usize = bodies.iter().map(String::len).sum();
    let rate = |took: Duration| N_DOCUMENTS as f64 / took.as_secs_f64();
    let (mut our_time, mut bare_time) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let prefix = prefix();
        let store = prepared(url, &prefix).await;
        let took = ours(&store, &documents).await;
        our_time += took;
        clean(url, &prefix).await;

        let prefix = self::prefix();
        let store = prepared(url, &prefix).await;
        let packed: Vec<Vec<u8>> = bodies.iter().map(|body| packed(&body.replace(&place, &prefix))).collect();
        let took = bare(url, &packed, ElasticsearchConfig::default().concurrency).await;
        bare_time += took;
        while store.reader.count(&all_of("bench", DocumentKind::Log)).await.expect("a count")
            < N_DOCUMENTS as u64
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        clean(url, &prefix).await;
    }
    let n = ROUNDS as u32;
    let (ours, bare) = (rate(our_time / n), rate(bare_time / n));
    eprintln!(
        "{name}: ours {ours:.0} documents/s, bare {bare:.0} documents/s, ratio {:.3}; {} bytes a document sent",
        ours / bare,
        n_bytes as u128 / N_DOCUMENTS,
    );
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for (name, url) in stack::searches() {
            compare(name, &url).await;
        }
    });
}
