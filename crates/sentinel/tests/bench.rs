//! `sentinel bench pipeline` with nothing but its defaults, for a few seconds.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_pipeline_is_measured_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_sentinel"))
        .args([
            "bench",
            "pipeline",
            "--series",
            "1000",
            "--rate",
            "1000",
            "--duration",
            "25s",
            "--warm-up",
            "2s",
        ])
        .args(["--allowed-lateness", "2s", "--output", "json", "--folder"])
        .arg(folder.path())
        .env_remove("KUBECONFIG")
        .env_remove("SENTINEL_CONFIG")
        .output()
        .expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    assert_eq!(report["setup"]["bus"], "embedded");
    assert!(number("/setup/active_series").is_some_and(|n| n > 300.0), "{report:#}");
    assert!(number("/throughput/windowed_samples").is_some_and(|rate| rate > 50.0), "{report:#}");
    assert!(number("/throughput/stored_windows").is_some_and(|rate| rate > 0.0), "{report:#}");
    assert!(number("/bus_bytes_per_sample").is_some_and(|bytes| bytes > 0.0), "{report:#}");
    assert!(number("/latency_ms/n").is_some_and(|n| n >= 1.0), "{report:#}");
    let roles: Vec<&str> =
        report["roles"].as_array().expect("roles").iter().filter_map(|role| role["role"].as_str()).collect();
    assert_eq!(roles, ["simulator", "all roles"]);
    assert!(number("/roles/1/peak_rss_bytes").is_some_and(|bytes| bytes > 1e6), "{report:#}");
    for told_of in ["starting the simulated cluster", "stopping"] {
        assert!(told.contains(told_of), "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0, "it cleans up");
}

#[test]
fn what_cannot_be_measured_is_told_before_anything_starts() {
    for (flags, told) in [
        (&["--processors", "2"][..], "bus.kind = \"kafka\""),
        (&["--rate", "50000", "--series", "100"], "--series 6850 or more"),
        (&["--duration", "0s"], "too short"),
        (&["--series", "0"], "--series 0 is not between"),
        (&["--config", "/nonexistent/sentinel.toml"], "/nonexistent/sentinel.toml"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_sentinel"))
            .args(["bench", "pipeline"])
            .args(flags)
            .env_remove("SENTINEL_CONFIG")
            .output()
            .expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && text.contains(told), "{flags:?}: {text}");
    }
}
