//! The cluster at the start, and that it is always the same.

use std::collections::BTreeMap;

use k8s_openapi::DeepMerge as _;
use k8s_openapi::api::{apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch};
use k8s_openapi::api::{coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery};
use k8s_openapi::api::{networking::v1 as networking, policy::v1 as policy};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use crate::dice;
use crate::kubelet;
use crate::scenario::Scenario;
use crate::store::{KINDS, Kind};
use crate::testing::{Cluster, START, condition, name_of, text};
use crate::world::{Founding, NodeId, World};

/// Everything that a client can see, in one number.
fn fingerprint(world: &World) -> u64 {
    let mut all = String::new();
    for kind in KINDS {
        for object in world.store().list(kind, None) {
            all.push_str(&object.body);
        }
    }
    for node in 0..world.nodes.len() {
        let usage = world.node_use(NodeId(node as u16)).expect("a node");
        all.push_str(&kubelet::cadvisor(&usage));
        all.push_str(&kubelet::summary(&usage));
    }
    dice::hash(all.as_bytes())
}

fn founded(seed: u64) -> World {
    let mut world = World::found(&Founding { seed, pods: 40, nodes: 3, log_rate: 1.0, start: START });
    world.play(&Scenario::load(None).expect("the built-in scenario")).expect("no targets are named");
    world
}

#[test]
fn the_same_seed_gives_the_same_world_however_time_is_stepped() {
    let until = START.saturating_add_millis(900_000);
    let mut at_once = founded(7);
    at_once.advance_to(until);
    let mut in_steps = founded(7);
    let mut step = 1_i64;
    while in_steps.now() < until {
        // Looking must not change anything either.
        let _ = in_steps.node_use(NodeId(0));
        step = step * 7 % 9_973;
        in_steps.advance_to(in_steps.now().saturating_add_millis(step).min(until));
    }
    assert_eq!(fingerprint(&at_once), fingerprint(&in_steps));
}

#[test]
fn another_seed_gives_another_world() {
    assert_ne!(fingerprint(&founded(1)), fingerprint(&founded(2)));
}

#[test]
fn it_looks_lived_in() {
    let cluster = Cluster::new();
    let pods = cluster.list(Kind::Pod);
    assert!((55..=66).contains(&pods.len()), "{}", pods.len());
    let restarted =
        pods.iter().filter(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() > Some(0));
    assert!(restarted.count() >= 2);
    let old = pods.iter().filter(|pod| text(&pod["metadata"]["creationTimestamp"]).as_str() < "2026-11-20");
    assert!(old.count() > 20);
    let running: Vec<_> = pods.iter().filter(|pod| pod["status"]["phase"] == "Running").collect();
    let ready = running.iter().filter(|pod| condition(pod, "Ready") == "True").count();
    assert!(ready + 2 >= running.len(), "{ready} of {}", running.len());
    assert!(cluster.list(Kind::Event).len() > 50);
    assert!(cluster.list(Kind::Job).len() >= 3);
    let empty_sets = cluster.list(Kind::ReplicaSet).into_iter().filter(|set| set["spec"]["replicas"] == 0);
    assert!(empty_sets.count() > 10, "rollouts leave ReplicaSets behind");
}

#[test]
fn says_on_every_node_and_namespace_that_it_is_simulated() {
    let cluster = Cluster::new();
    for object in cluster.list(Kind::Node).into_iter().chain(cluster.list(Kind::Namespace)) {
        let annotation = &object["metadata"]["annotations"][crate::objects::SIMULATED];
        assert_eq!(annotation, "true", "{}", name_of(&object));
    }
}

#[test]
fn the_smallest_and_an_uneven_cluster_work() {
    for (pods, nodes) in [(1, 1), (10, 4), (37, 7), (500, 2)] {
        let mut cluster = Cluster::sized(pods, nodes, 3);
        cluster.advance(120.0);
        assert_eq!(cluster.list(Kind::Node).len(), nodes);
        let unscheduled: Vec<_> = cluster
            .list(Kind::Pod)
            .iter()
            .filter(|pod| condition(pod, "PodScheduled") == "False")
            .map(name_of)
            .collect();
        assert!(unscheduled.is_empty(), "{pods} pods on {nodes} nodes: {unscheduled:?}");
    }
}

/// Parses every object of a kind as the client library does, and compares what it knows of.
fn check<T: DeserializeOwned + serde::Serialize>(cluster: &Cluster, kind: Kind) {
    let objects = cluster.list(kind);
    assert!(!objects.is_empty(), "{kind:?}");
    for object in objects {
        let typed: T = serde_json::from_value(object.clone())
            .unwrap_or_else(|error| panic!("{kind:?} {}: {error}", name_of(&object)));
        let back = serde_json::to_value(&typed).expect("JSON");
        assert_eq!(back["metadata"]["uid"], object["metadata"]["uid"]);
        assert_eq!(back["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"]);
    }
}

#[test]
fn every_object_is_one_that_the_client_library_understands() {
    let mut cluster = Cluster::new();
    cluster.world.play(&Scenario::load(None).expect("built in")).expect("no targets");
    cluster.advance(400.0);
    check::<core::ConfigMap>(&cluster, Kind::ConfigMap);
    check::<core::Event>(&cluster, Kind::Event);
    check::<core::Namespace>(&cluster, Kind::Namespace);
    check::<core::Node>(&cluster, Kind::Node);
    check::<core::PersistentVolumeClaim>(&cluster, Kind::PersistentVolumeClaim);
    check::<core::PersistentVolume>(&cluster, Kind::PersistentVolume);
    check::<core::Pod>(&cluster, Kind::Pod);
    check::<core::ResourceQuota>(&cluster, Kind::ResourceQuota);
    check::<core::Service>(&cluster, Kind::Service);
    check::<apps::DaemonSet>(&cluster, Kind::DaemonSet);
    check::<apps::Deployment>(&cluster, Kind::Deployment);
    check::<apps::ReplicaSet>(&cluster, Kind::ReplicaSet);
    check::<apps::StatefulSet>(&cluster, Kind::StatefulSet);
    check::<autoscaling::HorizontalPodAutoscaler>(&cluster, Kind::HorizontalPodAutoscaler);
    check::<batch::CronJob>(&cluster, Kind::CronJob);
    check::<batch::Job>(&cluster, Kind::Job);
    check::<coordination::Lease>(&cluster, Kind::Lease);
    check::<discovery::EndpointSlice>(&cluster, Kind::EndpointSlice);
    check::<networking::Ingress>(&cluster, Kind::Ingress);
    check::<policy::PodDisruptionBudget>(&cluster, Kind::PodDisruptionBudget);
}

#[test]
fn the_client_library_keeps_every_field_of_a_pod() {
    let cluster = Cluster::new();
    for object in cluster.list(Kind::Pod) {
        let mut typed: core::Pod = serde_json::from_value(object.clone()).expect("a pod");
        typed.merge_from(core::Pod::default());
        let mut back = serde_json::to_value(&typed).expect("JSON");
        let mut object = object;
        drop_newer_fields(&mut object);
        drop_newer_fields(&mut back);
        assert_eq!(back, object);
    }
}

/// Fields and nulls that the library's version of the API does not know.
fn drop_newer_fields(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            map.retain(|key, value| {
                let is_newer =
                    matches!(key.as_str(), "observedGeneration" | "allocatedResources" | "resources");
                let is_empty_state = key == "lastState" && value == &serde_json::json!({});
                !(value.is_null() || is_newer || is_empty_state)
            });
            map.values_mut().for_each(drop_newer_fields);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_newer_fields),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_whatever_happens(seed: u64, pods in 12_usize..90, nodes in 1_usize..6, minutes in 1_i64..40) {
        let mut cluster = Cluster::sized(pods, nodes, seed);
        cluster.world.play(&Scenario::load(None).expect("built in")).expect("no targets");
        cluster.advance(minutes as f64 * 60.0);
        let world = &cluster.world;
        let mut reserved: BTreeMap<u16, (i64, i64)> = BTreeMap::new();
        for pod in world.pods.values() {
            prop_assert_eq!(world.names.get(&pod.key), Some(&pod.id));
            prop_assert!(world.workloads[pod.workload.0 as usize].pods.contains(&pod.id));
            prop_assert!(world.store().get(Kind::Pod, &pod.key).is_some());
            let Some(node) = pod.node.filter(|node| world.nodes[usize::from(node.0)].pods.contains(&pod.id)) else { continue };
            let (cpu, memory) = pod.template.requests();
            let entry = reserved.entry(node.0).or_default();
            *entry = (entry.0 + cpu, entry.1 + memory);
        }
        prop_assert_eq!(world.names.len(), world.pods.len());
        prop_assert_eq!(world.store().count(Kind::Pod), world.pods.len());
        for node in &world.nodes {
            let expected = reserved.get(&node.id.0).copied().unwrap_or_default();
            prop_assert_eq!((node.cpu_reserved, node.memory_reserved), expected);
            let (cpu, memory) = node.allocatable();
            prop_assert!(node.cpu_reserved <= cpu && node.memory_reserved <= memory);
        }
        let addresses: Vec<_> = world.pods.values().filter(|p| !p.template.is_daemon() && !p.is_finished()).filter_map(|p| p.ip).collect();
        let mut unique = addresses.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), addresses.len(), "two pods share an address");
    }
}
