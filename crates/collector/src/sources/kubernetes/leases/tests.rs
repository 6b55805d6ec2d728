//! Members against the simulated cluster's API.

use sentinel_runtime::{ComponentState, Health, Registry, Service as _, ShutdownTrigger, Task, spawn};
use sentinel_simulator::Simulator;
use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::*;
use crate::metrics::Metrics;
use crate::sharding::{Membership, Ownership, RunningSharding, Sharding};

const TERM: Duration = Duration::from_secs(1);
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases";

struct Cluster {
    url: String,
    client: reqwest::Client,
    trigger: ShutdownTrigger,
    task: Task<Result<(), sentinel_runtime::ServiceError>>,
}

struct Member {
    ownership: Ownership,
    running: Option<RunningSharding>,
    health: Health,
}

impl Cluster {
    async fn start() -> Self {
        let config =
            sentinel_simulator::Config { pods: 1, nodes: 1, ..sentinel_simulator::Config::default() };
        let simulator = Simulator::build(&config, None).await.expect("a simulated cluster");
        let (trigger, shutdown) = Shutdown::new();
        let url = simulator.api_url();
        Self {
            url,
            client: reqwest::Client::new(),
            trigger,
            task: spawn("simulator", simulator.run(shutdown)),
        }
    }

    fn join(&self, name: &str) -> Member {
        let config = LeaseConfig {
            namespace: "ops".to_owned(),
            renew_interval: Duration::from_millis(100),
            lease_duration: TERM,
        };
        let kubernetes = KubernetesConfig { url: self.url.clone(), ..KubernetesConfig::default() };
        let leases = Leases::build(&config, &kubernetes, name).expect("good settings");
        let health = Health::default();
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let component = Some(health.component("sharding"));
        let sharding = Sharding::new(Share::Nothing, Membership::Lease(Box::new(leases)), component, metrics);
        Member { ownership: sharding.ownership(), running: Some(sharding.start()), health }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.expect("an answer").bytes().await.expect("a body");
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    /// Answers of the API about Leases are failures from now on.
    async fn fail(&self, count: u32) {
        let rule = json!({"status": 503, "path_prefix": "/apis/coordination", "count": count});
        self.ask(Method::POST, "/simulator/failures", &rule).await;
    }

    async fn stop(self) {
        self.trigger.trigger();
        self.task.await.expect("a clean stop");
    }
}

fn units() -> Vec<String> {
    (0..64).map(|i| format!("kubelet/node-{i}")).collect()
}

impl Member {
    fn n_owned(&self) -> usize {
        units().iter().filter(|unit| self.ownership.owns(unit)).count()
    }

    fn is_degraded(&self, because: &str) -> bool {
        match &self.health.report().components["sharding"] {
            ComponentState::Degraded(why) => why.contains(because),
            _ => false,
        }
    }

    async fn leave(mut self) {
        self.running.take().expect("it runs").leave().await;
    }
}

/// Until the two share everything; never is a unit both's on the way.
async fn share_all(one: &Member, other: &Member) {
    wait_until("shares of two", || {
        let both = units().into_iter().find(|unit| one.ownership.owns(unit) && other.ownership.owns(unit));
        assert_eq!(both, None, "it has two owners");
        one.n_owned() > 0 && other.n_owned() > 0 && one.n_owned() + other.n_owned() == 64
    })
    .await;
}

#[tokio::test]
async fn members_share_the_work_and_take_over_what_one_leaves_or_drops() {
    let cluster = Cluster::start().await;
    let first = cluster.join("a");
    wait_until("the only one has everything", || first.n_owned() == 64).await;
    let second = cluster.join("B.2");
    share_all(&first, &second).await;
    second.leave().await;
    let left = Instant::now();
    wait_until("everything is the first one's", || first.n_owned() == 64).await;
    assert!(left.elapsed() < TERM, "a Lease that was given up is not waited for: {:?}", left.elapsed());

    let mut third = cluster.join("c");
    share_all(&first, &third).await;
    // Killed: nobody gives its Lease up.
    third.running = None;
    let killed = Instant::now();
    wait_until("everything is the first one's", || first.n_owned() == 64).await;
    let took = killed.elapsed();
    assert!(took > TERM / 2 && took < 4 * TERM, "{took:?}");
    first.leave().await;
    cluster.stop().await;
}

#[tokio::test]
async fn whoever_cannot_renew_stops_before_others_may_begin_and_goes_on_when_it_can() {
    let cluster = Cluster::start().await;
    let member = cluster.join("a");
    wait_until("it has everything", || member.n_owned() == 64).await;
    // A failure or two cost nothing.
    cluster.fail(2).await;
    wait_until("the failure is told", || member.is_degraded("cannot be renewed")).await;
    assert_eq!(member.n_owned(), 64);
    wait_until("all is well", || !member.is_degraded("")).await;
    cluster.fail(1_000_000).await;
    let failed = Instant::now();
    wait_until("it has nothing", || member.n_owned() == 0).await;
    assert!(failed.elapsed() < 2 * TERM, "{:?}", failed.elapsed());
    wait_until("it says so", || member.is_degraded("nothing is collected here")).await;
    cluster.ask(Method::DELETE, "/simulator/failures", &Value::Null).await;
    wait_until("it has everything again", || member.n_owned() == 64).await;
    member.leave().await;
    cluster.stop().await;
}

#[tokio::test]
async fn two_of_one_name_do_not_collect_at_once() {
    let cluster = Cluster::start().await;
    let first = cluster.join("a");
    wait_until("it has everything", || first.n_owned() == 64).await;
    let twin = cluster.join("a");
    wait_until("the twin is told", || twin.is_degraded("give this collector another collector.id")).await;
    assert_eq!((first.n_owned(), twin.n_owned()), (64, 0));

    // Somebody writes into the Lease, whatever it is to mean.
    let lease = format!("{LEASES}/sentinel-collector-a");
    let labels = labels().map(|(name, value)| (name.to_owned(), Value::from(value)));
    let stolen = json!({
        "metadata": {"name": "sentinel-collector-a", "labels": Value::Object(labels.into_iter().collect())},
        "spec": {"holderIdentity": "thief_1", "leaseDurationSeconds": 2, "renewTime": "1970-01-01T00:00:00Z"},
    });
    cluster.ask(Method::PUT, &lease, &stolen).await;
    wait_until("it stops at once", || first.n_owned() == 0).await;
    // When the thief is silent for its term, whatever the time in its Lease, one of the two goes on.
    wait_until("one has everything", || first.n_owned() + twin.n_owned() == 64).await;
    drop((first, twin));
    cluster.stop().await;
}

#[test]
fn without_a_namespace_or_a_cluster_it_says_what_to_write() {
    let kubernetes = KubernetesConfig { url: "http://127.0.0.1:1".into(), ..KubernetesConfig::default() };
    let why = Leases::build(&LeaseConfig::default(), &kubernetes, "a").err().expect("no namespace");
    assert!(why.contains("collector.sharding.namespace = \"sentinel-mesh\""), "{why}");
}
