//! Subcommands that end by themselves.

use sentinel_e2e::run;
use serde_json::Value;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn check(body: &str, arguments: &[&str]) -> (bool, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("metrics.txt");
    std::fs::write(&file, body).expect("write the exposition");
    let file = file.display().to_string();
    let output = run(&[&["check", "metrics", &file], arguments].concat()).await;
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn check_metrics_prints_one_object_a_sample() {
    let (ok, stdout, _) =
        check("# TYPE a counter\na_total{b=\"c\\\"d\"} 1.5 1234\nnan NaN\ninf +Inf\n", &[]).await;
    assert!(ok);
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["name"], "a_total");
    assert_eq!(lines[0]["labels"]["b"], "c\"d");
    assert_eq!(lines[0]["value"], 1.5);
    assert_eq!(lines[0]["timestamp_ms"], 1234);
    assert_eq!((&lines[1]["value"], &lines[2]["value"]), (&Value::from("NaN"), &Value::from("+Inf")));
}

#[tokio::test]
async fn check_metrics_names_the_line_that_is_wrong() {
    let (ok, stdout, stderr) = check("a 1\nb{c=} 2\n", &[]).await;
    assert!(!ok);
    assert_eq!(stdout, "", "nothing of a bad exposition is printed");
    assert!(stderr.contains("line 2"), "{stderr}");
}

#[tokio::test]
async fn config_check_says_what_to_write() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("sentinel.toml");
    std::fs::write(&file, "[processor]\nallowed_latenes = \"30s\"\n").expect("write the configuration");
    let output = run(&["config", "check", "--config", &file.display().to_string()]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("allowed_lateness = \"30s\"") && message.contains("line 2"), "{message}");
}

#[tokio::test]
async fn config_print_prints_what_config_check_accepts() {
    let output = run(&["config", "print"]).await;
    assert!(output.status.success());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("sentinel.toml");
    std::fs::write(&file, &output.stdout).expect("write the configuration");
    let again = run(&["config", "check", "--config", &file.display().to_string()]).await;
    assert!(again.status.success(), "{}", text(&again.stderr));
}

#[tokio::test]
async fn version_and_completions_answer() {
    let version: Value = serde_json::from_slice(&run(&["version", "--json"]).await.stdout).expect("JSON");
    assert!(version["version"].as_str().is_some_and(|version| !version.is_empty()));
    assert!(text(&run(&["completions", "bash"]).await.stdout).contains("_sentinel"));
}

#[tokio::test]
async fn check_metrics_knows_openmetrics_by_its_marks_and_says_so() {
    let cut_off = "# TYPE build info\nbuild_info{v=\"1\"} 1\n";
    let (ok, _, stderr) = check(cut_off, &[]).await;
    assert!(!ok && stderr.contains("# EOF") && stderr.contains("--format prometheus"), "{stderr}");
    let broken = "# TYPE a counter\na_total -1\n# EOF\n";
    assert!(!check(broken, &[]).await.0);
    let (ok, stdout, _) = check(broken, &["--format", "openmetrics-lenient"]).await;
    assert!(ok && stdout.contains("-1"), "{stdout}");
    assert!(check("# EOF\n", &[]).await.0 && check("# TYPE go_info gauge\ngo_info 1\n", &[]).await.0);
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}/metrics", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn doctor_says_what_to_do_and_fails_when_something_has_to_be_done() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data_dir = folder.path().display().to_string();
    let config = folder.path().join("sentinel.toml");
    std::fs::write(&config, "[collector.kubernetes]\nenabled = \"never\"\n")
        .expect("write the configuration");
    let config = config.display().to_string();
    let base = ["doctor", "--config", &config, "--data-dir", &data_dir, "--listen", "127.0.0.1:0"];
    let fine = run(&base).await;
    assert_eq!(fine.status.code(), Some(0), "{}", text(&fine.stdout));
    let dead = nobody();
    let sick = run(&[&base[..], &["--scrape", &dead]].concat()).await;
    let said = text(&sick.stdout);
    assert_eq!(sick.status.code(), Some(1), "{said}");
    let line = said.lines().find(|line| line.contains(&dead)).expect("a line for the target");
    assert!(line.starts_with("problem ") && line.contains(" -> "), "{line}");
    let json = run(&[&base[..], &["--scrape", &dead, "--output", "json"]].concat()).await;
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["problems"], 1);
    assert!(json["findings"].as_array().is_some_and(|findings| findings.len() >= 5));
}
