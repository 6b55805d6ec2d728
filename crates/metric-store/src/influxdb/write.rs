//! Rows → lines → the server.

use std::sync::Arc;

use ahash::HashSet;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sentinel_model::{Resolution, Window};
use sentinel_runtime::{clock, spawn_blocking};

use super::deliver::Delivery;
use super::flux::{FIRST, LAST};
use super::gate::Pass;
use super::known::Welcome;
use super::lines::{Bodies, Bounds, Lines, RowAt, put_line, put_series};
use super::server::Server;
use crate::metrics::{EXPIRED, OVER_LIMIT, REJECTED};
use crate::{MetricStoreError, RejectedRow, WindowRows, WriteReport};

/// Of measurement and tags. The server holds them with a field's name in 65,535 bytes.
const MAX_SERIES_BYTES: usize = 65_000;
/// Labels with less text than this are short enough however they are escaped.
const SHORT_BYTES: usize = MAX_SERIES_BYTES / 6;

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
        windows: Vec<WindowRows>,
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
        windows: Vec<WindowRows>,
        pass: Pass,
    ) -> Result<WriteReport, MetricStoreError> {
        self.prepare().await?;
        let (server, windows) = (Arc::clone(self), Arc::new(windows));
        let planned = Arc::clone(&windows);
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
    pub(crate) fn plan(&self, windows: &[WindowRows]) -> Plan {
        let now_ms = clock::now_millis();
        let mut report = WriteReport::default();
        let mut rows = Vec::new();
        for (window, one) in windows.iter().enumerate() {
            if self.is_expired(one.window, now_ms) {
                report.n_expired += one.rows.len();
                continue;
            }
            let at = |row: usize| RowAt { window: window as u32, row: row as u32 };
            for (row, taken) in one.rows.iter().enumerate() {
                match unfit(one.window, taken) {
                    Some(reason) => report.rejected.push(rejected(windows, at(row), reason.to_owned())),
                    None => rows.push(at(row)),
                }
            }
        }
        let bytes = usize::try_from(self.config.batch_bytes).unwrap_or(usize::MAX);
        let mut bodies = Bodies::new(Bounds { lines: self.config.batch_lines, bytes });
        let are_last = are_last(windows, &rows);
        let n_rows = rows.len();
        let found = rows.iter().zip(are_last).enumerate().map(|(n, (at, is_last))| {
            let (one, row) = at.find(windows);
            ((n_rows - n, *at, one.window, is_last), row)
        });
        self.known.welcome(now_ms, found, |(n_left, at, window, is_last), row, verdict| {
            let Welcome::Write { series, is_new_kind } = verdict else {
                report.n_over_limit += 1;
                return;
            };
            if is_new_kind {
                self.kinds.note(row.series.labels.metric_name(), row.series.kind);
            }
            report.n_written += 1;
            if is_last {
                bodies.push(window.resolution, at, n_left, |out| put_line(out, series, window.start, row));
            }
        });
        Plan { bodies: bodies.finish(), report }
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

/// Requests are under way at the same time: of rows for one point only the last may be in them.
fn are_last(windows: &[WindowRows], rows: &[RowAt]) -> Vec<bool> {
    let mut seen = HashSet::with_capacity_and_hasher(rows.len(), ahash::RandomState::default());
    let is_last = |at: &RowAt| {
        let (one, row) = at.find(windows);
        seen.insert((row.id, one.window))
    };
    let mut are_last: Vec<bool> = rows.iter().rev().map(is_last).collect();
    are_last.reverse();
    are_last
}

/// Why the server would never take a row, if we know it beforehand.
fn unfit(window: Window, row: &crate::Row) -> Option<&'static str> {
    if !(FIRST..=LAST).contains(&window.start) {
        return Some("InfluxDB holds no instants before 1677 or after 2262");
    }
    let labels = &row.series.labels;
    if labels.heap_bytes() <= SHORT_BYTES {
        return None;
    }
    let mut series = Vec::new();
    put_series(&mut series, labels);
    (series.len() > MAX_SERIES_BYTES)
        .then_some("its labels take more than 65,000 bytes, more than InfluxDB holds")
}

fn rejected(windows: &[WindowRows], at: RowAt, reason: String) -> RejectedRow {
    let (one, row) = at.find(windows);
    RejectedRow { window: one.window, row: row.clone(), reason }
}
