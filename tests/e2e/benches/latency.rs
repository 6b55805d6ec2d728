//! How long a value takes from the exposition to the dashboard's WebSocket, while the real binary scrapes
//! 50,000 samples a second. Each target exposes the moment at which it was asked; what the WebSocket brings
//! is compared with the moment at which it came. The waiting for a window's end is not in it: windows are
//! shown while they are open.
//!
//! The reference of the same run is the same path at a hundredth of the load.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use sentinel_e2e::{Live, Start};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

const N_TARGETS: usize = 10;
const WARM_UP: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(60);

/// What the targets expose.
struct Load {
    samples_per_target: usize,
    n_scrapes: AtomicU64,
}

#[expect(clippy::disallowed_methods, reason = "the clock that is measured, outside of the product")]
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() * 1_000.0
}

/// Half of the counters move from scrape to scrape, as on a busy machine.
async fn exposition(State(load): State<Arc<Load>>, Path(_): Path<usize>) -> String {
    let n_scrape = load.n_scrapes.fetch_add(1, Ordering::Relaxed);
    let mut text = String::with_capacity(load.samples_per_target * 80);
    text.push_str("# TYPE load_requests_total counter\n");
    for i in 1..load.samples_per_target {
        let value = i as u64 + if i % 2 == 0 { n_scrape * 17 } else { 0 };
        let _ = writeln!(
            text,
            "load_requests_total{{route=\"/api/{}\",code=\"{}\"}} {value}",
            i / 5,
            200 + i % 5
        );
    }
    let _ = writeln!(text, "# TYPE asked_at_milliseconds gauge\nasked_at_milliseconds {}", now_ms());
    text
}

/// Milliseconds that the values took, ascending.
async fn latencies(samples_per_target: usize) -> Vec<f64> {
    let load = Arc::new(Load { samples_per_target, n_scrapes: AtomicU64::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/{target}/metrics", get(exposition)).with_state(Arc::clone(&load));
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no task registry")]
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("sentinel.toml");
    let targets: String = (0..N_TARGETS)
        .map(|i| format!("[[collector.scrape]]\nurl = \"http://{address}/{i}/metrics\"\ninterval = \"1s\"\n"))
        .collect();
    std::fs::write(&config, targets).expect("a configuration");
    let config = config.to_str().expect("a path in UTF-8");
    let sentinel = Start::new("run", folder.path()).with(&["--config", config]).start().await;
    let (mut live, _) = Live::connect(&sentinel).await;
    let filter = json!({ "match": "asked_at_milliseconds" });
    let subscribe =
        json!({ "type": "subscribe", "id": "l", "topic": "metrics", "filter": filter, "max_rate": 50 });
    live.send(&subscribe).await;

    let began = Instant::now();
    let mut measured = Vec::new();
    while began.elapsed() < WARM_UP + MEASURED {
        let message = live.receive("data").await;
        let now = now_ms();
        if began.elapsed() < WARM_UP {
            continue;
        }
        let items = message["items"].as_array().expect("items");
        // A final window repeats what its provisional one has shown before.
        let fresh = items.iter().filter(|item| item["provisional"] == true);
        measured.extend(fresh.filter_map(|item| Some(now - item["v"].as_f64()?)));
    }
    let resident = sentinel.resident_bytes();
    eprintln!("   resident memory of the binary {:.0} MiB", resident as f64 / f64::from(1 << 20));
    sentinel.stop().await;
    server.abort();
    measured.sort_by(f64::total_cmp);
    measured
}

fn report(name: &str, sorted: &[f64]) {
    let quantile = |q: f64| sorted[((sorted.len() - 1) as f64 * q) as usize];
    println!(
        "{name:<40} n {:>6}   p50 {:>7.1} ms   p90 {:>7.1} ms   p99 {:>7.1} ms   max {:>7.1} ms",
        sorted.len(),
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        quantile(1.0)
    );
}

#[tokio::main]
async fn main() {
    for (name, samples_per_target) in
        [("exposition to WebSocket, 500/s", 50), ("exposition to WebSocket, 50,000/s", 5_000)]
    {
        report(name, &latencies(samples_per_target).await);
    }
}
