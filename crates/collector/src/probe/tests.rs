use std::collections::BTreeMap;

use super::*;
use crate::sources::kubernetes::testing::{Asked, Reply, Server};
use crate::{Enabled, KubernetesConfig, OpenMetricsRules, ScrapeTarget};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn target(url: String) -> ScrapeTarget {
    ScrapeTarget {
        url,
        name: None,
        labels: BTreeMap::new(),
        interval: None,
        openmetrics: None,
        token_file: None,
    }
}

fn config(targets: Vec<ScrapeTarget>) -> Config {
    let kubernetes = KubernetesConfig { enabled: Enabled::Never, ..KubernetesConfig::default() };
    Config { kubernetes, scrape: targets, ..Config::default() }
}

async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    probe(config, "test", &mut |finding| findings.push(finding)).await;
    findings
}

fn answer(asked: &Asked) -> Reply {
    let openmetrics = |body: &str| Reply::ok(body).header("content-type", OPENMETRICS);
    match asked.target.as_str() {
        "/good" => Reply::ok("a 1\nb 2\n"),
        "/openmetrics" => openmetrics("a 1\n# EOF\n"),
        "/empty" => Reply::ok("# nothing yet\n"),
        "/broken" => Reply::ok("a 1\nb{c= 2\n"),
        "/rule" => openmetrics("# TYPE a counter\na_total -1\n# EOF\n"),
        "/login" => Reply::ok("<html>").header("content-type", "text/html"),
        "/secret" => Reply::status(401, "who are you"),
        "/moved" => Reply::status(301, "").header("location", "/metrics"),
        "/wide" => Reply::ok(format!("a{{b=\"{}\"}} 1\n", "x".repeat(20_000))),
        "/slow" => Reply::ok("a 1\n").then_hang(),
        _ => Reply::status(404, "not found"),
    }
}

#[tokio::test]
async fn says_of_each_target_what_a_scrape_would_give_and_what_to_do() {
    let server = Server::start(|asked, _| answer(asked)).await;
    let expected = [
        ("/good", Verdict::Ok, "2 samples in text", ""),
        ("/openmetrics", Verdict::Ok, "1 samples in OpenMetrics", ""),
        ("/empty", Verdict::Warning, "without a single sample", "check the path"),
        ("/broken", Verdict::Problem, "line 2: ", "sentinel check metrics"),
        ("/rule", Verdict::Problem, "line 2: ", "openmetrics = \"lenient\""),
        ("/login", Verdict::Problem, "text/html", "check the path"),
        ("/secret", Verdict::Problem, "401", "token_file"),
        ("/moved", Verdict::Problem, "redirect", "/metrics"),
        ("/none", Verdict::Problem, "404", "check the path"),
        ("/wide", Verdict::Problem, "label_value_bytes", "raise the limit"),
        ("/slow", Verdict::Problem, "within", "curl"),
    ];
    let targets = expected.map(|(path, ..)| target(format!("{}{path}", server.url)));
    let config = Config { scrape_timeout: Duration::from_millis(500), ..config(targets.into()) };
    let findings = findings(&config).await;
    assert_eq!(findings[0].subject, Subject::Cluster);
    assert_eq!(findings.len(), expected.len() + 1);
    for ((path, verdict, fact, next), finding) in expected.into_iter().zip(&findings[1..]) {
        assert_eq!(finding.verdict, verdict, "{path}: {finding:?}");
        let said = finding.next.clone().unwrap_or_default();
        assert!(finding.fact.contains(fact) && said.contains(next), "{path}: {finding:?}");
        assert_eq!(finding.next.is_none(), verdict == Verdict::Ok, "{path}");
        assert!(finding.subject.to_string().ends_with(path));
    }
}

#[tokio::test]
async fn a_target_that_may_break_rules_is_fine() {
    let server = Server::start(|asked, _| answer(asked)).await;
    let lenient = Some(OpenMetricsRules::Lenient);
    let lenient = ScrapeTarget { openmetrics: lenient, ..target(format!("{}/rule", server.url)) };
    assert_eq!(findings(&config(vec![lenient])).await[1].verdict, Verdict::Ok);
}

#[tokio::test]
async fn nobody_there_and_settings_that_cannot_work_are_problems() {
    let gone = { Server::start(|asked, _| answer(asked)).await.url.clone() };
    let mut found = findings(&config(vec![target(gone), target("localhost:9100".to_owned())])).await;
    assert_eq!(found.remove(0).subject, Subject::Settings);
    assert!(found[1].fact.contains("no connection"), "{found:?}");
    assert!(found[2].fact.contains("http://"), "{found:?}");
    assert_eq!((found[1].verdict, found[2].verdict), (Verdict::Problem, Verdict::Problem));
    let wrong = Config { scrape_interval: Duration::ZERO, ..config(Vec::new()) };
    let found = findings(&wrong).await;
    assert_eq!((&found[0].subject, found[0].verdict), (&Subject::Settings, Verdict::Problem));
    assert!(found[0].fact.contains("scrape_interval"));
}

#[tokio::test]
async fn an_exposition_comes_with_the_format_that_the_collector_would_read() {
    let server = Server::start(|asked, _| answer(asked)).await;
    let limits = Limits { body_bytes: 100, ..Limits::default() };
    let config = Config { limits, scrape_timeout: Duration::from_millis(500), ..config(Vec::new()) };
    let fetched = async |path: &str| {
        let terms = Terms::of(&config, "test", &format!("{}{path}", server.url)).expect("an address");
        fetch_exposition(&terms).await
    };
    let good = fetched("/openmetrics").await.expect("an answer");
    assert_eq!((good.body.as_slice(), good.format.ok()), (&b"a 1\n# EOF\n"[..], Some(Format::OpenMetrics)));
    assert!(fetched("/login").await.expect("an answer").format.is_err());
    for path in ["/wide", "/slow", "/moved"] {
        assert!(matches!(fetched(path).await, Err(ExpositionError::Fetch(_))), "{path}");
    }
    assert!(Terms::of(&config, "test", "http://").is_err());
}

#[test]
fn a_body_is_read_on_the_terms_of_its_target() {
    let url = "http://127.0.0.1:9100/metrics";
    let lenient = Some(OpenMetricsRules::Lenient);
    let mut config = config(vec![ScrapeTarget { openmetrics: lenient, ..target(url.to_owned()) }]);
    config.limits = Limits { samples_per_scrape: 2, labels_per_series: 5, ..config.limits };
    let read = |source: &str, body: &str, format| {
        let mut names = Vec::new();
        let terms = Terms::of(&config, "test", source).expect("an address");
        terms
            .read(body.as_bytes(), format, |sample| names.push(sample.name().into_owned()))
            .map_err(|error| error.reason())
            .map(|_| names.join(" "))
    };
    assert_eq!(read("-", "a 1\nb 1\n", Format::Text).as_deref(), Ok("a b"));
    assert_eq!(read("-", "a 1\nb 1\nc 1\n", Format::Text), Err("sample_limit"));
    assert_eq!(read("-", "a{x=\"1\",y=\"1\"} 1\n", Format::Text), Err("label_limit"));
    assert_eq!(read("-", "a{x=\"1\",x=\"2\"} 1\n", Format::Text), Err("duplicate_label"));
    let scattered = "# TYPE a counter\na_total -1\n# EOF\n";
    assert!(read("file", scattered, Format::OpenMetrics).is_err());
    assert_eq!(read(url, scattered, Format::OpenMetrics).as_deref(), Ok("a_total"));
}
