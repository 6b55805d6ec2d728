//! A simulation that goes faster than the clock.

use sentinel_model::Timestamp;

use crate::kubelet;
use crate::store::Kind;
use crate::testing::{Cluster, START, condition, name_of, text};
use crate::world::FaultKind;

/// Every timestamp in every object, but those of a deletion to come.
fn latest(cluster: &Cluster) -> String {
    let mut found = String::new();
    for kind in
        [Kind::Pod, Kind::Event, Kind::Deployment, Kind::ReplicaSet, Kind::Job, Kind::Lease, Kind::Node]
    {
        for object in cluster.list(kind) {
            collect(&object, &mut found);
        }
    }
    found
}

fn collect(value: &serde_json::Value, latest: &mut String) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().filter(|(key, _)| *key != "deletionTimestamp").for_each(|(_, v)| collect(v, latest));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, latest)),
        serde_json::Value::String(text) if is_later(text, latest) => {
            latest.replace_range(.., &text[..19]);
        }
        _ => {}
    }
}

fn is_later(text: &str, latest: &str) -> bool {
    text.starts_with("2026-") && text.contains('T') && text[..19] > *latest
}

#[test]
fn things_go_faster_and_nothing_is_dated_ahead_of_the_clock() {
    let mut cluster = Cluster::new();
    cluster.world.set_pace(60.0);
    cluster.add_fault(FaultKind::CrashLoop, 600, Some("shop/cart"));
    cluster.advance(1.0);
    let pod = cluster.truth().root.name;
    for second in 1..=8 {
        cluster.advance(1.0);
        assert!(latest(&cluster)[..] <= crate::time::seconds_text(cluster.world.now())[..19], "{second}");
    }
    let now = cluster.get(Kind::Pod, "shop", &pod).expect("the pod");
    let restarts = now["status"]["containerStatuses"][0]["restartCount"].as_i64();
    assert!(restarts >= Some(5), "eight minutes of a crash loop in eight seconds: {restarts:?}");
    cluster.advance(4.0);
    let truth = cluster.truth();
    let lasted = truth.end_ms.expect("over") - truth.start_ms;
    assert!((9_900..=10_100).contains(&lasted), "600 s at 60: {lasted}");
    assert!(truth.recovered_ms <= Some(cluster.world.now().as_millis()));
}

#[test]
fn use_stays_that_of_real_seconds() {
    let rate = |pace: f64| {
        let mut cluster = Cluster::new();
        cluster.world.set_pace(pace);
        cluster.advance(30.0);
        let before = cluster.node_use(0);
        cluster.advance(120.0);
        let after = cluster.node_use(0);
        let seconds = after.at.millis_since(before.at) as f64 / 1_000.0;
        (after.pods_reading.cpu_seconds - before.pods_reading.cpu_seconds) / seconds
    };
    let (real, fast) = (rate(1.0), rate(60.0));
    assert!((0.5..2.0).contains(&(fast / real)), "{real} cores at 1, {fast} at 60");
}

#[test]
fn a_leak_under_way_goes_on_at_the_new_pace_without_a_jump() {
    let mut cluster = Cluster::with_fault(FaultKind::MemoryLeak, 600, Some("shop/catalog"));
    cluster.advance(101.0);
    let pod = cluster.truth().root.name;
    let memory = |cluster: &Cluster| {
        let world = &cluster.world;
        let pod = world.pods.values().find(|p| *p.key.name == *pod).expect("the pod");
        world.memory_of(pod, 0, world.now()).working_set
    };
    let before = memory(&cluster);
    cluster.world.set_pace(10.0);
    let jump = (memory(&cluster) - before).abs();
    assert!(jump < before * 0.02, "{jump} of {before}");
    cluster.advance(47.5);
    assert_eq!(crate::testing::state_of(&cluster.get(Kind::Pod, "shop", &pod).expect("it")), "running");
    cluster.advance(3.0);
    let now = cluster.get(Kind::Pod, "shop", &pod).expect("the pod");
    let last = &now["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"];
    assert_eq!(text(last), "OOMKilled");
}

#[test]
fn leases_and_schedules_keep_to_the_clock() {
    let mut cluster = Cluster::new();
    cluster.world.set_pace(100.0);
    cluster.advance(60.0);
    let leases = cluster.changes(Kind::Lease);
    let of_node = leases.iter().filter(|seen| name_of(&seen.object) == "node-1").count();
    assert!((5..=7).contains(&of_node), "{of_node}");
    let names: Vec<_> = cluster.list(Kind::Job).iter().map(name_of).collect();
    let minute = START.as_millis() / 60_000 + 1;
    assert!(
        names.contains(&format!("compact-{minute}")) || names.contains(&format!("compact-{}", minute - 1))
    );
    assert_eq!(condition(&cluster.list(Kind::Node)[0], "Ready"), "True");
}

#[test]
fn no_sample_goes_back_when_the_pace_changes() {
    let mut cluster = Cluster::new();
    let (mut last, mut at) = (0.0, Timestamp::MIN);
    for pace in [1.0, 50.0, 0.5, 10.0, 10.0, 1.0] {
        cluster.world.set_pace(pace);
        for _ in 0..4 {
            cluster.advance(3.0);
            let node = cluster.node_use(1);
            assert!(node.at >= at && node.at <= cluster.world.now());
            assert!(node.pods_reading.cpu_seconds >= last, "at {pace}");
            assert!(kubelet::cadvisor(&node).len() > 1_000);
            (last, at) = (node.pods_reading.cpu_seconds, node.at);
        }
    }
}
