use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Whole {
    processor: Processor,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Processor {
    #[serde(with = "duration")]
    allowed_lateness: Duration,
    workers: u32,
}

impl Default for Processor {
    fn default() -> Self {
        Self { allowed_lateness: Duration::from_secs(30), workers: 1 }
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
    assert_eq!(whole.processor, Processor { allowed_lateness: Duration::from_secs(10), workers: 4 });
}

#[test]
fn refuses_an_unknown_key_with_the_line_to_write() {
    let (_folder, sources) = file("[processor]\nallowed_latenes = \"10s\"\n");
    let message = load::<Whole>(&sources).expect_err("an unknown key").to_string();
    assert!(message.contains("line 2"), "{message}");
    assert!(message.ends_with("write: allowed_lateness = \"30s\""), "{message}");
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
    assert!(load::<Whole>(&sources).expect_err("no file").to_string().contains("/nonexistent/sentinel.toml"));
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
