use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Whole {
    name: String,
    processor: Processor,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Pace {
    Slow,
    Fast,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Processor {
    #[serde(with = "duration")]
    allowed_lateness: Duration,
    workers: u32,
    pace: Pace,
}

impl Default for Processor {
    fn default() -> Self {
        Self { allowed_lateness: Duration::from_secs(30), workers: 1, pace: Pace::Slow }
    }
}

fn file(text: &str) -> (tempfile::TempDir, Sources) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("sentinel.toml");
    std::fs::write(&path, text).expect("write the configuration");
    (folder, Sources { file: Some(path), ..Sources::default() })
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let (_folder, mut sources) = file("[processor]\nworkers = 2\nallowed_lateness = \"10s\"\n");
    assert_eq!(load::<Whole>(&sources).expect("valid").processor.workers, 2);
    sources.env = vec![("SENTINEL__PROCESSOR__WORKERS".into(), "3".into())];
    assert_eq!(load::<Whole>(&sources).expect("valid").processor.workers, 3);
    sources.flags = vec![("processor.workers".into(), Value::Integer(4))];
    let whole = load::<Whole>(&sources).expect("valid");
    let wanted = Processor { allowed_lateness: Duration::from_secs(10), workers: 4, pace: Pace::Slow };
    assert_eq!(whole.processor, wanted);
}

#[test]
fn refuses_an_unknown_key_with_the_line_to_write() {
    let (_folder, sources) = file("[processor]\nallowed_latenes = \"10s\"\n");
    let message = load::<Whole>(&sources).expect_err("an unknown key").to_string();
    assert!(message.contains("line 2"), "{message}");
    assert!(message.ends_with("write: allowed_lateness = \"10s\""), "{message}");
}

fn refusal(text: &str) -> String {
    let (_folder, sources) = file(text);
    load::<Whole>(&Sources { examples: &[("name", "\"kitchen\"")], ..sources })
        .expect_err("not usable")
        .to_string()
}

#[test]
fn every_wrong_value_is_told_with_its_line_and_the_line_to_write() {
    let message = refusal("name = 1\n[processor]\nallowed_lateness = \"5\"\nworkers = \"many\"\n");
    for told in [
        "line 1: name: invalid type: integer `1`, expected a string\n    write: name = \"kitchen\"",
        "line 3: processor.allowed_lateness: \"5\" is not a duration",
        "write: allowed_lateness = \"5s\"",
        "line 4: processor.workers: ",
        "write: workers = 1",
    ] {
        assert!(message.contains(told), "{told}: {message}");
    }
}

#[test]
fn a_near_miss_keeps_the_value_that_was_written() {
    assert!(refusal("[processor]\nworkers = \"3\"\n").ends_with("write: workers = 3"));
    assert!(refusal("nam = \"hall\"\n").ends_with("write: name = \"hall\""));
    assert!(refusal("nam = 3\n").ends_with("write: name = \"kitchen\""));
    assert!(refusal("[procesor]\nworkers = 3\n").ends_with("write: [processor]"));
    assert!(refusal("[processor]\npace = \"fats\"\n").ends_with("write: pace = \"fast\""));
    assert!(refusal("[processor]\npace = \"glacial\"\n").ends_with("write: pace = \"slow\""));
}

#[test]
fn what_is_not_toml_is_called_by_its_name() {
    assert!(refusal("{\"processor\": {\"workers\": 1}}").contains("looks like JSON"));
    assert!(refusal("processor:\n  workers: 1\n").contains("looks like YAML"));
    assert!(refusal("name = kitchen table\n").ends_with("write: name = \"kitchen table\""));
}

#[test]
fn all_problems_of_a_section_are_listed() {
    assert!(ConfigError::unless_empty(Vec::new()).is_ok());
    let problems = vec![
        Problem::new("a.b", "is 0", "b = 1"),
        Problem { write: None, ..Problem::new("a.c", "is odd", "") },
    ];
    let message = ConfigError::unless_empty(problems).expect_err("problems").to_string();
    assert_eq!(message, "the configuration is not usable:\n  a.b: is 0\n    write: b = 1\n  a.c: is odd");
}

#[test]
fn names_the_variable_that_is_wrong() {
    let sources =
        Sources { env: vec![("SENTINEL__PROCESSOR__WORKERS".into(), "many".into())], ..Sources::default() };
    let message = load::<Whole>(&sources).expect_err("a wrong type").to_string();
    assert!(message.contains("SENTINEL__PROCESSOR__WORKERS"), "{message}");
}

#[test]
fn says_which_file_is_missing() {
    let sources = Sources { file: Some("/nonexistent/sentinel.toml".into()), ..Sources::default() };
    let message = load::<Whole>(&sources).expect_err("no file").to_string();
    assert!(message.contains("/nonexistent/sentinel.toml") && message.contains("--config"), "{message}");
    assert!(!message.contains("os error"), "its cause says that: {message}");
}

#[test]
fn every_bad_value_is_refused_without_a_panic() {
    for text in [
        "[processor]\nallowed_lateness = \"soon\"",
        "processor = 3",
        "[processor",
        "\u{0}",
        "[processor]\nworkers = -1",
    ] {
        let (_folder, sources) = file(text);
        assert!(load::<Whole>(&sources).is_err(), "{text:?}");
    }
}
