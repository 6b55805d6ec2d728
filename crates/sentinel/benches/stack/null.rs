//! A server that takes every line and keeps none: what is left is what it costs to send them. Runs as a process
//! of its own, so that its time is nobody else's.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{get, post};

/// Argument that turns this program into the server.
pub const ARGUMENT: &str = "serve-nothing";

pub struct Null {
    child: Child,
    pub url: String,
}

#[derive(Default)]
struct Counts {
    n_lines: AtomicU64,
    n_bytes: AtomicU64,
    saved: Option<parking_lot::Mutex<std::fs::File>>,
}

impl Null {
    /// `saved`: a file for the bodies of windows of 10 s, each behind its length.
    pub fn start(saved: Option<&Path>) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(ARGUMENT).args(saved).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its address");
        Self { child, url: line.trim().to_owned() }
    }

    pub async fn n_lines(&self) -> u64 {
        let text = async { reqwest::get(format!("{}/count", self.url)).await?.text().await };
        text.await.expect("an answer").parse().expect("a number")
    }
}

impl Drop for Null {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What [`Null::start`] starts.
#[tokio::main(flavor = "current_thread")]
pub async fn serve(saved: Option<String>) {
    let file = saved.map(|path| parking_lot::Mutex::new(std::fs::File::create(path).expect("a file")));
    let counts = Arc::new(Counts { saved: file, ..Counts::default() });
    let take = |State(counts): State<Arc<Counts>>, RawQuery(query): RawQuery, body: Bytes| async move {
        let n_lines = body.iter().filter(|byte| **byte == b'\n').count();
        counts.n_lines.fetch_add(n_lines as u64, Ordering::Relaxed);
        counts.n_bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        let is_raw = query.is_some_and(|query| query.contains("_10s"));
        if let Some(file) = counts.saved.as_ref().filter(|_| is_raw) {
            let mut file = file.lock();
            file.write_all(&(body.len() as u32).to_le_bytes()).expect("room for a length");
            file.write_all(&body).expect("room for the lines");
        }
        StatusCode::NO_CONTENT
    };
    let router = Router::new()
        .route("/write", post(take))
        .route("/api/v2/write", post(take))
        .route(
            "/count",
            get(|State(counts): State<Arc<Counts>>| async move {
                counts.n_lines.load(Ordering::Relaxed).to_string()
            }),
        )
        .fallback(|| async { StatusCode::NO_CONTENT })
        .layer(DefaultBodyLimit::disable())
        .with_state(counts);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("http://{}", listener.local_addr().expect("an address"));
    axum::serve(listener, router).await.expect("it serves");
}
