//! What goes on without being asked: signs of life, and days past the retention.

use std::sync::Arc;
use std::time::{Duration, Instant};

use elasticsearch::CountParts;
use elasticsearch::indices::{IndicesDeleteParts, IndicesRefreshParts};
use reqwest::Method;
use sentinel_runtime::{Backoff, clock};
use serde_json::json;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::client::{Call, Client, PROBE, Payload};
use super::condition::Condition;
use super::failure::Failure;
use super::names::Target;
use super::policy::Keeper;
use super::search::Reader;
use super::setup::Setup;
use crate::DocumentKind;
use crate::day::DayNumber;
use crate::metrics::Metrics;

pub(super) struct Upkeep {
    pub(super) client: Arc<Client>,
    pub(super) setup: Arc<Setup>,
    pub(super) reader: Arc<Reader>,
    pub(super) condition: Arc<Condition>,
    pub(super) metrics: Metrics,
    /// Asked to look for what is past its retention.
    pub(super) is_due: Arc<Notify>,
}

/// With the time-out of a sign of life: a server that hangs is noticed within 10 s.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

const SWEEP_INTERVAL: Duration = Duration::from_secs(3_600);

/// Names of indexes in one request: its line stays well below the 4 KiB that servers take.
const MAX_NAMES: usize = 50;

/// What is shown of the store's size is this old at most.
const STATS_INTERVAL: Duration = Duration::from_secs(60);

impl Upkeep {
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(500), PROBE_INTERVAL);
        let (mut sweep_at, mut stats_at) = (Instant::now(), Instant::now());
        loop {
            let answer = self.probe().await;
            self.condition.probed(answer.as_ref().copied());
            if answer.is_err() {
                tokio::time::sleep(backoff.next_delay()).await;
                continue;
            }
            backoff.reset();
            // Only who writes takes care; readers may not even be permitted to.
            if let Some(keeper) = self.setup.keeper() {
                if Instant::now() >= sweep_at {
                    sweep_at = Instant::now() + SWEEP_INTERVAL;
                    self.sweep(keeper).await;
                }
                if Instant::now() >= stats_at {
                    stats_at = Instant::now() + STATS_INTERVAL;
                    self.show_size().await;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PROBE_INTERVAL) => {}
                () = self.is_due.notified() => sweep_at = Instant::now(),
            }
        }
    }

    /// Asks something that every reader may ask.
    async fn probe(&self) -> Result<(), Failure> {
        let pattern = self.reader.names.pattern(DocumentKind::Log);
        let path = CountParts::Index(&[&pattern]).url();
        let body = json!({ "query": { "match_none": {} } });
        let query = [("ignore_unavailable", "true"), ("allow_no_indices", "true")];
        let answer = self.client.ask(Call::post(PROBE, &path, &body).with_query(&query)).await;
        answer.map(|_: serde_json::Value| ())
    }

    /// Deletes what is past its retention, and says so if it cannot.
    async fn sweep(&self, keeper: Keeper) {
        if let Err(failure) = self.delete_expired(keeper).await {
            warn!(%failure, "cannot delete days past their retention");
        }
    }

    pub(super) async fn delete_expired(&self, keeper: Keeper) -> Result<(), Failure> {
        let now_ms = clock::now_millis();
        let first_kept = |kind| self.reader.retention.first_kept(kind, now_ms);
        let mut expired = self.reader.targets().await?;
        expired.retain(|target| target.day < first_kept(target.kind));
        // A policy may act late, and not on what it was put on before: what somebody has set is carried out by us too.
        if keeper != Keeper::Us && !self.reader.retention.is_set(DocumentKind::Log) {
            expired.retain(|target| target.kind == DocumentKind::Event);
        }
        let is_event = |target: &&Target| target.kind == DocumentKind::Event;
        let events: Vec<_> =
            expired.iter().filter(is_event).map(|target| self.reader.names.index(*target)).collect();
        if !events.is_empty() {
            // Events that are still seen keep the index of their first day. One that was seen a moment ago is not found
            // before the index is refreshed.
            self.refresh(&events).await?;
            let newest = self.reader.newest_events().await?;
            let is_kept = |target: &Target| {
                let newest_ms = newest.get(target).copied();
                newest_ms.is_some_and(|newest_ms| DayNumber::holding_ms(newest_ms) >= first_kept(target.kind))
            };
            expired.retain(|target| !is_kept(target));
        }
        for target in expired {
            self.delete(target).await?;
        }
        Ok(())
    }

    async fn refresh(&self, indexes: &[String]) -> Result<(), Failure> {
        for some in indexes.chunks(MAX_NAMES) {
            let names: Vec<&str> = some.iter().map(String::as_str).collect();
            let path = IndicesRefreshParts::Index(&names).url();
            let query = [("ignore_unavailable", "true"), ("allow_no_indices", "true")];
            let (operation, path) = ("retention", &*path);
            let call = Call { operation, method: Method::POST, path, query: &query, body: Payload::Empty };
            self.client.send(call).await?;
        }
        Ok(())
    }

    async fn delete(&self, target: Target) -> Result<(), Failure> {
        let index = self.reader.names.index(target);
        info!(index, "deleting a day past its retention");
        self.setup.forget(target);
        let path = IndicesDeleteParts::Index(&[&index]).url();
        let call = Call {
            operation: "retention",
            method: Method::DELETE,
            path: &path,
            query: &[],
            body: Payload::Empty,
        };
        match self.client.send(call).await {
            // Another process was first.
            Err(failure) if failure.is_status(404) => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn show_size(&self) {
        if let Ok(stats) = self.reader.stats().await {
            self.metrics.documents.set(i64::try_from(stats.n_documents).unwrap_or(i64::MAX));
            self.metrics.disk_bytes.set(i64::try_from(stats.disk_bytes).unwrap_or(i64::MAX));
        }
    }
}
