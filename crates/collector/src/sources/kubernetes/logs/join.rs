//! Joining the lines of a stack trace into one record.
//!
//! A line belongs to the one before when it is indented, or is one of the unindented lines that Java,
//! Python and Go print within a trace. Pure: it knows neither clock nor stream.

use sentinel_model::LogSeverity;

use super::severity::severity;

/// What a record may grow to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinLimits {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

/// One or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// Of its first line.
    pub(crate) timestamp_ns: i64,
    pub(crate) body: String,
    pub(crate) n_lines: usize,
    pub(crate) severity: LogSeverity,
}

/// Which trace the pending record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    None,
    /// Within the frames of a Python traceback: the next unindented line ends it.
    Python,
    /// After the last line of a Python traceback: another may follow.
    PythonEnded,
    Go,
}

/// Collects lines of one container.
#[derive(Debug)]
pub(crate) struct Joiner {
    limits: JoinLimits,
    pending: Option<Joined>,
    trace: Trace,
}

impl Joiner {
    pub(crate) const fn new(limits: JoinLimits) -> Self {
        Self { limits, pending: None, trace: Trace::None }
    }

    /// Takes a line; gives the record before it if this line begins another one.
    pub(crate) fn push(&mut self, timestamp_ns: i64, line: &str) -> Option<Joined> {
        if let Some(pending) = &mut self.pending {
            let has_room =
                pending.n_lines < self.limits.lines && pending.body.len() + line.len() < self.limits.bytes;
            if has_room && let Some(trace) = continued(self.trace, line) {
                self.trace = trace;
                pending.body.push('\n');
                pending.body.push_str(line);
                pending.n_lines += 1;
                return None;
            }
        }
        let before = self.flush();
        self.trace = begun(line);
        self.pending = Some(Joined {
            timestamp_ns,
            body: line.to_owned(),
            n_lines: 1,
            severity: LogSeverity::default(),
        });
        before
    }

    /// What is pending; call when no line came for a while.
    pub(crate) fn flush(&mut self) -> Option<Joined> {
        let mut joined = self.pending.take()?;
        joined.severity = severity(&joined.body);
        Some(joined)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.pending.is_none()
    }
}

fn begun(line: &str) -> Trace {
    if line.starts_with("Traceback (most recent call last)") {
        Trace::Python
    } else if line.starts_with("panic:") || line.starts_with("fatal error:") {
        Trace::Go
    } else {
        Trace::None
    }
}

/// The trace after `line`, if the line belongs to it.
fn continued(trace: Trace, line: &str) -> Option<Trace> {
    let is_indented = line.starts_with([' ', '\t']) && !line.trim().is_empty();
    match trace {
        Trace::Python if is_indented => Some(Trace::Python),
        // `ConflictError: 17`.
        Trace::Python if !line.is_empty() => Some(Trace::PythonEnded),
        Trace::PythonEnded if is_between_tracebacks(line) => Some(Trace::PythonEnded),
        Trace::PythonEnded if begun(line) == Trace::Python => Some(Trace::Python),
        Trace::PythonEnded => None,
        Trace::Go if is_indented || is_of_go_trace(line) => Some(Trace::Go),
        Trace::Go => None,
        _ if is_indented || is_of_java_trace(line) => Some(trace),
        _ => None,
    }
}

fn is_between_tracebacks(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause")
}

fn is_of_java_trace(line: &str) -> bool {
    ["Caused by: ", "Suppressed: ", "... ", "at "].iter().any(|start| line.starts_with(start))
}

/// `goroutine 1 [running]:`, `main.main()`, `created by …`, `[signal SIGSEGV…]`, `exit status 2`.
fn is_of_go_trace(line: &str) -> bool {
    let is_call = line.ends_with(')') && line.contains('(') && !line.contains(' ');
    line.is_empty()
        || is_call
        || ["goroutine ", "created by ", "[signal ", "exit status ", "runtime.", "main."]
            .iter()
            .any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: JoinLimits = JoinLimits { lines: 50, bytes: 10_000 };

    /// Numbers of lines of the records that come out.
    fn joined(limits: JoinLimits, lines: &[&str]) -> Vec<Joined> {
        let mut joiner = Joiner::new(limits);
        let mut records: Vec<_> =
            lines.iter().enumerate().filter_map(|(i, line)| joiner.push(i as i64, line)).collect();
        records.extend(joiner.flush());
        assert!(joiner.is_empty());
        records
    }

    fn sizes(lines: &[&str]) -> Vec<usize> {
        joined(LIMITS, lines).iter().map(|record| record.n_lines).collect()
    }

    #[test]
    fn joins_a_java_trace() {
        let lines = [
            "2026-11-21 INFO starting",
            "Exception in thread \"main\" java.lang.IllegalStateException: schema version 4",
            "\tat com.example.cart.Migrations.check(Migrations.java:88)",
            "Caused by: java.util.NoSuchElementException: no migration",
            "\tat com.example.cart.Migrations.next(Migrations.java:131)",
            "\t... 2 more",
            "2026-11-21 INFO next",
        ];
        assert_eq!(sizes(&lines), [1, 5, 1]);
        let records = joined(LIMITS, &lines);
        assert_eq!((records[1].timestamp_ns, records[1].severity), (1, LogSeverity::Error));
        assert!(records[1].body.ends_with("\n\t... 2 more"));
    }

    #[test]
    fn joins_python_tracebacks_with_their_causes() {
        let lines = [
            "Traceback (most recent call last):",
            "  File \"/srv/tasks.py\", line 118, in run",
            "    self.apply(entry)",
            "ConflictError: 17",
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            "Traceback (most recent call last):",
            "  File \"x\"",
            "ValueError",
            "2026-11-21 INFO next",
        ];
        assert_eq!(sizes(&lines), [10, 1]);
    }

    #[test]
    fn joins_a_go_panic() {
        let lines = [
            "panic: boom",
            "",
            "goroutine 1 [running]:",
            "main.main()",
            "\t/src/main.go:9 +0x1d",
            "exit status 2",
            "{\"level\":\"info\"}",
        ];
        assert_eq!(sizes(&lines), [6, 1]);
        assert_eq!(joined(LIMITS, &lines)[0].severity, LogSeverity::Fatal);
    }

    #[test]
    fn keeps_ordinary_lines_apart() {
        assert_eq!(sizes(&["a", "b", "", "c", "   ", "d"]), [1; 6]);
        assert_eq!(sizes(&["  begins indented", "  and goes on"]), [2]);
    }

    #[test]
    fn stops_joining_at_its_limits() {
        let lines = ["a", " b", " c", " d", " e"];
        let by_lines = joined(JoinLimits { lines: 2, bytes: 1_000 }, &lines);
        assert_eq!(by_lines.iter().map(|record| record.n_lines).collect::<Vec<_>>(), [2, 2, 1]);
        let by_bytes = joined(JoinLimits { lines: 100, bytes: 6 }, &lines);
        assert!(by_bytes.iter().all(|record| record.body.len() <= 6));
    }

    proptest! {
        #[test]
        fn loses_no_line_and_invents_none(lines in prop::collection::vec("(\t|  |panic:|Caused by: |at )?[a-z(). ]{0,9}", 0..40)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let records = joined(JoinLimits { lines: 7, bytes: 60 }, &lines);
            let out: Vec<&str> = records.iter().flat_map(|record| record.body.split('\n')).collect();
            prop_assert_eq!(out, lines.clone());
            prop_assert_eq!(records.iter().map(|record| record.n_lines).sum::<usize>(), lines.len());
        }
    }
}
