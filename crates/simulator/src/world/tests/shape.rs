//! Objects compared with those of a real cluster in the same state: the same fields, the same reasons.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::store::{ChangeKind, KINDS, Kind};
use crate::testing::paths::{paths, real};
use crate::testing::{Cluster, condition, text};
use crate::world::FaultKind;

const PODS: &str = include_str!("../../../tests/real/pods.jsonl");
const EVENTS: &str = include_str!("../../../tests/real/events.jsonl");
const PATHS: &str = include_str!("../../../tests/real/paths.txt");

/// One cluster after another with a fault each, run until everything has shown.
fn lives() -> Vec<Cluster> {
    let faults = [
        (FaultKind::CrashLoop, 300, Some("shop/cart")),
        (FaultKind::OomKill, 120, Some("payments/settler")),
        (FaultKind::ImagePull, 120, Some("shop/cart")),
        (FaultKind::Unschedulable, 60, Some("analytics/ingest")),
        (FaultKind::NodeNotReady, 90, Some("node-1")),
    ];
    let live = |(kind, seconds, target)| {
        let mut cluster = Cluster::with_fault(kind, seconds, target);
        let pod = cluster.world.pods.values().find(|pod| pod.template.app.name == "frontend");
        let pod = pod.expect("a frontend").id;
        cluster.world.delete_pod(pod);
        cluster.advance(150.0);
        cluster
    };
    faults.into_iter().map(live).collect()
}

/// The name that `tests/real/pods.jsonl` has for a pod in this state.
fn case_of(pod: &Value) -> Option<String> {
    let meta = &pod["metadata"];
    let owner = text(&meta["ownerReferences"][0]["kind"]);
    if meta.get("deletionTimestamp").is_some() || owner == "DaemonSet" || owner == "StatefulSet" {
        return None;
    }
    let Some(container) = pod["status"]["containerStatuses"].get(0) else {
        return Some(match condition(pod, "PodScheduled").as_str() {
            "" => "created".to_owned(),
            "False" => "unschedulable".to_owned(),
            _ => "scheduled".to_owned(),
        });
    };
    let (state, now) = container["state"].as_object()?.iter().next()?;
    let mut case = state.clone();
    if let Some(reason) = now["reason"].as_str() {
        case = format!("{case}:{reason}");
    }
    if let Some(reason) = container["lastState"]["terminated"]["reason"].as_str() {
        case = format!("{case} after {reason}");
    }
    if condition(pod, "PodReadyToStartContainers") == "False" {
        case += " without sandbox";
    }
    if condition(pod, "Ready") == "False" && condition(pod, "ContainersReady") == "True" {
        case += " on a lost node";
    }
    if owner == "Job" {
        case += " (job)";
    }
    if state == "running" {
        case += match (condition(pod, "Ready").as_str(), container["started"].as_bool()) {
            ("True", _) => " ready",
            (_, Some(true)) => " started",
            _ => " starting",
        };
    }
    Some(case)
}

/// What must be equal, not only there: type, status and reason of each condition, and the words of states.
fn words(pod: &Value) -> BTreeSet<String> {
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let said = |c: &Value| format!("{} {} {}", text(&c["type"]), text(&c["status"]), text(&c["reason"]));
    let mut words: BTreeSet<String> = conditions.iter().map(said).collect();
    words.insert(text(&pod["status"]["phase"]));
    let container = &pod["status"]["containerStatuses"][0];
    for when in ["state", "lastState"] {
        for (state, now) in container[when].as_object().into_iter().flatten() {
            let message = text(&now["message"]);
            let head: String = message.split(' ').take(2).collect::<Vec<_>>().join(" ");
            words.insert(format!("{when} {state} {} {} {head}", text(&now["reason"]), now["exitCode"]));
        }
    }
    words
}

#[test]
fn pods_in_each_state_have_the_fields_and_words_of_a_real_one() {
    let mut ours: BTreeMap<String, Value> = BTreeMap::new();
    for cluster in lives() {
        for seen in cluster.changes(Kind::Pod).into_iter().filter(|seen| seen.kind != ChangeKind::Deleted) {
            if let Some(case) = case_of(&seen.object) {
                ours.entry(case).or_insert(seen.object);
            }
        }
    }
    let mut n_compared = 0;
    let mut differences = Vec::new();
    for sample in real(PODS) {
        let case = text(&sample["case"]);
        let Some(our) = ours.get(&case) else { continue };
        n_compared += 1;
        let mut our = our.clone();
        our.as_object_mut().expect("an object").remove("spec");
        // Whoever makes a pod chooses its annotations; the finalizer of a Job's pod comes and goes.
        let is_compared =
            |path: &String| !path.starts_with("metadata.annotations") && path != "metadata.finalizers[]";
        let shape = |pod: &Value| paths(pod).into_iter().filter(is_compared).collect::<BTreeSet<_>>();
        let (ours, theirs) = (shape(&our), shape(&sample["object"]));
        let extra: Vec<_> = ours.difference(&theirs).collect();
        let missing: Vec<_> = theirs.difference(&ours).collect();
        if !extra.is_empty() || !missing.is_empty() {
            differences.push(format!("{case}: extra {extra:?}, missing {missing:?}"));
        }
        let (ours, theirs) = (words(&our), words(&sample["object"]));
        if ours != theirs {
            differences.push(format!("{case}: {ours:#?} but really {theirs:#?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let seen: Vec<_> = ours.keys().collect();
    assert!(n_compared >= 18, "only {n_compared} states compared; we have {seen:#?}");
}

#[test]
fn events_have_the_fields_and_the_reporter_of_real_ones() {
    let mut ours: BTreeMap<(String, String), Value> = BTreeMap::new();
    for cluster in lives() {
        for event in cluster.changes(Kind::Event) {
            let event = event.object;
            let key = (text(&event["reason"]), text(&event["involvedObject"]["kind"]));
            ours.entry(key).or_insert(event);
        }
    }
    let mut compared = BTreeSet::new();
    let mut differences = Vec::new();
    for theirs in real(EVENTS) {
        let key = (text(&theirs["reason"]), text(&theirs["involvedObject"]["kind"]));
        // A BackOff of an image is another one than that of a crash.
        let Some(our) = ours.get(&key).filter(|our| our["type"] == theirs["type"]) else { continue };
        let (our_paths, their_paths) = (paths(our), paths(&theirs));
        if our_paths != their_paths {
            let extra: Vec<_> = our_paths.difference(&their_paths).collect();
            let missing: Vec<_> = their_paths.difference(&our_paths).collect();
            differences.push(format!("{key:?}: extra {extra:?}, missing {missing:?}"));
        }
        for field in ["reportingComponent", "action"] {
            if our[field] != theirs[field] {
                differences.push(format!("{key:?} {field}: {} but really {}", our[field], theirs[field]));
            }
        }
        if our["source"]["component"] != theirs["source"]["component"] {
            differences.push(format!("{key:?}: {} but really {}", our["source"], theirs["source"]));
        }
        compared.insert(key);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared.len() >= 15, "{compared:?}");
}

/// What the recorded cluster had no occasion for, but the API knows: other tests read all objects with a
/// client library.
fn is_beyond_the_recording(path: &str) -> bool {
    const OPTIONAL: [&str; 13] = [
        "metadata.annotations",
        ".env[]",
        ".volumeMounts[]",
        ".volumes[]",
        ".hostNetwork",
        ".priorityClassName",
        ".serviceAccount",
        "spec.volumeClaimTemplates",
        "endpoints[].zone",
        "status.currentMetrics[].resource",
        "status.lastScaleTime",
        "status.loadBalancer.ingress",
        "spec.strategy.rollingUpdate",
    ];
    OPTIONAL.iter().any(|optional| path.contains(optional))
}

#[test]
fn no_object_has_a_field_that_a_real_one_has_not() {
    let mut real: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in PATHS.lines() {
        let (resource, path) = line.split_once(' ').expect("two words");
        real.entry(resource).or_default().insert(path);
    }
    let mut unknown = BTreeSet::new();
    for cluster in lives() {
        for kind in KINDS {
            let Some(known) = real.get(kind.plural()) else { continue };
            for object in cluster.list(kind) {
                let ours = paths(&object);
                let extra = ours.iter().filter(|path| !known.contains(path.as_str()));
                unknown.extend(
                    extra
                        .filter(|path| !is_beyond_the_recording(path))
                        .map(|path| format!("{} {path}", kind.plural())),
                );
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}
