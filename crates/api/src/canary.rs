//! Canaries at this door: in the live feed, and read back from the stores as any client would.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use sentinel_log_store::{
    Cursor, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, LogReader, LogStoreError,
    Order, SearchQuery,
};
use sentinel_metric_store::{MetricReader, MetricStoreError, RangeQuery, TimeRange};
use sentinel_model::{
    CANARY_LIFE, CANARY_NAMESPACE, CANARY_SENT, CANARY_SEQUENCE, CanaryBeat, CanaryBeats, CanaryCount,
    CanarySeen, CanaryTrack, Field, Labels, Resolution, Selector, Timestamp,
};
use sentinel_runtime::{HopMetrics, Shutdown};
use tracing::debug;

use crate::app::App;

/// Hops at this door: the live topic; windows and lines asked of their stores.
pub mod hop {
    pub const LIVE: &str = "live";
    pub const METRIC_READ: &str = "metric_read";
    pub const LOG_READ: &str = "log_read";
    pub const ALL: [&str; 3] = [LIVE, METRIC_READ, LOG_READ];
}

/// Between two looks into the stores; latencies of these hops are as coarse.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How far a look goes back behind the newest that was seen, for canaries that trail.
const OVERLAP_MS: i64 = 2 * 60 * 1_000;
/// Where the first look begins, and how much one look reads.
const FIRST_MS: i64 = 5 * 60 * 1_000;
const SPAN_MS: i64 = 60 * 60 * 1_000;
/// Clocks of other machines may be ahead.
const AHEAD_MS: i64 = 60_000;
/// Canaries that are read back.
const MAX_SERIES: usize = 1_000;
const MAX_POINTS: usize = 1_000_000;
const PAGE: usize = 1_000;

/// Looks until shutdown is requested. A store that does not answer says so on its component.
pub async fn look_regularly(app: App, shutdown: Shutdown) {
    let begin = app.now().saturating_sub_millis(FIRST_MS);
    let (mut windows, mut lines) = (StoredWindows::new(begin), StoredLines::new(begin));
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.guard(every.tick()).await.is_some() {
        let look = async {
            match windows.look(&*app.metrics, app.now()).await {
                Ok(seen) => note(&app.own.canaries, hop::METRIC_READ, &seen),
                Err(error) => debug!(%error, "canaries cannot be read back from the metric store"),
            }
            match lines.look(&*app.logs, app.now()).await {
                Ok(seen) => note(&app.own.canaries, hop::LOG_READ, &seen),
                Err(error) => debug!(%error, "canaries cannot be read back from the log store"),
            }
        };
        shutdown.guard(look).await;
    }
}

/// Counts what came by a hop.
pub fn note(metrics: &HopMetrics, hop: &'static str, seen: &[CanarySeen]) {
    for CanarySeen { count, sent } in seen {
        metrics.came(hop, count.received, sent.as_millis());
        if count.missing > 0 {
            tracing::warn!(hop, n_missing = count.missing, "beats of a canary are missing");
            metrics.missed(hop, count.missing);
        }
        if count.doubled > 0 {
            metrics.doubled(hop, count.doubled);
        }
    }
}

/// Windows of canaries in the metric store.
#[derive(Debug)]
pub struct StoredWindows {
    tracks: AHashMap<Labels, CanaryTrack>,
    newest: Timestamp,
}

/// Fields of one canary by start of the window.
type Points = AHashMap<(Labels, Timestamp), f64>;

impl StoredWindows {
    pub fn new(begin: Timestamp) -> Self {
        Self { tracks: AHashMap::new(), newest: begin }
    }

    /// What is there now and was not at the last look.
    pub async fn look(
        &mut self,
        metrics: &dyn MetricReader,
        now: Timestamp,
    ) -> Result<Vec<CanarySeen>, MetricStoreError> {
        let start = self.newest.saturating_sub_millis(OVERLAP_MS);
        let end = start.saturating_add_millis(SPAN_MS).min(now.saturating_add_millis(AHEAD_MS));
        let range = TimeRange { start, end };
        let counts = read(metrics, range, CANARY_SEQUENCE, Field::Count).await?;
        let newest = counts.keys().map(|(_, start)| *start).max();
        if newest.is_none_or(|newest| newest <= self.newest) {
            // Nothing new: after an hour without any, the next hour may hold some.
            if end < now {
                self.newest = self.newest.saturating_add_millis(SPAN_MS / 2);
            }
            return Ok(Vec::new());
        }
        let first = read(metrics, range, CANARY_SEQUENCE, Field::Min).await?;
        let last = read(metrics, range, CANARY_SEQUENCE, Field::Last).await?;
        let youngest = read(metrics, range, CANARY_LIFE, Field::Min).await?;
        let oldest = read(metrics, range, CANARY_LIFE, Field::Max).await?;
        let sent = read(metrics, range, CANARY_SENT, Field::Max).await?;
        self.newest = newest.unwrap_or(self.newest);
        let mut windows: Vec<_> = counts.into_iter().collect();
        windows.sort_by_key(|((_, start), _)| *start);
        let mut seen = Vec::new();
        for (key, count) in windows {
            let of = |points: &Points| points.get(&key).copied();
            let millis = |points: &Points| of(points).map(|seconds| (seconds * 1_000.0).round());
            let all = (of(&first), of(&last), millis(&youngest), millis(&oldest), millis(&sent));
            let (Some(first), Some(last), Some(youngest), Some(oldest), Some(sent)) = all else { continue };
            let beats = CanaryBeats {
                lives: (youngest as u64, oldest as u64),
                first: first as u64,
                last: last as u64,
                count: count as u64,
            };
            let (labels, start) = key;
            let found = self.tracks.entry(labels).or_default().window(start, beats);
            let sent = Timestamp::from_millis(sent as i64);
            // What was seen already is looked at again and again.
            seen.extend(
                found
                    .filter(|count| *count != CanaryCount::default())
                    .map(|count| CanarySeen { count, sent }),
            );
        }
        if self.tracks.len() > 2 * MAX_SERIES {
            self.tracks.clear();
        }
        Ok(seen)
    }
}

async fn read(
    metrics: &dyn MetricReader,
    range: TimeRange,
    metric: &str,
    field: Field,
) -> Result<Points, MetricStoreError> {
    let query = RangeQuery {
        selector: Selector::metric(metric),
        range,
        resolution: Resolution::TenSeconds,
        field,
        max_series: MAX_SERIES,
        max_points: MAX_POINTS,
    };
    let mut points = Points::new();
    for series in metrics.range(&query).await? {
        let labels = series.series.labels.without(&[sentinel_model::METRIC_NAME]);
        points.extend(series.points.into_iter().map(|(start, value)| ((labels.clone(), start), value)));
    }
    Ok(points)
}

/// Lines of canaries in the log store.
#[derive(Debug)]
pub struct StoredLines {
    tracks: AHashMap<(Arc<str>, Arc<str>), CanaryTrack>,
    newest: Timestamp,
    /// Documents within the overlap.
    seen: AHashSet<(i64, DocumentId)>,
}

impl StoredLines {
    pub fn new(begin: Timestamp) -> Self {
        Self { tracks: AHashMap::new(), newest: begin, seen: AHashSet::new() }
    }

    /// What is there now and was not at the last look.
    pub async fn look(
        &mut self,
        logs: &dyn LogReader,
        now: Timestamp,
    ) -> Result<Vec<CanarySeen>, LogStoreError> {
        let start = self.newest.saturating_sub_millis(OVERLAP_MS);
        let end = start.saturating_add_millis(SPAN_MS).min(now.saturating_add_millis(AHEAD_MS));
        let fields = vec![FieldFilter {
            field: DocumentField::Namespace,
            values: vec![CANARY_NAMESPACE.to_owned()],
            is_negated: false,
        }];
        let filter = DocumentFilter { kind: DocumentKind::Log, text: String::new(), fields, start, end };
        let (mut after, mut found): (Option<Cursor>, _) = (None, Vec::new());
        let before = self.newest;
        loop {
            let query = SearchQuery { filter: filter.clone(), order: Order::OldestFirst, limit: PAGE, after };
            let page = logs.search(&query).await?;
            for document in page.documents {
                let Some(beat) = CanaryBeat::parse(&document.body) else { continue };
                if !self.seen.insert((document.timestamp_ns, document.id)) {
                    continue;
                }
                self.newest = self.newest.max(beat.sent);
                let track = self.tracks.entry((document.cluster, document.pod)).or_default();
                found.push(CanarySeen { count: track.beat(beat.life, beat.sequence), sent: beat.sent });
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if self.newest == before && end < now {
            self.newest = self.newest.saturating_add_millis(SPAN_MS / 2);
        }
        let oldest_ns = self.newest.saturating_sub_millis(OVERLAP_MS).as_millis().saturating_mul(1_000_000);
        self.seen.retain(|(timestamp_ns, _)| *timestamp_ns >= oldest_ns);
        if self.tracks.len() > 2 * MAX_SERIES {
            self.tracks.clear();
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
