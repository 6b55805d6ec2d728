//! Rows → lines → the server.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sentinel_model::{Resolution, Window};
use sentinel_runtime::{clock, spawn_blocking};

use super::deliver::Delivery;
use super::flux::{FIRST, LAST};
use super::gate::Pass;
use super::known::Welcome;
use super::lines::{Bodies, Bounds, Lines, RowAt, put_line};
use super::server::Server;
use crate::metrics::{EXPIRED, OVER_LIMIT, REJECTED};
use crate::{MetricStoreError, RejectedRow, WindowRows, WriteReport};

/// What a write comes to before anything is sent.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) bodies: Vec<(Resolution, Lines)>,
    report: WriteReport,
}

impl Server {
    /// # Errors
    /// The server does not take anything now.
    pub(crate) async fn write(
        self: &Arc<Self>,
        windows: Arc<[WindowRows]>,
    ) -> Result<WriteReport, MetricStoreError> {
        let pass = self.gate.enter()?;
        let written = self.write_through(windows, pass).await;
        match &written {
            Ok(report) => {
                self.gate.succeeded();
                self.count(report);
            }
            Err(error) => self.gate.failed(error),
        }
        written
    }

    async fn write_through(
        self: &Arc<Self>,
        windows: Arc<[WindowRows]>,
        pass: Pass,
    ) -> Result<WriteReport, MetricStoreError> {
        self.prepare().await?;
        let (server, planned) = (Arc::clone(self), Arc::clone(&windows));
        let plan = spawn_blocking("plan", move || server.plan(&planned)).await;
        self.kinds.save(self).await?;
        let Plan { bodies, mut report } = plan;
        // After a failure one request finds out whether the server is back.
        let concurrency = if pass == Pass::Trial { 1 } else { self.config.concurrency };
        let deliveries: Vec<Delivery> = stream::iter(bodies)
            .map(|(resolution, lines)| async move { self.deliver(&self.bucket(resolution), lines).await })
            .buffer_unordered(concurrency)
            .try_collect()
            .await?;
        for delivery in deliveries {
            report.n_expired += delivery.n_expired;
            report.n_written = report.n_written.saturating_sub(delivery.n_expired + delivery.rejected.len());
            report
                .rejected
                .extend(delivery.rejected.into_iter().map(|(at, reason)| rejected(&windows, at, reason)));
        }
        Ok(report)
    }

    /// Sorts out what the server would refuse or must not get, takes note of kinds, and makes the lines of the rest.
    /// Requests are under way at the same time: of several rows for one point only the last is in them.
    pub(crate) fn plan(&self, windows: &[WindowRows]) -> Plan {
        let now_ms = clock::now_millis();
        let mut report = WriteReport::default();
        let fit = self.fit(windows, now_ms, &mut report);
        let mut n_left = fit.iter().map(|n| windows[*n].rows.len()).sum();
        let bytes = usize::try_from(self.config.batch_bytes).unwrap_or(usize::MAX);
        let mut bodies = Bodies::new(Bounds { lines: self.config.batch_lines, bytes });
        let mut writing = self.known.begin(now_ms);
        writing.admit(fit.iter().flat_map(|n| &windows[*n].rows));
        for same in fit.chunk_by(|a, b| windows[*a].window == windows[*b].window) {
            writing.next_group();
            // Backwards: the last comes first.
            for at in same.iter().rev().flat_map(|n| rows_of(windows, *n).rev()) {
                let (one, row) = at.find(windows);
                match writing.welcome(row) {
                    Welcome::Write { series, is_new_kind } => {
                        if is_new_kind {
                            self.kinds.note(row.series.labels.metric_name(), row.series.kind);
                        }
                        report.n_written += 1;
                        bodies.push(one.window.resolution, at, n_left, |out| {
                            put_line(out, series, one.window.start, row);
                        });
                    }
                    Welcome::Repeated => report.n_written += 1,
                    Welcome::OverLimit => report.n_over_limit += 1,
                    Welcome::TooLong => {
                        let reason =
                            "its labels take more than 65,000 bytes, more than InfluxDB holds".to_owned();
                        report.rejected.push(rejected(windows, at, reason));
                    }
                }
                n_left -= 1;
            }
        }
        Plan { bodies: bodies.finish(), report }
    }

    /// Windows that the server may get, in order of time and width; of the same one, the later last.
    fn fit(&self, windows: &[WindowRows], now_ms: i64, report: &mut WriteReport) -> Vec<usize> {
        let mut fit = Vec::with_capacity(windows.len());
        for (n, one) in windows.iter().enumerate() {
            if self.is_expired(one.window, now_ms) {
                report.n_expired += one.rows.len();
            } else if !(FIRST..=LAST).contains(&one.window.start) {
                let reason = "InfluxDB holds no instants before 1677 or after 2262";
                report
                    .rejected
                    .extend(rows_of(windows, n).map(|at| rejected(windows, at, reason.to_owned())));
            } else {
                fit.push(n);
            }
        }
        fit.sort_by_key(|n| windows[*n].window);
        fit
    }

    fn is_expired(&self, window: Window, now_ms: i64) -> bool {
        let Some(kept) = self.kept_for(window.resolution) else { return false };
        let cutoff = now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX));
        window.start.as_millis() < cutoff
    }

    fn count(&self, report: &WriteReport) {
        let metrics = &self.store_metrics;
        metrics.series.set(self.known.len() as i64);
        metrics.written_windows.inc_by(report.n_written as u64);
        let refused = [
            (OVER_LIMIT, report.n_over_limit),
            (EXPIRED, report.n_expired),
            (REJECTED, report.rejected.len()),
        ];
        for (reason, n_rows) in refused {
            metrics.refused_windows.get_or_create(&reason).inc_by(n_rows as u64);
        }
    }
}

/// The rows of one of the windows.
fn rows_of(windows: &[WindowRows], n: usize) -> impl DoubleEndedIterator<Item = RowAt> {
    (0..windows[n].rows.len() as u32).map(move |row| RowAt { window: n as u32, row })
}

fn rejected(windows: &[WindowRows], at: RowAt, reason: String) -> RejectedRow {
    let (one, row) = at.find(windows);
    RejectedRow { window: one.window, row: row.clone(), reason }
}
