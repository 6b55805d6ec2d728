//! Stands between the pipeline and a store, and misbehaves when asked to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use sentinel_runtime::{Task, spawn};
use tokio::sync::watch;

const MAX_BODY: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    Pass,
    /// Answers with this status in place of the server; with `Retry-After` in seconds, if there is one.
    Refuse {
        status: u16,
        retry_after: Option<u32>,
    },
    /// Every other request reaches the server, and its answer is lost.
    LoseAnswers,
    /// Every other request is refused.
    Flaky {
        status: u16,
    },
    Slow(Duration),
    /// Of a bulk, every other item is done, and the others are told to come again.
    HalfBulks,
}

#[derive(Clone)]
pub struct Proxy {
    upstream: Arc<str>,
    mode: watch::Sender<Mode>,
    n_requests: Arc<AtomicU64>,
    n_faults: Arc<AtomicU64>,
    client: reqwest::Client,
}

impl Proxy {
    /// Its address, and what serves it until dropped.
    pub async fn start(upstream: &str) -> (Self, String, Task<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let proxy = Self {
            upstream: upstream.trim_end_matches('/').into(),
            mode: watch::Sender::new(Mode::Pass),
            n_requests: Arc::default(),
            n_faults: Arc::default(),
            client: reqwest::Client::builder().no_gzip().build().expect("a client"),
        };
        let router = axum::Router::new().fallback(forward).with_state(proxy.clone());
        let task = spawn("proxy", async move { axum::serve(listener, router).await.expect("it serves") });
        (proxy, format!("http://{address}"), task)
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How often it has misbehaved: a fault that never happened proves nothing.
    pub fn n_faults(&self) -> u64 {
        self.n_faults.load(Ordering::SeqCst)
    }

    fn note_fault(&self) {
        self.n_faults.fetch_add(1, Ordering::SeqCst);
    }

    async fn pass(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await.expect("a body within bounds");
        self.send(&parts, body).await
    }

    async fn send(&self, parts: &http::request::Parts, body: Bytes) -> Response {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers.clone();
        // Answers have to be readable here.
        for own in ["host", "content-length", "transfer-encoding", "accept-encoding"] {
            headers.remove(own);
        }
        let url = format!("{}{path}", self.upstream);
        let sent = self.client.request(parts.method.clone(), url).headers(headers).body(body).send().await;
        let Ok(answer) = sent else { return plain(502, "the server is away") };
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if *name != http::header::TRANSFER_ENCODING && *name != http::header::CONTENT_LENGTH {
                response = response.header(name, value);
            }
        }
        let Ok(body) = answer.bytes().await else { return plain(502, "the server went away") };
        response.body(Body::from(body)).expect("a response")
    }

    /// Sends every other item on, and answers for the rest itself.
    async fn half_a_bulk(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY).await.expect("a body within bounds");
        let text = String::from_utf8(body.to_vec()).expect("bulks are not compressed here");
        let lines: Vec<&str> = text.lines().collect();
        let items: Vec<&[&str]> = lines.chunks(2).collect();
        let kept: String =
            items.iter().step_by(2).flat_map(|item| item.iter().flat_map(|line| [*line, "\n"])).collect();
        let answer = self.send(&parts, Bytes::from(kept)).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), MAX_BODY).await.expect("an answer within bounds");
        let Ok(mut answer) = serde_json::from_slice::<serde_json::Value>(&body) else {
            return plain(status.as_u16(), "no bulk");
        };
        let mut done = answer["items"].as_array().cloned().unwrap_or_default().into_iter();
        let refused = || {
            serde_json::json!({ "create": { "status": 429, "error": {
                "type": "es_rejected_execution_exception", "reason": "on purpose" } } })
        };
        let all: Vec<_> = (0..items.len())
            .map(|i| if i % 2 == 0 { done.next() } else { None }.unwrap_or_else(refused))
            .collect();
        answer["errors"] = (items.len() > 1).into();
        answer["items"] = all.into();
        self.note_fault();
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Body::from(answer.to_string()))
            .expect("a response")
    }
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let n = proxy.n_requests.fetch_add(1, Ordering::SeqCst);
    let mode = *proxy.mode.borrow();
    match mode {
        Mode::Pass => proxy.pass(request).await,
        Mode::Refuse { status, retry_after } => {
            proxy.note_fault();
            let mut response = plain(status, "refused on purpose");
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Mode::LoseAnswers if n % 2 == 0 => {
            proxy.note_fault();
            proxy.pass(request).await;
            // Nobody hears of it.
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut off")) });
            Response::builder()
                .header("content-length", "10")
                .body(Body::from_stream(broken))
                .expect("a response")
        }
        Mode::Flaky { status } if n % 2 == 0 => {
            proxy.note_fault();
            plain(status, "refused on purpose")
        }
        Mode::LoseAnswers | Mode::Flaky { .. } => proxy.pass(request).await,
        Mode::Slow(delay) => {
            proxy.note_fault();
            tokio::time::sleep(delay).await;
            proxy.pass(request).await
        }
        Mode::HalfBulks if request.uri().path().ends_with("_bulk") => proxy.half_a_bulk(request).await,
        Mode::HalfBulks => proxy.pass(request).await,
    }
}

fn plain(status: u16, text: &'static str) -> Response {
    Response::builder().status(status).body(Body::from(text)).expect("a response")
}
