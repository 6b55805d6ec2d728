//! What people have set of the retention, carried out on the server.

use std::time::Duration;

use sentinel_model::{Kept, Resolution, RetentionSetting};
use sentinel_runtime::config::duration;

use super::server::Server;
use crate::{InfluxdbVersion, MetricStoreError};

/// How long a bucket is to keep what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    ForEver,
    /// So created; what is there is left as it is.
    Created(Duration),
    /// As configured: what is there is only ever lengthened, as processes with other defaults would else delete one
    /// another's history.
    AtLeast(Duration),
    /// As somebody has set it, also where that is less.
    Exactly(Duration),
}

impl Server {
    pub(super) fn wanted(&self, resolution: Resolution) -> Wanted {
        let configured = self.config.retention.of(resolution);
        match &*self.kept.read() {
            None => Wanted::Created(configured),
            Some(set) => match set.of(Kept::Metrics(resolution)) {
                Some(span) => Wanted::Exactly(span),
                None => Wanted::AtLeast(configured),
            },
        }
    }

    /// Age beyond which windows are refused; `None`: the server decides.
    pub(super) fn kept_for(&self, resolution: Resolution) -> Option<Duration> {
        match self.wanted(resolution) {
            Wanted::Exactly(span) | Wanted::AtLeast(span) => Some(span),
            Wanted::Created(_) | Wanted::ForEver => None,
        }
    }

    /// # Errors
    /// A server that does not take it, or whose retention is not ours to set.
    pub(super) async fn keep(&self, set: &RetentionSetting) -> Result<(), MetricStoreError> {
        let is_news = self.kept.write().replace(set.clone()).as_ref() != Some(set);
        let is_set = |resolution| set.of(Kept::Metrics(resolution)).is_some();
        let is_any_set = Resolution::ALL.into_iter().any(is_set);
        if self.config.version != InfluxdbVersion::V2 {
            let message =
                "the retention that was set is not carried out: metric_store.version \"1\" and \"3\" keep \
                           theirs; alter it on the server, or unset it"
                    .to_owned();
            return if is_any_set { Err(MetricStoreError::Storage { message }) } else { Ok(()) };
        }
        if is_news {
            self.buckets.forget().await;
        }
        self.buckets.ensure(self).await?;
        if self.config.create_buckets {
            return Ok(());
        }
        for resolution in Resolution::ALL {
            let Wanted::Exactly(span) = self.wanted(resolution) else { continue };
            if !self.buckets.is_as_wanted(self, resolution).await? {
                let message = format!(
                    "the retention that was set is not carried out, as metric_store.create_buckets = false; run: \
                     influx bucket update --id {} --retention {}",
                    self.buckets.id(resolution).await.unwrap_or_default(),
                    duration::print(span)
                );
                return Err(MetricStoreError::Storage { message });
            }
        }
        Ok(())
    }
}
