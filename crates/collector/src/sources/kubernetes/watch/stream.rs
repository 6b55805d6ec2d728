//! Watching a kind: one long answer, an event a line.

use kube::client::Body;
use serde_json::Value;
use tokio::time::timeout;

use super::lines::{Line, LineBuffer};
use super::list::encoded;
use super::{Change, End, Watch};
use crate::sources::kubernetes::client::{Accept, CallError, message_of, next_chunk, open};
use crate::sources::kubernetes::json::{integer, owned, text};

/// The API server stores objects of at most 1.5 MiB; as JSON they are larger.
const MAX_LINE: usize = 16 << 20;

impl Watch {
    /// Gives changes until the watch ends; never `None`.
    pub(super) async fn watch(&mut self) -> Option<End> {
        let version = self.version.clone().unwrap_or_default();
        let config = &self.context.config;
        let url = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
            self.kind.path(),
            config.timeout.as_secs().max(1),
            encoded(&version),
        );
        let clients = self.context.connection.clients();
        // The status comes at once, even when nothing happens.
        match open(&clients.api, &url, Accept::Json, config.timeout + config.grace).await {
            Ok(body) => {
                self.context.board.up(self.kind);
                self.follow(body).await.err()
            }
            Err(error) if error.reason() == "gone" => Some(End::Gone { message: error.to_string() }),
            Err(error) => Some(End::Failed(error)),
        }
    }

    async fn follow(&mut self, mut body: Body) -> Result<(), End> {
        let silence = self.context.config.timeout + self.context.config.grace;
        let mut lines = LineBuffer::new(MAX_LINE);
        loop {
            let chunk = timeout(silence, next_chunk(&mut body)).await.map_err(|_| End::Stalled)?;
            match chunk {
                // Half a line at the end comes again with the next watch.
                None => return Err(End::Closed),
                Some(Err(error)) => return Err(End::Failed(error)),
                Some(Ok(chunk)) => {
                    self.backoff.reset();
                    lines.push(&chunk);
                }
            }
            while let Some(line) = lines.next() {
                match line {
                    Line::Whole(line) if line.trim_ascii().is_empty() => {}
                    Line::Whole(line) => self.event(&line).await?,
                    Line::Cut(_) => self.reject("too_large"),
                }
            }
        }
    }

    async fn event(&mut self, line: &[u8]) -> Result<(), End> {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else {
            self.reject("not_json");
            return Ok(());
        };
        let object = event.get_mut("object").map(Value::take).unwrap_or_default();
        let version = owned(&object, "metadata.resourceVersion");
        match text(&event, "type") {
            "ADDED" | "MODIFIED" => self.give(Change::Seen(object)).await?,
            "DELETED" => self.give(Change::Gone(object)).await?,
            "BOOKMARK" => {}
            "ERROR" => return Err(failure(&object)),
            _ => {
                self.reject("unknown_event");
                return Ok(());
            }
        }
        if !version.is_empty() {
            self.version = Some(version);
        }
        Ok(())
    }
}

/// An error that comes inside the stream, after the good status.
fn failure(status: &Value) -> End {
    let message = message_of(status.to_string().as_bytes());
    let code = integer(status, "code").and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    let is_expired = matches!(text(status, "reason"), "Expired" | "Gone");
    if code == 410 || is_expired {
        return End::Gone { message };
    }
    let status = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    End::Failed(CallError::Status { status, message, retry_after: None })
}
