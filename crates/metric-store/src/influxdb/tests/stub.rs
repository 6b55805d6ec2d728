//! A server that answers as a test wants it to.

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::Arc;

use flate2::read::GzDecoder;
use parking_lot::Mutex;
use sentinel_runtime::{Task, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a client sent.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// With its query.
    pub(super) path: String,
    pub(super) head: String,
    /// Unpacked.
    pub(super) body: String,
}

/// What it gets.
pub(super) enum Reply {
    /// Status, further header lines, body.
    Answer(u16, String, String),
    /// The connection ends without one.
    Nothing,
    /// The connection stays, and nothing comes.
    Never,
    /// A head that promises more than comes.
    Cut(String),
}

pub(super) struct Stub {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: Task<()>,
}

pub(super) fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, String::new(), body.to_owned())
}

/// A reply for each request in turn, then 204 for ever.
pub(super) fn in_turn(replies: Vec<Reply>) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let replies = Mutex::new(VecDeque::from(replies));
    move |_| replies.lock().pop_front().unwrap_or_else(|| answer(204, ""))
}

impl Stub {
    /// `reply` is asked for writes and queries; all buckets are there.
    pub(super) async fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, reply) = (Arc::clone(&asked), Arc::new(reply));
        let task = spawn("stub", async move {
            let mut connections = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                connections.push(spawn("stub-connection", serve(stream, seen, reply)));
            }
        });
        Self { url, asked, _task: task }
    }

    /// Writes and queries so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked()
            .iter()
            .flat_map(|asked| asked.body.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Arc<Mutex<Vec<Asked>>>,
    reply: Arc<impl Fn(&Asked) -> Reply + Send + Sync + 'static>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    let is_data = ["/write", "/api/v2/write", "/api/v3/write_lp", "/api/v2/query", "/influx/api/v2/write"]
        .iter()
        .any(|path| asked.path.split('?').next() == Some(path));
    let reply = if is_data {
        let answer = reply(&asked);
        seen.lock().push(asked);
        answer
    } else {
        set_up(&asked)
    };
    let text = match reply {
        Reply::Answer(status, headers, body) => format!(
            "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        ),
        Reply::Cut(body) => {
            format!(
                "HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len() + 100
            )
        }
        Reply::Nothing => return,
        Reply::Never => std::future::pending().await,
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// As a server on which everything is prepared.
fn set_up(asked: &Asked) -> Reply {
    if asked.path.contains("/api/v2/buckets") {
        let (_, name) = asked.path.split_once("name=").expect("a name");
        let seconds =
            [("_10s", 172_800), ("_1m", 1_209_600), ("_5m", 5_184_000), ("_1h", 34_560_000), ("_meta", 0)];
        let (_, seconds) =
            seconds.iter().find(|(suffix, _)| name.ends_with(suffix)).expect("a bucket of ours");
        let rules = serde_json::json!([{ "type": "expire", "everySeconds": seconds }]);
        let buckets =
            serde_json::json!({ "buckets": [{ "id": "1", "name": name, "retentionRules": rules }] });
        return answer(200, &buckets.to_string());
    }
    answer(200, "{}")
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let first = String::from_utf8_lossy(&bytes[..end]).lines().next()?.to_owned();
    let path = first.split(' ').nth(1)?.to_owned();
    let text = if head.contains("content-encoding: gzip") {
        let mut text = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut text).ok()?;
        text
    } else {
        String::from_utf8_lossy(&body).into_owned()
    };
    Some(Asked { path, head, body: text })
}
