//! What people set, over the real binary: it acts without a restart and survives one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sentinel_log_store::{Document, DocumentId, DocumentKind};
use sentinel_metric_store::{Row, WindowRows};
use sentinel_model::{Aggregate, Labels, METRIC_NAME, MetricKind, Resolution, Series, Timestamp, Window};
use sentinel_runtime::{Health, Registry, clock};

const TOKEN: &str = "a-configured-token";
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// One life of the process.
struct Life {
    child: Child,
    url: String,
}

impl Life {
    fn start(config: &Path, data_dir: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data_dir.join("log"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_sentinel"))
            .args(["run", "--listen", "127.0.0.1:0", "--role", "processor", "--role", "api", "--config"])
            .arg(config)
            .arg("--data-dir")
            .arg(data_dir)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("read its output");
        let at = line.find("http://").expect("an address");
        let url = line[at..].split_whitespace().next().expect("an address").to_owned();
        let life = Self { child, url };
        life.wait("it is ready", |life| life.get("/ready", TOKEN).0 == 200);
        life
    }

    fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("send SIGTERM").success());
        assert!(self.child.wait().expect("it stops").success());
    }

    /// Status and body.
    fn get(&self, path: &str, token: &str) -> (u16, String) {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).expect("connect");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
    }

    /// Runs a command against it: whether it succeeded, its output and what it said besides.
    fn cli(&self, arguments: &[&str]) -> (bool, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_sentinel"))
            .args(arguments)
            .args(["--server", self.url.trim_end_matches('/'), "--token", TOKEN])
            .output()
            .expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    fn wait(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < DEADLINE, "in vain: {what}");
            std::thread::park_timeout(PAUSE);
        }
    }

    /// Whether there are windows of 10 s around an instant.
    fn has_windows(&self, at_ms: i64) -> bool {
        let (from, to) = (at_ms - 60_000, at_ms + 60_000);
        let path = format!("/api/v1/query_range?match=settings_test&from={from}&to={to}&step=10s");
        let (status, body) = self.get(&path, TOKEN);
        assert_eq!(status, 200, "{body}");
        !body.contains("\"series\":[]")
    }

    fn has_lines(&self, at_ms: i64) -> bool {
        let (from, to) = (at_ms - 60_000, at_ms + 60_000);
        let (status, body) = self.get(&format!("/api/v1/logs?from={from}&to={to}"), TOKEN);
        assert_eq!(status, 200, "{body}");
        !body.contains("\"items\":[]")
    }
}

/// Windows and log lines of these instants, in the stores of a process that has not started yet.
async fn fill(data_dir: &Path, instants_ms: &[i64]) {
    let (health, mut registry) = (Health::default(), Registry::default());
    let metrics = sentinel_metric_store::open(
        &sentinel_metric_store::Config::default(),
        data_dir.join("metrics").as_path(),
        &health,
        &mut registry,
    );
    let logs = sentinel_log_store::open(
        &sentinel_log_store::Config::default(),
        data_dir.join("logs").as_path(),
        &health,
        &mut registry,
    );
    let labels = Labels::from_pairs([(METRIC_NAME, "settings_test")]).expect("different names");
    let series = Series { labels, kind: MetricKind::Gauge };
    let windows = instants_ms.iter().map(|at_ms| WindowRows {
        window: Window::holding(Timestamp::from_millis(*at_ms), Resolution::TenSeconds),
        rows: vec![Row { id: series.labels.id(), series: series.clone(), aggregate: Aggregate::Single(1.0) }],
    });
    metrics.expect("a store").writer.write(windows.collect()).await.expect("a write");
    let empty: std::sync::Arc<str> = "".into();
    let line = |(n, at_ms): (usize, &i64)| Document {
        id: DocumentId(n as u128),
        kind: DocumentKind::Log,
        timestamp_ns: at_ms * 1_000_000,
        origin_ns: at_ms * 1_000_000,
        cluster: "c".into(),
        namespace: "shop".into(),
        workload_kind: empty.clone(),
        workload: empty.clone(),
        pod: "web-1".into(),
        container: empty.clone(),
        node: empty.clone(),
        severity: "info".into(),
        reason: empty.clone(),
        object_kind: empty.clone(),
        object_name: empty.clone(),
        body: "a line".into(),
        extra: "{}".into(),
    };
    let lines = instants_ms.iter().enumerate().map(line).collect();
    logs.expect("a store").writer.write(lines).await.expect("a write");
}

#[test]
fn what_people_set_acts_without_a_restart_and_survives_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("sentinel.toml");
    let text = format!(
        "[api]\ntoken = \"{TOKEN}\"\n[api.limits]\nanswer_ttl = \"0s\"\n\
         [metric_store]\nmaintenance_interval = \"200ms\"\n"
    );
    std::fs::write(&config, text).expect("write the configuration");
    let now = clock::now_millis();
    let (new, hours_ago, days_ago) = (now - 120_000, now - 5 * HOUR_MS, now - 3 * DAY_MS);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // The oldest is beyond what is configured for windows of 10 s, and not for lines.
    runtime.block_on(fill(folder.path(), &[days_ago, hours_ago, new]));
    drop(runtime);

    let life = Life::start(&config, folder.path());
    life.wait("what is configured acts", |life| !life.has_windows(days_ago));
    assert!(life.has_windows(hours_ago) && life.has_lines(days_ago));
    let set = ["settings", "retention", "set", "metrics_10s=1h", "logs=1d"];
    let (is_done, _, error) = life.cli(&set);
    assert!(!is_done && error.contains("metrics_10s 2d -> 1h, logs 7d -> 1d; add --yes"), "{error}");
    assert!(life.has_windows(hours_ago) && life.has_lines(days_ago), "nothing was deleted");
    let (is_done, told, error) = life.cli(&[&set[..], &["--yes"]].concat());
    assert!(is_done && told.contains("warning: metrics_10s are kept for 1h now"), "{told}{error}");
    life.wait("old windows are gone", |life| !life.has_windows(hours_ago));
    life.wait("old lines are gone", |life| !life.has_lines(days_ago));
    assert!(life.has_windows(new) && life.has_lines(new));

    let (_, token, said) = life.cli(&["tokens", "create", "ci"]);
    let (token, id) = (token.trim(), said.split([' ', ',']).nth(1).expect("its id").to_owned());
    assert_eq!(life.get("/api/v1/status", token).0, 200);
    life.stop();

    let life = Life::start(&config, folder.path());
    let (_, told, _) = life.cli(&["settings", "retention"]);
    assert!(told.contains("metrics_10s          2d         1h\n") && told.contains("by api.token"), "{told}");
    assert_eq!(life.get("/api/v1/status", token).0, 200);
    let (_, listed, _) = life.cli(&["tokens", "list"]);
    assert!(listed.contains(&format!("{id}  viewer    never")), "{listed}");
    assert!(life.cli(&["tokens", "revoke", &id]).0);
    assert_eq!(life.get("/api/v1/status", token).0, 401);
    assert!(!life.has_windows(hours_ago) && life.has_windows(new));
    let (is_done, told, _) = life.cli(&["settings", "retention", "unset"]);
    assert!(is_done && told.contains("metrics_10s          2d          -\n"), "{told}");
    life.stop();
    let log = std::fs::read_to_string(folder.path().join("log")).expect("the log");
    assert!(log.contains("changed a setting") && !log.contains(token), "audited, and no token is in the log");
}
