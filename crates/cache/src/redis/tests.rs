//! On a real server: that of the stack, and one of our own that is stopped and killed.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sentinel_runtime::ComponentState;
use sentinel_testkit::{stack, wait_until};

use super::*;

fn cache(url: String) -> (RedisCache, Health) {
    let key_prefix = format!("test-{:x}:", rand::random::<u64>());
    let health = Health::default();
    let config = RedisConfig { url, key_prefix, ..RedisConfig::default() };
    (RedisCache::open(config, &health).expect("an address"), health)
}

fn is(health: &Health, wanted: fn(&ComponentState) -> bool) -> bool {
    wanted(&health.report().components["cache"])
}

fn is_degraded(state: &ComponentState) -> bool {
    matches!(state, ComponentState::Degraded(_))
}

#[tokio::test]
async fn keeps_the_contract() {
    let Some(url) = stack::redis() else { return };
    crate::contract::suite(&cache(url).0).await;
}

#[tokio::test]
async fn refuses_an_entry_that_is_too_large_and_overlooks_one_of_another_type() {
    let Some(url) = stack::redis() else { return };
    let (cache, _health) = cache(url);
    let large = Bytes::from(vec![0; (4 << 20) + 1]);
    let put = cache.put("large", large, PROBE_INTERVAL).await;
    assert!(matches!(put, Err(CacheError::TooLarge { .. })), "{put:?}");
    let mut push = cache.command("LPUSH", "list");
    push.arg("x");
    let _: u64 = cache.ask(push).await.expect("a list");
    for _ in 0..10 {
        assert!(cache.get("list").await.is_err());
    }
    assert_eq!(cache.get("absent").await.expect("other entries are served"), None);
    cache.remove("list").await.expect("removed");
}

#[tokio::test]
async fn a_server_that_is_away_is_no_error_at_the_start_and_tells_what_to_do() {
    let (cache, health) = cache("redis://127.0.0.1:1".to_owned());
    assert!(cache.get("a").await.is_err());
    wait_until("degraded", || is(&health, is_degraded)).await;
    let state = format!("{:?}", health.report().components["cache"]);
    assert!(state.contains("nothing is lost") && state.contains("cache.url"), "{state}");
    assert!(health.report().is_ready, "a role without its cache does its work");
}

/// A server of this test alone.
struct OwnServer {
    program: String,
    folder: tempfile::TempDir,
    process: Child,
}

impl OwnServer {
    fn start(program: String) -> Self {
        Self::start_with(program, &[])
    }

    fn start_with(program: String, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = Self::run(&program, &folder, more);
        Self { program, folder, process }
    }

    fn run(program: &str, folder: &tempfile::TempDir, more: &[&str]) -> Child {
        Command::new(program)
            .args(["--port", "0", "--save", "", "--unixsocket", "redis.sock"])
            .args(more)
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("Redis runs")
    }

    fn start_again(&mut self) {
        std::fs::remove_file(self.socket()).ok();
        self.process = Self::run(&self.program, &self.folder, &[]);
    }

    fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("reaped");
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_dies_costs_little_and_is_taken_up_again() {
    let Some(program) = stack::redis_server() else { return };
    let mut server = OwnServer::start(program);
    wait_until("the socket", || server.socket().exists()).await;
    let (cache, health) = cache(format!("redis+unix://{}", server.socket().display()));
    wait_until("ready", || is(&health, |state| *state == ComponentState::Ready)).await;

    server.signal("-STOP");
    let started = tokio::time::Instant::now();
    for _ in 0..1_000 {
        assert!(cache.get("a").await.is_err());
    }
    // Three time-outs, then hardly any call reaches the server.
    assert!(started.elapsed() < PROBE_INTERVAL * 2, "{:?}", started.elapsed());
    assert!(is(&health, is_degraded));
    server.signal("-CONT");
    wait_until("ready again", || is(&health, |state| *state == ComponentState::Ready)).await;

    server.kill();
    wait_until("degraded", || is(&health, is_degraded)).await;
    server.start_again();
    wait_until("ready once more", || is(&health, |state| *state == ComponentState::Ready)).await;
    cache.put("a", Bytes::from_static(b"1"), PROBE_INTERVAL).await.expect("works as before");
    assert_eq!(cache.get("a").await.expect("an answer"), Some(Bytes::from_static(b"1")));
}

#[tokio::test]
async fn a_server_that_wants_a_password_is_told_by_its_name() {
    let Some(program) = stack::redis_server() else { return };
    let server = OwnServer::start_with(program, &["--requirepass", "hunter2"]);
    wait_until("the socket", || server.socket().exists()).await;
    let url = format!("redis+unix://{}", server.socket().display());
    let (_cache, health) = cache(url.clone());
    wait_until("degraded", || is(&health, is_degraded)).await;
    let state = format!("{:?}", health.report().components["cache"]);
    assert!(state.contains("cache.password_file"), "{state}");
    let health = Health::default();
    let password = Some(Secret::new("hunter2"));
    let config = RedisConfig { url, password, ..RedisConfig::default() };
    let _cache = RedisCache::open(config, &health).expect("an address");
    wait_until("ready", || is(&health, |state| *state == ComponentState::Ready)).await;
}
