//! One running `sentinel`.

use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How to start it.
#[derive(Clone, Debug)]
pub struct Start {
    arguments: Vec<String>,
    data_dir: PathBuf,
}

/// A running process. Dropping it kills it.
pub struct Sentinel {
    child: Child,
    url: String,
    client: reqwest::Client,
    log: PathBuf,
}

/// The binary that this build made.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps");
    let binary = folder.join("sentinel");
    assert!(binary.exists(), "{} is missing: run `cargo build --package sentinel` first", binary.display());
    binary
}

/// Runs a command to its end.
///
/// # Panics
/// When it cannot be started.
pub async fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().await.expect("the binary starts")
}

/// On servers that others use too (`SENTINEL_CONFIG` names them), topics, buckets and indices of this data folder
/// alone: what is started again on it finds them again.
fn own_names(data_dir: &Path) -> Vec<(&'static str, String)> {
    if std::env::var_os("SENTINEL_CONFIG").is_none() {
        return Vec::new();
    }
    let mut hasher = std::hash::DefaultHasher::new();
    data_dir.hash(&mut hasher);
    let name = format!("e2e{:x}", hasher.finish());
    vec![
        ("SENTINEL__BUS__TOPIC_PREFIX", format!("{name}.")),
        ("SENTINEL__METRIC_STORE__BUCKET_PREFIX", name.clone()),
        ("SENTINEL__LOG_STORE__INDEX_PREFIX", name.clone()),
        ("SENTINEL__CACHE__KEY_PREFIX", format!("{name}:")),
    ]
}

impl Start {
    /// `sentinel COMMAND` on a free port with everything it keeps in `data_dir`.
    pub fn new(command: &str, data_dir: &Path) -> Self {
        let arguments = vec![command.to_owned(), "--listen".to_owned(), "127.0.0.1:0".to_owned()];
        Self { arguments, data_dir: data_dir.to_owned() }
    }

    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Starts it and reads its address.
    ///
    /// # Panics
    /// When it ends before it prints one.
    pub async fn start(&self) -> Sentinel {
        std::fs::create_dir_all(&self.data_dir).expect("create the data folder");
        let log = self.data_dir.join("sentinel.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("open the log");
        let mut child = Command::new(binary())
            .args(&self.arguments)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .envs(own_names(&self.data_dir))
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let line = BufReader::new(stdout).lines().next_line().await.expect("read its output");
        let Some(line) = line else {
            panic!("it ended without an address:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        };
        let at = line.find("http://").expect("the line names a URL");
        Sentinel { child, url: line[at..].trim().to_owned(), client: reqwest::Client::new(), log }
    }
}

impl Sentinel {
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Body of a successful answer.
    ///
    /// # Panics
    /// When the answer is an error or no JSON.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path).await;
        assert!((200..300).contains(&status), "{path} answered {status}: {body}");
        body
    }

    /// Status and body of any answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(&self, path: &str) -> (u16, Value) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident_bytes(&self) -> u64 {
        let id = self.child.id().expect("the process runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("read its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS is there");
        let kib: u64 =
            line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
        kib * 1_024
    }

    /// SIGKILL, as a crash does it.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("kill it");
    }

    /// SIGTERM, and wait for the end.
    ///
    /// # Panics
    /// When it does not end by itself, or not with status 0, or has logged an error.
    pub async fn stop(mut self) {
        let id = self.child.id().expect("the process runs").to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.expect("send SIGTERM");
        assert!(sent.success());
        let status = tokio::time::timeout(crate::DEADLINE, self.child.wait())
            .await
            .expect("it stops")
            .expect("a status");
        assert!(status.success(), "it ended with {status}:\n{}", self.log());
        self.assert_no_errors_logged();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A line of level ERROR is a failed test.
    ///
    /// # Panics
    /// When there is one.
    pub fn assert_no_errors_logged(&self) {
        let log = self.log();
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("\"level\":\"ERROR\"")).collect();
        assert!(errors.is_empty(), "logged errors:\n{}", errors.join("\n"));
    }
}
