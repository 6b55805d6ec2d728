//! How serious a line says it is: a field of a structured line, the letter of klog, or a word near its
//! beginning. A line that says nothing is unspecified, whatever it may mean.

use sentinel_model::LogSeverity;
use serde_json::Value;

/// Words are looked for in this many bytes.
const MAX_HEAD: usize = 160;

/// Names of the field that holds the level.
const FIELDS: [&str; 8] =
    ["level", "severity", "lvl", "log.level", "loglevel", "levelname", "log_level", "severity_text"];

pub(crate) fn severity(line: &str) -> LogSeverity {
    let line = line.trim_start();
    let found = match line.as_bytes().first() {
        Some(b'{') => of_json(line),
        _ => of_klog(line).or_else(|| of_logfmt(line)),
    };
    found.or_else(|| of_trace(line)).or_else(|| of_words(line)).unwrap_or_default()
}

fn of_json(line: &str) -> Option<LogSeverity> {
    let fields: Value = serde_json::from_str(line).ok()?;
    FIELDS.iter().filter_map(|name| fields.get(*name)).find_map(|level| match level {
        Value::String(word) => of_word(word),
        // pino and bunyan count in tens.
        Value::Number(number) => match number.as_u64()? {
            10 => Some(LogSeverity::Trace),
            20 => Some(LogSeverity::Debug),
            30 => Some(LogSeverity::Info),
            40 => Some(LogSeverity::Warn),
            50 => Some(LogSeverity::Error),
            60 => Some(LogSeverity::Fatal),
            _ => None,
        },
        _ => None,
    })
}

/// `I1121 09:05:16.113109`.
fn of_klog(line: &str) -> Option<LogSeverity> {
    let bytes = line.as_bytes();
    let is_klog = bytes.len() > 8 && bytes[1..5].iter().all(u8::is_ascii_digit) && bytes[5] == b' ';
    match bytes.first().filter(|_| is_klog)? {
        b'I' => Some(LogSeverity::Info),
        b'W' => Some(LogSeverity::Warn),
        b'E' => Some(LogSeverity::Error),
        b'F' => Some(LogSeverity::Fatal),
        _ => None,
    }
}

/// `… level=info …`, the value possibly quoted.
fn of_logfmt(line: &str) -> Option<LogSeverity> {
    FIELDS.iter().find_map(|name| {
        let mut rest = line;
        loop {
            let at = rest.find(name)?;
            let is_start = at == 0 || rest.as_bytes()[at - 1].is_ascii_whitespace();
            let after = &rest[at + name.len()..];
            if let (true, Some(value)) = (is_start, after.strip_prefix('=')) {
                return of_word(value.trim_start_matches('"').split([' ', '"', ',']).next()?);
            }
            rest = after;
        }
    })
}

/// The first line of what a runtime prints when something was thrown and nobody caught it.
fn of_trace(line: &str) -> Option<LogSeverity> {
    let first = line.lines().next()?;
    if first.starts_with("panic:") || first.starts_with("fatal error:") || first.starts_with("thread '") {
        return Some(LogSeverity::Fatal);
    }
    let is_thrown = first.starts_with("Traceback (most recent call last)")
        || first.starts_with("Exception in thread")
        || first.starts_with("Unhandled exception");
    is_thrown.then_some(LogSeverity::Error)
}

/// A word in capitals anywhere in the head, or in any case within brackets or before a colon.
fn of_words(line: &str) -> Option<LogSeverity> {
    let first = line.lines().next()?;
    let mut end = first.len().min(MAX_HEAD);
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    let head = &first[..end];
    let mut rest = head;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let before = rest[..start].chars().next_back();
        let word_on = &rest[start..];
        let length = word_on.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word_on.len());
        let (word, after) = word_on.split_at(length);
        let is_capital = word.bytes().all(|c| c.is_ascii_uppercase());
        let is_marked = matches!(
            (before, after.chars().next()),
            (Some('['), Some(']')) | (Some('<'), Some('>')) | (Some('|'), Some('|'))
        ) || (after.starts_with(':') && !after.starts_with("://"));
        if (is_capital || is_marked)
            && let Some(found) = of_word(word)
        {
            return Some(found);
        }
        rest = after;
    }
    None
}

fn of_word(word: &str) -> Option<LogSeverity> {
    // The longest is `information`.
    if word.len() > 11 {
        return None;
    }
    Some(match word.to_ascii_lowercase().as_str() {
        "trace" | "finest" | "verbose" => LogSeverity::Trace,
        "debug" | "fine" | "dbg" => LogSeverity::Debug,
        "info" | "information" | "notice" | "log" | "inf" => LogSeverity::Info,
        "warn" | "warning" | "wrn" => LogSeverity::Warn,
        "error" | "err" | "severe" => LogSeverity::Error,
        "fatal" | "critical" | "crit" | "panic" | "emerg" | "emergency" | "alert" => LogSeverity::Fatal,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_real_programs_write() {
        let cases = [
            (
                r#"{"ts":"2026-11-21T08:56:02Z","level":"info","msg":"ERROR is only a word here"}"#,
                LogSeverity::Info,
            ),
            (r#"{"severity":"WARNING","message":"x"}"#, LogSeverity::Warn),
            (r#"{"level":50,"msg":"x"}"#, LogSeverity::Error),
            ("ts=2026-11-21T08:55:27Z level=info service=gateway error=none", LogSeverity::Info),
            (r#"time=x level="error" msg=y"#, LogSeverity::Error),
            ("I1121 09:05:16.113109       1 handler.go:142] \"Handled\"", LogSeverity::Info),
            ("E1121 09:05:16.113109       1 handler.go:142] failed", LogSeverity::Error),
            ("2026-11-21 09:09:02 INFO ok trace=67a8", LogSeverity::Info),
            ("2026-11-21 08:59:16,000 WARNING reporter.tasks: slow", LogSeverity::Warn),
            ("2026-11-21T09:05:30.255 UTC [2844] LOG:  duration: 2.71 ms", LogSeverity::Info),
            ("2026-11-21T09:05:30.255 UTC [2844] FATAL:  terminating", LogSeverity::Fatal),
            ("2023/01/02 03:04:05 [error] 31#31: *1 connect() failed", LogSeverity::Error),
            ("[INFO] 10.244.0.5:40000 - 1 \"A IN x. udp 50\" NOERROR qr", LogSeverity::Info),
            ("error: cannot open file", LogSeverity::Error),
            ("Exception in thread \"main\" java.lang.IllegalStateException: x", LogSeverity::Error),
            ("Traceback (most recent call last):\n  File \"x\"", LogSeverity::Error),
            ("panic: runtime error: index out of range", LogSeverity::Fatal),
            ("[::ffff:10.244.0.9] - - [21/Nov/2026] \"GET /page HTTP/1.1\" 200", LogSeverity::Unspecified),
            ("the information you look for is an error", LogSeverity::Unspecified),
            ("sublevel=error", LogSeverity::Unspecified),
            ("info://host", LogSeverity::Unspecified),
            ("", LogSeverity::Unspecified),
        ];
        for (line, expected) in cases {
            assert_eq!(severity(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(line in "\\PC{0,200}", field in "[{\\[\"a-z:=é ]{0,40}") {
            severity(&line);
            severity(&field);
            severity(&format!("level={field}"));
            severity(&format!("{{\"level\":{line}}}"));
        }
    }
}
