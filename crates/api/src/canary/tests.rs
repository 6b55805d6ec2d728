//! Canaries that are read back from fakes of the stores.

use sentinel_log_store::LogWriter as _;
use sentinel_metric_store::{MetricWriter as _, Row, WindowRows};
use sentinel_model::{Aggregate, MetricKind, Series, Summary};
use sentinel_testkit::build::NOW;
use sentinel_testkit::{MemoryLogs, MemoryMetrics, build};

use super::*;

const LIFE: u64 = 1_795_255_000_000;

/// Stores the window that begins `ago_s` before now with beats `first..first + count`, but for `lost` of them.
async fn store(metrics: &MemoryMetrics, ago_s: i64, first: u64, lost: u64) {
    let start = NOW.saturating_sub_millis(ago_s * 1_000).floor(10_000);
    let window = sentinel_model::Window { resolution: Resolution::TenSeconds, start };
    let (count, last) = (10 - lost, first + 9);
    let of = |min: f64, max: f64| Summary {
        count,
        sum: 0.0,
        min,
        max,
        last: max,
        m2: 0.0,
        increase: None,
        sketch: None,
    };
    let life = LIFE as f64 / 1_000.0;
    let sent = start.as_secs_f64();
    let rows = [
        (CANARY_SEQUENCE, of(first as f64, last as f64)),
        (CANARY_LIFE, of(life, life)),
        (CANARY_SENT, of(sent, sent + 9.0)),
    ];
    let row = |(metric, summary): (&str, Summary)| {
        let series: Series =
            build::series(MetricKind::Gauge, metric, &[("cluster", "c"), ("collector", "a")]);
        Row { id: series.labels.id(), series, aggregate: Aggregate::Summary(Box::new(summary)) }
    };
    let rows = WindowRows { window, rows: rows.into_iter().map(row).collect() };
    metrics.write([rows].into()).await.expect("the fake takes everything");
}

fn sum(seen: &[CanarySeen]) -> (u64, u64, u64) {
    seen.iter().fold((0, 0, 0), |(received, missing, doubled), CanarySeen { count, .. }| {
        (received + count.received, missing + count.missing, doubled + count.doubled)
    })
}

#[tokio::test]
async fn windows_are_counted_when_they_can_be_read_and_only_once() {
    let metrics = MemoryMetrics::default();
    let mut windows = StoredWindows::new(NOW.saturating_sub_millis(FIRST_MS));
    store(&metrics, 60, 100, 0).await;
    assert_eq!(sum(&windows.look(&metrics, NOW).await.expect("no outage")), (10, 0, 0));
    assert_eq!(sum(&windows.look(&metrics, NOW).await.expect("no outage")), (0, 0, 0));
    store(&metrics, 50, 110, 1).await;
    store(&metrics, 30, 130, 0).await;
    let seen = windows.look(&metrics, NOW).await.expect("no outage");
    assert_eq!(sum(&seen), (19, 11, 0), "one within a window, ten between windows");
    let newest = NOW.saturating_sub_millis(30_000).floor(10_000).saturating_add_millis(9_000);
    assert_eq!(seen.last().map(|seen| seen.sent), Some(newest));
}

#[tokio::test]
async fn lines_are_counted_when_they_can_be_read_and_only_once() {
    let store = MemoryLogs::default();
    let mut lines = StoredLines::new(NOW.saturating_sub_millis(FIRST_MS));
    let line = |sequence: u64| {
        let sent = NOW.saturating_sub_millis(100_000 - 10_000 * sequence as i64);
        let beat = CanaryBeat { life: LIFE, sequence, sent };
        let mut document =
            crate::tests::records::document(DocumentKind::Log, u128::from(sequence), &beat.to_string(), sent);
        document.namespace = CANARY_NAMESPACE.into();
        document
    };
    store.write(vec![line(0), line(1)]).await.expect("the fake takes everything");
    assert_eq!(sum(&lines.look(&store, NOW).await.expect("no outage")), (2, 0, 0));
    store.write(vec![line(1), line(4)]).await.expect("the fake takes everything");
    assert_eq!(sum(&lines.look(&store, NOW).await.expect("no outage")), (1, 2, 0));
    assert_eq!(sum(&lines.look(&store, NOW).await.expect("no outage")), (0, 0, 0));
}
