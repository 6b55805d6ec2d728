//! What this machine has to give: a folder with room, and an address.

use std::net::{TcpListener, ToSocketAddrs as _};
use std::path::Path;

use sentinel_collector::PROBE_TIMEOUT;
use sentinel_runtime::DataDir;
use serde_json::Value;

use super::Line;
use crate::config::Config;

/// The log, a day of windows and documents, and their merging fit into that.
const LITTLE_BYTES: u64 = 2 << 30;

const GIB: f64 = (1_u64 << 30) as f64;

/// What the Sentinel that answers at an address says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    is_ready: bool,
    /// Parts that do not work, with the reason.
    faults: Vec<String>,
}

/// `None` when nobody or something else answers there.
pub(super) async fn running(listen: &str) -> Option<Running> {
    let address = listen.to_socket_addrs().ok()?.next()?;
    if address.port() == 0 {
        return None;
    }
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let client = reqwest::Client::builder().no_proxy().timeout(PROBE_TIMEOUT).build().ok()?;
    let answer = client.get(format!("http://{host}:{}/ready", address.port())).send().await.ok()?;
    said(&answer.json().await.ok()?)
}

fn said(report: &Value) -> Option<Running> {
    let is_ready = report.get("is_ready")?.as_bool()?;
    let components = report.get("components")?.as_object()?;
    let faults = components.iter().filter_map(|(name, state)| {
        let reason = state.get("reason")?.as_str()?;
        Some(format!("{name}: {reason}"))
    });
    Some(Running { is_ready, faults: faults.collect() })
}

/// Whether it can be written, has room and is free.
pub(super) fn data_dir(config: &Config, is_running: bool) -> Vec<Line> {
    const CHECK: &str = "data folder";
    let folder = &config.data_dir;
    let shown = folder.display();
    let Some(existing) = folder.ancestors().find(|ancestor| ancestor.exists()) else {
        return vec![Line::problem(CHECK, format!("{shown} has no folder above it"), "give --data-dir DIR")];
    };
    if let Err(error) = try_to_write(existing) {
        let fact = format!("{} cannot be written: {error}", existing.display());
        return vec![Line::problem(CHECK, fact, "change its owner or mode, or give --data-dir DIR")];
    }
    let fact = if existing == folder.as_path() { "can be written" } else { "can be created" };
    let mut lines = vec![Line::ok(CHECK, format!("{shown} {fact}"))];
    lines.extend(free_disk(existing, config.min_free_disk));
    if sentinel_bus::is_in_use(&config.bus, folder) {
        let fact = format!("{shown} is in use by another process");
        lines.push(if is_running {
            Line::warning(
                CHECK,
                fact,
                "nothing, if that is the Sentinel you mean; else give another --data-dir",
            )
        } else {
            Line::problem(CHECK, fact, "stop that process, or give another --data-dir")
        });
    }
    lines
}

fn try_to_write(folder: &Path) -> std::io::Result<()> {
    let trial = folder.join(format!(".sentinel-doctor-{}", std::process::id()));
    std::fs::write(&trial, b"x")?;
    std::fs::remove_file(&trial)
}

fn free_disk(folder: &Path, min_free: u64) -> Option<Line> {
    const CHECK: &str = "disk";
    let free = DataDir::from(folder).free()?;
    let fact = format!("{:.1} GiB are free", free as f64 / GIB);
    let next = "free some, lower the retention of bus and stores, or give --data-dir on another disk";
    Some(match free {
        free if free < min_free => Line::problem(CHECK, fact, next),
        ..LITTLE_BYTES => Line::warning(CHECK, fact, next),
        _ => Line::ok(CHECK, fact),
    })
}

/// Whether the address can be had, or a Sentinel has it already.
pub(super) fn listen(config: &Config, running: Option<&Running>) -> Line {
    const CHECK: &str = "listen address";
    let listen = &config.api.listen;
    let addresses: Vec<_> = match listen.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            return Line::problem(CHECK, format!("{listen}: {error}"), "write it as --listen HOST:PORT");
        }
    };
    if let Some(running) = running {
        let next = "nothing, if that is the one you mean; else give another --listen";
        return match (running.faults.is_empty(), running.is_ready) {
            (true, true) => Line::warning(CHECK, format!("a Sentinel runs on {listen} and is ready"), next),
            (true, false) => Line::warning(CHECK, format!("a Sentinel is starting on {listen}"), next),
            (false, _) => {
                let fact = format!("a Sentinel runs on {listen} and lacks: {}", running.faults.join("; "));
                Line::warning(CHECK, fact, "see its Pipeline screen and log")
            }
        };
    }
    match TcpListener::bind(addresses.as_slice()) {
        Ok(_) => Line::ok(CHECK, format!("{listen} is free")),
        Err(error) => Line::problem(
            CHECK,
            format!("{listen}: {error}"),
            "stop what runs there, or give --listen HOST:PORT",
        ),
    }
}

#[cfg(test)]
mod tests {
    use sentinel_collector::Verdict;
    use serde_json::json;

    use super::*;

    fn config(listen: &str, data_dir: &Path) -> Config {
        let mut config = Config { data_dir: data_dir.to_owned(), ..Config::default() };
        config.api.listen = listen.to_owned();
        config
    }

    fn verdicts(lines: &[Line]) -> Vec<Verdict> {
        lines.iter().filter(|line| line.check == "data folder").map(|line| line.verdict).collect()
    }

    #[test]
    fn a_folder_is_found_writable_without_leaving_anything_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines = data_dir(&config("127.0.0.1:0", &folder.path().join("a/b")), false);
        assert_eq!(verdicts(&lines), [Verdict::Ok], "{lines:?}");
        assert!(lines[0].fact.contains("can be created"));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("a file");
        assert_eq!(verdicts(&data_dir(&config("127.0.0.1:0", &file.join("b")), false)), [Verdict::Problem]);
    }

    #[test]
    fn a_folder_that_another_holds_is_a_problem_unless_that_one_is_running_here() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config("127.0.0.1:0", folder.path());
        let health = sentinel_runtime::Health::default();
        let mut registry = sentinel_runtime::Registry::default();
        let bus = sentinel_bus::open(&config.bus, folder.path(), &health, &mut registry).expect("a bus");
        assert_eq!(verdicts(&data_dir(&config, false)), [Verdict::Ok, Verdict::Problem]);
        assert_eq!(verdicts(&data_dir(&config, true)), [Verdict::Ok, Verdict::Warning]);
        drop(bus);
        assert_eq!(verdicts(&data_dir(&config, false)), [Verdict::Ok]);
    }

    #[test]
    fn an_address_is_free_taken_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let judge = |listen_on: &str| listen(&config(listen_on, folder.path()), None).verdict;
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = taken.local_addr().map(|address| (address.to_string(), taken)).expect("an address");
        assert_eq!(judge("127.0.0.1:0"), Verdict::Ok);
        for bad in [taken.0.as_str(), "nonsense"] {
            assert_eq!(judge(bad), Verdict::Problem, "{bad}");
        }
        assert_eq!(judge("0.0.0.0:0"), Verdict::Ok, "the configuration was checked for a token before");
    }

    #[test]
    fn a_running_sentinel_is_known_by_what_it_says() {
        let report = json!({"is_ready": true, "is_degraded": true, "components": {
            "bus": {"state": "ready"},
            "collector/kubernetes": {"state": "degraded", "reason": "no live view of pods"}}});
        let running = said(&report).expect("a Sentinel");
        assert_eq!(running.faults, ["collector/kubernetes: no live view of pods"]);
        assert_eq!(said(&json!({"status": "UP"})), None);
        let folder = tempfile::tempdir().expect("a folder");
        let line = listen(&config("127.0.0.1:0", folder.path()), Some(&running));
        assert!(line.verdict == Verdict::Warning && line.fact.contains("no live view of pods"), "{line:?}");
    }
}
