use proptest::prelude::*;
use sentinel_model::{ContainerKind, ContainerState, Resources};
use serde_json::json;

use super::*;
use crate::sources::kubernetes::events::event_record;
use crate::sources::kubernetes::testing::{any_json, folders, shared_data};

fn sighting() -> Sighting {
    Sighting { cluster: "c1".into(), observed: Timestamp::from_millis(5), workload: None }
}

fn state(kind: Kind, object: &Value) -> ObjectState {
    object_state(kind, object, sighting()).expect("an identified object")
}

fn crashing_pod() -> Value {
    json!({
        "metadata": {
            "name": "cart-1", "namespace": "shop", "uid": "u1", "resourceVersion": "9",
            "creationTimestamp": "2025-11-04T19:08:54Z", "labels": {"app": "cart"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "cart", "uid": "r1", "controller": true}],
        },
        "spec": {
            "nodeName": "node-1", "serviceAccountName": "default",
            "initContainers": [{"name": "proxy", "image": "p:1", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "a:2", "resources": {
                "requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}}],
        },
        "status": {
            "phase": "Running", "podIP": "10.0.0.7", "qosClass": "Burstable",
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady",
                "lastTransitionTime": "2025-11-04T19:09:00Z"}],
            "containerStatuses": [{"name": "app", "ready": false, "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "signal": 9,
                    "startedAt": "2025-11-04T19:09:00Z", "finishedAt": "2025-11-04T19:09:01Z"}}}],
        },
    })
}

#[test]
fn keeps_what_identifies_a_pod_and_tells_its_story() {
    let state = state(Kind::Pod, &crashing_pod());
    assert_eq!((&*state.key.kind, state.key.uid.as_str()), ("Pod", "u1"));
    assert_eq!((state.namespace.as_str(), state.name.as_str()), ("shop", "cart-1"));
    assert_eq!(state.resource_version, "9");
    assert_eq!(state.created, Some(Timestamp::from_millis(1_762_283_334_000)));
    assert_eq!(state.labels["app"], "cart");
    let ObjectDetail::Pod(pod) = state.detail else { panic!("not a pod") };
    assert_eq!((pod.phase.as_str(), pod.status.as_str()), ("Running", "CrashLoopBackOff"));
    assert_eq!(pod.conditions[0].reason, "ContainersNotReady");
    let [proxy, app] = pod.containers.as_slice() else { panic!("two containers") };
    assert_eq!((proxy.kind, &proxy.state), (ContainerKind::Sidecar, &ContainerState::Absent));
    assert_eq!((app.kind, app.restart_count), (ContainerKind::App, 4));
    assert_eq!(app.limits, Resources { memory_bytes: Some(134_217_728.0), ..Resources::default() });
    let ContainerState::Terminated { reason, exit_code, signal, finished, .. } = &app.last_state else {
        panic!("not ended: {:?}", app.last_state)
    };
    assert_eq!((reason.as_str(), *exit_code, *signal), ("OOMKilled", 137, 9));
    assert_eq!(*finished, Some(Timestamp::from_millis(1_762_283_341_000)));
}

#[test]
fn reads_a_node_with_its_roles_and_taints() {
    let node = json!({
        "metadata": {"name": "n", "uid": "u", "labels": {
            "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "",
            "kubernetes.io/role": "spot"}},
        "spec": {"unschedulable": true, "taints": [
            {"key": "a", "value": "b", "effect": "NoSchedule"}, {"key": "c", "effect": "NoExecute"}]},
        "status": {
            "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "allocatable": {"cpu": "1900m", "pods": "110"},
            "nodeInfo": {"kubeletVersion": "v1.37.1", "architecture": "amd64"},
        },
    });
    let ObjectDetail::Node(node) = state(Kind::Node, &node).detail else { panic!("not a node") };
    assert_eq!(node.roles, ["control-plane", "spot", "worker"]);
    assert_eq!(node.taints, ["a=b:NoSchedule", "c:NoExecute"]);
    assert_eq!((node.internal_ip.as_str(), node.is_unschedulable), ("10.0.0.1", true));
    assert_eq!((node.allocatable.cpu_cores, node.allocatable.pods), (Some(1.9), Some(110.0)));
}

fn workload_of(kind: Kind, spec: Value, status: Value) -> sentinel_model::WorkloadDetail {
    let object =
        json!({"metadata": {"name": "w", "uid": "u", "generation": 3}, "spec": spec, "status": status});
    match state(kind, &object).detail {
        ObjectDetail::Workload(detail) => *detail,
        other => panic!("not a workload: {other:?}"),
    }
}

#[test]
fn counts_the_replicas_of_a_rollout() {
    let containers = json!([{"image": "a:1"}, {"image": "b:1"}, {"image": "a:1"}]);
    let detail = workload_of(
        Kind::Deployment,
        json!({"replicas": 4, "paused": true, "selector": {"matchLabels": {"app": "x"}},
            "template": {"spec": {"containers": containers}}}),
        json!({"replicas": 5, "readyReplicas": 3, "availableReplicas": 2, "updatedReplicas": 1,
            "observedGeneration": 2}),
    );
    let counts = (detail.desired, detail.current, detail.ready, detail.available, detail.updated);
    assert_eq!(counts, (4, 5, 3, 2, 1));
    assert_eq!((detail.generation, detail.observed_generation, detail.is_paused), (3, 2, true));
    assert_eq!(detail.images, ["a:1", "b:1"]);
    assert_eq!(detail.selector["app"], "x");
    assert_eq!(workload_of(Kind::StatefulSet, json!({}), json!({})).desired, 1);
}

#[test]
fn reads_daemon_sets_jobs_and_cron_jobs_by_their_own_fields() {
    let daemon =
        workload_of(Kind::DaemonSet, json!({}), json!({"desiredNumberScheduled": 3, "numberReady": 2}));
    assert_eq!((daemon.desired, daemon.ready), (3, 2));
    let job =
        workload_of(Kind::Job, json!({"completions": 4}), json!({"failed": 2, "succeeded": 1, "active": 1}));
    assert_eq!((job.desired, job.current, job.ready, job.failed), (4, 1, 1, 2));
    let cron = workload_of(
        Kind::CronJob,
        json!({"schedule": "* * * * *", "suspend": true}),
        json!({"active": [{}]}),
    );
    assert_eq!((cron.schedule.as_str(), cron.current, cron.is_paused), ("* * * * *", 1, true));
}

#[test]
fn refuses_what_has_no_identity() {
    let refusal = |object: Value| object_state(Kind::Pod, &object, sighting()).expect_err("no identity");
    assert_eq!(refusal(json!([])), Refusal::NotAnObject);
    assert_eq!(refusal(json!({"metadata": {"name": "a"}})), Refusal::NoUid);
    assert_eq!(refusal(json!({"metadata": {"uid": "a", "name": 7}})), Refusal::NoName);
}

/// `core.v1.Pod.json` → Pod.
fn kind_of(path: &std::path::Path) -> Option<Kind> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    Kind::from_name(name.rsplit('.').next()?)
}

#[test]
fn reads_objects_in_which_every_field_is_filled() {
    let Some(data) = shared_data("conformance/k8s-objects") else { return };
    let mut n_read = 0;
    for folder in folders(&data) {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let Some(kind) = kind_of(&path) else { continue };
            let text = std::fs::read_to_string(&path).expect("an object");
            let object: Value = serde_json::from_str(&text).expect("JSON");
            let meta = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            n_read += 1;
            if kind == Kind::Event {
                let record = event_record(&object, None).expect("an event");
                assert_eq!((record.uid, record.resource_version), (meta("uid"), meta("resourceVersion")));
                assert!(!record.reason.is_empty() && !record.regarding.name.is_empty(), "{path:?}");
                continue;
            }
            let state = state(kind, &object);
            assert_eq!((state.name, state.namespace), (meta("name"), meta("namespace")), "{path:?}");
            assert_eq!((state.key.uid, state.resource_version), (meta("uid"), meta("resourceVersion")));
            assert_eq!(
                serde_json::to_value(&state.labels).ok().as_ref(),
                Some(&object["metadata"]["labels"])
            );
            let owners = object["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
            assert!(state.owners.len() == owners && owners > 0 && state.created.is_some(), "{path:?}");
            let n_conditions = object["status"]["conditions"].as_array().map_or(0, Vec::len);
            let conditions = match state.detail {
                ObjectDetail::Pod(pod) => pod.conditions,
                ObjectDetail::Node(node) => node.conditions,
                ObjectDetail::Workload(workload) => workload.conditions,
                ObjectDetail::Other => continue,
            };
            assert_eq!(conditions.len(), n_conditions, "{path:?}");
            let written =
                conditions.first().map(|condition| (condition.kind.as_str(), condition.status.as_str()));
            let first = &object["status"]["conditions"][0];
            assert_eq!(written, first["type"].as_str().zip(first["status"].as_str()), "{path:?}");
        }
    }
    assert!(n_read >= 15, "only {n_read} objects were read");
}

#[test]
fn reads_every_object_of_live_clusters() {
    let Some(data) = shared_data("conformance/k8s-objects") else { return };
    for folder in folders(&data) {
        for kind in [Kind::Pod, Kind::Node, Kind::Namespace, Kind::Service] {
            let Ok(text) = std::fs::read_to_string(folder.join(format!("{}.yaml", kind.plural()))) else {
                continue;
            };
            let list: Value = serde_saphyr::from_str(&text).expect("YAML");
            let items = list["items"].as_array().expect("a list");
            assert!(!items.is_empty());
            for item in items {
                let state = state(kind, item);
                assert!(!state.manifest.contains("managedFields") && state.created.is_some());
                serde_json::from_str::<Value>(&state.manifest).expect("a manifest is JSON");
            }
        }
    }
}

proptest! {
    #[test]
    fn never_panics_on_arbitrary_json(kind in 0_usize..Kind::ALL.len(), spec in any_json(), status in any_json()) {
        let object = json!({"metadata": {"name": "a", "uid": "u", "labels": spec}, "spec": spec, "status": status});
        prop_assert!(object_state(Kind::ALL[kind], &object, sighting()).is_ok());
        let _ = object_state(Kind::ALL[kind], &spec, sighting());
    }

    #[test]
    fn never_panics_on_a_pod_with_one_field_replaced(at in 0_usize..40, junk in any_json()) {
        let mut pod = crashing_pod();
        crate::sources::kubernetes::testing::replace_nth(&mut pod, at, &junk);
        let _ = object_state(Kind::Pod, &pod, sighting());
    }
}
