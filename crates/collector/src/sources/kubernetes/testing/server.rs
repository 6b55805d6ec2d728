//! A server over HTTP/1.1 that says what a test scripts, down to hanging and breaking off.

use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_runtime::{Task, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How an answer ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Clean,
    /// The connection breaks before the body is complete.
    Cut,
    /// Nothing comes any more.
    Hang,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    chunks: Vec<Vec<u8>>,
    ending: Ending,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), chunks: vec![body.into()], ending: Ending::Clean }
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self { status, ..Self::ok(body) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn then_cut(self) -> Self {
        Self { ending: Ending::Cut, ..self }
    }

    pub(crate) fn then_hang(self) -> Self {
        Self { ending: Ending::Hang, ..self }
    }
}

/// One request: path with query, and the value of `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) authorization: String,
}

/// Runs until it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: Task<()>,
}

impl Server {
    /// `script` gets the request and the number of earlier requests for the same path.
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let log = Arc::clone(&asked);
        let script = Arc::new(script);
        let accept = async move {
            let mut open = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                open.push(spawn("connection", async move {
                    let script = |asked: &Asked| {
                        let path = |asked: &Asked| asked.target.split('?').next().map(str::to_owned);
                        let mut log = log.lock();
                        let n_before = log.iter().filter(|before| path(before) == path(asked)).count();
                        log.push(asked.clone());
                        script(asked, n_before)
                    };
                    // The other side may go away at any time.
                    let _ = serve(stream, script).await;
                }));
            }
        };
        Self { url, asked, _task: spawn("server", accept) }
    }

    /// Targets in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().iter().map(|asked| asked.target.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, script: impl FnOnce(&Asked) -> Reply) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let authorization = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().starts_with("authorization:").then(|| line[14..].trim()))
        .unwrap_or_default()
        .to_owned();
    let reply = script(&Asked { target, authorization });
    let mut answer =
        format!("HTTP/1.1 {} X\r\nconnection: close\r\ntransfer-encoding: chunked\r\n", reply.status);
    for (name, value) in &reply.headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    stream.write_all(answer.as_bytes()).await?;
    for chunk in reply.chunks.iter().filter(|chunk| !chunk.is_empty()) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        stream.write_all(chunk).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.flush().await?;
    match reply.ending {
        Ending::Clean => stream.write_all(b"0\r\n\r\n").await,
        Ending::Cut => Ok(()),
        Ending::Hang => std::future::pending().await,
    }
}
