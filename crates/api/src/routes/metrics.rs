//! Names, labels and newest values of metrics.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use sentinel_metric_store::MetricName;
use sentinel_model::{Field, MetricKind, Resolution, Selector, Timestamp};

use crate::app::App;
use crate::dto::metric::{LatestRow, MetricKindDto, MetricRow, SeriesLabels};
use crate::dto::{Items, Page};
use crate::error::ApiError;
use crate::extract::Names;
use crate::params::{Limit, Match, Paging, Params, Scope, Text};
use crate::query::unit_of;
use crate::scope::InScope as _;

use super::has_text;

/// Values older than this are not "newest" any more.
const LATEST_MS: i64 = 5 * 60 * 1_000;

/// Metrics by name.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "metrics",
    params(Paging, Text),
    responses((status = 200, description = "Metrics by name", body = Page<MetricRow>))
)]
pub async fn list_metrics(
    State(app): State<App>,
    Params((paging, text)): Params<(Paging, Text)>,
) -> Result<Json<Page<MetricRow>>, ApiError> {
    let mut metrics: BTreeMap<String, MetricName> =
        app.metrics.names().await?.into_iter().map(|metric| (metric.name.clone(), metric)).collect();
    // A metric is there from its first sample on, long before its first window is stored.
    for (name, kind, n_series) in app.live.names() {
        let metric = metrics.entry(name.clone()).or_insert(MetricName { name, kind, n_series: 0 });
        metric.n_series = metric.n_series.max(n_series);
    }
    let chosen: Vec<MetricName> =
        metrics.into_values().filter(|metric| has_text(&metric.name, text.q.as_deref())).collect();
    let page = Page::new(paging.cut(chosen, |metric| metric.name.clone())?);
    Ok(Json(page.map(|metric| {
        Some(MetricRow {
            kind: kind(metric.kind),
            unit: unit_of(&metric.name),
            n_series: metric.n_series,
            name: metric.name,
        })
    })))
}

/// Names of the labels of the chosen series.
#[utoipa::path(
    get,
    path = "/metrics/labels",
    tag = "metrics",
    params(Scope, Match),
    responses((status = 200, description = "Names of labels", body = Items<String>))
)]
pub async fn list_labels(
    State(app): State<App>,
    Params((scope, matched)): Params<(Scope, Match)>,
) -> Result<Json<Items<String>>, ApiError> {
    let mut items = app.metrics.label_names(&selector(&scope, &matched)?).await?;
    items.retain(|name| name != sentinel_model::METRIC_NAME);
    Ok(Json(Items { items }))
}

/// Values of one label among the chosen series.
#[utoipa::path(
    get,
    path = "/metrics/labels/{label}/values",
    tag = "metrics",
    params(Scope, Match, Limit, ("label" = String, Path)),
    responses((status = 200, description = "Values, sorted", body = Items<String>))
)]
pub async fn list_label_values(
    State(app): State<App>,
    names: Names<1>,
    Params((scope, matched, limit)): Params<(Scope, Match, Limit)>,
) -> Result<Json<Items<String>>, ApiError> {
    let [label] = names.0;
    let selector = selector(&scope, &matched)?;
    let items = app.metrics.label_values(&label, &selector, limit.limit as usize).await?;
    Ok(Json(Items { items }))
}

/// The chosen series.
#[utoipa::path(
    get,
    path = "/metrics/series",
    tag = "metrics",
    params(Scope, Match, Limit),
    responses((status = 200, description = "Series in order of their labels", body = Items<SeriesLabels>))
)]
pub async fn list_series(
    State(app): State<App>,
    Params((scope, matched, limit)): Params<(Scope, Match, Limit)>,
) -> Result<Json<Items<SeriesLabels>>, ApiError> {
    let series = app.metrics.series(&selector(&scope, &matched)?, limit.limit as usize).await?;
    let row = |series: sentinel_model::Series| SeriesLabels { labels: all_labels(&series.labels) };
    Ok(Json(Items { items: series.into_iter().map(row).collect() }))
}

/// The newest value of each chosen series.
#[utoipa::path(
    get,
    path = "/metrics/latest",
    tag = "metrics",
    params(Scope, Match, Limit),
    responses((status = 200, description = "Series in order of their labels", body = Items<LatestRow>))
)]
pub async fn list_latest(
    State(app): State<App>,
    Params((scope, matched, limit)): Params<(Scope, Match, Limit)>,
) -> Result<Json<Items<LatestRow>>, ApiError> {
    let selector = selector(&scope, &matched)?;
    let mut rows = BTreeMap::new();
    let now = app.now();
    let query = sentinel_metric_store::RangeQuery {
        selector: selector.clone(),
        range: sentinel_metric_store::TimeRange {
            start: now.saturating_sub_millis(LATEST_MS),
            end: now.saturating_add_millis(60_000),
        },
        resolution: Resolution::TenSeconds,
        field: Field::Last,
        max_series: app.config.limits.query_series,
        max_points: app.config.limits.query_points,
    };
    for series in app.metrics.latest(&query).await? {
        if let Some((at, value)) = series.points.last() {
            let row = latest(&series.series, *at, *value, false);
            rows.insert(series.series.labels, row);
        }
    }
    for series in app.live.range(&selector, Timestamp::MIN) {
        let Some(window) = series.windows.last() else { continue };
        let is_newer = rows
            .get(&series.series.labels)
            .is_none_or(|row: &LatestRow| window.start.as_millis() > row.timestamp_ms);
        if is_newer {
            let row = latest(&series.series, window.start, window.aggregate.last(), true);
            rows.insert(series.series.labels, row);
        }
    }
    Ok(Json(Items { items: rows.into_values().take(limit.limit as usize).collect() }))
}

fn latest(series: &sentinel_model::Series, at: Timestamp, value: f64, is_provisional: bool) -> LatestRow {
    LatestRow {
        labels: all_labels(&series.labels),
        kind: kind(series.kind),
        timestamp_ms: at.as_millis(),
        value: Some(value).filter(|value| value.is_finite()),
        is_provisional,
    }
}

fn all_labels(labels: &sentinel_model::Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const fn kind(kind: MetricKind) -> MetricKindDto {
    match kind {
        MetricKind::Gauge => MetricKindDto::Gauge,
        MetricKind::Counter => MetricKindDto::Counter,
        MetricKind::Unknown => MetricKindDto::Unknown,
    }
}

fn selector(scope: &Scope, matched: &Match) -> Result<Selector, ApiError> {
    scope.narrow(parse_selector(matched.selector.as_deref().unwrap_or_default())?)
}

pub fn parse_selector(text: &str) -> Result<Selector, ApiError> {
    Selector::parse(text).map_err(|error| ApiError::parameter("match", error.to_string()))
}
