//! Names of metrics, labels and their values, from the index where it can tell.

use std::collections::{BTreeMap, BTreeSet};

use sentinel_model::{METRIC_NAME, Resolution, Selector};

use super::flux::{Flux, Pushed};
use super::read::conditions;
use super::server::Server;
use super::shape::Column;
use super::text::{MEASUREMENT, column, label, original};
use crate::{MetricName, MetricStoreError};

impl Server {
    /// # Errors
    /// Those of the server.
    pub(crate) async fn names(&self) -> Result<Vec<MetricName>, MetricStoreError> {
        let counts = self.counts().await?;
        let kinds = self.kinds.of(self, counts.keys().map(String::as_str)).await?;
        let name = |(name, n_series): (String, usize)| MetricName {
            kind: kinds.get(&name).copied().unwrap_or_default(),
            name,
            n_series,
        };
        Ok(counts.into_iter().map(name).collect())
    }

    /// # Errors
    /// Those of the server.
    pub(crate) async fn label_names(&self, selector: &Selector) -> Result<Vec<String>, MetricStoreError> {
        let pushed = Pushed::of(selector);
        let mut names = BTreeSet::new();
        if pushed.is_exact {
            for resolution in Resolution::ALL {
                let flux =
                    Flux::from(self.bucket(resolution)).ever().filter(conditions(selector, &[Column::Last]));
                let found = self.texts(flux.keys(), "_value").await?;
                // The server's own columns; ours never begin like this.
                let is_label = |column: &String| column == MEASUREMENT || !column.starts_with('_');
                names.extend(
                    found.iter().filter(|column| is_label(column)).map(|column| label(column).into_owned()),
                );
            }
        } else {
            for labels in self.all_labels(selector).await? {
                names.extend(labels.iter().map(|(name, _)| name.to_owned()));
            }
        }
        Ok(names.into_iter().collect())
    }

    /// # Errors
    /// Those of the server.
    pub(crate) async fn label_values(
        &self,
        label: &str,
        selector: &Selector,
        limit: usize,
    ) -> Result<Vec<String>, MetricStoreError> {
        let mut values = BTreeSet::new();
        if Pushed::of(selector).is_exact {
            for resolution in Resolution::ALL {
                let found = self.values_of(label, selector, resolution).await?;
                values.extend(found.iter().map(|value| original(value).into_owned()));
            }
        } else {
            let labels = self.all_labels(selector).await?;
            values.extend(labels.iter().filter_map(|labels| labels.get(label).map(str::to_owned)));
        }
        values.remove("");
        Ok(values.into_iter().take(limit).collect())
    }

    /// Names of the metrics that a resolution has.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn measurements(&self, resolution: Resolution) -> Result<Vec<String>, MetricStoreError> {
        let found = self.values_of(METRIC_NAME, &Selector::default(), resolution).await?;
        Ok(found.iter().map(|name| original(name).into_owned()).collect())
    }

    /// # Errors
    /// Those of the server.
    pub(crate) async fn counts_of(
        &self,
        resolution: Resolution,
    ) -> Result<BTreeMap<String, usize>, MetricStoreError> {
        let flux = Flux::from(self.bucket(resolution))
            .ever()
            .filter(conditions(&Selector::default(), &[Column::Last]))
            .last()
            .group(&[MEASUREMENT])
            .count();
        let mut counts = BTreeMap::new();
        self.query(flux, |header, record| {
            let name = original(record.column(header.find(MEASUREMENT)?)?).into_owned();
            let n_series = record.column(header.find("_value")?)?.parse().unwrap_or_default();
            counts.insert(name, n_series);
            Ok(())
        })
        .await?;
        Ok(counts)
    }

    async fn values_of(
        &self,
        label: &str,
        selector: &Selector,
        resolution: Resolution,
    ) -> Result<Vec<String>, MetricStoreError> {
        let column = column(label);
        // In this form the server answers from its index.
        let flux = Flux::from(self.bucket(resolution))
            .ever()
            .filter(conditions(selector, &[Column::Last]))
            .keep(&[&column])
            .group(&[])
            .distinct(&column);
        self.texts(flux, "_value").await
    }

    async fn texts(&self, flux: Flux, column: &str) -> Result<Vec<String>, MetricStoreError> {
        let mut texts = Vec::new();
        self.query(flux, |header, record| {
            texts.push(record.column(header.find(column)?)?.to_owned());
            Ok(())
        })
        .await?;
        Ok(texts)
    }
}
