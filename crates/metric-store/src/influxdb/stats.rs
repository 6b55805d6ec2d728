//! What the server holds of ours.

use std::collections::BTreeMap;

use reqwest::Method;
use sentinel_model::{Resolution, Selector, Timestamp};

use super::csv::{CsvError, millis};
use super::flux::Flux;
use super::read::conditions;
use super::server::Server;
use super::shape::Column;
use crate::{MetricStoreError, MetricStoreStats, ResolutionStats};

/// Of the server's own metrics; it has some for every shard.
const MAX_METRICS_BYTES: usize = 32 << 20;
const DISK_BYTES: &str = "storage_shard_disk_size{";

impl Server {
    /// Counts every window, which takes its time: seconds for each ten million.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn stats(&self) -> Result<MetricStoreStats, MetricStoreError> {
        let mut n_series = 0;
        let mut resolutions = Vec::new();
        let disk_bytes = self.disk_bytes().await;
        for resolution in Resolution::ALL {
            let windows = || {
                let flux = Flux::from(self.bucket(resolution)).ever();
                flux.filter(conditions(&Selector::default(), &[Column::Last]))
            };
            let n_windows = self.number(windows().count().group(&[]).sum()).await?;
            n_series = self.number(windows().last().group(&[]).count()).await?.max(n_series);
            let oldest = self.oldest(windows().first().group(&[]).bottom("_time")).await?;
            let disk_bytes = disk_bytes.get(&resolution).copied().unwrap_or_default();
            resolutions.push((resolution, ResolutionStats { n_windows, disk_bytes, oldest }));
        }
        Ok(MetricStoreStats {
            n_series: usize::try_from(n_series).unwrap_or(usize::MAX),
            series_limit: self.config.series_limit,
            resolutions,
            head_bytes: 0,
        })
    }

    async fn number(&self, flux: Flux) -> Result<u64, MetricStoreError> {
        let mut number = 0;
        self.query(flux, |header, record| {
            let text = record.column(header.find("_value")?)?;
            number = text.parse().map_err(|_| CsvError::Malformed("a count is no number"))?;
            Ok(())
        })
        .await?;
        Ok(number)
    }

    async fn oldest(&self, flux: Flux) -> Result<Option<Timestamp>, MetricStoreError> {
        let mut oldest = None;
        self.query(flux, |header, record| {
            oldest = millis(record.bytes(header.find("_time")?)).map(Timestamp::from_millis);
            Ok(())
        })
        .await?;
        Ok(oldest)
    }

    /// From the server's own metrics, if it shows them.
    async fn disk_bytes(&self) -> BTreeMap<Resolution, u64> {
        let request = self.http.request(Method::GET, "/metrics");
        let Ok(answer) = self.http.ask(request, MAX_METRICS_BYTES).await else { return BTreeMap::new() };
        let ids = self.buckets.ids().await;
        let mut bytes = BTreeMap::new();
        for line in String::from_utf8_lossy(&answer.body).lines() {
            let Some(labels) = line.strip_prefix(DISK_BYTES) else { continue };
            let is_of = |id: &String| !id.is_empty() && labels.contains(&format!("bucket=\"{id}\""));
            let of = ids.iter().find(|(_, id)| is_of(id));
            let value = labels.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
            if let (Some((resolution, _)), Some(value)) = (of, value) {
                *bytes.entry(*resolution).or_default() += value as u64;
            }
        }
        bytes
    }
}
