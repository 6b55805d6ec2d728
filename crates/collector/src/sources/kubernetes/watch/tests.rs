use sentinel_runtime::{Health, ShutdownTrigger, Task, spawn};
use serde_json::json;

use parking_lot::Mutex;

use super::*;
use crate::sources::kubernetes::KubernetesConfig;
use crate::sources::kubernetes::client::Location;
use crate::sources::kubernetes::testing::{Reply, Server};

struct Watched {
    server: Server,
    changes: mpsc::Receiver<Delta>,
    metrics: Arc<Metrics>,
    _trigger: ShutdownTrigger,
    _task: Task<()>,
}

fn config() -> WatchConfig {
    WatchConfig {
        timeout: Duration::from_secs(600),
        grace: Duration::from_secs(60),
        relist_interval: Duration::ZERO,
        backoff_first: Duration::from_millis(1),
        backoff_limit: Duration::from_millis(2),
        page_size: 2,
        ..WatchConfig::default()
    }
}

/// Watches pods of a server that answers the n-th list and the n-th watch as scripted (the last reply
/// for ever).
async fn watch(config: WatchConfig, lists: Vec<Reply>, watches: Vec<Reply>) -> Watched {
    let n_watches = Mutex::new(0);
    let n_lists = Mutex::new(0);
    let server = Server::start(move |asked, _| {
        let is_watch = asked.target.contains("watch=true");
        let (replies, n) = if is_watch { (&watches, &n_watches) } else { (&lists, &n_lists) };
        let mut n = n.lock();
        *n += 1;
        replies[(*n).min(replies.len()) - 1].clone()
    })
    .await;
    let settings = KubernetesConfig { url: server.url.clone(), ..KubernetesConfig::default() };
    let connection = Connection::load(&settings, Location::Url(server.url.clone())).expect("a connection");
    let (sender, changes) = mpsc::channel(100);
    let metrics = Arc::new(Metrics::default());
    let context = WatchContext {
        relists: Relists::default(),
        connection: Arc::new(connection),
        config,
        page_bytes: 1 << 20,
        changes: sender,
        metrics: Arc::clone(&metrics),
        board: Board::new(Health::default().component("kubernetes"), &[Kind::Pod]),
    };
    let (trigger, shutdown) = Shutdown::new();
    let task = spawn("watch", Watch::new(Kind::Pod, context).run(shutdown));
    Watched { server, changes, metrics, _trigger: trigger, _task: task }
}

impl Watched {
    /// The next `n` changes as short text: `[` and `]` around a list, `+name` and `-name`.
    async fn next(&mut self, n: usize) -> String {
        let mut told = Vec::new();
        for _ in 0..n {
            let name = |object: Value| object["metadata"]["name"].as_str().unwrap_or("?").to_owned();
            told.push(match self.changes.recv().await.expect("the watch goes on").change {
                Change::ListBegins => "[".to_owned(),
                Change::ListEnds => "]".to_owned(),
                Change::Seen(object) => format!("+{}", name(object)),
                Change::Gone(object) => format!("-{}", name(object)),
            });
        }
        told.join(" ")
    }

    fn restarts(&self, reason: &'static str) -> u64 {
        self.metrics.watch_restarts.get_or_create(&Restart { kind: "Pod", reason }).get()
    }

    /// Versions from which watches were asked for.
    fn versions(&self) -> Vec<String> {
        let asked = self.server.asked();
        let versions = asked.iter().filter_map(|target| target.split_once("resourceVersion="));
        versions.map(|(_, version)| version.to_owned()).collect()
    }
}

fn object(name: &str, version: u32) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": version.to_string()}})
}

fn page(names: &[&str], version: u32, next: &str) -> Reply {
    let items: Vec<_> = names.iter().map(|name| object(name, version)).collect();
    let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
    Reply::ok(json!({"kind": "PodList", "metadata": metadata, "items": items}).to_string())
}

fn events(events: &[(&str, Value)]) -> Reply {
    let lines = events.iter().map(|(kind, object)| format!("{}\n", json!({"type": kind, "object": object})));
    Reply::ok(lines.collect::<String>())
}

fn quiet() -> Reply {
    Reply::ok("").then_hang()
}

#[tokio::test]
async fn lists_in_pages_and_watches_from_there() {
    let lists = vec![page(&["a", "b"], 5, "more/+"), page(&["c"], 5, "")];
    let watches = vec![events(&[("ADDED", object("d", 6)), ("DELETED", object("a", 7))]).then_hang()];
    let mut watched = watch(config(), lists, watches).await;
    assert_eq!(watched.next(7).await, "[ +a +b +c ] +d -a");
    let asked = watched.server.asked();
    assert_eq!(asked[0], "/api/v1/pods?limit=2");
    assert_eq!(asked[1], "/api/v1/pods?limit=2&continue=more%2F%2B");
    assert!(asked[2].ends_with("&resourceVersion=5"), "{asked:?}");
}

#[tokio::test]
async fn continues_from_the_last_version_when_the_server_closes_or_the_connection_breaks() {
    let watches = vec![
        events(&[("MODIFIED", object("a", 6))]),
        events(&[("BOOKMARK", object("", 9))]),
        events(&[("MODIFIED", object("a", 11))]).then_cut(),
        events(&[("MODIFIED", object("a", 12))]).then_hang(),
    ];
    let mut watched = watch(config(), vec![page(&["a"], 5, "")], watches).await;
    assert_eq!(watched.next(6).await, "[ +a ] +a +a +a");
    assert_eq!(watched.versions(), ["5", "6", "9", "11"]);
    assert_eq!(watched.restarts("closed"), 2);
    assert_eq!(watched.restarts("cut"), 1);
}

#[tokio::test]
async fn lists_anew_when_the_version_is_gone_inside_the_stream_or_as_its_status() {
    let gone = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
    let watches = vec![events(&[("ERROR", gone)]), Reply::status(410, "gone"), quiet()];
    let lists = vec![page(&["a", "b"], 5, ""), page(&["a"], 50, ""), page(&["a"], 60, "")];
    let mut watched = watch(config(), lists, watches).await;
    assert_eq!(watched.next(10).await, "[ +a +b ] [ +a ] [ +a ]");
    assert_eq!(watched.restarts("gone"), 2);
    assert_eq!(watched.versions()[..2], ["5", "50"]);
}

#[tokio::test]
async fn begins_a_list_again_whose_rest_has_expired() {
    let lists = vec![page(&["a"], 5, "token"), Reply::status(410, "expired"), page(&["a", "b"], 6, "")];
    let mut watched = watch(config(), lists, vec![quiet()]).await;
    assert_eq!(watched.next(6).await, "[ +a [ +a +b ]");
}

#[tokio::test]
async fn survives_refusals_overload_and_errors_of_the_server() {
    let lists = vec![
        Reply::status(500, "etcd is down"),
        Reply::status(429, "later").header("retry-after", "3600"),
        Reply::status(403, "no"),
        Reply::ok("{not json"),
        Reply::ok("{\"items\": []}"),
        page(&["a"], 5, ""),
    ];
    let internal = json!({"kind": "Status", "code": 500, "message": "boom"});
    let watches = vec![Reply::status(503, ""), events(&[("ERROR", internal)]), quiet()];
    let mut watched = watch(config(), lists, watches).await;
    // Four lists that did not begin to give, one without a version, and one that is complete.
    assert_eq!(watched.next(9).await, "[ [ [ [ [ ] [ +a ]");
    while watched.versions().len() < 3 {
        tokio::task::yield_now().await;
    }
    for (reason, n) in [("server_error", 3), ("throttled", 1), ("forbidden", 1), ("nonsense", 2)] {
        assert_eq!(watched.restarts(reason), n, "{reason}");
    }
    assert_eq!(watched.versions(), ["5", "5", "5"]);
}

#[tokio::test]
async fn finds_a_watch_that_fell_silent() {
    let config = WatchConfig { timeout: Duration::from_millis(20), grace: Duration::ZERO, ..config() };
    let watches = vec![quiet(), events(&[("MODIFIED", object("a", 6))]).then_hang()];
    let mut watched = watch(config, vec![page(&["a"], 5, "")], watches).await;
    assert_eq!(watched.next(4).await, "[ +a ] +a");
    assert!(watched.restarts("stalled") >= 1);
}

#[tokio::test]
async fn skips_and_counts_what_it_cannot_read() {
    let list = json!({"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}, 7]});
    let good = json!({"type": "ADDED", "object": object("b", 6)});
    let lines = format!("{{broken\n\n{{\"type\": \"DANCED\"}}\n\u{0}\n{good}\n");
    let mut watched =
        watch(config(), vec![Reply::ok(list.to_string())], vec![Reply::ok(lines).then_hang()]).await;
    assert_eq!(watched.next(5).await, "[ +a +? ] +b");
    let rejected = |reason| {
        let door = crate::metrics::Rejection { door: "object", reason };
        watched.metrics.rejected.get_or_create(&door).get()
    };
    assert_eq!((rejected("not_json"), rejected("unknown_event")), (2, 1));
}

#[tokio::test]
async fn counts_no_restart_when_the_server_ends_a_watch_as_agreed() {
    let config =
        WatchConfig { timeout: Duration::from_millis(1), grace: Duration::from_secs(60), ..config() };
    let watches =
        vec![events(&[("MODIFIED", object("a", 6))]), events(&[("MODIFIED", object("a", 7))]), quiet()];
    let mut watched = watch(config, vec![page(&["a"], 5, "")], watches).await;
    assert_eq!(watched.next(5).await, "[ +a ] +a +a");
    assert_eq!(watched.restarts("closed"), 0);
}

#[tokio::test]
async fn comes_back_after_the_server_was_away() {
    let mut watched = watch(config(), vec![page(&["a"], 5, "")], vec![events(&[]).then_cut(), quiet()]).await;
    assert_eq!(watched.next(3).await, "[ +a ]");
    while watched.versions().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(watched.versions(), ["5", "5"]);
}

/// A watch that nobody runs.
fn idle(config: WatchConfig) -> Watch {
    let settings = KubernetesConfig { url: "http://127.0.0.1:1".into(), ..KubernetesConfig::default() };
    let location = Location::Url(settings.url.clone());
    let context = WatchContext {
        relists: Relists::default(),
        connection: Arc::new(Connection::load(&settings, location).expect("a connection")),
        config,
        page_bytes: 1 << 20,
        changes: mpsc::channel(1).0,
        metrics: Arc::new(Metrics::default()),
        board: Board::new(Health::default().component("kubernetes"), &[Kind::Pod]),
    };
    Watch::new(Kind::Pod, context)
}

#[tokio::test(start_paused = true)]
async fn keeps_a_distance_between_lists() {
    let mut watch = idle(WatchConfig { relist_interval: Duration::from_secs(30), ..config() });
    let began = Instant::now();
    watch.wait_for_turn().await;
    assert_eq!(began.elapsed(), Duration::ZERO);
    watch.listed = Some(began);
    watch.wait_for_turn().await;
    assert!(began.elapsed() >= Duration::from_secs(30) && began.elapsed() <= Duration::from_secs(33));
}

#[tokio::test(start_paused = true)]
async fn lists_anew_now_and_then_in_case_a_change_was_withheld() {
    let mut watch = idle(WatchConfig { resync_interval: Duration::from_secs(100), ..config() });
    assert!(watch.needs_list());
    watch.version = Some("5".into());
    watch.listed = Some(Instant::now());
    assert!(!watch.needs_list());
    sleep(Duration::from_secs(100)).await;
    assert!(watch.needs_list());
}
