//! Sends batches, and judges every item of the answers on its own.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use elasticsearch::BulkParts;
use reqwest::Method;
use sentinel_runtime::{Backoff, spawn_blocking};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tracing::debug;

use super::batch::{Batch, Item, packed};
use super::client::{Call, Client, Payload};
use super::condition::Condition;
use super::failure::{Cause, Failure, Refusal};
use super::metrics::Metrics;
use super::schema::millis;
use super::setup::Setup;
use crate::config::ElasticsearchConfig;
use crate::{LogStoreError, RejectedDocument};

/// The operation, for metrics.
pub(super) const BULK: &str = "bulk";

pub(super) struct Sender {
    pub(super) client: Arc<Client>,
    pub(super) setup: Arc<Setup>,
    pub(super) config: Arc<ElasticsearchConfig>,
    pub(super) condition: Arc<Condition>,
    pub(super) metrics: Arc<Metrics>,
    /// Requests at once, of all writes.
    pub(super) permits: Semaphore,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) n_written: usize,
    pub(super) rejected: Vec<RejectedDocument>,
}

/// How often in a row nothing of a batch is taken before its writer is told. Until then only what was not taken
/// is sent again; after that the writer may come back with all of it.
const MAX_ATTEMPTS: u32 = 8;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
struct Answer {
    items: Vec<AnswerItem>,
}

/// Under the name of its operation.
#[derive(Debug, Deserialize)]
enum AnswerItem {
    #[serde(rename = "create", alias = "index")]
    Operation(Outcome),
}

#[derive(Debug, Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    error: Option<ItemError>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ItemError {
    Cause(Cause),
    Text(String),
}

/// What is to be done about an item.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Written,
    /// It was there.
    Known,
    Again(Refusal),
    /// Its index is not there.
    Homeless(Refusal),
    Never(Refusal),
}

/// How a batch stands.
struct Progress<'a> {
    batch: &'a Batch,
    /// What is left, in the parts that are sent.
    parts: VecDeque<Vec<Item>>,
    sent: Sent,
    backoff: Backoff,
    /// When something was last taken.
    moved: Instant,
}

impl Progress<'_> {
    /// To be sent next, in so many requests.
    fn put_back(&mut self, mut part: Vec<Item>, n_requests: usize) {
        let n_each = part.len().div_ceil(n_requests).max(1);
        while part.len() > n_each {
            self.parts.push_front(part.split_off(part.len() - n_each));
        }
        self.parts.push_front(part);
    }
}

impl Sender {
    /// Writes all of it that the server will ever take.
    ///
    /// # Errors
    /// The server takes nothing now. What it had taken before is known to it when it is sent again.
    pub(super) async fn send(&self, batch: Batch) -> Result<Sent, LogStoreError> {
        let mut progress = Progress {
            parts: VecDeque::from([batch.items.clone()]),
            batch: &batch,
            sent: Sent::default(),
            backoff: Backoff::new(FIRST_DELAY, LONGEST_DELAY),
            moved: Instant::now(),
        };
        while let Some(part) = progress.parts.pop_front() {
            match self.post(batch.lines_of(&part)).await.and_then(|answer| verdicts(answer, part.len())) {
                Ok(verdicts) => self.settle(&mut progress, part, verdicts).await?,
                Err(failure) if failure.is_status(413) => self.halve(&mut progress, part, &failure),
                Err(failure) => {
                    // An overloaded server may have room for less: some never take more than a part of theirs.
                    let is_busy = failure.is_status(429);
                    progress.put_back(part, if is_busy { 2 } else { 1 });
                    self.wait(&mut progress, failure).await?;
                }
            }
        }
        Ok(progress.sent)
    }

    async fn post(&self, lines: Bytes) -> Result<Answer, Failure> {
        let body = if self.config.compress {
            Payload::PackedLines(spawn_blocking("log-store packing", move || packed(&lines)).await)
        } else {
            Payload::Lines(lines)
        };
        // Only now, so that the server has something to do meanwhile.
        let _permit = self.permits.acquire().await.expect("nobody closes it");
        // The server is to give up a shard that it cannot reach before we give up the server.
        let patience = millis(self.config.timeout.mul_f64(0.8));
        let query = [
            ("require_alias", "true"),
            ("timeout", patience.as_str()),
            ("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason"),
        ];
        let path = BulkParts::None.url();
        let call = Call { operation: BULK, method: Method::POST, path: &path, query: &query, body };
        self.client.ask(call).await
    }

    async fn settle(
        &self,
        progress: &mut Progress<'_>,
        part: Vec<Item>,
        verdicts: Vec<Verdict>,
    ) -> Result<(), LogStoreError> {
        let (mut again, mut homeless, mut why) = (Vec::new(), BTreeSet::new(), None);
        let n_sent = part.len();
        for (item, verdict) in part.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Written => progress.sent.n_written += 1,
                Verdict::Known => {
                    self.metrics.known_documents.inc();
                    progress.sent.n_written += 1;
                }
                Verdict::Never(refusal) => self.reject(progress, item, &refusal),
                Verdict::Homeless(refusal) => {
                    homeless.insert(item.target);
                    self.setup.forget(item.target);
                    why = Some(refusal);
                    again.push(item);
                }
                Verdict::Again(refusal) => {
                    why = Some(refusal);
                    again.push(item);
                }
            }
        }
        if again.len() < n_sent {
            progress.moved = Instant::now();
            progress.backoff.reset();
        }
        let Some(refusal) = why else {
            self.condition.written();
            return Ok(());
        };
        self.metrics.resent_documents.inc_by(again.len() as u64);
        progress.parts.push_front(again);
        self.wait(progress, Failure::Refused(refusal)).await?;
        if let Err(failure) = self.setup.ensure(&homeless).await {
            self.wait(progress, failure).await?;
        }
        Ok(())
    }

    /// Two requests of half the size; a document that is too large for one alone is rejected.
    fn halve(&self, progress: &mut Progress<'_>, part: Vec<Item>, failure: &Failure) {
        if part.len() > 1 {
            return progress.put_back(part, 2);
        }
        let Failure::Refused(refusal) = failure else { return };
        let refusal = Refusal { kind: "too_large".to_owned(), ..refusal.clone() };
        part.into_iter().for_each(|item| self.reject(progress, item, &refusal));
    }

    fn reject(&self, progress: &mut Progress<'_>, item: Item, refusal: &Refusal) {
        self.metrics.rejected(&refusal.kind);
        progress.sent.rejected.push(RejectedDocument { index: item.index, reason: refusal.detail() });
    }

    /// Waits until it makes sense to try again.
    ///
    /// # Errors
    /// It makes no sense for now.
    async fn wait(&self, progress: &mut Progress<'_>, failure: Failure) -> Result<(), LogStoreError> {
        self.condition.refused(&failure);
        let may_heal = failure.is_transient() || is_of_the_index(&failure);
        let delay = progress.backoff.next_delay();
        let delay = failure.retry_after().map_or(delay, |wait| wait.max(delay));
        // A server that asks for more is left alone by whoever called, too.
        let is_long = delay > LONGEST_DELAY * 2;
        let is_late = progress.moved.elapsed() > self.config.timeout * 2;
        if !may_heal || is_long || is_late || progress.backoff.n_failures() >= MAX_ATTEMPTS {
            return Err(failure.into());
        }
        let n_left: usize = progress.parts.iter().map(Vec::len).sum();
        debug!(%failure, n_left, n_documents = progress.batch.items.len(), ?delay, "writing again");
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// Blocks and missing indexes, which do not concern the documents.
fn is_of_the_index(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(refusal) if refusal.is_blocked() || refusal.status == 404)
}

/// One for each item.
///
/// # Errors
/// The answer is about another number of items: nothing is known of any.
fn verdicts(answer: Answer, n_items: usize) -> Result<Vec<Verdict>, Failure> {
    if answer.items.len() != n_items {
        let message = format!("it tells of {} documents, not of {n_items}", answer.items.len());
        return Err(Failure::Broken { message });
    }
    Ok(answer.items.into_iter().map(|AnswerItem::Operation(outcome)| verdict(outcome)).collect())
}

fn verdict(outcome: Outcome) -> Verdict {
    let cause = match outcome.error {
        Some(ItemError::Cause(cause)) => cause,
        Some(ItemError::Text(reason)) => Cause { kind: String::new(), reason },
        None => Cause::default(),
    };
    let refusal = Refusal::of_item(outcome.status, cause);
    match outcome.status {
        200..=299 => Verdict::Written,
        409 => Verdict::Known,
        404 => Verdict::Homeless(refusal),
        // Permissions and closed indexes are matters of the server: all documents would become dead letters.
        401 | 403 => Verdict::Again(refusal),
        400 if refusal.kind == "index_closed_exception" => Verdict::Again(refusal),
        _ if refusal.is_transient() => Verdict::Again(refusal),
        _ => Verdict::Never(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_judged_on_its_own() {
        let body = r#"{"errors":true,"items":[
            {"create":{"status":201}},
            {"index":{"status":200}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"r"}}},
            {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":null}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"r"}}},
            {"create":{"status":503,"error":"text"}},
            {"create":{"status":404,"error":{"type":"index_not_found_exception","reason":"r"}}},
            {"create":{"status":403,"error":{"type":"cluster_block_exception","reason":"r"}}}]}"#;
        let answer: Answer = serde_json::from_str(body).expect("readable");
        let verdicts = verdicts(answer, 8).expect("as many");
        let names = verdicts.iter().map(|verdict| match verdict {
            Verdict::Written => 'w',
            Verdict::Known => 'k',
            Verdict::Again(_) => 'a',
            Verdict::Homeless(_) => 'h',
            Verdict::Never(_) => 'n',
        });
        assert_eq!(names.collect::<String>(), "wwkanaha");
    }

    #[test]
    fn an_answer_about_other_items_is_no_answer() {
        let answer: Answer = serde_json::from_str("{\"items\":[]}").expect("readable");
        assert!(verdicts(answer, 1).is_err());
        assert!(serde_json::from_str::<Answer>("{\"errors\":false}").is_err());
        assert!(serde_json::from_str::<Answer>("{\"items\":[{\"delete\":{\"status\":200}}]}").is_err());
    }
}
