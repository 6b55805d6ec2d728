//! A server that answers as a test wants, down to the bytes.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sentinel_runtime::{Task, spawn};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: String,
    body: Vec<u8>,
    /// Longer than the body: the connection ends before the announced end.
    announced: Option<usize>,
    delay: Duration,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    pub(super) fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (body, headers) = (body.into(), String::new());
        Self { status, headers, body, announced: None, delay: Duration::ZERO }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(super) fn cut(mut self) -> Self {
        self.announced = Some(self.body.len() + 100);
        self
    }

    pub(super) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// Answers what it is asked, or gives `None` for what a healthy server would say.
type Script = dyn FnMut(&Asked) -> Option<Reply> + Send;

pub(super) struct Stub {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _accepting: Task<()>,
}

impl Stub {
    pub(super) async fn start(script: impl FnMut(&Asked) -> Option<Reply> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let accepting = spawn("stub", accept(listener, script, Arc::clone(&asked)));
        Self { url, asked, _accepting: accepting }
    }

    /// Requests whose path begins so, in order.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        self.asked.lock().iter().filter(|asked| asked.path.starts_with(path)).cloned().collect()
    }
}

async fn accept(listener: TcpListener, script: Arc<Mutex<Box<Script>>>, all: Arc<Mutex<Vec<Asked>>>) {
    let mut connections = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (script, all) = (Arc::clone(&script), Arc::clone(&all));
        connections.push(spawn("stub connection", async move {
            let mut stream = BufReader::new(stream);
            while let Some(asked) = read(&mut stream).await {
                all.lock().push(asked.clone());
                let reply = (script.lock())(&asked).unwrap_or_else(|| healthy(&asked));
                if write(stream.get_mut(), reply).await.is_none() {
                    return;
                }
            }
        }));
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    };
    let headers: HashMap<String, String> = lines.filter_map(header).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut text).ok()?;
        body = text;
    }
    Some(Asked { method, path, headers, body: String::from_utf8(body).ok()? })
}

/// `None`: the connection is over.
async fn write(stream: &mut TcpStream, reply: Reply) -> Option<()> {
    tokio::time::sleep(reply.delay).await;
    let Reply { status, headers, body, announced, .. } = reply;
    let length = announced.unwrap_or(body.len());
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    announced.is_none().then_some(())
}

/// What a server without ILM and ISM says when nothing is wrong.
fn healthy(asked: &Asked) -> Reply {
    let is_get = asked.method == "GET";
    if asked.path.starts_with("/_bulk") {
        return items(&asked.body, |_, _| (201, None));
    }
    if asked.path.starts_with("/_ilm") || asked.path.starts_with("/_plugins") {
        return Reply::json(400, &json!({ "error": "no handler found for uri" }));
    }
    if is_get && asked.path.contains("template") {
        return Reply::json(
            404,
            &json!({ "error": { "type": "resource_not_found_exception", "reason": "r" } }),
        );
    }
    if asked.path.starts_with("/_cat") {
        return Reply::json(200, &json!([]));
    }
    if asked.path.contains("/_search") {
        return Reply::json(200, &json!({ "timed_out": false, "hits": { "hits": [] } }));
    }
    Reply::json(200, &json!({ "acknowledged": true, "count": 0, "_shards": { "failed": 0 } }))
}

/// Ids of the documents of a bulk.
pub(super) fn ids(lines: &str) -> Vec<u128> {
    let ids = lines.lines().step_by(2).map(|line| {
        let line: Value = serde_json::from_str(line).expect("an operation");
        let operation = line.as_object().and_then(|line| line.values().next()).expect("its fields").clone();
        u128::from_str_radix(operation["_id"].as_str().expect("an id"), 16).expect("a number")
    });
    ids.collect()
}

/// The answer to a bulk, by the id of each document and how many were before it.
pub(super) fn items(lines: &str, mut of: impl FnMut(u128, usize) -> (u16, Option<&'static str>)) -> Reply {
    let mut item = |(place, id): (usize, u128)| {
        let (status, error) = of(id, place);
        let error = error.map(|kind| json!({ "type": kind, "reason": format!("reason of {id}") }));
        json!({ "create": { "status": status, "error": error } })
    };
    let items: Vec<Value> = ids(lines).into_iter().enumerate().map(|(place, id)| item((place, id))).collect();
    Reply::json(200, &json!({ "errors": true, "items": items }))
}
