use std::path::PathBuf;

use super::location::{Surroundings, certificates, check_url};
use super::*;
use crate::sources::kubernetes::Enabled;
use crate::sources::kubernetes::testing::{Reply, Server};

fn config() -> KubernetesConfig {
    KubernetesConfig::default()
}

fn found(config: &KubernetesConfig, around: &Surroundings) -> Option<Location> {
    Location::find_in(config, around).expect("an answer")
}

#[test]
fn looks_for_the_cluster_in_the_documented_order() {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(home.path().join(".kube")).expect("a folder");
    let usual = home.path().join(".kube/config");
    std::fs::write(&usual, "").expect("a file");
    let listed = home.path().join("listed");
    std::fs::write(&listed, "").expect("a file");
    let mut around = Surroundings {
        is_pod: true,
        kubeconfig: Some(format!("{}:/does/not/exist", listed.display())),
        home: Some(home.path().to_owned()),
    };
    let mut config = KubernetesConfig { url: "https://a:1".into(), ..config() };
    assert_eq!(found(&config, &around), Some(Location::Url("https://a:1".into())));
    config.url.clear();
    config.kubeconfig = Some(PathBuf::from("mine"));
    assert_eq!(found(&config, &around), Some(Location::Kubeconfig(vec!["mine".into()])));
    config.kubeconfig = None;
    assert_eq!(found(&config, &around), Some(Location::Pod));
    config.context = Some("other".into());
    assert_eq!(found(&config, &around), Some(Location::Kubeconfig(vec![listed])));
    around.kubeconfig = None;
    assert_eq!(found(&config, &around), Some(Location::Kubeconfig(vec![usual])));
    config.enabled = Enabled::Never;
    assert_eq!(found(&config, &around), None);
}

#[test]
fn misses_a_cluster_only_when_one_is_demanded() {
    let around = Surroundings::default();
    assert_eq!(found(&config(), &around), None);
    let always = KubernetesConfig { enabled: Enabled::Always, ..config() };
    assert!(matches!(Location::find_in(&always, &around), Err(ConnectError::NotFound)));
}

#[test]
fn sends_credentials_only_where_they_are_safe() {
    for url in [
        "https://10.0.0.1:6443",
        "http://127.0.0.1:80",
        "http://localhost:1",
        "http://[::1]:1",
        "https://a/b",
    ] {
        assert!(check_url(url).is_ok(), "{url}");
    }
    for url in [
        "http://10.0.0.1:6443",
        "http://localhost.evil.example",
        "https://user:pw@host",
        "https://169.254.169.254",
        "https://[::ffff:169.254.169.254]",
        "https://a/../b",
        "https://a/?x=y",
        "gopher://a",
        "file:///etc/passwd",
        "10.0.0.1",
        "",
    ] {
        assert!(check_url(url).is_err(), "{url}");
    }
}

fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: k, user: u}}}}, {{name: lost, context: {{cluster: k, user: nobody}}}}]\n\
         clusters: [{{name: k, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )
}

fn load(text: &str, config: &KubernetesConfig) -> Result<kube::Config, ConnectError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config");
    std::fs::write(&path, text).expect("a file");
    Location::Kubeconfig(vec![path]).load(config)
}

#[test]
fn reads_a_kubeconfig() {
    let text = kubeconfig("server: \"https://10.0.0.1:6443\"", "token: abc");
    let loaded = load(&text, &config()).expect("a good kubeconfig");
    assert_eq!(loaded.cluster_url.to_string(), "https://10.0.0.1:6443/");
    assert!(loaded.auth_info.token.is_some() && !loaded.accept_invalid_certs);
}

#[test]
fn refuses_what_a_kubeconfig_must_not_make_it_do() {
    let server = "server: \"https://10.0.0.1:6443\"";
    let cases = [
        (server.to_owned(), "exec: {command: sh, apiVersion: x}", "sh"),
        (server.to_owned(), "auth-provider: {name: gcp}", "gcp"),
        (server.to_owned(), "token: t, as: \"system:admin\"", "impersonation"),
        (server.to_owned(), "token: t, as-groups: [\"system:masters\"]", "impersonation"),
        (format!("{server}, insecure-skip-tls-verify: true"), "token: t", "insecure-skip-tls-verify"),
        (format!("{server}, proxy-url: \"http://p\""), "token: t", "proxy-url"),
        ("server: \"http://10.0.0.1\"".to_owned(), "token: t", "http://"),
        ("server: \"https://a:b@10.0.0.1\"".to_owned(), "token: t", "user name"),
    ];
    for (cluster, user, expected) in cases {
        let error = load(&kubeconfig(&cluster, user), &config()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn runs_a_program_for_credentials_only_when_allowed() {
    let text = kubeconfig("server: \"https://10.0.0.1:6443\"", "exec: {command: true, apiVersion: x}");
    assert!(load(&text, &config()).is_err());
    assert!(load(&text, &KubernetesConfig { allow_exec: true, ..config() }).is_ok());
}

#[test]
fn says_what_a_kubeconfig_lacks() {
    let text = kubeconfig("server: \"https://10.0.0.1:6443\"", "token: t");
    let context = |name: &str| KubernetesConfig { context: Some(name.into()), ..config() };
    let error = load(&text, &context("nowhere")).expect_err("no such context").to_string();
    assert!(error.contains("no context named \"nowhere\"; see `kubectl"), "{error}");
    let error = load(&text, &context("lost")).expect_err("no such user").to_string();
    assert!(error.contains("no user named \"nobody\"; see `kubectl"), "{error}");
    assert!(load("not: [yaml", &config()).is_err());
    let huge = format!("{text}# {}", "x".repeat(2 << 20));
    assert!(matches!(load(&huge, &config()), Err(ConnectError::TooLarge { .. })));
}

#[test]
fn refuses_a_file_without_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.crt");
    assert!(matches!(certificates(&path), Err(ConnectError::Read { .. })));
    std::fs::write(&path, "root:x:0:0").expect("a file");
    assert!(matches!(certificates(&path), Err(ConnectError::NoCertificate { .. })));
}

fn bounds() -> Bounds {
    Bounds { timeout: Duration::from_secs(20), bytes: 1_000 }
}

fn connect(server: &Server, config: &KubernetesConfig) -> Connection {
    Connection::load(config, Location::Url(server.url.clone())).expect("a connection")
}

#[tokio::test]
async fn takes_a_rotated_token_after_a_refusal() {
    let server = Server::start(|asked, _| match asked.authorization.as_str() {
        "Bearer new" => Reply::ok("welcome"),
        _ => Reply::status(401, "who are you"),
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "old\n").expect("a file");
    let config = KubernetesConfig { token_file: Some(token_file.clone()), ..config() };
    let connection = connect(&server, &config);
    let ask = || async { fetch(&connection.clients().api, "/x", Accept::Any, bounds()).await };
    assert_eq!(ask().await.expect_err("an old token").reason(), "unauthorized");
    std::fs::write(&token_file, "new\n").expect("a file");
    connection.reload();
    assert_eq!(ask().await.expect("a new token"), "welcome");
}

#[tokio::test]
async fn tells_failures_apart() {
    let status = r#"{"kind": "Status", "message": "slow\ndown"}"#;
    let server = Server::start(move |asked, _| match asked.target.as_str() {
        "/busy" => Reply::status(429, status).header("retry-after", "7"),
        "/moved" => Reply::status(302, "").header("location", "/ok"),
        "/large" => Reply::ok("x".repeat(1_001)),
        "/cut" => Reply::ok("x").then_cut(),
        "/hang" => Reply::ok("x").then_hang(),
        _ => Reply::ok("fine"),
    })
    .await;
    let connection = connect(&server, &config());
    let clients = connection.clients();
    let ask = |path: &'static str, timeout| {
        let bounds = Bounds { timeout, ..bounds() };
        let api = &clients.api;
        async move { fetch(api, path, Accept::Text, bounds).await.expect_err(path) }
    };
    let patient = Duration::from_secs(20);
    let busy = ask("/busy", patient).await;
    assert_eq!((busy.reason(), busy.retry_after()), ("throttled", Some(Duration::from_secs(7))));
    assert!(busy.to_string().contains("slow down"), "{busy}");
    assert_eq!(ask("/moved", patient).await.reason(), "refused");
    assert_eq!(ask("/large", patient).await.reason(), "too_large");
    assert_eq!(ask("/cut", patient).await.reason(), "cut");
    assert_eq!(ask("/hang", Duration::from_millis(50)).await.reason(), "timeout");
    assert_eq!(ask("not a url", patient).await.reason(), "bad_url");
    // Nodes are asked by whole URLs.
    let url = format!("{}/ok", server.url);
    assert_eq!(fetch(&clients.nodes, &url, Accept::Text, bounds()).await.expect("an answer"), "fine");
    drop(server);
    assert_eq!(ask("/gone", patient).await.reason(), "unreachable");
}
