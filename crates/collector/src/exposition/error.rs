//! Why a body is refused, said so that its author can mend it.

/// Longest piece of the body that a message quotes.
const QUOTED_CHARS: usize = 60;

/// Where and why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// Stable short name for counters.
    pub reason: &'static str,
    /// What is wrong and what to change.
    pub message: String,
}

impl ParseError {
    pub(super) fn new(line: usize, reason: &'static str, message: impl Into<String>) -> Self {
        Self { line, reason, message: message.into() }
    }

    /// With what is wrong with the whole line, where that is seen easily.
    #[cold]
    pub(super) fn with_hint(mut self, body: &str) -> Self {
        let line = body.split('\n').nth(self.line.saturating_sub(1)).unwrap_or_default();
        if line.ends_with('\r') {
            self.message
                .push_str("; the line ends in a carriage return: write line ends as \\n alone (tr -d '\\r')");
        }
        self
    }
}

/// A piece of the body for a message: in quotes, escaped, cut to a bounded length.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What the grammar did not expect, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// Byte in the body.
    pub at: usize,
    pub reason: &'static str,
    pub message: &'static str,
}

impl Fault {
    pub const fn new(at: usize, reason: &'static str, message: &'static str) -> Self {
        Self { at, reason, message }
    }

    /// With the line's number and the text at the fault.
    #[cold]
    pub fn locate(self, body: &str, line: usize) -> ParseError {
        let mut at = self.at.min(body.len());
        while !body.is_char_boundary(at) {
            at -= 1;
        }
        let rest = body[at..].split('\n').next().unwrap_or_default();
        let found = if rest.is_empty() { "the end of the line".to_owned() } else { quote(rest) };
        ParseError::new(line, self.reason, format!("{}, found {found}", self.message))
    }
}
