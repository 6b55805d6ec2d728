//! Kills the whole pipeline with SIGKILL at random moments under load, then recounts: what the
//! collector had acknowledged against what the stores hold (`sentinel_recount`, as `sentinel verify` does).

#![expect(clippy::print_stdout, reason = "a long test shows its progress")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sentinel_model::Timestamp;
use sentinel_recount::{Books, FindingKind, Progress, Span};
use sentinel_runtime::{Health, Registry, clock};

/// Series of each scrape.
const N_SERIES: u64 = 25;

const DEADLINE: Duration = Duration::from_secs(180);

/// Between two looks at a state.
const PAUSE: Duration = Duration::from_millis(5);

/// A scrape target on which every sample has a value that no other sample has.
struct Target {
    url: String,
    n_scrapes: Arc<AtomicU64>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/metrics", listener.local_addr().expect("an address"));
        let n_scrapes = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&n_scrapes);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || while serve_one(&stream, &counter).is_some() {});
            }
        });
        Self { url, n_scrapes }
    }

    fn n_scrapes(&self) -> u64 {
        self.n_scrapes.load(Ordering::SeqCst)
    }

    fn wait_for(&self, n_scrapes: u64) {
        let began = Instant::now();
        while self.n_scrapes() < n_scrapes {
            assert!(began.elapsed() < DEADLINE, "the target was not scraped in time");
            std::thread::park_timeout(PAUSE);
        }
    }
}

/// Answers one request on a kept-alive connection.
fn serve_one(mut stream: &TcpStream, counter: &AtomicU64) -> Option<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    let scrape = counter.fetch_add(1, Ordering::SeqCst);
    let mut body = String::from("# TYPE crash_sample gauge\n");
    for series in 0..N_SERIES {
        body.push_str(&format!("crash_sample{{series=\"{series}\"}} {}\n", scrape * N_SERIES + series));
    }
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}

/// One life of the process.
struct Life {
    child: Child,
    url: String,
}

impl Life {
    fn start(config: &Path, data_dir: &Path) -> Self {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(data_dir.join("log")).expect("a log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sentinel"))
            .args(["run", "--listen", "127.0.0.1:0"])
            .arg("--config")
            .arg(config)
            .arg("--data-dir")
            .arg(data_dir)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("read its output");
        let at = line
            .find("http://")
            .unwrap_or_else(|| panic!("no address, see {}", data_dir.join("log").display()));
        Self { child, url: line[at..].trim().to_owned() }
    }

    fn kill(mut self) {
        self.child.kill().expect("kill it");
        self.child.wait().expect("it is dead");
    }

    fn metrics(&self) -> String {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).expect("connect");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .expect("ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// How far every partition's windows have been closed, in milliseconds since the epoch.
    fn watermark(&self) -> Option<i64> {
        let metrics = self.metrics();
        let lags =
            metrics.lines().filter_map(|line| line.strip_prefix("sentinel_processor_watermark_lag_seconds{"));
        let lags = lags.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        let slowest = lags.reduce(f64::max)?;
        Some(clock::now_millis() - (slowest * 1_000.0) as i64)
    }
}

fn write_config(folder: &Path, target: &Target) -> PathBuf {
    let path = folder.join("sentinel.toml");
    let text = format!(
        "[collector]\nid = \"crash\"\nscrape_interval = \"100ms\"\nscrape_timeout = \"100ms\"\nself_metrics = false\n\
         [collector.kubernetes]\nenabled = \"never\"\n\
         [[collector.scrape]]\nurl = \"{}\"\n\
         [processor]\nallowed_lateness = \"2s\"\ncommit_interval = \"200ms\"\n",
        target.url
    );
    std::fs::write(&path, text).expect("write the configuration");
    path
}

#[test]
fn a_crash_at_any_moment_loses_nothing_and_counts_nothing_twice() {
    let rounds: u64 = sentinel_runtime::config::variable("SENTINEL_CRASH_ROUNDS")
        .and_then(|n| n.parse().ok())
        .unwrap_or(20);
    let seed: u64 =
        sentinel_runtime::config::variable("SENTINEL_CRASH_SEED").and_then(|n| n.parse().ok()).unwrap_or(1);
    println!("seed {seed}, {rounds} rounds");
    let started_ms = clock::now_millis();
    let mut dice = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = Target::start();
    let config = write_config(folder.path(), &target);
    for round in 0..rounds {
        let life = Life::start(&config, folder.path());
        target.wait_for(target.n_scrapes() + dice.random_range(0..40));
        life.kill();
        if round % 20 == 19 {
            println!("{} of {rounds} kills, {} scrapes served", round + 1, target.n_scrapes());
        }
    }
    let crashed_ms = clock::now_millis();
    finish(&config, folder.path(), crashed_ms);
    recount(folder.path(), (started_ms, crashed_ms));
}

/// A last life, in which every window that a crash touched closes and reaches the store.
fn finish(config: &Path, data_dir: &Path, crashed_ms: i64) {
    let mut life = Life::start(config, data_dir);
    let began = Instant::now();
    // The minute of the crash, and one more window behind it for the store to have it.
    let until_ms = crashed_ms - crashed_ms.rem_euclid(60_000) + 80_000;
    while life.watermark().is_none_or(|watermark| watermark < until_ms) {
        if began.elapsed() > DEADLINE {
            life.kill();
            panic!("the windows of the crash did not close");
        }
        std::thread::park_timeout(Duration::from_millis(500));
    }
    let stop =
        Command::new("kill").args(["-TERM", &life.child.id().to_string()]).status().expect("send SIGTERM");
    assert!(stop.success());
    assert!(life.child.wait().expect("it stops").success(), "see {}", data_dir.join("log").display());
}

/// Counts everything of all lives anew. What lies on the bus twice was sent again after a crash and is no
/// difference: readers drop it.
fn recount(data_dir: &Path, (started_ms, crashed_ms): (i64, i64)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(async {
        let (health, mut registry) = (Health::default(), Registry::default());
        let bus = sentinel_bus::open(&sentinel_bus::Config::default(), data_dir, &health, &mut registry)
            .expect("open the bus");
        let metrics = sentinel_metric_store::open(
            &sentinel_metric_store::Config::default(),
            data_dir.join("metrics").as_path(),
            &health,
            &mut registry,
        )
        .expect("open the metric store");
        let logs = sentinel_log_store::open(
            &sentinel_log_store::Config::default(),
            data_dir.join("logs").as_path(),
            &health,
            &mut registry,
        )
        .expect("open the log store");
        let books = Books { bus, metrics: metrics.reader, logs: logs.reader, rules: Vec::new() };
        // Up to the end of the minute in which the last crash was.
        let to = Timestamp::from_millis(crashed_ms - crashed_ms.rem_euclid(60_000) + 60_000);
        let span = Span { from: Timestamp::from_millis(started_ms), to };
        sentinel_recount::recount(&books, span, &Progress::default()).await.expect("everything can be read")
    });
    let totals = report.totals;
    println!(
        "{} frames, {} samples, {} windows and {} lines agree; doubles on the bus: {:?}",
        totals.n_frames, totals.n_samples, totals.n_windows, totals.n_lines, report.n_findings
    );
    let differences: Vec<_> =
        report.findings.iter().filter(|finding| finding.kind != FindingKind::Double).collect();
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(report.not_checked.is_empty(), "{:#?}", report.not_checked);
    assert!(report.dead_letters.is_empty(), "{:?}", report.dead_letters);
    assert!(totals.n_samples >= N_SERIES && totals.n_windows >= N_SERIES && totals.n_lines > 0, "{totals:?}");
}
