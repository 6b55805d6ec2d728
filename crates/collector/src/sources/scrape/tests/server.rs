//! A server that answers exactly the bytes it is told to, right or wrong.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sentinel_runtime::{Task, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Writes these and closes.
    Raw(Vec<u8>),
    Hang,
    Endless,
    EndlessHeaders,
    /// A byte every 20 ms.
    Trickle,
}

pub fn http(status: &str, headers: &str, body: &[u8]) -> Answer {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Answer::Raw(bytes)
}

pub fn ok(content_type: &str, body: &[u8]) -> Answer {
    let content_type =
        if content_type.is_empty() { String::new() } else { format!("content-type: {content_type}\r\n") };
    http("200 OK", &format!("{content_type}content-length: {}\r\n", body.len()), body)
}

pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    _task: Task<()>,
}

struct State {
    answer: Mutex<Answer>,
    request: Mutex<String>,
    n_requests: watch::Sender<usize>,
}

impl Server {
    pub async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            answer: Mutex::new(answer),
            request: Mutex::default(),
            n_requests: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let task = spawn("server", async move {
            let mut connections = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                connections.push(spawn("connection", async move {
                    // The other side may leave at any moment.
                    let _ = serve(stream, &state).await;
                }));
            }
        });
        Self { address, state, _task: task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn set(&self, answer: Answer) {
        *self.state.answer.lock() = answer;
    }

    /// The last request's head.
    pub fn request(&self) -> String {
        self.state.request.lock().clone()
    }

    /// Resolves once so many more requests have come.
    pub async fn answered(&self, n: usize) {
        let mut requests = self.state.n_requests.subscribe();
        let goal = *requests.borrow() + n;
        requests.wait_for(|requests| *requests >= goal).await.expect("the server lives");
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(());
        }
        request.push(byte[0]);
    }
    *state.request.lock() = String::from_utf8_lossy(&request).into_owned();
    let answer = state.answer.lock().clone();
    state.n_requests.send_modify(|requests| *requests += 1);
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n";
    match answer {
        Answer::Raw(bytes) => stream.write_all(&bytes).await?,
        Answer::Hang => std::future::pending().await,
        Answer::Endless => {
            stream.write_all(head).await?;
            stream.write_all(b"\r\n").await?;
            loop {
                stream.write_all(&[b'#'; 4_096]).await?;
            }
        }
        Answer::EndlessHeaders => {
            stream.write_all(head).await?;
            loop {
                stream.write_all(b"x-filler: 0123456789012345678901234567890123456789\r\n").await?;
            }
        }
        Answer::Trickle => {
            stream.write_all(head).await?;
            stream.write_all(b"\r\n").await?;
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                stream.write_all(b"#").await?;
            }
        }
    }
    stream.shutdown().await
}
