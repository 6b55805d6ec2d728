//! Ranges and newest values.

use std::collections::BTreeMap;

use sentinel_model::{Field, Labels, MetricKind, Resolution, Selector, Series};

use super::columns::{Places, SeriesReader, Values};
use super::csv::CsvError;
use super::flux::{Flux, Predicate, Pushed};
use super::query::Read;
use super::server::Server;
use super::shape::Column;
use crate::{MetricStoreError, RangeQuery, SeriesPoints};

/// Series that are read to be told apart, whatever is asked: a bound on memory.
const MAX_SERIES: usize = 2_000_000;

/// Which points of each series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Points {
    All,
    Newest,
}

/// What stopped a read.
#[derive(Clone, Copy)]
enum Excess {
    Series,
    Points,
}

impl Server {
    /// # Errors
    /// Those of the server, and answers beyond the query's bounds.
    pub(crate) async fn points(
        &self,
        query: &RangeQuery,
        points: Points,
    ) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        if query.range.start >= query.range.end {
            // The server refuses such a range.
            return Ok(Vec::new());
        }
        let (labels, mut values) = self.values(query, points).await?;
        let metrics = labels.iter().map(Labels::metric_name);
        let kinds = self.kinds.of(self, metrics).await?;
        let mut found = Vec::new();
        for (labels, values) in labels.into_iter().zip(&mut values) {
            let points = values.points(query.field);
            if !points.is_empty() {
                let kind = kinds.get(labels.metric_name()).copied().unwrap_or_default();
                found.push(SeriesPoints { series: Series { labels, kind }, points });
            }
        }
        found.sort_by(|a, b| a.series.labels.cmp(&b.series.labels));
        Ok(found)
    }

    async fn values(
        &self,
        query: &RangeQuery,
        points: Points,
    ) -> Result<(Vec<Labels>, Vec<Values>), MetricStoreError> {
        let selector = &query.selector;
        let mut series = SeriesReader::new(selector);
        let flux = flux(self.bucket(query.resolution), query, points, &series);
        let counted = counted(query.field);
        let (mut values, mut places) = (Vec::<Values>::new(), Places::default());
        let (mut n_points, mut excess) = (0usize, None);
        let read = self
            .query(flux, |header, record| {
                let Some((column, ms, value)) = places.read(header, record)? else { return Ok(()) };
                let Some(number) = series.series(selector, header, record)? else { return Ok(()) };
                values.resize_with(series.labels.len(), Values::default);
                n_points += usize::from(column == counted);
                if series.labels.len() > query.max_series {
                    excess = Some(Excess::Series);
                } else if n_points > query.max_points {
                    excess = Some(Excess::Points);
                }
                if excess.is_some() {
                    return Err(CsvError::Stopped);
                }
                values[number].add(column, ms, value)
            })
            .await?;
        match (read, excess) {
            (Read::Stopped, Some(Excess::Series)) => Err(MetricStoreError::TooManySeries {
                n_series: series.labels.len(),
                limit: query.max_series,
            }),
            (Read::Stopped, _) => Err(MetricStoreError::TooManyPoints { limit: query.max_points }),
            (Read::Whole, _) => Ok((series.labels, values)),
        }
    }

    /// Labels of the chosen series of any resolution, sorted.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn all_labels(&self, selector: &Selector) -> Result<Vec<Labels>, MetricStoreError> {
        let of = |resolution| self.labels_of(selector, resolution);
        let [one, two, three, four] = Resolution::ALL.map(of);
        let (one, two, three, four) = futures::try_join!(one, two, three, four)?;
        let mut labels = [one, two, three, four].concat();
        labels.sort_unstable();
        labels.dedup();
        Ok(labels)
    }

    async fn labels_of(
        &self,
        selector: &Selector,
        resolution: Resolution,
    ) -> Result<Vec<Labels>, MetricStoreError> {
        let mut series = SeriesReader::new(selector);
        let mut dropped = series.dropped();
        // One column must be left, else there are no rows.
        dropped.extend(["_time", "_value"].map(str::to_owned));
        let flux = Flux::from(self.bucket(resolution))
            .ever()
            .filter(conditions(selector, &[Column::Last]))
            .last()
            .group(&[])
            .drop(&dropped);
        let read = self.query(flux, |header, record| {
            series.series(selector, header, record)?;
            if series.labels.len() > MAX_SERIES { Err(CsvError::Stopped) } else { Ok(()) }
        });
        match read.await? {
            Read::Whole => Ok(series.labels),
            Read::Stopped => {
                Err(MetricStoreError::TooManySeries { n_series: series.labels.len(), limit: MAX_SERIES })
            }
        }
    }

    /// # Errors
    /// Those of the server.
    pub(crate) async fn series(
        &self,
        selector: &Selector,
        limit: usize,
    ) -> Result<Vec<Series>, MetricStoreError> {
        let mut labels = self.all_labels(selector).await?;
        labels.truncate(limit);
        let kinds = self.kinds.of(self, labels.iter().map(Labels::metric_name)).await?;
        let kind = |labels: &Labels| kinds.get(labels.metric_name()).copied().unwrap_or(MetricKind::Unknown);
        Ok(labels.into_iter().map(|labels| Series { kind: kind(&labels), labels }).collect())
    }

    /// Series by metric, in the narrowest resolution that has the metric.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, usize>, MetricStoreError> {
        let mut counts = BTreeMap::new();
        for resolution in Resolution::ALL {
            let known = self.measurements(resolution).await?;
            if known.iter().all(|name| counts.contains_key(name)) {
                continue;
            }
            for (name, n_series) in self.counts_of(resolution).await? {
                counts.entry(name).or_insert(n_series);
            }
        }
        Ok(counts)
    }
}

/// All of what a query reads. Conditions come first: the storage evaluates them, and the newest of each series,
/// by its index. Then series come together by field, since each table of an answer costs time.
fn flux(bucket: String, query: &RangeQuery, points: Points, series: &SeriesReader) -> Flux {
    let flux = Flux::from(bucket)
        .range(query.range)
        .filter(conditions(&query.selector, Column::needed(query.field)));
    let flux = if points == Points::Newest { flux.last() } else { flux };
    flux.group(&["_field"]).drop(&series.dropped())
}

pub(crate) fn conditions(selector: &Selector, columns: &[Column]) -> Vec<Predicate> {
    let mut conditions = Pushed::of(selector).predicates;
    conditions.push(Predicate::fields(columns.iter().map(|column| column.name())));
    conditions
}

/// The column that is there for each point that the answer will have.
const fn counted(field: Field) -> Column {
    match field {
        Field::Increase => Column::Increase,
        field => Column::needed(field)[0],
    }
}
