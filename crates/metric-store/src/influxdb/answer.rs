//! What the server's answer to a write means for each line.

use reqwest::StatusCode;
use serde::Deserialize;

use super::http::{Answer, MAX_MESSAGE_BYTES};
use super::lines::Lines;

/// What became of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stored,
    /// Nothing of it was stored, because of these lines (numbers from 0, with reasons). None named: it
    /// is not known which.
    Unparsable {
        named: Vec<(usize, String)>,
        reason: String,
    },
    /// All but these lines were stored.
    Refused(Vec<(usize, String)>),
    /// So many lines were not stored, it is not known exactly which; the others were.
    Partial {
        n_dropped: usize,
        reason: String,
    },
    TooLarge,
    /// Nothing is said of lines.
    Failed,
}

/// Of version 3: every bad line with its number, from 1.
#[derive(Deserialize)]
struct PartialWrite {
    data: Vec<BadLine>,
}

#[derive(Deserialize)]
struct BadLine {
    line_number: usize,
    #[serde(default)]
    error_message: String,
}

pub(crate) fn judge(answer: &Answer, lines: &Lines) -> Verdict {
    match answer.status {
        status if status.is_success() => Verdict::Stored,
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::TooLarge,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => refused(answer, lines),
        _ => Verdict::Failed,
    }
}

fn refused(answer: &Answer, lines: &Lines) -> Verdict {
    if let Ok(PartialWrite { data }) = serde_json::from_slice(&answer.body) {
        let bad = data.into_iter().filter_map(|bad| {
            let n = bad.line_number.checked_sub(1).filter(|n| *n < lines.len())?;
            Some((n, bad.error_message))
        });
        return Verdict::Refused(bad.collect());
    }
    let text = answer.text();
    // Version 1 says 400 to this, version 2 says 422.
    if let Some(n_dropped) = dropped(&text) {
        return Verdict::Partial { n_dropped, reason: text };
    }
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
        return Verdict::Partial { n_dropped: 1, reason: text };
    }
    let named = named(&text, lines, answer.body.len());
    let is_json = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&answer.body).is_ok();
    if named.is_empty() && !is_json {
        // Not InfluxDB's words: something between here and there. No line is to blame.
        return Verdict::Failed;
    }
    Verdict::Unparsable { named, reason: text }
}

/// `… dropped=3 for database: …`.
fn dropped(text: &str) -> Option<usize> {
    let (before, after) = text.rsplit_once("dropped=")?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    before.contains("partial write").then(|| after[..digits].parse().ok()).flatten()
}

/// The server repeats each line that it cannot parse: `unable to parse 'up v=': missing field value`, one
/// below the other.
fn named(text: &str, lines: &Lines, n_bytes: usize) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut from = 0;
    let mut parts: Vec<&str> = text.lines().collect();
    if n_bytes >= MAX_MESSAGE_BYTES {
        // Cut off somewhere.
        parts.pop();
    }
    for part in parts {
        let Some(rest) = part.split_once("unable to parse '").map(|(_, rest)| rest) else { continue };
        // They come in the order of the lines.
        let is_named = |n: &usize| {
            let reason = rest.as_bytes().strip_prefix(lines.line(*n));
            reason.is_some_and(|reason| reason.starts_with(b"':"))
        };
        let found = (from..lines.len()).find(is_named).or_else(|| (0..from).find(is_named));
        if let Some(n) = found {
            named.push((n, part.to_owned()));
            from = n + 1;
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::super::lines::RowAt;
    use super::*;

    fn lines(texts: &[&str]) -> Lines {
        let mut lines = Lines::default();
        for (n, text) in texts.iter().enumerate() {
            let at = RowAt { window: 0, row: n as u32 };
            lines.push(at, |out| out.extend_from_slice(text.as_bytes()));
        }
        lines
    }

    fn verdict(status: u16, body: &str) -> Verdict {
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = Answer { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() };
        judge(&answer, &lines(&["a v=1 1", "b v= 1", "c v=1 1", "d v 1", "b v= 1"]))
    }

    /// As 2.7.12 and 1.8.10 answer; 3 Core by its documentation.
    #[test]
    fn reads_what_each_version_says() {
        assert_eq!(verdict(204, ""), Verdict::Stored);
        assert_eq!(verdict(413, "{}"), Verdict::TooLarge);
        assert_eq!(verdict(503, "{}"), Verdict::Failed);
        let body = r#"{"code":"invalid","message":"unable to parse 'b v= 1': missing field value\nunable to parse 'd v 1': missing field value"}"#;
        let Verdict::Unparsable { named, .. } = verdict(400, body) else { panic!("{body}") };
        assert_eq!(named.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 3]);
        let reason = r#"failure writing points to database: partial write: field type conflict: input field "v" on measurement "a" is type float, already exists as type integer dropped=2"#;
        let body = serde_json::json!({"code": "unprocessable entity", "message": reason}).to_string();
        assert_eq!(verdict(422, &body), Verdict::Partial { n_dropped: 2, reason: reason.to_owned() });
        let body = r#"{"error":"partial write: field type conflict dropped=1 for database: x"}"#;
        assert!(matches!(verdict(400, body), Verdict::Partial { n_dropped: 1, .. }));
        let body = r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"b","line_number":2,"error_message":"no"},{"original_line":"z","line_number":99,"error_message":"?"}]}"#;
        assert_eq!(verdict(400, body), Verdict::Refused(vec![(1, "no".to_owned())]));
    }

    #[test]
    fn names_a_line_that_comes_twice_twice() {
        let body = "unable to parse 'b v= 1': x\nunable to parse 'b v= 1': x\nnonsense";
        let Verdict::Unparsable { named, .. } = verdict(400, body) else { panic!("{body}") };
        assert_eq!(named.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 4]);
        assert!(matches!(verdict(400, "what?"), Verdict::Failed), "not InfluxDB's words");
        let unnamed = r#"{"message":"what?"}"#;
        assert!(matches!(verdict(400, unnamed), Verdict::Unparsable { named, .. } if named.is_empty()));
    }
}
