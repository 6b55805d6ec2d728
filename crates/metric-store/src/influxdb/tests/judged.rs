//! Lines that the real server refuses, and buckets that are not as they should be.

use std::sync::Arc;
use std::time::Duration;

use sentinel_model::{Aggregate, Field, Kept, Resolution, RetentionSetting, Window};
use sentinel_runtime::{Health, Registry};

use super::real::{Place, now, place};
use crate::contract::{query, row};
use crate::influxdb::lines::{Lines, RowAt};
use crate::influxdb::metrics::InfluxdbMetrics;
use crate::influxdb::server::Server;
use crate::metrics::Metrics;
use crate::{Retention, WindowRows};

fn server(place: &Place) -> Arc<Server> {
    let (health, mut registry) = (Health::default(), Registry::default());
    let metrics = InfluxdbMetrics::register(&mut registry);
    let component = health.component("metric-store");
    Arc::new(Server::new(place.config.clone(), component, metrics, Metrics::default()).expect("a server"))
}

fn lines(texts: impl Iterator<Item = String>) -> Lines {
    let mut lines = Lines::default();
    for (n, text) in texts.enumerate() {
        lines.push(RowAt { window: 0, row: n as u32 }, |out| out.extend_from_slice(text.as_bytes()));
    }
    lines
}

fn window() -> Window {
    Window::holding(now(), Resolution::TenSeconds)
}

#[tokio::test]
async fn of_five_thousand_lines_only_the_bad_ones_are_rejected() {
    let Some(place) = place("bad") else { return };
    let server = server(&place);
    server.prepare().await.expect("buckets");
    let ms = window().start.as_millis();
    let line = |n: usize| match n {
        17 => format!("five,n={n:04} last=NaN,shape=0i {ms}"),
        2_500 => format!("five,n={n:04} last= {ms}"),
        4_999 => format!("five,n= last=1 {ms}"),
        n => format!("five,n={n:04} last={n},shape=0i {ms}"),
    };
    let bucket = server.bucket(Resolution::TenSeconds);
    let delivery = server.deliver(&bucket, lines((0..5_000).map(line))).await.expect("judged");
    let mut rejected: Vec<u32> = delivery.rejected.iter().map(|(at, _)| at.row).collect();
    rejected.sort_unstable();
    assert_eq!(rejected, [17, 2_500, 4_999], "{:?}", delivery.rejected);
    let found = place.open().reader.range(&query("five", now(), Field::Last)).await.expect("an answer");
    assert_eq!(found.len(), 4_997);
    place.clean_up().await;
}

#[tokio::test]
async fn fields_of_another_type_are_rejected_and_the_rest_is_stored() {
    let Some(place) = place("types") else { return };
    let (server, store) = (server(&place), place.open());
    server.prepare().await.expect("buckets");
    let ms = window().start.as_millis();
    let foreign = ["first", "sec,ond"].map(|name| format!("{} last=\"text\" {ms}", name.replace(',', "\\,")));
    let bucket = server.bucket(Resolution::TenSeconds);
    server.deliver(&bucket, lines(foreign.into_iter())).await.expect("stored");
    let metrics = ["a", "first", "b", "sec,ond", "firstborn", "first"];
    let rows = metrics.iter().enumerate().map(|(n, name)| row(name, &n.to_string(), Aggregate::Single(1.0)));
    let windows = vec![WindowRows { window: window(), rows: rows.collect() }];
    let report = store.writer.write(windows.into()).await.expect("judged");
    let mut rejected: Vec<&str> =
        report.rejected.iter().map(|rejected| rejected.row.series.labels.metric_name()).collect();
    rejected.sort_unstable();
    assert_eq!((report.n_written, rejected), (3, vec!["first", "first", "sec,ond"]));
    assert!(report.rejected[0].reason.contains("type conflict"), "{}", report.rejected[0].reason);
    for name in ["a", "b", "firstborn"] {
        assert_eq!(store.reader.range(&query(name, now(), Field::Last)).await.expect("an answer").len(), 1);
    }
    place.clean_up().await;
}

#[tokio::test]
async fn a_label_that_is_too_long_is_rejected_alone() {
    let Some(place) = place("long") else { return };
    let store = place.open();
    let names = ["short".to_owned(), "x".repeat(64_900), "x".repeat(65_000), "\n".repeat(22_000)];
    let rows = names.iter().map(|n| row("long", n, Aggregate::Single(1.0))).collect();
    let report = store.writer.write([WindowRows { window: window(), rows }].into()).await.expect("judged");
    assert_eq!((report.n_written, report.rejected.len()), (2, 2));
    assert_eq!(store.reader.range(&query("long", now(), Field::Last)).await.expect("an answer").len(), 2);
    place.clean_up().await;
}

#[tokio::test]
async fn a_bucket_that_is_deleted_under_us_is_created_again() {
    let Some(place) = place("deleted") else { return };
    let store = place.open();
    let windows = || vec![WindowRows { window: window(), rows: vec![row("m", "0", Aggregate::Single(1.0))] }];
    store.writer.write(windows().into()).await.expect("written");
    place.delete_buckets().await;
    let error = store.writer.write(windows().into()).await.expect_err("no bucket");
    assert!(error.is_retryable(), "{error}");
    let report = loop {
        match store.writer.write(windows().into()).await {
            Ok(report) => break report,
            Err(error) => tokio::time::sleep(error.retry_after().expect("a time")).await,
        }
    };
    assert_eq!(report.n_written, 1);
    place.clean_up().await;
}

#[tokio::test]
async fn creates_no_bucket_where_it_must_not_and_says_how_to() {
    let Some(mut place) = place("none") else { return };
    place.config.create_buckets = false;
    let store = place.open();
    let windows = vec![WindowRows { window: window(), rows: vec![row("m", "0", Aggregate::Single(1.0))] }];
    let error = store.writer.write(windows.into()).await.expect_err("no bucket").to_string();
    let command = format!("influx bucket create --org sentinel --name {}_10s", place.config.bucket_prefix);
    assert!(error.contains(&command), "{error}");
    place.clean_up().await;
}

#[tokio::test]
async fn what_somebody_has_set_alters_buckets_also_where_it_is_less() {
    let Some(mut place) = place("set") else { return };
    let name = format!("{}_10s", place.config.bucket_prefix);
    let set = |hours: u64| {
        let kept = Kept::Metrics(Resolution::TenSeconds);
        RetentionSetting::new([(kept, Duration::from_secs(hours * 3_600))]).expect("within the bounds")
    };
    let store = server(&place);
    for hours in [5, 90, 2] {
        store.keep(&set(hours)).await.expect("altered");
        assert_eq!(place.retention(&name).await.0, i64::try_from(hours).expect("few") * 3_600);
    }
    // Another process that does not know of it leaves it alone, and one that may not alter buckets says so.
    server(&place).prepare().await.expect("buckets");
    assert_eq!(place.retention(&name).await.0, 7_200);
    place.config.create_buckets = false;
    let error = server(&place).keep(&set(3)).await.expect_err("not altered").to_string();
    assert!(error.contains("influx bucket update --id ") && error.contains("--retention 3h"), "{error}");
    server(&place).keep(&set(2)).await.expect("it is so already");
    place.clean_up().await;
}

#[tokio::test]
async fn lengthens_the_retention_of_buckets_that_are_there_and_never_shortens_it() {
    let Some(mut place) = place("altered") else { return };
    server(&place).prepare().await.expect("buckets");
    let name = format!("{}_10s", place.config.bucket_prefix);
    assert_eq!(place.retention(&name).await, (172_800, 43_200));
    for (wanted, kept) in [(7_200, 172_800), (345_600, 345_600)] {
        place.config.retention =
            Retention { ten_seconds: Duration::from_secs(wanted), ..Retention::default() };
        let server = server(&place);
        server.prepare().await.expect("buckets");
        assert_eq!(place.retention(&name).await.0, 172_800, "what people have set is not known yet");
        server.keep(&RetentionSetting::default()).await.expect("as configured");
        assert_eq!(place.retention(&name).await.0, kept);
    }
    place.clean_up().await;
}
