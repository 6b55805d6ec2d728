use super::*;

fn size(n_series: u64, rate: Rate) -> Result<Size, String> {
    Size::new(n_series, rate).map_err(|error| error.to_string())
}

#[test]
fn the_rate_decides_how_often_and_the_series_how_much() {
    let usual = size(10_000, Rate::PerSecond(730.0)).expect("usual");
    assert_eq!(usual.interval, Duration::from_secs(10));
    assert!((50..100).contains(&usual.n_pods) && usual.n_nodes == 2, "{usual:?}");
    let large = size(100_000, Rate::PerSecond(36_500.0)).expect("large");
    assert_eq!(large.interval, Duration::from_secs(2));
    assert!(large.n_nodes > 10 && large.n_pods / large.n_nodes <= PODS_PER_NODE, "{large:?}");
    let small = size(1, Rate::Max).expect("small");
    assert_eq!((small.n_pods, small.n_nodes, small.rate), (1, 2, None));
}

#[test]
fn a_rate_that_cannot_be_tells_what_can() {
    let often = size(1_000, Rate::PerSecond(50_000.0)).expect_err("fifty a second");
    assert!(often.contains("--series 6850 or more"), "{often}");
    let seldom = size(100_000, Rate::PerSecond(10.0)).expect_err("every three hours");
    assert!(seldom.contains("--rate 1217 or more"), "{seldom}");
    assert!(size(0, Rate::Max).is_err() && size(MOST_SERIES + 1, Rate::Max).is_err());
}

fn args() -> BenchPipelineArgs {
    BenchPipelineArgs {
        config: None,
        series: 1_000,
        rate: Rate::PerSecond(100.0),
        duration: Duration::from_secs(5),
        warm_up: Duration::ZERO,
        collectors: 1,
        processors: 1,
        allowed_lateness: Duration::ZERO,
        output: crate::cli::Output::Text,
        folder: None,
        keep: false,
    }
}

const SERVERS: &str = r#"
    [bus]
    kind = "kafka"
    brokers = ["127.0.0.1:1"]
    topic_prefix = "mine."
    [metric_store]
    kind = "influxdb"
    url = "http://127.0.0.1:1"
    org = "o"
    token = "secret-token"
    [log_store]
    kind = "elasticsearch"
    url = "http://127.0.0.1:1"
    [[collector.scrape]]
    url = "http://of-the-user:1/metrics"
"#;

fn plan(text: &str, change: impl FnOnce(&mut BenchPipelineArgs)) -> anyhow::Result<Plan> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sentinel.toml");
    std::fs::write(&file, text).expect("written");
    let mut args = BenchPipelineArgs { config: Some(file), ..args() };
    change(&mut args);
    Plan::new(&args)
}

#[test]
fn nothing_on_a_server_has_the_users_name() {
    let plan = plan(SERVERS, |_| {}).expect("usable");
    let sentinel_bus::Config::Kafka(kafka) = &plan.config.bus else { panic!("not Kafka") };
    assert!(kafka.topic_prefix.starts_with("mine.bench"), "{}", kafka.topic_prefix);
    assert_eq!(plan.config.log_store.problems(), []);
    let names: Vec<&str> = plan.environment.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["BUS__TOPIC_PREFIX", "METRIC_STORE__BUCKET_PREFIX", "LOG_STORE__INDEX_PREFIX"] {
        assert!(names.contains(&format!("SENTINEL__{name}").as_str()), "{name}: {names:?}");
    }
    let text = plan.roles_config("http://127.0.0.1:9");
    assert!(text.contains("secret-token") && !text.contains("of-the-user"), "{text}");
    let _: Config = toml::from_str(&text).expect("a configuration");
}

#[test]
fn processes_are_as_many_as_can_share() {
    let parts = |text: &str, n: usize| plan(text, |args| args.processors = n).map(|plan| plan.parts());
    assert_eq!(parts("", 1).expect("usable"), [Part::AllRoles]);
    assert_eq!(
        parts(SERVERS, 2).expect("usable"),
        [Part::Collector, Part::Processor, Part::Processor, Part::Api]
    );
    let kafka_only = "[bus]\nkind = \"kafka\"\nbrokers = [\"127.0.0.1:1\"]\n";
    assert_eq!(parts(kafka_only, 1).expect("usable"), [Part::Collector, Part::ProcessorAndApi]);
    for (text, told) in [("", "bus.kind = \"kafka\""), (kafka_only, "metric_store.kind")] {
        let refused = parts(text, 2).expect_err("cannot share").to_string();
        assert!(refused.contains(told), "{refused}");
    }
}

#[test]
fn variables_reach_the_roles_only_where_the_file_would() {
    assert!(is_for_roles("SENTINEL__METRIC_STORE__TOKEN") && is_for_roles("SENTINEL__MIN_FREE_DISK"));
    assert!(!is_for_roles("SENTINEL__COLLECTOR__SCRAPE") && !is_for_roles("SENTINEL__DATA_DIR"));
    assert!(!is_for_roles("SENTINEL__API__TOKEN") && !is_for_roles("SENTINEL__BUSY"));
}
