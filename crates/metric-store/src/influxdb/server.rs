//! The server as the other modules know it: what to call, by version.

use parking_lot::RwLock;
use reqwest::{Method, RequestBuilder};
use sentinel_model::{Resolution, RetentionSetting};
use sentinel_runtime::Component;

use super::buckets::Buckets;
use super::gate::Gate;
use super::http::Http;
use super::kinds::Kinds;
use super::known::KnownSeries;
use super::metrics::InfluxdbMetrics;
use crate::metrics::Metrics;
use crate::{InfluxdbConfig, InfluxdbVersion, MetricStoreError};

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: InfluxdbConfig,
    pub(crate) http: Http,
    pub(crate) gate: Gate,
    pub(crate) buckets: Buckets,
    pub(crate) kinds: Kinds,
    pub(crate) known: KnownSeries,
    /// What people have set of the retention; `None` before it was told.
    pub(crate) kept: RwLock<Option<RetentionSetting>>,
    pub(crate) metrics: InfluxdbMetrics,
    /// Those that every metric store has.
    pub(crate) store_metrics: Metrics,
}

impl Server {
    /// Contacts nobody.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub(crate) fn new(
        config: InfluxdbConfig,
        health: Component,
        metrics: InfluxdbMetrics,
        store_metrics: Metrics,
    ) -> Result<Self, MetricStoreError> {
        if let Some(problem) = config.problems().first() {
            return Err(MetricStoreError::Open { message: problem.to_string() });
        }
        let idle_ms = i64::try_from(config.retention.of(Resolution::TenSeconds).as_millis());
        Ok(Self {
            http: Http::new(&config)?,
            gate: Gate::new(health),
            buckets: Buckets::default(),
            kinds: Kinds::default(),
            kept: RwLock::default(),
            known: KnownSeries::new(
                config.series_limit,
                idle_ms.unwrap_or(i64::MAX),
                usize::try_from(config.text_cache).unwrap_or(usize::MAX),
            ),
            metrics,
            store_metrics,
            config,
        })
    }

    pub(crate) fn bucket(&self, resolution: Resolution) -> String {
        format!("{}_{}", self.config.bucket_prefix, resolution.as_str())
    }

    pub(crate) fn meta_bucket(&self) -> String {
        format!("{}_meta", self.config.bucket_prefix)
    }

    /// Takes lines with times in milliseconds.
    pub(crate) fn write_request(&self, bucket: &str) -> RequestBuilder {
        let request = |path: &str| self.http.request(Method::POST, path);
        match self.config.version {
            InfluxdbVersion::V2 => {
                let query = [("org", self.config.org.as_str()), ("bucket", bucket), ("precision", "ms")];
                request("/api/v2/write").query(&query)
            }
            InfluxdbVersion::V1 => request("/write").query(&[("db", bucket), ("precision", "ms")]),
            InfluxdbVersion::V3 => {
                let query = [("db", bucket), ("precision", "millisecond"), ("accept_partial", "true")];
                request("/api/v3/write_lp").query(&query)
            }
        }
    }

    /// # Errors
    /// A server of a version that has no Flux.
    pub(crate) fn check_reads(&self) -> Result<(), MetricStoreError> {
        if self.config.version == InfluxdbVersion::V2 {
            return Ok(());
        }
        let message = "reads need InfluxDB 2.x; with metric_store.version = \"1\" or \"3\" windows are only \
                       written: let the API read from a store of version \"2\""
            .to_owned();
        Err(MetricStoreError::Storage { message })
    }

    /// Sees to it that the buckets are there.
    ///
    /// # Errors
    /// Those of the server, and buckets that are missing and are not to be created.
    pub(crate) async fn prepare(&self) -> Result<(), MetricStoreError> {
        if self.config.version == InfluxdbVersion::V2 { self.buckets.ensure(self).await } else { Ok(()) }
    }
}
