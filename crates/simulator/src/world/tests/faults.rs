//! The life of each fault, as a watcher sees it.

use serde_json::Value;

use crate::store::{ChangeKind, Kind};
use crate::testing::{Cluster, Seen, condition, name_of, reason, sequence, state_of, text};
use crate::world::FaultKind;

/// States of one pod's container from the start of the fault on.
fn states(changes: &[Seen], pod: &str) -> Vec<String> {
    let of_pod = changes.iter().filter(|seen| name_of(&seen.object) == pod);
    sequence(of_pod.map(|seen| state_of(&seen.object)))
}

fn restarts(pod: &Value) -> i64 {
    pod["status"]["containerStatuses"][0]["restartCount"].as_i64().expect("a number")
}

#[test]
fn a_crash_loop_backs_off_longer_each_time() {
    let mut cluster = Cluster::with_fault(FaultKind::CrashLoop, 100, Some("shop/cart"));
    cluster.advance(99.0);
    let truth = cluster.truth();
    let pod = truth.root.name.clone();
    let changes = cluster.changes(Kind::Pod);
    let states = states(&changes, &pod);
    let expected = [
        // The first restart comes at once, then there is a back-off between any two.
        "terminated(Error 1)",
        "running",
        "terminated(Error 1)",
        "waiting(CrashLoopBackOff)",
        "running",
        "terminated(Error 1)",
        "waiting(CrashLoopBackOff)",
        "running",
    ];
    assert_eq!(states[..expected.len()], expected, "{states:?}");
    let messages = sequence(changes.iter().filter(|seen| name_of(&seen.object) == pod).filter_map(|seen| {
        let waiting = &seen.object["status"]["containerStatuses"][0]["state"]["waiting"];
        waiting["message"].as_str().map(|message| message.split(' ').nth(1).unwrap_or_default().to_owned())
    }));
    assert_eq!(messages[..2], ["10s", "20s"], "{messages:?}");
    let now = cluster.get(Kind::Pod, "shop", &pod).expect("the pod");
    assert!(restarts(&now) >= 3, "{}", restarts(&now));
    assert_eq!(condition(&now, "Ready"), "False");
    assert_eq!(now["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
    let back_off = cluster.events("BackOff", &pod);
    assert_eq!(back_off.len(), 1, "counted, not repeated: {back_off:?}");
    assert!(back_off[0]["count"].as_i64() > Some(3));
    assert_eq!(back_off[0]["type"], "Warning");
}

#[test]
fn a_crash_loop_ends_with_another_pod() {
    let mut cluster = Cluster::with_fault(FaultKind::CrashLoop, 60, Some("shop/cart"));
    cluster.advance(100.0);
    let truth = cluster.truth();
    assert!(truth.recovered_ms > truth.end_ms, "{truth:?}");
    assert!(cluster.get(Kind::Pod, "shop", &truth.root.name).is_none());
    let ready: Vec<_> = cluster
        .list(Kind::Pod)
        .into_iter()
        .filter(|pod| name_of(pod).starts_with("cart-") && condition(pod, "Ready") == "True")
        .collect();
    assert_eq!(ready.len(), 2);
}

#[test]
fn an_oom_kill_shows_in_the_status_and_not_in_the_counter() {
    let mut cluster = Cluster::with_fault(FaultKind::OomKill, 90, Some("payments/settler"));
    cluster.advance(80.0);
    let pod = cluster.truth().root.name;
    let changes = cluster.changes(Kind::Pod);
    let states = states(&changes, &pod);
    assert_eq!(states[..2], ["terminated(OOMKilled 137)", "running"], "{states:?}");
    let now = cluster.get(Kind::Pod, "payments", &pod).expect("the pod");
    assert!(restarts(&now) >= 1);
    let counters: Vec<String> = (0..4)
        .flat_map(|node| {
            let page = crate::kubelet::cadvisor(&cluster.node_use(node));
            page.lines()
                .filter(|l| l.starts_with("container_oom_events_total{"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(!counters.is_empty());
    assert!(counters.iter().all(|line| line.contains("} 0 ")), "{counters:?}");
}

#[test]
fn a_memory_leak_grows_to_the_limit_and_ends_with_a_kill() {
    let mut cluster = Cluster::with_fault(FaultKind::MemoryLeak, 300, Some("shop/catalog"));
    cluster.advance(20.0);
    let pod = cluster.truth().root.name;
    let memory = |cluster: &Cluster| {
        let pods = (0..4).flat_map(|node| cluster.node_use(node).pods);
        let found = pods.into_iter().find(|p| *p.name == *pod).expect("the pod");
        found.containers[0].memory.working_set
    };
    let readings: Vec<f64> = (0..5)
        .map(|_| {
            cluster.advance(50.0);
            memory(&cluster)
        })
        .collect();
    assert!(readings.windows(2).all(|pair| pair[1] > pair[0]), "{readings:?}");
    cluster.advance(40.0);
    let changes = cluster.changes(Kind::Pod);
    let states = states(&changes, &pod);
    assert_eq!(states[..2], ["terminated(OOMKilled 137)", "running"], "{states:?}");
    assert!(memory(&cluster) < readings[0], "the new container does not leak");
    assert!(cluster.truth().end_ms.is_some());
}

#[test]
fn an_image_that_is_not_there_leaves_the_old_pods_serving() {
    let mut cluster = Cluster::with_fault(FaultKind::ImagePull, 90, Some("payments/gateway"));
    cluster.advance(80.0);
    let changes = cluster.changes(Kind::Pod);
    let is_new =
        |seen: &&Seen| seen.kind == ChangeKind::Added && name_of(&seen.object).starts_with("gateway-");
    let pod = name_of(&changes.iter().find(is_new).expect("a new pod").object);
    let states = states(&changes, &pod);
    let of_interest: Vec<_> = states.iter().filter(|state| state.starts_with("waiting")).cloned().collect();
    let expected = [
        "waiting(ContainerCreating)",
        "waiting(ErrImagePull)",
        "waiting(ImagePullBackOff)",
        "waiting(ErrImagePull)",
        "waiting(ImagePullBackOff)",
    ];
    assert_eq!(of_interest[..expected.len()], expected, "{states:?}");
    assert_eq!(cluster.events("Failed", &pod).len(), 3, "{:?}", cluster.events("Failed", &pod));
    let back_off = cluster.events("BackOff", &pod);
    assert_eq!((text(&back_off[0]["type"]).as_str(), back_off.len()), ("Normal", 1));
    let deployment = cluster.get(Kind::Deployment, "payments", "gateway").expect("the deployment");
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    assert_eq!(condition(&deployment, "Available"), "True");
    assert_eq!(reason(&deployment, "Progressing"), "ProgressDeadlineExceeded");
    cluster.advance(30.0);
    let deployment = cluster.get(Kind::Deployment, "payments", "gateway").expect("the deployment");
    assert_eq!(reason(&deployment, "Progressing"), "NewReplicaSetAvailable");
    assert!(cluster.get(Kind::Pod, "payments", &pod).is_none(), "rolled back");
    assert!(cluster.truth().recovered_ms.is_some());
}

#[test]
fn a_throttled_container_uses_its_limit_and_no_more() {
    let mut cluster = Cluster::with_fault(FaultKind::CpuThrottling, 120, Some("media/resizer"));
    cluster.advance(30.0);
    let pod = cluster.truth().root.name;
    let reading = |cluster: &Cluster| {
        let pods = (0..4).flat_map(|node| cluster.node_use(node).pods);
        let found = pods.into_iter().find(|p| *p.name == *pod).expect("the pod");
        (found.containers[0].at, found.containers[0].reading)
    };
    let before = reading(&cluster);
    cluster.advance(60.0);
    let after = reading(&cluster);
    let seconds = after.0.millis_since(before.0) as f64 / 1_000.0;
    let cores = (after.1.cpu_seconds - before.1.cpu_seconds) / seconds;
    assert!((0.47..=0.5).contains(&cores), "{cores} of a limit of 0.5");
    let share =
        (after.1.throttled_periods - before.1.throttled_periods) / (after.1.periods - before.1.periods);
    assert!(share > 0.9, "{share}");
    cluster.advance(120.0);
    assert!(cluster.truth().recovered_ms.is_some());
}

#[test]
fn a_pod_that_fits_nowhere_stays_pending_until_it_is_deleted() {
    let mut cluster = Cluster::with_fault(FaultKind::Unschedulable, 60, Some("analytics/ingest"));
    cluster.advance(50.0);
    let pods = cluster.list(Kind::Pod);
    let pod = pods.iter().find(|pod| name_of(pod).starts_with("trainer-")).expect("the pod").clone();
    assert_eq!(pod["status"]["phase"], "Pending");
    assert_eq!(reason(&pod, "PodScheduled"), "Unschedulable");
    assert!(pod["spec"].get("nodeName").is_none());
    let events = cluster.events("FailedScheduling", &name_of(&pod));
    assert!(!events.is_empty());
    let message = text(&events[0]["message"]);
    assert!(message.starts_with("0/4 nodes are available: 4 Insufficient cpu. preemption:"), "{message}");
    assert!(events[0]["lastTimestamp"].is_null() && events[0]["eventTime"].is_string());
    let deployment = cluster.get(Kind::Deployment, "analytics", "trainer").expect("the deployment");
    assert_eq!(condition(&deployment, "Available"), "False");
    cluster.advance(20.0);
    assert!(cluster.get(Kind::Deployment, "analytics", "trainer").is_none());
    assert!(!cluster.list(Kind::Pod).iter().any(|pod| name_of(pod).starts_with("trainer-")));
    assert!(!cluster.list(Kind::ReplicaSet).iter().any(|set| name_of(set).starts_with("trainer-")));
    assert_eq!(cluster.truth().root.name, "trainer");
}

#[test]
fn a_node_that_is_cut_off_is_noticed_after_a_while_and_comes_back() {
    let mut cluster = Cluster::with_fault(FaultKind::NodeNotReady, 120, Some("node-2"));
    cluster.advance(30.0);
    let node = |cluster: &Cluster| cluster.get(Kind::Node, "", "node-2").expect("the node");
    assert_eq!(condition(&node(&cluster), "Ready"), "True", "nobody has noticed yet");
    cluster.advance(20.0);
    assert_eq!(condition(&node(&cluster), "Ready"), "Unknown");
    assert_eq!(node(&cluster)["spec"]["taints"].as_array().map(Vec::len), Some(2));
    let on_node = |pod: &Value| pod["spec"]["nodeName"] == "node-2" && pod["status"]["phase"] == "Running";
    let pods: Vec<_> = cluster.list(Kind::Pod).into_iter().filter(on_node).collect();
    assert!(pods.len() > 5);
    for pod in &pods {
        assert_eq!(condition(pod, "Ready"), "False", "{}", name_of(pod));
        assert_eq!(state_of(pod), "running", "containers run on");
        assert_eq!(condition(pod, "ContainersReady"), "True");
        assert_eq!(cluster.events("NodeNotReady", &name_of(pod)).len(), 1);
    }
    cluster.advance(90.0);
    assert_eq!(condition(&node(&cluster), "Ready"), "True");
    assert!(node(&cluster)["spec"].get("taints").is_none());
    let pods = cluster.list(Kind::Pod).into_iter().filter(on_node);
    assert!(pods.into_iter().all(|pod| condition(&pod, "Ready") == "True"));
    assert!(cluster.truth().recovered_ms.is_some());
}

#[test]
fn pods_of_a_node_that_stays_lost_are_replaced_elsewhere() {
    let mut cluster = Cluster::with_fault(FaultKind::NodeNotReady, 600, Some("node-1"));
    cluster.advance(450.0);
    let pods = cluster.list(Kind::Pod);
    let evicted: Vec<_> = pods
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == "node-1" && pod["metadata"]["deletionTimestamp"].is_string())
        .collect();
    assert!(!evicted.is_empty());
    assert!(evicted.iter().all(|pod| pod["spec"].get("hostNetwork").is_none()), "daemons stay");
    for deployment in cluster.list(Kind::Deployment) {
        let replicas = &deployment["spec"]["replicas"];
        assert_eq!(&deployment["status"]["readyReplicas"], replicas, "{}", name_of(&deployment));
    }
    cluster.advance(200.0);
    let pods = cluster.list(Kind::Pod);
    assert!(pods.iter().all(|pod| pod["metadata"].get("deletionTimestamp").is_none()));
}

#[test]
fn a_bad_rollout_stalls_and_is_undone() {
    let mut cluster = Cluster::with_fault(FaultKind::BadRollout, 120, Some("shop/checkout"));
    cluster.advance(110.0);
    let deployment = cluster.get(Kind::Deployment, "shop", "checkout").expect("the deployment");
    assert_eq!(condition(&deployment, "Progressing"), "False");
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    assert_eq!(deployment["status"]["updatedReplicas"], 1);
    let revision = text(&deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]);
    cluster.advance(40.0);
    let deployment = cluster.get(Kind::Deployment, "shop", "checkout").expect("the deployment");
    assert_eq!(reason(&deployment, "Progressing"), "NewReplicaSetAvailable");
    let undone = text(&deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"]);
    let number = |text: &str| text.parse::<u32>().expect("a number");
    assert_eq!(number(&undone), number(&revision) + 1, "a rollback is a revision of its own");
    assert!(cluster.truth().recovered_ms.is_some());
}

#[test]
fn a_volume_fills_up_and_is_emptied() {
    let mut cluster = Cluster::with_fault(FaultKind::VolumeFilling, 200, Some("shop/orders-db"));
    let share = |cluster: &Cluster| {
        let volumes = (0..4).flat_map(|node| cluster.node_use(node).pods).flat_map(|pod| pod.volumes);
        let found = volumes.into_iter().find(|v| v.claim.as_deref() == Some("data-orders-db-0"));
        found.map(|volume| volume.used / volume.capacity).expect("the volume")
    };
    let before = share(&cluster);
    cluster.advance(60.0);
    let filling = share(&cluster);
    cluster.advance(90.0);
    let full = share(&cluster);
    assert!(before < filling && filling < full && full > 0.95, "{before} {filling} {full}");
    assert_eq!(cluster.truth().root.kind, "PersistentVolumeClaim");
    cluster.advance(60.0);
    assert!(share(&cluster) < 0.5);
}

#[test]
fn a_noisy_neighbour_takes_the_node_and_slows_the_others() {
    let mut cluster = Cluster::with_fault(FaultKind::NoisyNeighbour, 120, None);
    cluster.advance(60.0);
    let truth = cluster.truth();
    let node = truth.also_affected.iter().find(|object| object.kind == "Node").expect("the node");
    let number: u16 = node.name.trim_start_matches("node-").parse().expect("a number");
    let usage = cluster.node_use(number - 1);
    assert!(usage.cores > usage.cpu as f64 / 1_000.0 * 0.75, "{} cores", usage.cores);
    let n_pods = truth.also_affected.iter().filter(|object| object.kind == "Pod").count();
    assert!(n_pods > 3, "{truth:?}");
    cluster.advance(100.0);
    let usage = cluster.node_use(number - 1);
    assert!(usage.cores < usage.cpu as f64 / 1_000.0 * 0.6, "{} cores", usage.cores);
}

#[test]
fn a_target_that_is_not_there_is_refused_with_what_is() {
    let mut cluster = Cluster::new();
    let spec = crate::world::FaultSpec {
        kind: FaultKind::OomKill,
        at: cluster.world.now(),
        millis: 1_000,
        target: Some("shop/nothing".to_owned()),
    };
    let error = cluster.world.plan_fault(spec).expect_err("no such target").to_string();
    assert!(error.contains("shop/nothing") && error.contains("node-1 to node-4"), "{error}");
}

#[test]
fn the_rotation_goes_through_all_kinds() {
    let mut cluster = Cluster::new();
    let scenario = crate::scenario::Scenario {
        faults: Vec::new(),
        rotation: Some(crate::scenario::Rotation {
            first: std::time::Duration::from_secs(10),
            every: std::time::Duration::from_secs(240),
            lasts: std::time::Duration::from_secs(150),
        }),
    };
    cluster.world.play(&scenario).expect("a valid scenario");
    cluster.advance(3_600.0);
    let truth = cluster.world.truth();
    for kind in FaultKind::ALL {
        assert!(truth.iter().any(|fault| fault.kind == kind), "{kind:?} is missing");
    }
    let over: Vec<_> = truth.iter().filter(|fault| fault.end_ms.is_some()).collect();
    let n_recovered = over.iter().filter(|fault| fault.recovered_ms.is_some()).count();
    assert!(n_recovered + 1 >= over.len(), "{over:#?}");
}
