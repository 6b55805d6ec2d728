//! Writing through outages of the real server. Someone else stops, kills and starts it meanwhile, which is why
//! it must be an instance for this test alone:
//! `cargo test -p sentinel-metric-store --features influxdb -- --ignored outages`.

use std::time::{Duration, Instant};

use sentinel_model::{Aggregate, Field, Resolution, Timestamp, Window};

use super::real::{now, place};
use crate::contract::{query, row};
use crate::{RangeQuery, TimeRange, WindowRows};

const LASTS: Duration = Duration::from_secs(45);
const SERIES: usize = 500;

#[tokio::test]
#[ignore = "somebody must stop and kill the server meanwhile"]
#[expect(clippy::print_stderr, reason = "it tells what happened")]
async fn loses_nothing_over_outages() {
    let Some(mut place) = place("outages") else { return };
    place.config.timeout = Duration::from_secs(3);
    let store = place.open();
    let first = now().floor(10_000).saturating_sub_millis(36_000_000);
    let (began, mut n_windows, mut n_failed, mut longest) = (Instant::now(), 0i64, 0, Duration::ZERO);
    while began.elapsed() < LASTS {
        let start = first.saturating_add_millis(n_windows * 10_000);
        let window = Window { resolution: Resolution::TenSeconds, start };
        let value = |n: usize| Aggregate::Single((n_windows * 1_000) as f64 + n as f64);
        let rows: Vec<_> = (0..SERIES).map(|n| row("kept", &n.to_string(), value(n))).collect();
        let attempt = Instant::now();
        while let Err(error) = store.writer.write(vec![WindowRows { window, rows: rows.clone() }]).await {
            assert!(error.is_retryable(), "{error}");
            n_failed += 1;
            tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_millis(500))).await;
        }
        longest = longest.max(attempt.elapsed());
        n_windows += 1;
    }
    let range = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
    let query = RangeQuery { range, max_points: usize::MAX, ..query("kept", now(), Field::Last) };
    let found = store.reader.range(&query).await.expect("an answer");
    assert_eq!(found.len(), SERIES);
    for series in &found {
        let n: f64 = series.series.labels.get("n").and_then(|n| n.parse().ok()).expect("a number");
        let expected = (0..n_windows)
            .map(|window| (first.saturating_add_millis(window * 10_000), (window * 1_000) as f64 + n));
        assert!(series.points.iter().copied().eq(expected), "{}", series.series.labels);
    }
    eprintln!(
        "{n_windows} windows of {SERIES} series; {n_failed} attempts failed; longest write {longest:?}"
    );
    place.clean_up().await;
}
