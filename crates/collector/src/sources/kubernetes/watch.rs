//! One kind of object, listed and then watched, for as long as the collector lives.
//!
//! A list gives everything (in pages) and the version at which it was taken; a watch continues from
//! there. When a watch ends, for whatever reason, the next one continues where it stopped, so that
//! nothing is missed; only when the server no longer knows that version (410) is everything listed
//! anew, and what the list does not hold any more is found deleted.

mod board;
mod lines;
mod list;
mod relists;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use sentinel_runtime::{Backoff, Shutdown};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

pub(super) use board::{Board, Synced};
pub(super) use lines::{Line, LineBuffer};
pub(super) use list::encoded;
pub(super) use relists::Relists;

use super::client::{CallError, Connection};
use super::config::WatchConfig;
use super::kind::Kind;
use crate::metrics::{Metrics, Restart};

/// What happened to a kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// A list begins: what is not seen until it ends is gone.
    ListBegins,
    Seen(Value),
    Gone(Value),
    ListEnds,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    pub(crate) kind: Kind,
    pub(crate) change: Change,
}

/// Why a list or watch ended.
#[derive(Debug)]
enum End {
    /// As agreed, or so that it looks like it.
    Closed,
    /// The server does not know the version any more.
    Gone {
        message: String,
    },
    /// Nothing was heard for longer than the server may be silent.
    Stalled,
    Failed(CallError),
    /// What came is not a list or a watch.
    Nonsense {
        message: String,
    },
    /// Nobody takes changes any more.
    Unwanted,
}

impl End {
    fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Gone { .. } => "gone",
            Self::Stalled => "stalled",
            Self::Failed(error) => error.reason(),
            Self::Nonsense { .. } => "nonsense",
            Self::Unwanted => "unwanted",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Gone { message } | Self::Nonsense { message } => message.clone(),
            Self::Failed(error) => error.to_string(),
            Self::Closed | Self::Stalled | Self::Unwanted => self.reason().to_owned(),
        }
    }
}

/// Everything that a watch of any kind needs. Cheap to clone.
#[derive(Clone)]
pub(super) struct WatchContext {
    pub(super) connection: Arc<Connection>,
    pub(super) config: WatchConfig,
    pub(super) page_bytes: u64,
    pub(super) changes: mpsc::Sender<Delta>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) board: Board,
    pub(super) relists: Relists,
}

/// The watch of one kind.
pub(super) struct Watch {
    kind: Kind,
    context: WatchContext,
    /// Where the next watch continues; `None` asks for a list.
    version: Option<String>,
    /// When the last complete list began.
    listed: Option<Instant>,
    backoff: Backoff,
}

impl Watch {
    pub(super) fn new(kind: Kind, context: WatchContext) -> Self {
        let backoff = Backoff::new(context.config.backoff_first, context.config.backoff_limit);
        Self { kind, context, version: None, listed: None, backoff }
    }

    /// Ends when asked to, or when nobody takes changes any more.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        shutdown.guard(self.forever()).await;
    }

    async fn forever(&mut self) {
        loop {
            let began = Instant::now();
            let end = if self.needs_list() { self.list().await } else { self.watch_until_asked().await };
            match end {
                None => self.went_well(),
                Some(End::Unwanted) => return,
                Some(end) => self.recover(end, began.elapsed()).await,
            }
        }
    }

    /// Watches, until somebody wants to see everything again.
    async fn watch_until_asked(&mut self) -> Option<End> {
        let (kind, relists) = (self.kind, self.context.relists.clone());
        let end = tokio::select! {
            end = self.watch() => end,
            () = relists.asked(kind) => {
                // Whoever asks waits for it: it comes at once.
                (self.version, self.listed) = (None, None);
                None
            }
        };
        end
    }

    fn needs_list(&self) -> bool {
        let is_due = |listed: Instant| listed.elapsed() >= self.context.config.resync_interval;
        self.version.is_none() || self.listed.is_some_and(is_due)
    }

    fn went_well(&mut self) {
        self.backoff.reset();
        self.context.board.up(self.kind);
    }

    async fn recover(&mut self, end: End, lasted: Duration) {
        let reason = end.reason();
        let config = &self.context.config;
        if lasted >= config.backoff_limit {
            self.backoff.reset();
        }
        // The server ends every watch after the time that it was asked for.
        let is_agreed = matches!(end, End::Closed) && lasted + config.grace >= config.timeout;
        if !is_agreed {
            let restart = Restart { kind: self.kind.as_str(), reason };
            self.context.metrics.watch_restarts.get_or_create(&restart).inc();
        }
        if matches!(end, End::Gone { .. }) {
            debug!(kind = self.kind.as_str(), message = end.message(), "listing anew");
            self.version = None;
        }
        // A watch that merely ended or fell silent is continued at once, unless it does so all the time.
        let is_harmless = match &end {
            End::Closed => lasted >= config.backoff_first,
            End::Stalled | End::Gone { .. } => true,
            _ => false,
        };
        if is_harmless && self.backoff.n_failures() == 0 {
            return;
        }
        let asked = match &end {
            End::Failed(error) => error.retry_after().unwrap_or_default(),
            _ => Duration::ZERO,
        };
        // A server that asks for hours of silence would otherwise get them.
        let asked = asked.min(config.backoff_limit);
        let delay = self.backoff.next_delay().max(asked);
        let is_lasting = self.backoff.n_failures() > 1;
        if is_lasting && self.context.board.down(self.kind, &end.message()) {
            warn!(kind = self.kind.as_str(), reason, message = end.message(), "watch is down");
        }
        if reason == "unauthorized" {
            self.context.connection.reload();
        }
        sleep(delay).await;
    }

    async fn give(&self, change: Change) -> Result<(), End> {
        let delta = Delta { kind: self.kind, change };
        self.context.changes.send(delta).await.map_err(|_| End::Unwanted)
    }

    fn reject(&self, reason: &'static str) {
        self.context.metrics.reject("object", reason);
    }
}

#[cfg(test)]
mod tests;
