//! Rollouts and what follows them: ReplicaSets, slices, budgets, StatefulSets and DaemonSets.

use crate::store::{ChangeKind, Kind};
use crate::template::Version;
use crate::testing::{Cluster, name_of, reason, sequence, text};
use crate::world::WorkloadId;

fn workload(cluster: &Cluster, name: &str) -> WorkloadId {
    WorkloadId(cluster.world.workloads.iter().position(|w| *w.name == *name).expect("a workload") as u32)
}

fn release(cluster: &mut Cluster, name: &str) {
    let id = workload(cluster, name);
    let version = cluster.world.workloads[id.0 as usize].current().version.clone();
    cluster.world.roll_out(id, Version { tag: "9.9.9".to_owned(), ..version });
}

#[test]
fn a_rollout_replaces_pods_without_losing_availability() {
    let mut cluster = Cluster::new();
    release(&mut cluster, "frontend");
    cluster.advance(60.0);
    let deployments = cluster.changes(Kind::Deployment);
    let of_frontend: Vec<_> =
        deployments.iter().filter(|seen| name_of(&seen.object) == "frontend").map(|s| &s.object).collect();
    let reasons = sequence(of_frontend.iter().map(|deployment| reason(deployment, "Progressing")));
    assert_eq!(reasons, ["NewReplicaSetCreated", "ReplicaSetUpdated", "NewReplicaSetAvailable"]);
    let replicas = of_frontend[0]["spec"]["replicas"].as_i64().expect("a number");
    for deployment in &of_frontend {
        let available = deployment["status"]["availableReplicas"].as_i64().unwrap_or_default();
        assert!(available >= replicas - replicas / 4, "{deployment}");
        let total = deployment["status"]["replicas"].as_i64().unwrap_or_default();
        assert!(total <= replicas + (replicas + 3) / 4, "{deployment}");
    }
    let pods = cluster.list(Kind::Pod);
    let images: Vec<_> = pods
        .iter()
        .filter(|pod| name_of(pod).starts_with("frontend-"))
        .map(|pod| text(&pod["spec"]["containers"][0]["image"]))
        .collect();
    assert_eq!(images.len() as i64, replicas);
    assert!(images.iter().all(|image| image.ends_with(":9.9.9")), "{images:?}");
}

#[test]
fn the_new_image_is_pulled_where_it_is_missing() {
    let mut cluster = Cluster::new();
    release(&mut cluster, "frontend");
    cluster.advance(60.0);
    let pulled: Vec<_> = cluster
        .list(Kind::Event)
        .into_iter()
        .filter(|event| event["reason"] == "Pulled" && text(&event["message"]).contains("9.9.9"))
        .map(|event| text(&event["message"]))
        .collect();
    assert!(pulled.iter().any(|message| message.starts_with("Successfully pulled image")), "{pulled:?}");
}

#[test]
fn the_old_replica_set_stays_empty_for_a_rollback() {
    let mut cluster = Cluster::new();
    let before =
        cluster.world.workloads[workload(&cluster, "frontend").0 as usize].current().name.to_string();
    release(&mut cluster, "frontend");
    cluster.advance(60.0);
    let old = cluster.get(Kind::ReplicaSet, "shop", &before).expect("the old set");
    assert_eq!(old["spec"]["replicas"], 0);
    assert_eq!(old["status"]["replicas"], 0);
    let owner = &old["metadata"]["ownerReferences"][0];
    assert_eq!((text(&owner["kind"]).as_str(), text(&owner["name"]).as_str()), ("Deployment", "frontend"));
    assert_eq!(
        old["spec"]["selector"]["matchLabels"]["pod-template-hash"],
        old["metadata"]["labels"]["pod-template-hash"]
    );
    for _ in 0..4 {
        let id = workload(&cluster, "frontend");
        let version = cluster.world.workloads[id.0 as usize].current().version.clone();
        cluster.world.roll_out(id, Version { config: version.config + 1, ..version });
        cluster.advance(90.0);
    }
    assert!(cluster.get(Kind::ReplicaSet, "shop", &before).is_none(), "the history is bounded");
}

#[test]
fn the_slice_follows_the_pods() {
    let mut cluster = Cluster::new();
    release(&mut cluster, "thumbs");
    cluster.advance(60.0);
    let slices = cluster.changes(Kind::EndpointSlice);
    let of_thumbs: Vec<_> = slices
        .iter()
        .filter(|seen| name_of(&seen.object).starts_with("thumbs-"))
        .map(|s| &s.object)
        .collect();
    let generations: Vec<_> = of_thumbs.iter().filter_map(|s| s["metadata"]["generation"].as_i64()).collect();
    assert!(generations.windows(2).all(|pair| pair[1] == pair[0] + 1), "{generations:?}");
    let has_terminating = of_thumbs.iter().any(|slice| {
        let endpoints = slice["endpoints"].as_array().expect("an array");
        endpoints.iter().any(|endpoint| endpoint["conditions"]["terminating"] == true)
    });
    assert!(has_terminating);
    let last = of_thumbs.last().expect("changes");
    let endpoints = last["endpoints"].as_array().expect("an array");
    assert_eq!(endpoints.len(), 2);
    assert!(endpoints.iter().all(|endpoint| endpoint["conditions"]["ready"] == true));
}

#[test]
fn a_stateful_set_is_replaced_from_the_last_pod_on_and_keeps_names_and_claims() {
    let mut cluster = Cluster::new();
    release(&mut cluster, "kafka");
    cluster.advance(120.0);
    let pods = cluster.changes(Kind::Pod);
    let deleted = pods.iter().filter(|s| s.kind == ChangeKind::Deleted).map(|s| name_of(&s.object));
    let deleted: Vec<_> = deleted.filter(|name| name.starts_with("kafka-")).collect();
    assert_eq!(deleted, ["kafka-2", "kafka-1", "kafka-0"]);
    let set = cluster.get(Kind::StatefulSet, "platform", "kafka").expect("the set");
    assert_eq!(set["status"]["readyReplicas"], 3);
    assert_eq!(set["status"]["currentRevision"], set["status"]["updateRevision"]);
    let pod = cluster.get(Kind::Pod, "platform", "kafka-1").expect("the pod");
    assert_eq!(pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-kafka-1");
    assert_eq!(pod["spec"]["hostname"], "kafka-1");
    assert!(cluster.changes(Kind::PersistentVolumeClaim).is_empty());
}

#[test]
fn a_daemon_set_is_replaced_one_node_at_a_time() {
    let mut cluster = Cluster::new();
    release(&mut cluster, "node-agent");
    // A DaemonSet's rollout has no progress of its own to wait for.
    cluster.advance(180.0);
    let sets = cluster.changes(Kind::DaemonSet);
    let unavailable = sets
        .iter()
        .filter(|seen| name_of(&seen.object) == "node-agent")
        .filter_map(|seen| seen.object["status"]["numberUnavailable"].as_i64())
        .max();
    assert_eq!(unavailable, Some(1));
    let set = cluster.get(Kind::DaemonSet, "kube-system", "node-agent").expect("the set");
    assert_eq!(set["status"]["updatedNumberScheduled"], 4);
    assert_eq!(set["status"]["numberReady"], 4);
}

#[test]
fn a_budget_tells_how_many_pods_may_go() {
    let mut cluster = Cluster::new();
    let pod = cluster.world.pods.values().find(|pod| pod.template.app.name == "cart").expect("cart").id;
    cluster.world.delete_pod(pod);
    cluster.advance(40.0);
    let budgets = cluster.changes(Kind::PodDisruptionBudget);
    let of_cart = budgets.iter().filter(|seen| name_of(&seen.object) == "cart");
    let allowed = sequence(of_cart.filter_map(|seen| seen.object["status"]["disruptionsAllowed"].as_i64()));
    assert_eq!(allowed, [0, 1]);
}
