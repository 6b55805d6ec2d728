//! Queries over store and overlay.

use std::time::Duration;

use sentinel_model::{MetricKind, Resolution, Series};
use sentinel_testkit::build::{NOW, series};
use serde_json::{Value, json};

use super::harness::Harness;

fn counter(pod: &str) -> Series {
    series(MetricKind::Counter, "requests_total", &[("pod", pod), ("namespace", "shop")])
}

fn gauge(pod: &str) -> Series {
    series(MetricKind::Gauge, "used_bytes", &[("pod", pod), ("namespace", "shop")])
}

fn values(series: &Value) -> Vec<Option<f64>> {
    series["points"].as_array().expect("points").iter().map(|point| point[1].as_f64()).collect()
}

#[tokio::test]
async fn stored_windows_continue_into_provisional_ones() {
    let harness = Harness::new();
    harness.stored(&gauge("a"), Resolution::TenSeconds, 60, &[1.0, 2.0, 3.0]).await;
    // The overlay still knows the stored windows, and newer ones.
    harness.live(50, &[(gauge("a"), &[99.0, 99.0, 4.0, 5.0, 6.0])]);
    let answer = harness.json("/api/v1/query_range?match=used_bytes&from=-1m").await;
    assert_eq!(
        values(&answer["series"][0]),
        [Some(1.0), Some(2.0), Some(3.0), Some(4.0), Some(5.0), Some(6.0)]
    );
    assert_eq!(answer["provisional_from_ms"], NOW.as_millis() - 30_000);
    assert_eq!((&answer["function"], &answer["unit"]), (&json!("value"), &json!("bytes")));
    assert_eq!(answer["series"][0]["labels"], json!({"namespace": "shop", "pod": "a"}));
    assert_eq!(answer["series"][0]["stats"]["last"], 6.0);
}

#[tokio::test]
async fn a_counter_gives_its_rate_over_narrow_windows_by_default() {
    let harness = Harness::new();
    harness.stored(&counter("a"), Resolution::TenSeconds, 60, &[100.0, 110.0, 130.0, 5.0]).await;
    harness.live(30, &[(counter("a"), &[5.0, 25.0, 45.0])]);
    let answer = harness.json("/api/v1/query_range?match=requests_total&from=-1m&step=10s").await;
    assert_eq!(
        values(&answer["series"][0]),
        [None, Some(1.0), Some(2.0), Some(0.5), Some(2.0), Some(2.0)],
        "a fall is a reset to zero, and the first window has no predecessor"
    );
    assert_eq!((&answer["function"], &answer["unit"]), (&json!("rate"), &json!("1/s")));
}

#[tokio::test]
async fn wide_windows_continue_into_narrow_ones() {
    let harness = Harness::new();
    // 10 minutes of 1 min windows end 2 minutes ago; the rest is known at 10 s only.
    harness.stored(&counter("a"), Resolution::OneMinute, 720, &[60.0; 10]).await;
    let totals: Vec<f64> = (0..20).map(|i| f64::from(i) * 10.0).collect();
    harness.stored(&counter("a"), Resolution::TenSeconds, 200, &totals).await;
    let answer = harness.json("/api/v1/query_range?match=requests_total&from=-10m&step=1m").await;
    assert_eq!(answer["resolution"], "1m");
    assert_eq!(values(&answer["series"][0]), vec![Some(1.0); 10]);
    let total: Vec<_> = {
        let path = "/api/v1/query_range?match=requests_total&from=-10m&step=1m&function=increase";
        values(&harness.json(path).await["series"][0])
    };
    assert_eq!(total.iter().flatten().sum::<f64>(), 600.0, "nothing is counted twice where they meet");
}

#[tokio::test]
async fn several_metrics_keep_their_names_and_each_has_the_function_of_its_kind() {
    let harness = Harness::new();
    let other = series(MetricKind::Gauge, "used_files", &[("pod", "a"), ("namespace", "shop")]);
    harness.stored(&gauge("a"), Resolution::TenSeconds, 60, &[7.0; 6]).await;
    harness.stored(&other, Resolution::TenSeconds, 60, &[3.0; 6]).await;
    harness.live(60, &[(counter("a"), &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0])]);
    let range = harness.json("/api/v1/query_range?match={namespace=%22shop%22}&from=-30s&step=10s").await;
    let instant = harness.json("/api/v1/query?match={namespace=%22shop%22}").await;
    let names = |answer: &Value| {
        let series = answer["series"].as_array().expect("series").iter();
        series.map(|one| one["labels"]["__name__"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    for answer in [&range, &instant] {
        assert_eq!(names(answer), ["used_bytes", "used_files", "requests_total"]);
        assert_eq!((&answer["function"], &answer["unit"]), (&json!("by_kind"), &json!("none")));
    }
    assert_eq!(values(&range["series"][0]), [Some(7.0); 3]);
    assert_eq!(values(&range["series"][2]), [Some(1.0); 3], "a rate");
    assert_eq!(instant["series"][2]["value"], 1.0);
    let gauges = harness.json("/api/v1/query_range?match={__name__=~%22used_.*%22}&from=-30s").await;
    assert_eq!((names(&gauges).len(), &gauges["function"]), (2, &json!("value")));
    let rates = harness.json("/api/v1/query_range?match={__name__=~%22.*%22}&from=-30s&function=rate").await;
    assert_eq!(rates["function"], "rate", "what is asked for stands");
    let one = harness.json("/api/v1/query_range?match={__name__=%22used_bytes%22}&from=-30s").await;
    assert_eq!(one["series"][0]["labels"], json!({"namespace": "shop", "pod": "a"}));
}

#[tokio::test]
async fn series_are_grouped_and_the_rest_is_summed() {
    let harness = Harness::new();
    for (pod, value) in [("a", 1.0), ("b", 2.0), ("c", 4.0)] {
        harness.stored(&gauge(pod), Resolution::TenSeconds, 20, &[value, value]).await;
    }
    let sum = harness.json("/api/v1/query_range?match=used_bytes&from=-20s&by=namespace").await;
    assert_eq!(sum["series"][0]["labels"], json!({"namespace": "shop"}));
    assert_eq!(values(&sum["series"][0]), [Some(7.0), Some(7.0)]);
    let top = harness.json("/api/v1/query_range?match=used_bytes&from=-20s&limit=1").await;
    assert_eq!((&top["total_series"], &top["others"]["n"]), (&json!(3), &json!(2)));
    assert_eq!(values(&top["others"]), [Some(3.0), Some(3.0)]);
    assert_eq!(top["series"][0]["labels"]["pod"], "c");
}

#[tokio::test]
async fn a_sum_starts_whole_though_targets_are_read_one_after_another() {
    let harness = Harness::new();
    // Data begins 100 s ago; b is first read 10 s later. Then each misses a window now and then.
    harness.stored(&gauge("a"), Resolution::TenSeconds, 100, &[1.0; 10]).await;
    harness.stored(&gauge("b"), Resolution::TenSeconds, 90, &[2.0; 4]).await;
    harness.stored(&gauge("b"), Resolution::TenSeconds, 40, &[2.0; 4]).await;
    harness.stored(&counter("a"), Resolution::TenSeconds, 100, &[0.0, 10.0, 20.0, 30.0, 40.0]).await;
    harness.stored(&counter("b"), Resolution::TenSeconds, 90, &[0.0, 20.0, 40.0, 60.0]).await;
    let sums = async |asked: &str| {
        let path = format!("/api/v1/query_range?aggregate=sum&step=10s&{asked}");
        values(&harness.json(&path).await["series"][0])
    };
    let all = sums("match=used_bytes&from=-120s").await;
    assert_eq!((all[..2].to_vec(), all[2..].to_vec()), (vec![None; 2], vec![Some(3.0); 10]));
    assert_eq!(sums("match=used_bytes&from=-50s").await, vec![Some(3.0); 5], "b misses the first step");
    assert_eq!(sums("match=requests_total&from=-90s&to=-60s").await, vec![Some(3.0); 3]);
}

#[tokio::test]
async fn the_scope_narrows_a_query() {
    let harness = Harness::new();
    harness.stored(&gauge("a"), Resolution::TenSeconds, 20, &[1.0, 1.0]).await;
    let none = harness.json("/api/v1/query_range?match=used_bytes&from=-20s&namespace=media").await;
    assert_eq!(none["series"], json!([]));
    assert_eq!(none["provisional_from_ms"], Value::Null);
    let one = "/api/v1/query_range?match=used_bytes&from=-20s&namespace=media&namespace=shop";
    assert_eq!(harness.json(one).await["total_series"], 1);
}

#[tokio::test]
async fn an_instant_is_the_newest_value_or_the_rate_of_the_last_minute() {
    let harness = Harness::new();
    harness.stored(&gauge("a"), Resolution::TenSeconds, 60, &[1.0, 2.0]).await;
    harness.live(20, &[(gauge("a"), &[7.0])]);
    let now = harness.json("/api/v1/query?match=used_bytes").await;
    assert_eq!(now["series"][0]["value"], 7.0);
    assert_eq!(now["series"][0]["is_provisional"], true);
    let then = harness.json("/api/v1/query?match=used_bytes&at=-45s").await;
    assert_eq!(
        (&then["series"][0]["value"], &then["series"][0]["is_provisional"]),
        (&json!(2.0), &json!(false))
    );
    harness.stored(&counter("a"), Resolution::TenSeconds, 60, &[0.0, 10.0, 20.0, 30.0]).await;
    let rate = harness.json("/api/v1/query?match=requests_total&by=namespace").await;
    assert_eq!(
        rate["series"],
        json!([{
            "labels": {"namespace": "shop"},
            "timestamp_ms": NOW.as_millis() - 30_000,
            "value": 1.0,
            "is_provisional": false,
        }])
    );
}

#[tokio::test]
async fn the_past_is_answered_from_wide_windows() {
    let harness = Harness::new();
    harness.stored(&gauge("a"), Resolution::OneHour, 30 * 86_400, &[5.0; 48]).await;
    let then = harness.json("/api/v1/query?match=used_bytes&at=-29d").await;
    assert_eq!(then["series"][0]["value"], 5.0);
    let month = harness.json("/api/v1/query_range?match=used_bytes&from=-30d").await;
    assert_eq!(month["resolution"], "1h");
    assert!(values(&month["series"][0]).iter().flatten().all(|value| *value == 5.0));
}

#[tokio::test]
async fn infinities_and_nan_are_gaps_in_json() {
    let harness = Harness::new();
    harness.stored(&gauge("a"), Resolution::TenSeconds, 30, &[f64::NAN, f64::INFINITY, 1.0]).await;
    let answer = harness.json("/api/v1/query_range?match=used_bytes&from=-30s").await;
    assert_eq!(values(&answer["series"][0]), [None, None, Some(1.0)]);
}

#[tokio::test]
async fn names_labels_and_newest_values_are_told_from_store_and_overlay() {
    let harness = Harness::new();
    harness.stored(&gauge("a"), Resolution::TenSeconds, 60, &[1.0]).await;
    harness.live(20, &[(gauge("a"), &[2.0]), (counter("b"), &[3.0])]);
    let metrics = harness.json("/api/v1/metrics?q=USED").await;
    assert_eq!(
        metrics["items"],
        json!([{"name": "used_bytes", "kind": "gauge", "unit": "bytes", "n_series": 1}])
    );
    assert_eq!(harness.pages("/api/v1/metrics", 1).await.len(), 2, "a metric is there from its first sample");
    assert_eq!(
        harness.json("/api/v1/metrics/labels?match=used_bytes").await["items"],
        json!(["namespace", "pod"])
    );
    let pods = harness.json("/api/v1/metrics/labels/pod/values?match=used_bytes").await;
    assert_eq!(pods["items"], json!(["a"]));
    let series = harness.json("/api/v1/metrics/series?limit=1").await;
    assert_eq!(series["items"][0]["labels"]["__name__"], "used_bytes");
    let latest = harness.json("/api/v1/metrics/latest").await;
    let told: Vec<_> = latest["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["labels"]["pod"].as_str(), row["value"].as_f64(), row["is_provisional"].as_bool()))
        .collect();
    assert_eq!(told, [(Some("b"), Some(3.0), Some(true)), (Some("a"), Some(2.0), Some(true))]);
}

#[tokio::test]
async fn too_many_series_are_refused_with_the_way_out() {
    let mut config = crate::Config::default();
    config.limits.query_series = 2;
    let harness = Harness::with(config);
    for pod in ["a", "b", "c"] {
        harness.stored(&gauge(pod), Resolution::TenSeconds, 20, &[1.0]).await;
    }
    let answer = harness.get("/api/v1/query_range?match=used_bytes").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!("too_much")));
    assert!(answer.json()["hint"].as_str().is_some_and(|hint| hint.contains("selector")));
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable_and_not_an_empty_answer() {
    let harness = Harness::new();
    harness.metrics.outage.begin();
    harness.logs.outage.begin();
    for path in
        ["/api/v1/query_range?match=up", "/api/v1/metrics", "/api/v1/logs", "/api/v1/events/histogram"]
    {
        let answer = harness.get(path).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("unavailable")), "{path}");
    }
    let overview = harness.json("/api/v1/overview").await;
    assert_eq!(overview["counts"]["n_warning_events"], Value::Null, "what is not known is not zero");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_again_for_a_second_and_about_the_past_for_longer() {
    let harness = Harness::with(crate::Config::default());
    let live = "/api/v1/query_range?match=used_bytes&from=-60s";
    let past = "/api/v1/query_range?match=used_bytes&from=-2h&to=-1h";
    harness.stored(&gauge("a"), Resolution::TenSeconds, 5_400, &[1.0]).await;
    harness.stored(&gauge("a"), Resolution::TenSeconds, 20, &[1.0]).await;
    let n_series = async |path: &str| harness.json(path).await["total_series"].clone();
    assert_eq!((n_series(live).await, n_series(past).await), (json!(1), json!(1)));
    harness.stored(&gauge("b"), Resolution::TenSeconds, 5_400, &[1.0]).await;
    harness.stored(&gauge("b"), Resolution::TenSeconds, 20, &[1.0]).await;
    assert_eq!((n_series(live).await, n_series(past).await), (json!(1), json!(1)), "as before");
    assert_eq!(n_series(&format!("{live}&limit=7")).await, 2, "another question");
    assert_eq!(n_series("/api/v1/query_range?from=-60s&match=used_bytes").await, 1, "the same question");
    tokio::time::advance(harness.app.config.limits.answer_ttl).await;
    assert_eq!((n_series(live).await, n_series(past).await), (json!(2), json!(1)));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(n_series(past).await, 2);
    let counted = |route, outcome| {
        let labels = crate::metrics::Cached { route, outcome };
        harness.app.own.cached_answers.get_or_create(&labels).get()
    };
    assert_eq!((counted("query_range", "hit"), counted("query_range", "miss")), (4, 5));
    harness.json("/api/v1/overview").await;
    harness.json("/api/v1/overview").await;
    harness.json("/api/v1/overview?namespace=shop").await;
    assert_eq!((counted("overview", "hit"), counted("overview", "miss")), (1, 2));
}

#[tokio::test]
async fn a_cache_that_is_away_and_an_error_cost_nothing_but_time() {
    let harness = Harness::with(crate::Config::default());
    harness.stored(&gauge("a"), Resolution::TenSeconds, 20, &[1.0]).await;
    let path = "/api/v1/query_range?match=used_bytes&from=-60s";
    harness.metrics.outage.begin();
    assert_eq!(harness.get(path).await.status.as_u16(), 503);
    harness.metrics.outage.end();
    harness.answers.outage.begin();
    let answer = harness.get(path).await;
    assert_eq!(answer.json()["total_series"], 1, "the error was not kept");
    assert_eq!(answer.header("content-type"), "application/json");
}
