//! The whole source against a scripted API server, up to what arrives on the bus.

use sentinel_model::{EventBatch, ObjectState, Topic};
use sentinel_proto::Wire;
use sentinel_runtime::{ComponentState, ShutdownTrigger};
use sentinel_testkit::wait_until;
use serde_json::{Value, json};

use super::*;
use crate::outlet::RunningOutlet;
use crate::sources::kubernetes::Enabled;
use crate::sources::kubernetes::testing::{Asked, Reply, Server};
use crate::testing::{Bench, FakeBus, Mode};
use crate::{Clock, OutletConfig};

/// A Deployment's pod with an event about it; every watch stays open and silent.
fn cluster(asked: &Asked) -> Reply {
    if asked.target.contains("watch=true") {
        return Reply::ok("").then_hang();
    }
    let owner =
        |kind: &str, name: &str| json!([{"kind": kind, "name": name, "uid": name, "controller": true}]);
    let meta = |name: &str| json!({"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"});
    let path = asked.target.split('?').next().unwrap_or_default();
    let item = match path.rsplit('/').next().unwrap_or_default() {
        "replicasets" => {
            let mut meta = meta("web-abc");
            meta["ownerReferences"] = owner("Deployment", "web");
            Some(json!({"metadata": meta}))
        }
        "pods" => {
            let mut meta = meta("web-abc-1");
            meta["ownerReferences"] = owner("ReplicaSet", "web-abc");
            Some(json!({"metadata": meta, "status": {"phase": "Running"}}))
        }
        "events" => Some(json!({"metadata": meta("e1"), "reason": "BackOff", "type": "Warning",
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "web-abc-1"}})),
        "ingresses" => Some(json!({"metadata": {"name": "without uid"}})),
        _ => None,
    };
    let items: Vec<Value> = item.into_iter().collect();
    Reply::ok(json!({"metadata": {"resourceVersion": "1"}, "items": items}).to_string())
}

struct Scene {
    bench: Bench,
    folder: tempfile::TempDir,
    _outlet: RunningOutlet,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bus = FakeBus::new(Mode::Works);
        let mut bench =
            Bench::with_clock(&bus, &folder.path().join("spool"), OutletConfig::default(), Clock::Wall);
        let outlet = bench.service.take().expect("not started").start();
        Self { bench, folder, _outlet: outlet }
    }

    fn build(&self, config: &KubernetesConfig) -> Result<Option<Kubernetes>, KubernetesError> {
        let bus = Arc::clone(&self.bench.bus) as Arc<dyn Bus>;
        Kubernetes::build(config, self.bench.context(), bus, self.folder.path().to_owned())
    }

    fn start(&self, config: &KubernetesConfig) -> (ShutdownTrigger, Task<()>) {
        let source = self.build(config).expect("good settings").expect("a cluster");
        let (trigger, shutdown) = Shutdown::new();
        (trigger, spawn("kubernetes", Box::new(source).run(shutdown)))
    }

    fn decoded<T: Wire>(&self) -> Vec<T> {
        let messages = self.bench.bus.taken_of(T::TOPIC);
        messages.iter().filter_map(|message| T::decode(&message.record.value).ok()).collect()
    }
}

#[tokio::test]
async fn brings_objects_events_and_numbers_of_a_cluster_onto_the_bus() {
    let server = Server::start(|asked, _| cluster(asked)).await;
    let scene = Scene::new();
    let config = KubernetesConfig { url: server.url.clone(), ..KubernetesConfig::default() };
    let (trigger, task) = scene.start(&config);
    wait_until("events and frames", || {
        !scene.decoded::<EventBatch>().is_empty() && !scene.bench.bus.frames().0.is_empty()
    })
    .await;
    let objects = scene.decoded::<ObjectState>();
    let pod = objects.iter().find(|state| state.name == "web-abc-1").expect("the pod");
    assert_eq!(pod.workload.as_ref().map(|workload| workload.name.as_str()), Some("web"));
    let event = scene.decoded::<EventBatch>().remove(0).records.remove(0);
    assert_eq!((event.workload_kind.as_str(), event.workload.as_str()), ("Deployment", "web"));
    let frame = scene.bench.bus.frames().0.remove(0);
    assert_eq!(&*frame.stream.target, "state");
    let has = |name: &str| frame.defined.iter().any(|(_, series)| series.labels.metric_name() == name);
    assert!(has("kube_pod_status_phase") && has("kube_replicaset_owner"));
    assert_eq!(scene.bench.health.report().components["collector/kubernetes"], ComponentState::Ready);
    let rejection = crate::metrics::Rejection { door: "object", reason: "no_uid" };
    assert_eq!(scene.bench.metrics.rejected.get_or_create(&rejection).get(), 1);
    trigger.trigger();
    task.await;
}

#[tokio::test]
async fn says_so_when_a_kind_may_not_be_read_and_goes_on_with_the_others() {
    let server = Server::start(|asked, _| match asked.target.contains("/ingresses") {
        true => Reply::status(403, r#"{"message": "ingresses is forbidden"}"#),
        false => cluster(asked),
    })
    .await;
    let scene = Scene::new();
    let mut config = KubernetesConfig { url: server.url.clone(), ..KubernetesConfig::default() };
    config.watch.backoff_first = Duration::from_millis(1);
    let (trigger, task) = scene.start(&config);
    let state = || scene.bench.health.report().components["collector/kubernetes"].clone();
    wait_until("the degraded state", || matches!(state(), ComponentState::Degraded(_))).await;
    let ComponentState::Degraded(why) = state() else { panic!("degraded") };
    assert!(why.contains("no live view of ingresses") && why.contains("forbidden"), "{why}");
    wait_until("two messages of objects", || scene.bench.bus.taken_of(Topic::Objects).len() >= 2).await;
    trigger.trigger();
    task.await;
}

#[tokio::test]
async fn waits_for_credentials_that_are_not_there_yet() {
    let scene = Scene::new();
    let token_file = Some(scene.folder.path().join("token"));
    let config =
        KubernetesConfig { url: "http://127.0.0.1:1".into(), token_file, ..KubernetesConfig::default() };
    let (trigger, task) = scene.start(&config);
    let state = || scene.bench.health.report().components["collector/kubernetes"].clone();
    wait_until("the degraded state", || matches!(state(), ComponentState::Degraded(_))).await;
    trigger.trigger();
    task.await;
}

#[test]
fn knows_what_explains_what() {
    for kind in Kind::ALL {
        let before = |explained: &Kind| explaining(kind).contains(explained);
        assert!(!before(&kind) && !before(&Kind::Event));
    }
}

#[tokio::test]
async fn refuses_settings_that_cannot_work() {
    let scene = Scene::new();
    let url = || "http://127.0.0.1:1".to_owned();
    let good = || KubernetesConfig { url: url(), ..KubernetesConfig::default() };
    assert!(scene.build(&good()).expect("good settings").is_some());
    let never = KubernetesConfig { enabled: Enabled::Never, ..good() };
    assert!(scene.build(&never).expect("good settings").is_none());
    let mut bad = vec![
        KubernetesConfig { url: "http://10.0.0.1".into(), ..good() },
        KubernetesConfig { kinds: vec!["secrets".into()], ..good() },
    ];
    let change = |apply: fn(&mut KubernetesConfig)| {
        let mut config = good();
        apply(&mut config);
        config
    };
    bad.push(change(|config| config.kubelet.mode = KubeletMode::Url));
    bad.push(change(|config| {
        config.kubelet.mode = KubeletMode::Direct;
        config.kubelet.url = "http://127.0.0.1:1".into();
    }));
    bad.push(change(|config| config.kubelet.url = "http://10.0.0.1/{node}".into()));
    bad.push(change(|config| config.kubelet.interval = Duration::ZERO));
    bad.push(change(|config| config.watch.timeout = Duration::ZERO));
    bad.push(change(|config| config.watch.backoff_first = Duration::from_secs(3_600)));
    bad.push(change(|config| config.logs.lines_per_second = 0));
    for config in bad {
        assert!(scene.build(&config).is_err(), "{config:?}");
    }
}

#[test]
fn watches_the_kinds_that_were_chosen_in_a_fixed_order() {
    let chosen = kinds(&["pods".into(), "ReplicaSet".into()]).expect("known kinds");
    assert_eq!(chosen, [Kind::ReplicaSet, Kind::Pod]);
    assert_eq!(kinds(&[]).expect("known kinds").len(), 16);
}
