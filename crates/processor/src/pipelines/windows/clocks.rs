//! The clocks of collectors against that of the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use sentinel_model::{MetricBatch, Timestamp};
use tracing::{info, warn};

/// A message cannot come before it was made: a clock that is further ahead than this is wrong, or the log's is.
const AHEAD_MS: i64 = 60_000;

/// Of one partition.
#[derive(Default)]
pub(super) struct Clocks {
    /// Cluster and collector of those that are ahead.
    ahead: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl Clocks {
    /// A collector's clock may run ahead or jump. Nothing is from after the moment at which the log took it, so that
    /// a wrong clock neither closes windows that others still fill nor opens some in a distant future.
    pub(super) fn put_right(&mut self, batch: MetricBatch, appended: Option<Timestamp>) -> MetricBatch {
        let Some(appended) = appended else { return batch };
        self.note(&batch, batch.scraped.as_millis().saturating_sub(appended.as_millis()));
        MetricBatch { scraped: batch.scraped.min(appended), progress: batch.progress.min(appended), ..batch }
    }

    pub(super) fn n_ahead(&self) -> usize {
        self.ahead.len()
    }

    fn note(&mut self, batch: &MetricBatch, ahead_ms: i64) {
        let is_ahead = ahead_ms > AHEAD_MS;
        if !is_ahead && self.ahead.is_empty() {
            return;
        }
        let collector = (Arc::clone(&batch.stream.cluster), Arc::clone(&batch.stream.collector));
        if is_ahead && self.ahead.insert(collector.clone()) {
            warn!(
                cluster = &*collector.0,
                collector = &*collector.1,
                ahead_s = ahead_ms / 1_000,
                "the clock of a collector is ahead of the bus'; put it right (chrony, systemd-timesyncd), or that of the \
                 brokers if all collectors are ahead: samples further ahead than processor.future_limit become dead letters"
            );
        } else if !is_ahead && self.ahead.remove(&collector) {
            info!(
                cluster = &*collector.0,
                collector = &*collector.1,
                "the clock of a collector is right again"
            );
        }
    }
}
