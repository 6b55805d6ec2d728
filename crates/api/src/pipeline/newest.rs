//! How new the newest of what bus and stores hold is.

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use sentinel_log_store::{DocumentFilter, DocumentKind, LogReader, LogStoreError, Order, SearchQuery};
use sentinel_metric_store::{MetricReader, MetricStoreError, RangeQuery, TimeRange};
use sentinel_model::{Field, Resolution, Selector, Timestamp};

use super::patience::Patience;
use crate::app::App;

/// A series that every pipeline writes into its own store every 10 s or so.
const OWN_METRIC: &str = "sentinel_processor_samples_total";
/// More processors than this do not make the newest window newer.
const MAX_OWN_SERIES: usize = 1_000;
/// Stores are not asked again within this.
const FRESH_MS: i64 = 1_000;
/// How far back the newest is looked for: first where it nearly always is, then where an outage leaves it.
const LOOK_BACKS_MS: [i64; 2] = [15 * 60 * 1_000, 7 * 86_400 * 1_000];
/// Clocks of other machines may be ahead.
const AHEAD_MS: i64 = 60_000;

/// Times of the newest record, window and document; unknown ones are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// Published.
    pub record: Option<Timestamp>,
    /// End.
    pub stored_window: Option<Timestamp>,
    pub document: Option<Timestamp>,
}

/// What was found last.
#[derive(Debug)]
pub struct Freshness {
    record_ms: AtomicI64,
    stores: Mutex<Option<(Timestamp, Newest)>>,
    pub bus: Patience,
    metrics: Patience,
    logs: Patience,
}

impl Default for Freshness {
    fn default() -> Self {
        let [bus, metrics, logs] = std::array::from_fn(|_| Patience::default());
        Self { record_ms: AtomicI64::new(i64::MIN), stores: Mutex::default(), bus, metrics, logs }
    }
}

impl Freshness {
    /// Takes note of a record of the bus.
    pub fn saw(&self, published: Timestamp) {
        self.record_ms.fetch_max(published.as_millis(), Ordering::Relaxed);
    }

    pub async fn read(&self, app: &App, now: Timestamp) -> Newest {
        let record_ms = self.record_ms.load(Ordering::Relaxed);
        let record = (record_ms > i64::MIN).then(|| Timestamp::from_millis(record_ms));
        let known = *self.stores.lock();
        if let Some((asked, newest)) = known
            && (0..FRESH_MS).contains(&now.millis_since(asked))
        {
            return Newest { record, ..newest };
        }
        // A store that does not answer says so on its component.
        let (stored_window, document) = tokio::join!(
            self.metrics.ask(now, stored_window(&*app.metrics, now)),
            self.logs.ask(now, document(&*app.logs, now)),
        );
        let stored_window = stored_window.and_then(Result::ok).flatten();
        let document = document.and_then(Result::ok).flatten();
        let newest = Newest { record, stored_window, document };
        *self.stores.lock() = Some((now, newest));
        newest
    }
}

async fn stored_window(
    metrics: &dyn MetricReader,
    now: Timestamp,
) -> Result<Option<Timestamp>, MetricStoreError> {
    let resolution = Resolution::TenSeconds;
    for look_back_ms in LOOK_BACKS_MS {
        let query = RangeQuery {
            selector: Selector::metric(OWN_METRIC),
            range: TimeRange {
                start: now.saturating_sub_millis(look_back_ms),
                end: now.saturating_add_millis(AHEAD_MS),
            },
            resolution,
            field: Field::Last,
            max_series: MAX_OWN_SERIES,
            max_points: usize::MAX,
        };
        let latest = metrics.latest(&query).await?;
        let newest = latest.iter().filter_map(|series| series.points.last()).map(|(start, _)| *start).max();
        if let Some(start) = newest {
            return Ok(Some(start.saturating_add_millis(resolution.as_millis())));
        }
    }
    Ok(None)
}

async fn document(logs: &dyn LogReader, now: Timestamp) -> Result<Option<Timestamp>, LogStoreError> {
    for look_back_ms in LOOK_BACKS_MS {
        let mut newest = None;
        for kind in [DocumentKind::Log, DocumentKind::Event] {
            let filter = DocumentFilter {
                kind,
                text: String::new(),
                fields: Vec::new(),
                start: now.saturating_sub_millis(look_back_ms),
                end: now.saturating_add_millis(AHEAD_MS),
            };
            let query = SearchQuery { filter, order: Order::NewestFirst, limit: 1, after: None };
            let page = logs.search(&query).await?;
            let of_kind = page.documents.first().map(|document| document.timestamp_ns.div_euclid(1_000_000));
            newest = newest.max(of_kind);
        }
        if newest.is_some() {
            return Ok(newest.map(Timestamp::from_millis));
        }
    }
    Ok(None)
}
