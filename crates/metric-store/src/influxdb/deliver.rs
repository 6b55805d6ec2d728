//! Getting one body of lines to the server, whatever is wrong with some of them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use sentinel_runtime::spawn_blocking;

use super::answer::{Verdict, judge};
use super::http::MAX_MESSAGE_BYTES;
use super::lines::{Lines, RowAt};
use super::metrics::Outcome;
use super::server::Server;
use crate::MetricStoreError;

/// Requests that one body may cost, when its bad lines must be found by halving. What is not found by then
/// is rejected with the rest around it, and nothing is lost: rejected rows can be put back.
const MAX_REQUESTS: usize = 512;

/// What was not stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) rejected: Vec<(RowAt, String)>,
    pub(crate) n_expired: usize,
}

/// Lines as the bytes of a request, without a copy.
struct Body(Arc<Lines>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

impl Delivery {
    fn reject(&mut self, lines: &Lines, numbers: impl Iterator<Item = usize>, reason: &str) {
        self.rejected.extend(numbers.map(|n| (lines.row(n), reason.to_owned())));
    }
}

impl Server {
    /// Stores every line that the server takes. Lines may be sent more than once, which changes nothing.
    ///
    /// # Errors
    /// The server as a whole does not take anything now.
    pub(crate) async fn deliver(&self, bucket: &str, lines: Lines) -> Result<Delivery, MetricStoreError> {
        let mut delivery = Delivery::default();
        let mut pending = vec![lines];
        let mut n_requests = 0;
        while let Some(lines) = pending.pop() {
            if lines.is_empty() {
                continue;
            }
            if n_requests == MAX_REQUESTS {
                delivery.reject(
                    &lines,
                    0..lines.len(),
                    "among more bad lines than are looked for one by one",
                );
                continue;
            }
            n_requests += 1;
            let lines = Arc::new(lines);
            let verdict = self.post(bucket, Arc::clone(&lines)).await?;
            pending.extend(follow(verdict, &lines, &mut delivery));
        }
        Ok(delivery)
    }

    async fn post(&self, bucket: &str, lines: Arc<Lines>) -> Result<Verdict, MetricStoreError> {
        let mut request = self.write_request(bucket).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        let body = Arc::clone(&lines);
        let bytes = if self.config.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
            Bytes::from(spawn_blocking("gzip", move || body.gzip()).await)
        } else {
            Bytes::from_owner(Body(body))
        };
        self.metrics.request_bytes.inc_by(bytes.len() as u64);
        let began = Instant::now();
        let answer = self.http.ask(request.body(bytes), MAX_MESSAGE_BYTES).await;
        self.metrics.write_seconds.observe(began.elapsed().as_secs_f64());
        let answer = answer.inspect_err(|_| self.metrics.request(Outcome::NoAnswer))?;
        let verdict = judge(&answer, &lines);
        self.metrics.request(Outcome::of(&verdict));
        if verdict != Verdict::Failed {
            self.metrics.lines.inc_by(lines.len() as u64);
            return Ok(verdict);
        }
        if answer.status == StatusCode::NOT_FOUND {
            // A bucket was deleted under us: it is looked for, and created, again.
            self.buckets.forget().await;
        }
        Err(self.http.refusal(&answer))
    }
}

/// Takes note of what a verdict settles, and gives what must be sent (again).
fn follow(verdict: Verdict, lines: &Lines, delivery: &mut Delivery) -> Vec<Lines> {
    match verdict {
        Verdict::Stored | Verdict::Failed => Vec::new(),
        Verdict::Refused(bad) => {
            bad.iter().for_each(|(n, reason)| delivery.reject(lines, [*n].into_iter(), reason));
            Vec::new()
        }
        Verdict::Unparsable { named, reason } if named.is_empty() => divide(lines, &reason, delivery),
        Verdict::Unparsable { named, .. } => {
            named.iter().for_each(|(n, reason)| delivery.reject(lines, [*n].into_iter(), reason));
            vec![lines.only(|n| named.binary_search_by_key(&n, |(bad, _)| *bad).is_err())]
        }
        Verdict::TooLarge => divide(lines, "larger than the server takes in one request", delivery),
        Verdict::Partial { n_dropped, reason } if reason.contains("retention") => {
            delivery.n_expired += n_dropped.min(lines.len());
            Vec::new()
        }
        Verdict::Partial { n_dropped, reason } if n_dropped >= lines.len() => {
            delivery.reject(lines, 0..lines.len(), &reason);
            Vec::new()
        }
        Verdict::Partial { n_dropped, reason } => apart(lines, n_dropped, &reason, delivery),
    }
}

/// Tells the lines that the server dropped from those that it stored.
fn apart(lines: &Lines, n_dropped: usize, reason: &str, delivery: &mut Delivery) -> Vec<Lines> {
    let suspects: Vec<usize> = match measurement(reason) {
        Some(name) => (0..lines.len()).filter(|n| is_of(lines.line(*n), name)).collect(),
        None => Vec::new(),
    };
    if suspects.len() == n_dropped {
        delivery.reject(lines, suspects.into_iter(), reason);
        return Vec::new();
    }
    if suspects.is_empty() || suspects.len() == lines.len() {
        return divide(lines, reason, delivery);
    }
    // Only the first reason is told. The others show when the first one is out of the way.
    let is_suspect = |n: usize| suspects.binary_search(&n).is_ok();
    vec![lines.only(|n| !is_suspect(n)), lines.only(is_suspect)]
}

fn divide(lines: &Lines, reason: &str, delivery: &mut Delivery) -> Vec<Lines> {
    if lines.len() == 1 {
        delivery.reject(lines, 0..1, reason);
        return Vec::new();
    }
    lines.halves().into()
}

/// Of `… on measurement "up" is type …`.
fn measurement(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("on measurement \"")?;
    rest.split_once("\" ").map(|(name, _)| name)
}

/// Whether a line is of a measurement, as the server names it: without escapes.
fn is_of(line: &[u8], name: &str) -> bool {
    let mut name = name.bytes();
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b',' | b' ' => return name.next().is_none(),
            b'\\' => bytes.next(),
            byte => Some(byte),
        };
        if byte.copied() != name.next() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Lines {
        let mut lines = Lines::default();
        for (n, text) in texts.iter().enumerate() {
            let at = RowAt { window: 0, row: n as u32 };
            lines.push(at, |out| out.extend_from_slice(text.as_bytes()));
        }
        lines
    }

    /// Sends until all is settled; `ask` is the server.
    fn settle(lines: Lines, mut ask: impl FnMut(&Lines) -> Verdict) -> (Vec<u32>, usize) {
        let (mut delivery, mut pending, mut n_requests) = (Delivery::default(), vec![lines], 0);
        while let Some(lines) = pending.pop() {
            n_requests += 1;
            pending.extend(follow(ask(&lines), &lines, &mut delivery));
        }
        let mut rejected: Vec<u32> = delivery.rejected.iter().map(|(at, _)| at.row).collect();
        rejected.sort_unstable();
        (rejected, n_requests)
    }

    #[test]
    fn finds_bad_lines_that_nobody_names_by_halving() {
        let texts: Vec<String> =
            (0..1_000).map(|n| if n % 333 == 7 { "bad".to_owned() } else { format!("good{n}") }).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (rejected, n_requests) = settle(lines(&texts), |lines| {
            let is_bad = (0..lines.len()).any(|n| lines.line(n) == b"bad");
            let unparsable = Verdict::Unparsable { named: Vec::new(), reason: "no".to_owned() };
            if is_bad { unparsable } else { Verdict::Stored }
        });
        assert_eq!(rejected, [7, 340, 673]);
        assert!(n_requests < 70, "{n_requests}");
    }

    #[test]
    fn finds_the_lines_of_several_conflicts_of_which_the_first_is_told() {
        let texts = ["a v=1", "b v=1", "c\\ d,x=y v=1", "b,x=y v=1", "bb v=1"];
        let conflict = |name: &str| format!("input field \"v\" on measurement \"{name}\" is type float");
        let (rejected, n_requests) = settle(lines(&texts), |lines| {
            let bad =
                ["b", "c d"].map(|name| (0..lines.len()).filter(|n| is_of(lines.line(*n), name)).count());
            match bad {
                [0, 0] => Verdict::Stored,
                [0, n_dropped] => Verdict::Partial { n_dropped, reason: conflict("c d") },
                [b, c] => Verdict::Partial { n_dropped: b + c, reason: conflict("b") },
            }
        });
        assert_eq!((rejected, n_requests), (vec![1, 2, 3], 3));
    }

    #[test]
    fn points_beyond_retention_are_counted_and_not_sent_again() {
        let mut delivery = Delivery::default();
        let reason = "partial write: points beyond retention policy dropped=2".to_owned();
        let verdict = Verdict::Partial { n_dropped: 2, reason };
        assert!(follow(verdict, &lines(&["a v=1", "b v=1", "c v=1"]), &mut delivery).is_empty());
        assert_eq!(delivery, Delivery { n_expired: 2, rejected: Vec::new() });
    }
}
