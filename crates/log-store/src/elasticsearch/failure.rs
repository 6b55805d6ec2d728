//! What can go wrong between us and the server, in words that tell what to do.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::LogStoreError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the server does not answer: {message}; check that it runs, and log_store.url")]
    Away { message: String },
    #[error("the server's answer cannot be read: {message}; is log_store.url Elasticsearch or OpenSearch?")]
    Broken { message: String },
    #[error("the server's answer is longer than {limit} bytes; raise log_store.max_response_bytes")]
    TooLong { limit: usize },
    #[error("the server redirects to {to:?}; write that address in log_store.url")]
    Redirect { to: String },
    #[error("{file} cannot be read: {message}; write it, readable by this process")]
    Secret { file: String, message: String },
    #[error("{}: {}; {}", .0.what(), .0.detail(), .0.advice())]
    Refused(Refusal),
}

/// An answer that says no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The server's name of the error, such as `cluster_block_exception`.
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) retry_after: Option<Duration>,
}

/// Longest text of the server's that is passed on.
const MAX_TEXT_CHARS: usize = 300;

/// Longest wait that a server can ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

impl Failure {
    /// Whether the same request may succeed a little later, without anybody's help.
    pub(super) const fn is_transient(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Broken { .. } => true,
            Self::Refused(refusal) => refusal.is_transient(),
            Self::TooLong { .. } | Self::Redirect { .. } | Self::Secret { .. } => false,
        }
    }

    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    pub(super) fn is_status(&self, status: u16) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == status)
    }

    /// That the server does not know what was asked for: a module that it lacks.
    pub(super) fn is_unknown_to_server(&self) -> bool {
        matches!(self, Self::Refused(refusal) if [400, 404, 405].contains(&refusal.status))
    }

    /// An index that has just been made has no shard yet that answers; nor has one right behind a restart.
    pub(super) fn is_without_shards(&self) -> bool {
        let kinds = ["no_shard_available_action_exception", "search_phase_execution_exception"];
        matches!(self, Self::Refused(refusal) if refusal.status == 503 && kinds.contains(&refusal.kind.as_str()))
    }

    /// For metrics.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Away { .. } => "away",
            Self::Broken { .. } | Self::TooLong { .. } => "broken",
            Self::Redirect { .. } => "redirect",
            Self::Secret { .. } | Self::Refused(Refusal { status: 401 | 403, .. }) => "denied",
            Self::Refused(Refusal { status: 429, .. }) => "busy",
            Self::Refused(Refusal { status: 500.., .. }) => "failed",
            Self::Refused(_) => "refused",
        }
    }
}

impl From<Failure> for LogStoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable { message: failure.to_string(), retry_after: failure.retry_after() }
    }
}

impl Refusal {
    /// Reads an error of the server, in whatever form.
    pub(super) fn new(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let seconds = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let retry_after = seconds.map(|wait| wait.min(MAX_RETRY_AFTER));
        let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let cause = body.error.into_cause();
        Self { status, kind: cleaned(&cause.kind), reason: cleaned(&cause.reason), retry_after }
    }

    /// Of one item of a bulk.
    pub(super) fn of_item(status: u16, cause: Cause) -> Self {
        Self { status, kind: cleaned(&cause.kind), reason: cleaned(&cause.reason), retry_after: None }
    }

    /// Overload, a missing node, a block that somebody or a full disk has put there.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }

    /// A write block: of a disk that is almost full, or of an administrator.
    pub(super) fn is_blocked(&self) -> bool {
        self.kind == "cluster_block_exception"
    }

    pub(super) fn detail(&self) -> String {
        let Self { status, kind, reason, .. } = self;
        match (kind.is_empty(), reason.is_empty()) {
            (false, false) => format!("{status} {kind}, {reason}"),
            (false, true) => format!("{status} {kind}"),
            (true, false) => format!("{status} {reason}"),
            (true, true) => status.to_string(),
        }
    }

    fn what(&self) -> &'static str {
        match self.status {
            401 => "the server does not know who this is",
            _ if self.is_blocked() => "the server has blocked writes",
            403 => "the server does not permit this",
            429 => "the server has too much to do",
            500.. => "the server failed",
            _ => "the server refuses this",
        }
    }

    fn advice(&self) -> &'static str {
        match self.status {
            401 => "check log_store.username and its password, or log_store.api_key",
            _ if self.is_blocked() => {
                "make room on its disks, and clear index.blocks if it does not do so by itself"
            }
            403 => "give the user the privileges that docs/operations.md lists",
            404 | 405 => "check the path of log_store.url",
            413 => "lower log_store.batch_bytes, or raise the limit of the server or the proxy before it",
            429 => "this goes on by itself; give the server more room if it does not",
            500.. => "this goes on by itself once the server is well; see its log",
            _ if self.kind == "validation_exception" => {
                "shorten log_store.retention, or raise cluster.max_shards_per_node"
            }
            _ => "see the server's log",
        }
    }
}

/// One line of printable text, not too long.
fn cleaned(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MAX_TEXT_CHARS).map(printable).collect()
}

#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: ErrorField,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ErrorField {
    Cause(Box<WholeCause>),
    Text(String),
    Other(IgnoredAny),
}

impl Default for ErrorField {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

#[derive(Debug, Deserialize)]
struct WholeCause {
    #[serde(flatten)]
    cause: Cause,
    #[serde(default)]
    root_cause: Vec<Cause>,
}

/// What the server says was the matter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    #[serde(rename = "type", deserialize_with = "text")]
    pub(super) kind: String,
    #[serde(deserialize_with = "text")]
    pub(super) reason: String,
}

/// Text, or nothing: servers write null as well.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ErrorField {
    fn into_cause(self) -> Cause {
        match self {
            Self::Text(reason) => Cause { kind: String::new(), reason },
            Self::Other(_) => Cause::default(),
            // It only says that shards failed; their reason is in the root.
            Self::Cause(mut whole) if whole.cause.kind == "search_phase_execution_exception" => {
                if whole.root_cause.is_empty() { whole.cause } else { whole.root_cause.swap_remove(0) }
            }
            Self::Cause(whole) => whole.cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_errors_in_every_form() {
        let read = |body: &str| {
            let refusal = Refusal::new(400, Some("7"), body.as_bytes());
            assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
            (refusal.kind, refusal.reason)
        };
        let pair = |kind: &str, reason: &str| (kind.to_owned(), reason.to_owned());
        assert_eq!(read(r#"{"error":"no handler","status":400}"#), pair("", "no handler"));
        assert_eq!(read(r#"{"error":{"type":"t","reason":null}}"#), pair("t", ""));
        let nested = r#"{"error":{"type":"search_phase_execution_exception","reason":"all shards failed",
            "root_cause":[{"type":"too_many_clauses","reason":"r"}]}}"#;
        assert_eq!(read(nested), pair("too_many_clauses", "r"));
        for odd in ["", "<html>", "[]", "{\"error\":7}", "\u{0}"] {
            assert_eq!(read(odd), pair("", ""), "{odd:?}");
        }
    }

    #[test]
    fn every_failure_tells_what_to_do() {
        for status in [400, 401, 403, 404, 413, 429, 500, 503] {
            let text = Failure::Refused(Refusal { status, ..Refusal::default() }).to_string();
            assert!(text.contains(&status.to_string()) && text.contains("; "), "{text}");
        }
        let refusal = Refusal::new(500, None, format!("{{\"error\":\"{}\"}}", "x".repeat(9_999)).as_bytes());
        assert!(Failure::Refused(refusal).to_string().len() < 600);
    }
}
