//! What an administrator does to a real server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// A real server, and the names of one test on it, which go when this does.
pub(super) struct Admin {
    pub(super) url: String,
    pub(super) prefix: String,
}

impl Admin {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), prefix: format!("t{:016x}", rand::random::<u64>()) }
    }

    /// The index of logs of a day, as `2026.11.21`.
    pub(super) fn logs(&self, day: &str) -> String {
        format!("logs-{}.kubernetes-{day}-000001", self.prefix)
    }

    pub(super) fn events(&self, day: &str) -> String {
        format!("logs-{}.events-{day}-000001", self.prefix)
    }

    /// Asks, and gives the answer if it says yes.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Option<Value> {
        let answer = self.send(method, path, body).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let is_yes = head.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        // Some answers come in one chunk, its length around it.
        let body = body.find('{').zip(body.rfind('}')).map_or("", |(start, end)| &body[start..=end]);
        is_yes.then(|| serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// The same, which must be granted.
    pub(super) fn make(&self, method: &str, path: &str, body: &str) -> Value {
        self.ask(method, path, body).unwrap_or_else(|| panic!("{method} {path}"))
    }

    fn send(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let host = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let length = body.len();
        // HTTP/1.0: the end of the connection is the end of the body.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let prefix = &self.prefix;
        for path in [
            format!("/logs-{prefix}.*"),
            format!("/_index_template/logs-{prefix}.*"),
            format!("/_component_template/logs-{prefix}.documents"),
        ] {
            // The server may be gone on purpose.
            let _ = self.send("DELETE", &path, "");
        }
    }
}
