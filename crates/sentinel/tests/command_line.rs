//! What the commands say of input that cannot work, and how they end.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn sentinel(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sentinel"));
    command.args(arguments).env_remove("KUBECONFIG").env_remove("SENTINEL_CONFIG");
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = sentinel(arguments).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("write the file");
    path.display().to_string()
}

#[test]
fn what_run_refuses_is_told_by_config_check_and_doctor_before_anything_is_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(
        folder.path(),
        "sentinel.toml",
        "[api]\nlisten = \"0.0.0.0:0\"\n[log]\nlevel = \"loud\"\n[[collector.scrape]]\nurl = \"ftp://h/\"\n",
    );
    let data_dir = folder.path().join("data");
    let common = ["--config", &config, "--data-dir", &data_dir.display().to_string()];
    for command in [&["config", "check"][..], &["run"], &["demo"], &["doctor"]] {
        let (code, stdout, stderr) = run(&[command, &common].concat());
        assert_eq!(code, Some(1), "{command:?}");
        for told in
            ["api.token: is missing", "log.level: \"loud\"", "collector.scrape[0].url", "write: level"]
        {
            assert!(stdout.contains(told) || stderr.contains(told), "{command:?} {told}: {stdout}{stderr}");
        }
    }
    assert!(!data_dir.exists());
}

#[test]
fn what_cannot_be_replayed_is_told_before_anything_is_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    let data_dir_text = data_dir.display().to_string();
    for (arguments, told) in [
        (&["replay", "/nonexistent"][..], "give the folder of a recording"),
        (&["replay", "/nonexistent", "--speed", "-1"], "0 or more"),
        (&["demo", "--speed", "-1"], "between 0.01 and 10000"),
    ] {
        let (code, _, stderr) = run(&[arguments, &["--data-dir", &data_dir_text]].concat());
        assert!(code == Some(1) && stderr.contains(told), "{arguments:?}: {stderr}");
    }
    assert!(!data_dir.exists());
}

#[test]
fn a_token_is_printed_only_when_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = file(folder.path(), "sentinel.toml", "[api]\ntoken = \"0123456789abcdef\"\n");
    let print = ["config", "print", "--config", &config];
    assert!(!run(&print).1.contains("0123456789abcdef"));
    assert!(run(&[&print[..], &["--show-secrets"]].concat()).1.contains("token = \"0123456789abcdef\""));
}

#[test]
fn check_metrics_holds_the_configured_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = file(folder.path(), "metrics.txt", "a{x=\"1\",y=\"2\"} 1\nb 1\n");
    assert_eq!(run(&["check", "metrics", &body]).0, Some(0));
    for (limits, told) in
        [("samples_per_scrape = 1", "samples_per_scrape"), ("labels_per_series = 4", "labels")]
    {
        let config = file(folder.path(), "sentinel.toml", &format!("[collector.limits]\n{limits}\n"));
        let (code, stdout, stderr) = run(&["check", "metrics", &body, "--config", &config]);
        assert!(code == Some(1) && stdout.is_empty() && stderr.contains(told), "{stderr}");
    }
    let twice = file(folder.path(), "twice.txt", "a{x=\"1\",x=\"2\"} 1\n");
    let (code, _, stderr) = run(&["check", "metrics", &twice]);
    assert!(code == Some(1) && stderr.contains("given twice"), "{stderr}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..100_000).map(|n| format!("a{{x=\"{n}\"}} 1\n")).collect();
    let body = file(folder.path(), "metrics.txt", &lines);
    let mut command = sentinel(&["check", "metrics", &body]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut first = [0; 10];
    child.stdout.take().expect("a pipe").read_exact(&mut first).expect("the first bytes");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn errors_tell_each_cause_once() {
    let (code, _, stderr) = run(&["config", "check", "--config", "/nonexistent/sentinel.toml"]);
    assert_eq!(code, Some(1));
    assert_eq!(stderr.matches("os error 2").count(), 1, "{stderr}");
}

#[test]
fn a_recount_that_nobody_answers_could_not_be_checked() {
    let (code, stdout, stderr) = run(&["verify", "--server", "http://127.0.0.1:1"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("does not answer; is sentinel running there?"), "{stderr}");
}
