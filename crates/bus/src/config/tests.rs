use std::time::Duration;

use sentinel_model::Topic;
use sentinel_runtime::config::{Sources, load};

use super::keep::*;
use super::*;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Whole {
    bus: Config,
}

fn read(key: &str, value: &str) -> Result<EmbeddedConfig, String> {
    let env = vec![(format!("SENTINEL__BUS__{key}"), value.to_owned())];
    let whole: Whole = load(&Sources { env, ..Sources::default() }).map_err(|error| error.to_string())?;
    match whole.bus {
        Config::Embedded(embedded) => Ok(embedded),
        Config::Kafka(_) => Err("another kind".to_owned()),
    }
}

#[test]
fn one_key_can_be_set_alone() {
    let config = read("RETENTION__METRICS", "3h").expect("valid");
    assert_eq!(config.keep(Topic::Metrics), Keep::Recent { time: HOUR * 3, bytes: 1_024 * MIB });
    assert_eq!(config.keep(Topic::Logs), EmbeddedConfig::default().keep(Topic::Logs));
    assert_eq!(read("FSYNC", "always").expect("valid").fsync, Fsync::Always);
}

#[test]
fn refuses_an_unknown_key_with_the_line_to_write() {
    let message = read("PARTITION", "3").expect_err("an unknown key");
    assert!(message.ends_with("write: partitions = 3"), "{message}");
    assert!(read("KIND", "kafkaesque").is_err());
}

#[test]
fn what_it_prints_can_be_read() {
    let table = toml::Table::try_from(Whole::default()).expect("printable");
    assert_eq!(table["bus"]["kind"].as_str(), Some("embedded"));
    assert_eq!(Whole::deserialize(table).expect("valid"), Whole::default());
}

#[test]
fn only_compacted_topics_keep_the_last_of_each_key() {
    for topic in Topic::ALL {
        let keep = EmbeddedConfig::default().keep(topic);
        assert_eq!(keep, defaults(topic));
        assert_eq!(keep == Keep::LastOfKey, topic.is_compacted());
    }
}

#[test]
fn values_that_cannot_work_are_named() {
    assert_eq!(EmbeddedConfig::default().problems(), []);
    let mut wrong = EmbeddedConfig { partitions: 0, max_message_bytes: 10, ..EmbeddedConfig::default() };
    wrong.retention.live = Duration::ZERO;
    let told: Vec<String> = wrong.problems().iter().map(ToString::to_string).collect();
    assert_eq!(told[0], "bus.partitions: must be 1 to 1024; write: partitions = 4");
    assert!(told[1].ends_with("write: max_message_bytes = \"24MiB\""), "{told:?}");
    assert!(told[2].starts_with("bus.retention.live") && told[2].ends_with("live = \"15m\""), "{told:?}");
}

mod kafka {
    use sentinel_runtime::config::Secret;

    use super::*;

    fn config(text: &str) -> KafkaConfig {
        let whole: Whole = toml::from_str(&format!("[bus]\nkind = \"kafka\"\n{text}")).expect("readable");
        match whole.bus {
            Config::Kafka(kafka) => kafka,
            Config::Embedded(_) => panic!("another kind"),
        }
    }

    /// What is wrong, less what this build lacks.
    fn told(config: &KafkaConfig) -> Vec<String> {
        let problems = config.problems().into_iter().map(|problem| problem.to_string());
        problems.filter(|problem| !problem.contains("this build has")).collect()
    }

    #[test]
    fn brokers_are_all_that_must_be_written() {
        assert_eq!(told(&config("brokers = [\"kafka-1:9092\", \"10.0.0.1:9092\", \"[::1]:9092\"]")), [""; 0]);
        let missing = told(&config(""));
        assert!(missing[0].starts_with("bus.brokers: ") && missing[0].contains("write: brokers = ["));
        for wrong in
            ["kafka-1", "kafka-1:", ":9092", "kafka-1:0", "http://kafka-1:9092", "a:1,b:2", "::1:9092"]
        {
            let told = told(&config(&format!("brokers = [\"{wrong}\"]")));
            assert!(told.iter().any(|problem| problem.starts_with("bus.brokers")), "{wrong}");
        }
    }

    #[test]
    fn topics_are_declared_by_the_same_table_as_on_the_embedded_bus() {
        let config = config("brokers = [\"a:1\"]\n[bus.retention]\nlogs = \"3h\"");
        assert_eq!(config.keep(Topic::Logs), Keep::Recent { time: HOUR * 3, bytes: 512 * MIB });
        for topic in Topic::ALL.into_iter().filter(|topic| *topic != Topic::Logs) {
            assert_eq!(config.keep(topic), EmbeddedConfig::default().keep(topic));
        }
    }

    #[test]
    fn values_that_cannot_work_are_named() {
        let told = told(&config(
            r#"
            brokers = ["a:1"]
            topic_prefix = "my topics"
            partitions = 0
            replication = 0
            linger = "2s"
            max_message_bytes = 1
            publish_buffer_bytes = 1
            session_timeout = "1ms"
            retention.logs = "0s"
            "#,
        ));
        let keys: Vec<&str> = told.iter().filter_map(|problem| problem.split(':').next()).collect();
        assert_eq!(
            keys,
            [
                "bus.topic_prefix",
                "bus.partitions",
                "bus.replication",
                "bus.linger",
                "bus.max_message_bytes",
                "bus.publish_buffer_bytes",
                "bus.session_timeout",
                "bus.retention.logs",
            ]
        );
        assert!(told.iter().all(|problem| problem.contains("; write: ")));
    }

    #[test]
    fn a_login_needs_a_user_and_one_password_and_plain_needs_encryption() {
        let with = |text: &str| told(&config(&format!("brokers = [\"a:1\"]\n{text}")));
        let keys = |text: &str| -> Vec<String> {
            with(text).iter().filter_map(|problem| problem.split(':').next().map(str::to_owned)).collect()
        };
        assert_eq!(keys("sasl = {}"), ["bus.sasl.username", "bus.sasl.password_file"]);
        let both = "sasl = { username = \"a\", password = \"b\", password_file = \"/c\" }";
        assert_eq!(keys(both), ["bus.sasl.password_file"]);
        let plain = "sasl = { username = \"a\", password = \"b\", mechanism = \"plain\" }";
        assert_eq!(keys(plain), ["bus.sasl.mechanism"]);
        assert_eq!(keys(&format!("{plain}\ntls = {{}}")), [""; 0]);
        assert_eq!(keys("tls = { key_file = \"/k\" }"), ["bus.tls.certificate_file"]);
    }

    #[test]
    fn what_this_build_lacks_is_told_with_the_feature_to_build_with() {
        let config = config("brokers = [\"a:1\"]\ntls = {}");
        let problems: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
        let is_told = |feature: &str| problems.iter().any(|problem| problem.contains(feature));
        assert_eq!(is_told("--features kafka,"), cfg!(not(feature = "kafka")));
        assert_eq!(is_told("--features kafka-tls"), cfg!(not(feature = "kafka-tls")));
    }

    #[test]
    fn keys_of_a_kind_can_be_set_from_the_environment_in_any_order() {
        let variables = [("BROKERS", "[\"a:1\"]"), ("SASL__PASSWORD", "hunter2"), ("KIND", "kafka")];
        let env = variables.map(|(key, value)| (format!("SENTINEL__BUS__{key}"), value.to_owned())).to_vec();
        let whole: Whole = load(&Sources { env, ..Sources::default() }).expect("valid");
        let Config::Kafka(kafka) = whole.bus else { panic!("another kind") };
        assert_eq!(kafka.brokers, ["a:1"]);
        assert_eq!(kafka.sasl.expect("a login").password, Secret::new("hunter2"));
        assert!(read("BROKERS", "[\"a:1\"]").is_err(), "the embedded bus has none");
    }

    #[test]
    fn a_password_is_never_printed() {
        let mut config = config("brokers = [\"a:1\"]\nsasl = { username = \"a\", password = \"hunter2\" }");
        config.tls = Some(Tls { key_password: Secret::new("hunter2"), ..Tls::default() });
        let printed = toml::to_string(&Whole { bus: Config::Kafka(config.clone()) }).expect("printable");
        assert!(!printed.contains("hunter2") && !format!("{config:?}").contains("hunter2"), "{printed}");
        assert!(printed.contains("kind = \"kafka\"") && printed.contains("username = \"a\""));
    }

    #[test]
    fn what_it_prints_can_be_read() {
        let whole = Whole { bus: Config::Kafka(config("brokers = [\"a:1\"]\ntls = {}")) };
        let table = toml::Table::try_from(&whole).expect("printable");
        assert_eq!(Whole::deserialize(table).expect("valid"), whole);
    }
}
