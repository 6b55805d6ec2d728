//! Tests of the objects' keeping.

use proptest::prelude::*;
use sentinel_model::{ObjectDetail, WorkloadDetail};

use super::*;

fn state(kind: &str, name: &str, uid: &str, observed_s: i64) -> ObjectState {
    ObjectState {
        key: ObjectKey { cluster: "a".into(), kind: kind.into(), uid: uid.into() },
        namespace: "shop".into(),
        name: name.into(),
        resource_version: "1".into(),
        created: Some(Timestamp::from_secs(1)),
        observed: Timestamp::from_secs(observed_s),
        is_deleted: false,
        labels: BTreeMap::new(),
        owners: Vec::new(),
        workload: None,
        detail: ObjectDetail::Other,
        manifest: r#"{"a":1}"#.into(),
    }
}

fn workload(desired: u32, image: &str, observed_s: i64) -> ObjectState {
    let detail = WorkloadDetail { desired, images: vec![image.into()], ..Default::default() };
    ObjectState {
        detail: ObjectDetail::Workload(Box::new(detail)),
        ..state("Deployment", "web", "1", observed_s)
    }
}

fn names(entries: &[Arc<Entry>]) -> Vec<&str> {
    entries.iter().map(|entry| entry.state.name.as_str()).collect()
}

fn told(since: &Since) -> Vec<String> {
    let tell = |change: &Change| match change {
        Change::Upsert(entry) => format!("+{}", entry.state.name),
        Change::Removed(removed) => format!("-{}", removed.name),
    };
    since.changes.iter().map(tell).collect()
}

#[test]
fn lists_objects_of_a_kind_by_name() {
    let objects = Objects::default();
    for (kind, name) in [("Pod", "b"), ("Pod", "a"), ("Node", "n"), ("PodDisruptionBudget", "p")] {
        objects.apply(state(kind, name, name, 1), false);
    }
    assert_eq!(names(&objects.of_kind("Pod")), ["a", "b"]);
    assert_eq!(objects.find("Pod", "shop", "a").len(), 1);
    assert_eq!(objects.find("Pod", "shop", "c").len(), 0);
    assert_eq!(objects.of_kind("Pod")[0].manifest.read()["a"], 1);
}

#[test]
fn a_state_that_is_older_than_the_known_one_changes_nothing() {
    let objects = Objects::default();
    objects.apply(workload(2, "x", 10), false);
    objects.apply(workload(9, "x", 5), false);
    let ObjectDetail::Workload(detail) = &objects.of_kind("Deployment")[0].state.detail else {
        panic!("it is a workload");
    };
    assert_eq!(detail.desired, 2);
}

#[test]
fn a_reborn_object_outlives_the_late_farewell_of_the_one_before() {
    let objects = Objects::default();
    objects.apply(state("Pod", "db-0", "old", 1), false);
    objects.apply(state("Pod", "db-0", "new", 2), false);
    objects.remove(&state("Pod", "db-0", "old", 3).key, Timestamp::from_secs(3), false);
    assert_eq!(&objects.find("Pod", "shop", "db-0")[0].state.key.uid, "new");
    assert_eq!(told(&objects.since(0, 100)), ["+db-0"]);
}

#[test]
fn an_object_that_changes_its_name_leaves_the_old_one() {
    let objects = Objects::default();
    objects.apply(state("Pod", "a", "1", 1), false);
    let seen = objects.version();
    objects.apply(state("Pod", "b", "1", 2), false);
    assert_eq!(names(&objects.of_kind("Pod")), ["b"]);
    assert_eq!(objects.count(), 1);
    let since = objects.since(seen, 100);
    assert_eq!(told(&since), ["-a", "+b"]);
    let bite = objects.since(seen, 1);
    assert_eq!(told(&objects.since(bite.version, 1)), ["+b"], "also in small bites");
    assert_eq!(since.version, objects.version());
}

#[test]
fn a_place_holds_the_object_that_was_born_last() {
    let objects = Objects::default();
    objects.apply(state("Pod", "db-0", "old", 1), false);
    let reborn = ObjectState { created: Some(Timestamp::from_secs(5)), ..state("Pod", "db-0", "new", 6) };
    objects.apply(reborn, false);
    assert_eq!((objects.count(), names(&objects.of_kind("Pod"))), (1, vec!["db-0"]));
    objects.apply(state("Pod", "db-0", "old", 7), false);
    assert_eq!(&objects.find("Pod", "shop", "db-0")[0].state.key.uid, "new", "late news of the old one");
    assert_eq!(told(&objects.since(0, 100)), ["+db-0"]);
}

#[test]
fn readers_get_what_changed_since_they_looked() {
    let objects = Objects::default();
    objects.apply(state("Pod", "a", "1", 1), false);
    objects.apply(state("Pod", "b", "2", 1), false);
    let seen = objects.version();
    objects.apply(state("Pod", "a", "1", 2), false);
    objects.remove(&state("Pod", "b", "2", 2).key, Timestamp::from_secs(2), false);
    let since = objects.since(seen, 100);
    assert_eq!(told(&since), ["+a", "-b"]);
    assert_eq!(since.version, objects.version());
    assert!(!since.has_gap);
    let bite = objects.since(seen, 1);
    assert_eq!(told(&bite), ["+a"]);
    assert_eq!(told(&objects.since(bite.version, 10)), ["-b"]);
}

#[test]
fn notes_changes_that_people_made() {
    let objects = Objects::default();
    objects.apply(workload(1, "web:1", 1), false);
    objects.apply(workload(3, "web:1", 2), true);
    objects.apply(workload(3, "web:2", 3), true);
    objects.remove(&workload(3, "web:2", 3).key, Timestamp::from_secs(4), true);
    objects.apply(state("Pod", "a", "9", 5), true);
    let changes = objects.changes(Timestamp::MIN);
    let noted: Vec<_> = changes.iter().map(|change| (change.kind.as_str(), change.what.as_str())).collect();
    assert_eq!(noted, [("deleted", "deleted"), ("image", "web:1 → web:2"), ("scaled", "1 → 3 replicas")]);
    assert_eq!(objects.changes(Timestamp::from_secs(4)).len(), 1);
}

#[test]
fn says_from_when_on_every_change_is_remembered() {
    let objects = Objects::default();
    for i in 0..MAX_CHANGES as i64 {
        objects.apply(workload(i as u32, "web:1", i), true);
    }
    assert_eq!((objects.changes(Timestamp::MIN).len(), objects.changes_known_from()), (MAX_CHANGES, None));
    objects.apply(workload(7, "web:2", 9_000), true);
    objects.apply(workload(8, "web:2", 9_001), true);
    assert_eq!(objects.changes(Timestamp::MIN).len(), MAX_CHANGES);
    let known_from = objects.changes_known_from().expect("some are forgotten");
    assert!(objects.changes(Timestamp::MIN).iter().all(|change| change.time.0 >= known_from));
}

#[test]
fn forgotten_removals_are_a_gap() {
    let objects = Objects::default();
    objects.apply(state("Pod", "x", "x", 1), false);
    let seen = objects.version();
    for i in 0..=MAX_REMOVED {
        let name = i.to_string();
        objects.inner.write().removed.push_back(Removed {
            key: state("Pod", &name, &name, 1).key,
            namespace: String::new(),
            name,
            workload: None,
            node: None,
            version: seen + 1 + i as u64,
        });
    }
    objects.version.send_replace(seen + 2 + MAX_REMOVED as u64);
    objects.apply(state("Pod", "y", "y", 1), false);
    objects.remove(&state("Pod", "y", "y", 1).key, Timestamp::from_secs(2), false);
    assert!(objects.since(seen, 1).has_gap);
}

proptest! {
    #[test]
    fn a_reader_in_small_bites_arrives_at_the_same_objects(
        steps in prop::collection::vec((0u8..6, 0u8..6, any::<bool>()), 1..60),
        bite in 1usize..5,
    ) {
        let objects = Objects::default();
        let mut seen = BTreeSet::new();
        let mut version = 0;
        for (i, (name, uid, is_removal)) in steps.iter().enumerate() {
            let state = state("Pod", &name.to_string(), &uid.to_string(), i as i64);
            if *is_removal { objects.remove(&state.key, state.observed, true) } else { objects.apply(state, true) }
        }
        while version < objects.version() {
            let since = objects.since(version, bite);
            if since.version == version { break }
            for change in &since.changes {
                match change {
                    Change::Upsert(entry) => seen.insert(entry.state.name.clone()),
                    Change::Removed(removed) => seen.remove(&removed.name),
                };
            }
            version = since.version;
        }
        let there: BTreeSet<_> =
            objects.of_kind("Pod").iter().map(|entry| entry.state.name.clone()).collect();
        prop_assert_eq!(seen, there);
        prop_assert_eq!(objects.count(), objects.of_kind("Pod").len());
    }
}
