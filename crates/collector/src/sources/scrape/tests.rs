//! Scrapes of a server that answers in every wrong way.

mod server;

use std::io::Write as _;
use std::sync::Arc;

use sentinel_model::{MetricBatch, Timestamp};
use sentinel_runtime::{Shutdown, spawn};

use super::*;
use crate::fetch::{scrape_client, target_url};
use crate::metrics::{Reason, Rejection};
use crate::testing::{Bench, FakeBus, Mode};
use crate::{Limits, OutletConfig};
use server::{Answer as Wire, Server, http, ok};

const LIMITS: Limits = Limits {
    body_bytes: 1 << 20,
    samples_per_scrape: 1_000,
    labels_per_series: 20,
    label_name_bytes: 100,
    label_value_bytes: 1_000,
    series_per_target: 1_000,
};

struct Scene {
    bench: Bench,
    scraper: Scraper,
    stream: Option<TargetStream>,
    _folder: tempfile::TempDir,
    _running: crate::outlet::RunningOutlet,
}

impl Scene {
    fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bus = FakeBus::new(Mode::Works);
        let clock = crate::Clock::Wall;
        let mut bench = Bench::with_clock(&bus, folder.path(), OutletConfig::default(), clock);
        let running = bench.service.take().expect("not started").start();
        let pairs = [("job", "test"), ("instance", "here"), ("cluster", "test")];
        let endpoint = Endpoint {
            target: "scrape/test".to_owned(),
            url: target_url(url).expect("an address"),
            kind: TargetKind::Scrape,
            labels: TargetLabels::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))),
            interval: Duration::from_secs(10),
            timeout: Duration::from_millis(400),
            openmetrics: OpenMetricsRules::Strict,
            token_file: None,
        };
        let context = SourceContext { limits: LIMITS, ..bench.context() };
        let stream = Some(bench.outlet.target("scrape/test", TargetKind::Scrape));
        let scraper = Scraper::new(endpoint, scrape_client().expect("a client"), context);
        Self { bench, scraper, stream, _folder: folder, _running: running }
    }

    /// Scrapes once; gives the frame as a reader sees it.
    async fn scrape(&mut self) -> MetricBatch {
        let (_trigger, shutdown) = Shutdown::new();
        let stream = self.stream.take().expect("a stream");
        let (stream, pending) = self.scraper.scrape(stream, &shutdown).await.expect("an answer");
        self.stream = Some(stream);
        pending.publish().await.expect("published");
        let (mut frames, n_lost) = self.bench.bus.frames();
        assert_eq!(n_lost, 0);
        frames.pop().expect("a frame")
    }

    fn rejections(&self, reason: &'static str) -> u64 {
        self.bench.metrics.rejected.get_or_create(&Rejection { door: "scrape", reason }).get()
    }

    fn dropped(&self, reason: &'static str) -> u64 {
        self.bench.metrics.dropped_samples.get_or_create(&Reason { reason }).get()
    }
}

/// Values by printed series; a frame of a fresh stream defines all of its own.
fn values(frame: &MetricBatch) -> Vec<(String, f64)> {
    let name = |point: &sentinel_model::Point| {
        let defined = frame.defined.iter().find(|(number, _)| *number == point.series);
        defined.map_or_else(|| "known".to_owned(), |(_, series)| series.labels.to_string())
    };
    frame.points.iter().map(|point| (name(point), point.value)).collect()
}

fn value(frame: &MetricBatch, name: &str) -> f64 {
    let found = values(frame).into_iter().find(|(series, _)| series.starts_with(&format!("{name}{{")));
    found.unwrap_or_else(|| panic!("{name} is missing")).1
}

const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const GOOD: &str = "# TYPE a counter\na 1\nb{x=\"y\"} 2\n";

fn text(body: impl AsRef<[u8]>) -> Wire {
    ok(TEXT, body.as_ref())
}

fn openmetrics(body: &str) -> Wire {
    ok(OPENMETRICS, body.as_bytes())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).expect("in memory");
    encoder.finish().expect("in memory")
}

fn gzipped(body: &[u8]) -> Wire {
    http(
        "200 OK",
        &format!("content-type: {TEXT}\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n", body.len()),
        body,
    )
}

/// What a target may answer, and the reason for which it is refused.
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_answers() -> Vec<(&'static str, Wire, &'static str)> {
    let samples = "a 1\n".repeat(1_001);
    let labels: String = (0..30).map(|i| format!("l{i}=\"1\",")).collect();
    let long = "x".repeat(2_000);
    let exemplar = format!("# TYPE a counter\na_total 1 # {{t=\"{}\"}} 1\n# EOF\n", "x".repeat(130));
    vec![
        ("a login page", ok("text/html; charset=utf-8", b"<html>log in</html>"), "content_type"),
        ("JSON", ok("application/json", b"{}"), "content_type"),
        ("protobuf", ok("application/vnd.google.protobuf", b"\xff\xff\xff\xff\x7f"), "content_type"),
        ("a login page called text", text("<html>log in</html>"), "syntax"),
        ("no content", http("204 No Content", "", b""), "status"),
        ("unauthorized", http("401 Unauthorized", "content-length: 0\r\n", b""), "status"),
        ("too many requests", http("429 Too Many Requests", "content-length: 0\r\n", b""), "status"),
        (
            "an error with metrics",
            http("500 Oops", &format!("content-length: {}\r\n", GOOD.len()), GOOD.as_bytes()),
            "status",
        ),
        ("a redirect", http("301 Moved", "location: /x\r\ncontent-length: 0\r\n", b""), "redirect"),
        (
            "a redirect to credentials",
            http("302 Found", "location: http://169.254.169.254/\r\ncontent-length: 0\r\n", b""),
            "redirect",
        ),
        ("no answer", Wire::Hang, "timeout"),
        ("an endless body", Wire::Endless, "body_too_large"),
        ("a body of one byte at a time", Wire::Trickle, "timeout"),
        ("a closed connection", Wire::Raw(Vec::new()), "connect"),
        ("another protocol", Wire::Raw(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()), "connect"),
        ("endless headers", Wire::EndlessHeaders, "connect"),
        (
            "a body cut short",
            http("200 OK", &format!("content-type: {TEXT}\r\ncontent-length: 1000\r\n"), GOOD.as_bytes()),
            "body_broken",
        ),
        (
            "chunks without end",
            http(
                "200 OK",
                &format!("content-type: {TEXT}\r\ntransfer-encoding: chunked\r\n"),
                b"4\r\na 1\n\r\n",
            ),
            "body_broken",
        ),
        (
            "a chunk of a wrong length",
            http(
                "200 OK",
                &format!("content-type: {TEXT}\r\ntransfer-encoding: chunked\r\n"),
                b"zz\r\na 1\n\r\n0\r\n\r\n",
            ),
            "body_broken",
        ),
        ("a gzip bomb", gzipped(&gzip(&vec![b'#'; 64 << 20])), "body_too_large"),
        ("gzip that is none", gzipped(b"a 1\n"), "body_broken"),
        ("gzip cut short", gzipped(&gzip(GOOD.as_bytes())[..20]), "body_broken"),
        ("one long line", text("a".repeat(2 << 20)), "body_too_large"),
        ("too many samples", text(&samples), "sample_limit"),
        ("too many labels", text(format!("a{{{labels}}} 1\n")), "label_limit"),
        ("a long label value", text(format!("a{{b=\"{long}\"}} 1\n")), "label_value_limit"),
        ("a long label name", text(format!("a{{{long}=\"b\"}} 1\n")), "label_name_limit"),
        ("a label twice", text("a{b=\"1\",b=\"2\"} 1\n"), "duplicate_label"),
        ("a name as a label", text("a{__name__=\"b\"} 1\n"), "duplicate_label"),
        ("no name", text("{b=\"1\"} 1\n"), "syntax"),
        ("not UTF-8", text(b"a{b=\"\xff\"} 1\n"), "utf8"),
        ("a byte order mark", text("\u{feff}a 1\n"), "syntax"),
        ("UTF-16", text(b"a\0 \x001\0\n\0"), "value"),
        ("line ends of Windows", text("a 1\r\n"), "value"),
        ("a hexadecimal value", text("a 0x1p-3\n"), "value"),
        ("a value with underscores", text("a 1_000\n"), "value"),
        ("a value that does not fit", text("a 1e999\n"), "value"),
        ("no value", text("a\n"), "value"),
        ("a broken timestamp", text("a 1 soon\n"), "timestamp"),
        ("a timestamp that does not fit", text("a 1 99999999999999999999\n"), "timestamp"),
        ("an unclosed quote", text("a{b=\"c} 1\n"), "labels"),
        ("an unknown type", text("# TYPE a thermometer\na 1\n"), "metadata"),
        ("OpenMetrics without its end", openmetrics("a 1\n"), "eof"),
        ("OpenMetrics behind its end", openmetrics("a 1\n# EOF\nb 1\n"), "eof"),
        ("a type that changes", openmetrics("# TYPE a gauge\na 1\n# TYPE a counter\n# EOF\n"), "metadata"),
        (
            "a family in two places",
            openmetrics("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n"),
            "clash",
        ),
        ("a negative counter", openmetrics("# TYPE a counter\na_total -1\n# EOF\n"), "value"),
        (
            "a histogram without +Inf",
            openmetrics("# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n"),
            "histogram",
        ),
        ("a unit that does not fit", openmetrics("# UNIT a seconds\na 1\n# EOF\n"), "unit"),
        ("a long exemplar", openmetrics(&exemplar), "exemplar"),
    ]
}

#[tokio::test]
async fn a_bad_answer_stores_nothing_but_that_the_target_is_down() {
    let answers = bad_answers();
    assert!(answers.len() >= 40);
    for (what, answer, reason) in answers {
        let server = Server::start(answer).await;
        let mut scene = Scene::new(&server.url("/metrics"));
        let frame = scene.scrape().await;
        assert_eq!(scene.rejections(reason), 1, "{what}: {:?}", scene.bench.metrics.rejected);
        assert_eq!(frame.points.len(), 5, "{what}: {:?}", values(&frame));
        assert_eq!((value(&frame, "up"), value(&frame, "scrape_samples_scraped")), (0.0, 0.0), "{what}");
        assert!(value(&frame, "scrape_duration_seconds") < 5.0, "{what}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_down_too() {
    let url = {
        let server = Server::start(Wire::Hang).await;
        server.url("/metrics")
    };
    for url in [url.clone(), url.replace("http:", "https:"), "http://nothing.invalid/metrics".to_owned()] {
        let mut scene = Scene::new(&url);
        assert_eq!(value(&scene.scrape().await, "up"), 0.0, "{url}");
        assert_eq!(scene.rejections("connect"), 1, "{url}");
    }
}

#[tokio::test]
async fn a_good_answer_becomes_samples_with_the_targets_labels() {
    let body = "# TYPE a counter\na{job=\"own\"} 1\nb 2.5 1000\nc +Inf\nd NaN\n{\"quoted.name\",x=\"1\"} 3\n";
    for answer in [text(body), gzipped(&gzip(body.as_bytes())), openmetrics("a 1\n# EOF\n"), ok("", b"a 1\n")]
    {
        let server = Server::start(answer).await;
        let mut scene = Scene::new(&server.url("/metrics?x=1"));
        let frame = scene.scrape().await;
        assert_eq!(value(&frame, "up"), 1.0, "{:?}", values(&frame));
        let request = server.request();
        assert!(request.starts_with("GET /metrics?x=1 HTTP/1.1\r\n"), "{request}");
        for header in [
            "openmetrics-text",
            "text/plain",
            "accept-encoding: gzip",
            "x-prometheus-scrape-timeout-seconds: 0.4",
        ] {
            assert!(request.to_lowercase().contains(header), "{header} in {request}");
        }
    }
    let server = Server::start(text(body)).await;
    let mut scene = Scene::new(&server.url("/metrics"));
    let frame = scene.scrape().await;
    let names: Vec<String> = values(&frame).into_iter().map(|(name, _)| name).collect();
    let labels = r#"cluster="test",instance="here",job="test""#;
    assert_eq!(names[0], r#"a{cluster="test",exported_job="own",instance="here",job="test"}"#);
    assert_eq!(names[1], format!("b{{{labels}}}"));
    assert_eq!(names[4], format!("quoted.name{{{labels},x=\"1\"}}"));
    assert_eq!(frame.points[1].timestamp, Timestamp::from_millis(1_000));
    assert_eq!(frame.points[0].timestamp, frame.scraped);
    assert_eq!((value(&frame, "scrape_samples_scraped"), value(&frame, "scrape_series_added")), (5.0, 5.0));
}

#[tokio::test]
async fn a_token_is_read_for_each_scrape() {
    let server = Server::start(text(GOOD)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    let mut scene = Scene::new(&server.url("/metrics"));
    scene.scraper.endpoint.token_file = Some(path.clone());
    assert_eq!(value(&scene.scrape().await, "up"), 0.0);
    assert_eq!(scene.rejections("token"), 1, "there is no file yet");
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).expect("a token");
        scene.scrape().await;
        assert!(server.request().contains(&format!("authorization: Bearer {token}\r\n")), "{token}");
    }
    assert_eq!(scene.rejections("token"), 1, "and both were read");
}

#[tokio::test]
async fn single_samples_are_dropped_by_rule_and_counted() {
    let body = "a 1\na 1\na 2\nfuture 1 4102444800000\nlate 1 2000\nlate 1 1000\n";
    let server = Server::start(text(body)).await;
    let mut scene = Scene::new(&server.url("/metrics"));
    let frame = scene.scrape().await;
    assert_eq!((value(&frame, "up"), value(&frame, "a")), (1.0, 1.0));
    assert_eq!(
        (value(&frame, "scrape_samples_scraped"), value(&frame, "scrape_samples_post_metric_relabeling")),
        (6.0, 3.0)
    );
    assert_eq!((scene.dropped("duplicate_in_scrape"), scene.dropped("future_timestamp")), (2, 1));
}

#[tokio::test]
async fn broken_rules_are_overlooked_and_counted_where_the_configuration_says_so() {
    let broken = "# TYPE a counter\na_total -1\n# EOF\n";
    let server = Server::start(openmetrics(broken)).await;
    let mut scene = Scene::new(&server.url("/metrics"));
    scene.scraper.endpoint.openmetrics = OpenMetricsRules::Lenient;
    let frame = scene.scrape().await;
    assert_eq!((value(&frame, "up"), value(&frame, "a_total")), (1.0, -1.0));
    let tolerated = scene.bench.metrics.tolerated_scrapes.get_or_create(&Reason { reason: "value" }).get();
    assert_eq!((tolerated, scene.rejections("value")), (1, 0));
    // What is cut off or no OpenMetrics at all fails as before.
    for (body, reason) in [("# TYPE a counter\na_total 1\n", "eof"), ("a  1\n# EOF\n", "value")] {
        let server = Server::start(openmetrics(body)).await;
        let mut scene = Scene::new(&server.url("/metrics"));
        scene.scraper.endpoint.openmetrics = OpenMetricsRules::Lenient;
        assert_eq!((value(&scene.scrape().await, "up"), scene.rejections(reason)), (0.0, 1), "{reason}");
    }
}

#[tokio::test]
async fn a_target_that_fails_once_goes_on_where_it_was() {
    let server = Server::start(text(GOOD)).await;
    let mut scene = Scene::new(&server.url("/metrics"));
    let first = scene.scrape().await;
    server.set(text("a{"));
    let second = scene.scrape().await;
    server.set(text(GOOD));
    let third = scene.scrape().await;
    assert_eq!([first.points.len(), second.points.len(), third.points.len()], [7, 5, 7]);
    assert_eq!([first.sequence, second.sequence, third.sequence], [0, 1, 2]);
    assert!(third.defined.is_empty(), "every series is known from the first scrape");
}

#[tokio::test]
async fn scrapes_until_it_is_asked_to_stop_and_does_not_wait_for_a_slow_target_then() {
    let server = Server::start(text(GOOD)).await;
    let mut scene = Scene::new(&server.url("/metrics"));
    scene.scraper.endpoint.interval = Duration::from_millis(20);
    let (trigger, shutdown) = Shutdown::new();
    let bus = Arc::clone(&scene.bench.bus);
    let running = spawn("scrape", Box::new(scene.scraper).run(shutdown));
    server.answered(3).await;
    server.set(Wire::Hang);
    server.answered(1).await;
    trigger.trigger();
    tokio::time::timeout(Duration::from_secs(5), running).await.expect("it stops");
    let (frames, n_lost) = bus.frames();
    assert!(frames.len() >= 2 && n_lost == 0);
}
