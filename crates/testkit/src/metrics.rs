//! A metric store in a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use sentinel_metric_store::{
    MetricName, MetricReader, MetricStoreError, MetricStoreStats, MetricWriter, RangeQuery, ResolutionStats,
    SeriesPoints, WindowRows, WriteReport,
};
use sentinel_model::{
    Aggregate, Labels, MetricKind, Resolution, RetentionSetting, Selector, Series, Timestamp, Window,
};

use crate::Outage;

type Windows = BTreeMap<(Resolution, Timestamp), Aggregate>;

#[derive(Debug, Default)]
pub struct MemoryMetrics {
    series: Mutex<BTreeMap<Labels, (Series, Windows)>>,
    kept: Mutex<Option<RetentionSetting>>,
    pub outage: Outage,
}

impl MemoryMetrics {
    /// Loses one window of a series, as no store may; whether it was there.
    pub fn lose(&self, labels: &Labels, window: Window) -> bool {
        let mut series = self.series.lock();
        let windows = series.get_mut(labels).map(|(_, windows)| windows);
        windows.is_some_and(|windows| windows.remove(&(window.resolution, window.start)).is_some())
    }

    /// What it was told last of the retention. It deletes nothing.
    pub fn kept(&self) -> Option<RetentionSetting> {
        self.kept.lock().clone()
    }

    fn check(&self) -> Result<(), MetricStoreError> {
        if self.outage.is_on() {
            return Err(MetricStoreError::Storage { message: "an outage on purpose".to_owned() });
        }
        Ok(())
    }

    fn chosen(&self, selector: &Selector) -> Result<Vec<Series>, MetricStoreError> {
        self.check()?;
        let series = self.series.lock();
        let chosen = series.values().filter(|(series, _)| selector.matches(&series.labels));
        Ok(chosen.map(|(series, _)| series.clone()).collect())
    }

    /// The newest `n_newest` windows of each chosen series.
    fn read(&self, query: &RangeQuery, n_newest: usize) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        self.check()?;
        let series = self.series.lock();
        let chosen: Vec<_> =
            series.values().filter(|(series, _)| query.selector.matches(&series.labels)).collect();
        if chosen.len() > query.max_series {
            let n_series = chosen.len();
            return Err(MetricStoreError::TooManySeries { n_series, limit: query.max_series });
        }
        let mut answer = Vec::new();
        let mut n_points = 0;
        for (series, windows) in chosen {
            let is_asked = |resolution: Resolution, start: &Timestamp| {
                resolution == query.resolution && (query.range.start..query.range.end).contains(start)
            };
            let asked = windows.iter().rev().filter(|((resolution, start), _)| is_asked(*resolution, start));
            let mut points: Vec<(Timestamp, f64)> = asked
                .take(n_newest)
                .filter_map(|((_, start), aggregate)| Some((*start, aggregate.field(query.field)?)))
                .collect();
            points.reverse();
            n_points += points.len();
            if n_points > query.max_points {
                return Err(MetricStoreError::TooManyPoints { limit: query.max_points });
            }
            if !points.is_empty() {
                answer.push(SeriesPoints { series: series.clone(), points });
            }
        }
        Ok(answer)
    }
}

#[async_trait]
impl MetricWriter for MemoryMetrics {
    async fn write(&self, windows: Arc<[WindowRows]>) -> Result<WriteReport, MetricStoreError> {
        self.check()?;
        let mut report = WriteReport::default();
        let mut kept = self.series.lock();
        for window in windows.iter() {
            for row in &window.rows {
                let labels = row.series.labels.clone();
                let (series, windows) = kept.entry(labels).or_insert((row.series.clone(), Windows::new()));
                if series.kind == MetricKind::Unknown {
                    series.kind = row.series.kind;
                }
                windows.insert((window.window.resolution, window.window.start), row.aggregate.clone());
                report.n_written += 1;
            }
        }
        Ok(report)
    }

    async fn keep(&self, set: &RetentionSetting) -> Result<(), MetricStoreError> {
        self.check()?;
        *self.kept.lock() = Some(set.clone());
        Ok(())
    }
}

#[async_trait]
impl MetricReader for MemoryMetrics {
    async fn names(&self) -> Result<Vec<MetricName>, MetricStoreError> {
        let mut names: BTreeMap<String, MetricName> = BTreeMap::new();
        for series in self.chosen(&Selector::default())? {
            let name = series.labels.metric_name().to_owned();
            let known =
                names.entry(name.clone()).or_insert(MetricName { name, kind: series.kind, n_series: 0 });
            known.n_series += 1;
            if known.kind == MetricKind::Unknown {
                known.kind = series.kind;
            }
        }
        Ok(names.into_values().collect())
    }

    async fn label_names(&self, selector: &Selector) -> Result<Vec<String>, MetricStoreError> {
        let chosen = self.chosen(selector)?;
        let names = chosen.iter().flat_map(|series| series.labels.iter().map(|(name, _)| name.to_owned()));
        Ok(names.collect::<std::collections::BTreeSet<_>>().into_iter().collect())
    }

    async fn label_values(
        &self,
        label: &str,
        selector: &Selector,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        let chosen = self.chosen(selector)?;
        let values = chosen.iter().filter_map(|series| series.labels.get(label).map(str::to_owned));
        Ok(values.collect::<std::collections::BTreeSet<_>>().into_iter().take(limit).collect())
    }

    async fn series(&self, selector: &Selector, limit: usize) -> Result<Vec<Series>, MetricStoreError> {
        let mut chosen = self.chosen(selector)?;
        chosen.truncate(limit);
        Ok(chosen)
    }

    async fn range(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        self.read(query, usize::MAX)
    }

    async fn latest(&self, query: &RangeQuery) -> Result<Vec<SeriesPoints>, MetricStoreError> {
        self.read(query, 1)
    }

    async fn stats(&self) -> Result<MetricStoreStats, MetricStoreError> {
        self.check()?;
        let series = self.series.lock();
        let of = |resolution: Resolution| {
            let starts = || {
                let windows = series.values().flat_map(|(_, windows)| windows.keys());
                windows.filter(move |(width, _)| *width == resolution).map(|(_, start)| *start)
            };
            let n_windows = starts().count() as u64;
            (resolution, ResolutionStats { n_windows, disk_bytes: 0, oldest: starts().min() })
        };
        Ok(MetricStoreStats {
            n_series: series.len(),
            series_limit: usize::MAX,
            resolutions: Resolution::ALL.map(of).to_vec(),
            head_bytes: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sentinel_metric_store::Handles;

    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        let store = Arc::new(MemoryMetrics::default());
        let handles = Handles { writer: Arc::clone(&store) as Arc<dyn MetricWriter>, reader: store };
        sentinel_metric_store::contract::suite(&handles, Timestamp::from_secs(1_795_255_200)).await;
    }
}
