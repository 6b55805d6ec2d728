//! What a line costs until it is at the socket, and what our writer costs beside one that only sends. The
//! second part needs a server (`make stack`). Figures of the second part go to standard error.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sentinel_metric_store::bench::LineMaker;
use sentinel_metric_store::{Config, Handles, InfluxdbConfig, Row, WindowRows, open};
use sentinel_model::{
    Aggregate, Labels, METRIC_NAME, MetricKind, Resolution, Series, Summary, Timestamp, Window,
};
use sentinel_runtime::config::Secret;
use sentinel_runtime::{Health, Registry, clock};
use sentinel_testkit::stack;
use tokio::runtime::Runtime;

const SERIES: usize = 10_000;
/// Rows of one write, as the processor makes them.
const ROWS: usize = 16_384;
const BATCH_LINES: usize = 5_000;
/// Windows of every series that are written in the comparison.
const WINDOWS: usize = 30;

/// Ten labels each, as cAdvisor's after relabelling; a third are counters.
fn series() -> Vec<Series> {
    let one = |n: usize| {
        let (pod, namespace) = (format!("web-{:x}-{n:05}", n / 3 * 7_919), format!("shop-{}", n % 20));
        let metric = ["container_memory_working_set_bytes", "container_cpu_usage_seconds_total"]
            [usize::from(n.is_multiple_of(3))];
        let labels = Labels::from_pairs([
            (METRIC_NAME, metric),
            ("cluster", "default"),
            ("container", "app"),
            ("endpoint", "cadvisor"),
            ("image", "registry.example.org/shop/app:1.2.3"),
            ("instance", &format!("10.0.0.{}", n % 100)),
            ("namespace", &namespace),
            ("node", &format!("node-{}", n % 40)),
            ("pod", &pod),
            ("workload", &format!("web-{}", n % 200)),
            ("workload_kind", "Deployment"),
        ]);
        let kind = if n.is_multiple_of(3) { MetricKind::Counter } else { MetricKind::Gauge };
        Series { labels: labels.expect("different names"), kind }
    };
    (0..SERIES).map(one).collect()
}

fn aggregate(n: usize, window: usize, kind: MetricKind) -> Aggregate {
    let value = (n * 7_919 + window * 104_729) as f64 / if n.is_multiple_of(2) { 1.0 } else { 1_000.0 };
    if kind == MetricKind::Gauge {
        return Aggregate::Single(value);
    }
    let increase = Some(window as f64 + 0.25);
    let summary = Summary {
        count: 1,
        sum: value,
        min: value,
        max: value,
        last: value,
        m2: 0.0,
        increase,
        sketch: None,
    };
    Aggregate::Summary(Box::new(summary))
}

fn windows(series: &[Series], first: Timestamp, n_windows: usize) -> Vec<WindowRows> {
    let one = |number: usize| {
        let start = first.saturating_add_millis(number as i64 * 10_000);
        let row = |(n, series): (usize, &Series)| Row {
            id: series.labels.id(),
            series: series.clone(),
            aggregate: aggregate(n, number, series.kind),
        };
        let window = Window { resolution: Resolution::TenSeconds, start };
        WindowRows { window, rows: series.iter().enumerate().map(row).collect() }
    };
    (0..n_windows).map(one).collect()
}

fn first() -> Timestamp {
    let span_ms = (WINDOWS as i64 + 2) * 10_000;
    Timestamp::from_millis(clock::now_millis()).floor(10_000).saturating_sub_millis(span_ms)
}

fn lines(criterion: &mut Criterion) {
    let mut windows = windows(&series(), first(), 2);
    windows[1].rows.truncate(ROWS - SERIES);
    let n_rows: usize = windows.iter().map(|one| one.rows.len()).sum();
    let maker = LineMaker::new(BATCH_LINES);
    let packed: usize = maker.bodies(&windows, true).iter().map(Vec::len).sum();
    let plain = maker.n_bytes(&windows);
    eprintln!("a line: {} bytes, packed {:.1}", plain / n_rows, packed as f64 / n_rows as f64);
    let mut group = criterion.benchmark_group("influxdb");
    group.throughput(Throughput::Elements(n_rows as u64));
    group.bench_function("rows to lines", |b| b.iter(|| maker.n_bytes(&windows)));
    group.bench_function("rows to packed lines", |b| b.iter(|| maker.bodies(&windows, true)));
    group.finish();
}

fn config(server: &stack::Influxdb, gzip: bool) -> InfluxdbConfig {
    InfluxdbConfig {
        url: server.url.clone(),
        org: server.org.clone(),
        token: Secret::new(server.token.clone()),
        bucket_prefix: format!("bench-{:08x}", rand::random::<u32>()),
        gzip,
        ..InfluxdbConfig::default()
    }
}

fn store(config: &InfluxdbConfig) -> Handles {
    let (health, mut registry) = (Health::default(), Registry::default());
    let config = Config::Influxdb(Box::new(config.clone()));
    open(&config, std::path::Path::new("/nonexistent"), &health, &mut registry).expect("a store")
}

/// Writes as the processor does.
async fn ours(store: &Handles, windows: &[WindowRows]) -> Duration {
    let began = Instant::now();
    for window in windows {
        store.writer.write([window.clone()].into()).await.expect("written");
    }
    began.elapsed()
}

/// Sends bodies that are there already, as many at once.
async fn bare(config: &InfluxdbConfig, bodies: &[Vec<Vec<u8>>]) -> Duration {
    let client = reqwest::Client::new();
    let bucket = format!("{}_10s", config.bucket_prefix);
    let url = format!("{}/api/v2/write?org={}&bucket={bucket}&precision=ms", config.url, config.org);
    let send = |body: &Vec<u8>| {
        let request = client.post(&url).header("Authorization", format!("Token {}", config.token.expose()));
        let request = if config.gzip { request.header("Content-Encoding", "gzip") } else { request };
        let sent = request.body(body.clone()).send();
        async move { sent.await.and_then(reqwest::Response::error_for_status) }
    };
    let began = Instant::now();
    for window in bodies {
        let sent = stream::iter(window).map(send).buffer_unordered(config.concurrency);
        sent.try_collect::<Vec<_>>().await.expect("stored");
    }
    began.elapsed()
}

/// In turns, so that both meet the same server and the same machine.
fn beside_a_bare_writer(_: &mut Criterion) {
    let Some(server) = stack::influxdb() else { return };
    let runtime = Runtime::new().expect("a runtime");
    let (series, maker) = (series(), LineMaker::new(BATCH_LINES));
    for gzip in [false, true] {
        let config = config(&server, gzip);
        let (mut of_ours, mut of_bare) = (Duration::ZERO, Duration::ZERO);
        runtime.block_on(async {
            let store = store(&config);
            // Series are created once: neither side is to pay for that.
            let all = windows(&series, first(), WINDOWS);
            ours(&store, &all[..1]).await;
            for (n, part) in all[1..].chunks(2).enumerate() {
                let prepared: Vec<Vec<Vec<u8>>> =
                    part.iter().map(|one| maker.bodies(std::slice::from_ref(one), gzip)).collect();
                // Whoever comes second writes over what is there: each in turn.
                if n.is_multiple_of(2) {
                    of_bare += bare(&config, &prepared).await;
                    of_ours += ours(&store, part).await;
                } else {
                    of_ours += ours(&store, part).await;
                    of_bare += bare(&config, &prepared).await;
                }
            }
        });
        let n_lines = ((WINDOWS - 1) * SERIES) as f64;
        let (ours, bare) = (n_lines / of_ours.as_secs_f64(), n_lines / of_bare.as_secs_f64());
        eprintln!("gzip {gzip}: ours {ours:.0} lines/s, bare {bare:.0} lines/s, ratio {:.2}", ours / bare);
    }
}

criterion_group! {
    name = influxdb;
    config = Criterion::default().sample_size(20);
    targets = lines, beside_a_bare_writer
}
criterion_main!(influxdb);
