//! What goes on when nothing is wrong.

use crate::store::{ChangeKind, Kind};
use crate::testing::{Cluster, condition, name_of, reason, sequence, state_of, text};

#[test]
fn a_cron_job_runs_to_completion_and_keeps_a_few_runs() {
    let mut cluster = Cluster::new();
    cluster.advance(300.0);
    let changes = cluster.changes(Kind::Job);
    let name = changes
        .iter()
        .find(|seen| seen.kind == ChangeKind::Added && name_of(&seen.object).starts_with("compact-"))
        .map(|seen| name_of(&seen.object))
        .expect("a run of compact");
    let of_job = changes.iter().filter(|seen| name_of(&seen.object) == name);
    let steps = sequence(of_job.map(|seen| {
        let status = &seen.object["status"];
        (status["active"].as_i64(), status["ready"].as_i64(), condition(&seen.object, "Complete"))
    }));
    let expected = [
        (None, None, String::new()),
        (Some(1), Some(0), String::new()),
        (Some(1), Some(1), String::new()),
        (Some(1), Some(0), String::new()),
        (None, Some(0), String::new()),
        (None, Some(0), "True".to_owned()),
    ];
    assert_eq!(steps[..expected.len()], expected, "{steps:?}");
    let kept = cluster.list(Kind::Job).iter().filter(|job| name_of(job).starts_with("compact-")).count();
    assert!((2..=3).contains(&kept), "{kept}");
    assert_eq!(cluster.events("Completed", &name).len(), 1);
}

#[test]
fn the_pod_of_a_job_succeeds_and_loses_its_finalizer() {
    let mut cluster = Cluster::new();
    cluster.advance(300.0);
    let changes = cluster.changes(Kind::Pod);
    let added = changes
        .iter()
        .find(|seen| seen.kind == ChangeKind::Added && name_of(&seen.object).starts_with("compact-"));
    let name = name_of(&added.expect("a pod of compact").object);
    let of_pod: Vec<_> = changes.iter().filter(|seen| name_of(&seen.object) == name).collect();
    let phases = sequence(of_pod.iter().map(|seen| text(&seen.object["status"]["phase"])));
    assert_eq!(phases[..3], ["Pending", "Running", "Succeeded"]);
    let states = sequence(of_pod.iter().map(|seen| state_of(&seen.object)));
    assert!(states.contains(&"terminated(Completed 0)".to_owned()), "{states:?}");
    let finalizers = sequence(of_pod.iter().map(|seen| seen.object["metadata"].get("finalizers").is_some()));
    assert_eq!(finalizers[..2], [true, false]);
    let done = of_pod.iter().rev().find(|seen| seen.kind == ChangeKind::Modified).expect("a change");
    assert_eq!(reason(&done.object, "Ready"), "PodCompleted");
}

#[test]
fn a_pod_becomes_ready_step_by_step_as_in_a_real_cluster() {
    let mut cluster = Cluster::new();
    let id = crate::world::WorkloadId(
        cluster.world.workloads.iter().position(|w| w.app.name == "checkout").expect("checkout") as u32,
    );
    cluster.world.scale(id, 3);
    cluster.advance(20.0);
    let changes = cluster.changes(Kind::Pod);
    let added = changes
        .iter()
        .find(|seen| seen.kind == ChangeKind::Added && name_of(&seen.object).starts_with("checkout-"))
        .expect("a new pod");
    let name = name_of(&added.object);
    assert!(added.object["status"].get("conditions").is_none());
    assert!(added.object["spec"].get("nodeName").is_none());
    let steps = sequence(changes.iter().filter(|seen| name_of(&seen.object) == name).map(|seen| {
        let pod = &seen.object;
        let started = pod["status"]["containerStatuses"][0]["started"].as_bool();
        (
            condition(pod, "PodScheduled"),
            condition(pod, "PodReadyToStartContainers"),
            started,
            condition(pod, "Ready"),
        )
    }));
    let step = |scheduled: &str, sandbox: &str, started, ready: &str| {
        (scheduled.to_owned(), sandbox.to_owned(), started, ready.to_owned())
    };
    let expected = [
        step("", "", None, ""),
        step("True", "", None, ""),
        step("True", "False", Some(false), "False"),
        step("True", "True", Some(false), "False"),
        step("True", "True", Some(true), "False"),
        step("True", "True", Some(true), "True"),
    ];
    assert_eq!(steps, expected);
    for (reason, component) in
        [("Scheduled", "default-scheduler"), ("Pulled", "kubelet"), ("Started", "kubelet")]
    {
        let events = cluster.events(reason, &name);
        assert_eq!(events.len(), 1, "{reason}");
        assert_eq!(events[0]["reportingComponent"], component);
    }
}

#[test]
fn a_deleted_pod_is_told_to_stop_and_replaced() {
    let mut cluster = Cluster::new();
    let pod = cluster.world.pods.values().find(|pod| pod.template.app.name == "search").expect("search");
    let (id, name) = (pod.id, pod.key.name.to_string());
    cluster.world.delete_pod(id);
    cluster.advance(30.0);
    let changes = cluster.changes(Kind::Pod);
    let of_pod: Vec<_> = changes.iter().filter(|seen| name_of(&seen.object) == name).collect();
    let grace = sequence(of_pod.iter().map(|s| s.object["metadata"]["deletionGracePeriodSeconds"].as_i64()));
    assert_eq!(grace, [Some(30), Some(0)]);
    assert_eq!(of_pod.last().expect("changes").kind, ChangeKind::Deleted);
    // A JVM that gets SIGTERM ends with 143, which makes the pod a failed one.
    assert_eq!(sequence(of_pod.iter().map(|s| text(&s.object["status"]["phase"]))), ["Running", "Failed"]);
    assert_eq!(cluster.events("Killing", &name).len(), 1);
    let deployment = cluster.get(Kind::Deployment, "shop", "search").expect("the deployment");
    assert_eq!(deployment["status"]["readyReplicas"], deployment["spec"]["replicas"]);
}

#[test]
fn leases_are_renewed_every_ten_seconds_and_status_every_five_minutes() {
    let mut cluster = Cluster::new();
    cluster.advance(620.0);
    let leases = cluster.changes(Kind::Lease);
    let of_node = leases.iter().filter(|seen| name_of(&seen.object) == "node-1").count();
    assert!((55..=62).contains(&of_node), "{of_node}");
    let nodes = cluster.changes(Kind::Node);
    let heartbeats = nodes.iter().filter(|seen| name_of(&seen.object) == "node-1").count();
    assert!((1..=3).contains(&heartbeats), "{heartbeats}");
}

#[test]
fn the_autoscaler_follows_the_demand() {
    let mut cluster = Cluster::new();
    cluster.advance(14.0 * 3_600.0);
    let rescaled: Vec<_> = ["frontend", "ingest", "resizer"]
        .iter()
        .flat_map(|name| cluster.world.workloads.iter().filter(move |w| *w.name == **name))
        .filter(|workload| workload.autoscaler.as_ref().is_some_and(|scaler| scaler.scaled.is_some()))
        .collect();
    assert!(!rescaled.is_empty(), "half a day passed and nothing was scaled");
    for workload in rescaled {
        let scaler = workload.autoscaler.as_ref().expect("an autoscaler");
        assert!((scaler.min..=scaler.max).contains(&workload.replicas));
        assert_eq!(workload.replicas, workload.status.replicas);
    }
}

#[test]
fn events_expire_after_an_hour() {
    let mut cluster = Cluster::new();
    let before: Vec<_> = cluster.list(Kind::Event).iter().map(name_of).collect();
    assert!(before.len() > 50, "the past hour left {} events", before.len());
    cluster.advance(2.0 * 3_600.0);
    let after: Vec<_> = cluster.list(Kind::Event).iter().map(name_of).collect();
    let kept = before.iter().filter(|name| after.contains(name)).count();
    // An event that is counted up stays as long as it goes on happening.
    assert!(kept < before.len() / 10, "{kept} of {}", before.len());
}
