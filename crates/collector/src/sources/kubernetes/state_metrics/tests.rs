use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::exposition::{Format, parse};
use crate::sources::kubernetes::owners::Owners;
use crate::sources::kubernetes::testing::{any_json, folders, shared_data};

const NOWHERE: Home<'_> = Home { cluster: "c1", workload: None };

/// Labels and value of each row of a family, without what only one side has.
type Rows = BTreeSet<(Vec<(String, String)>, u64)>;

fn rows(samples: &[StateSample]) -> BTreeMap<String, Rows> {
    let mut families: BTreeMap<String, Rows> = BTreeMap::new();
    for sample in samples {
        let labels = sample.series.labels.without(&["cluster", "workload", "workload_kind"]);
        insert(&mut families, &labels, sample.value);
    }
    families
}

fn insert(families: &mut BTreeMap<String, Rows>, labels: &Labels, value: f64) {
    let pairs = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    families.entry(labels.metric_name().to_owned()).or_default().insert((pairs, value.to_bits()));
}

fn of(kind: Kind, object: &Value) -> BTreeMap<String, f64> {
    state_samples(kind, object, NOWHERE)
        .into_iter()
        .map(|sample| (sample.series.labels.without(&["cluster", "namespace"]).to_string(), sample.value))
        .collect()
}

/// What a real kube-state-metrics says; its newer releases blank one label of nodes.
fn expected(text: &str) -> BTreeMap<String, Rows> {
    let mut families = BTreeMap::new();
    parse(text, Format::Text, |sample| {
        let labels = sample.labels().expect("unique labels").without(&["kubeproxy_version"]);
        insert(&mut families, &labels, sample.value);
    })
    .expect("an exposition");
    families
}

fn objects(folder: &Path, kind: Kind) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(format!("{}.yaml", kind.plural()))).unwrap_or_default();
    let list: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    list["items"].as_array().cloned().unwrap_or_default()
}

/// Families that cannot have changed between the two recordings of a cluster are equal; of the others
/// the labels are, and nearly all rows.
fn compare(family: &str, rows: &Rows, expected: &Rows) {
    // Older releases lack some labels.
    let known: BTreeSet<&String> =
        expected.iter().flat_map(|(labels, _)| labels.iter().map(|(name, _)| name)).collect();
    let without_new = |(labels, value): &(Vec<(String, String)>, u64)| {
        let labels = labels.iter().filter(|(name, _)| known.contains(name)).cloned().collect();
        (labels, *value)
    };
    let rows: &Rows = &rows.iter().map(without_new).collect();
    const STEADY: [&str; 8] = [
        "kube_pod_status_phase",
        "kube_pod_container_status_restarts_total",
        "kube_pod_container_resource_requests",
        "kube_pod_container_resource_limits",
        "kube_pod_owner",
        "kube_node_status_allocatable",
        "kube_node_status_capacity",
        "kube_service_info",
    ];
    let n_missing = expected.difference(rows).count();
    let n_more = rows.difference(expected).count();
    if STEADY.contains(&family) {
        assert_eq!(rows, expected, "{family}");
    }
    assert!((n_missing + n_more) * 10 <= expected.len(), "{family}: {rows:?} is not {expected:?}");
}

#[test]
fn says_the_same_of_live_clusters_as_kube_state_metrics() {
    let (Some(objects_in), Some(texts)) =
        (shared_data("conformance/k8s-objects"), shared_data("conformance/prometheus-text"))
    else {
        return;
    };
    for folder in folders(&objects_in) {
        let name = folder.file_name().expect("a named folder");
        let Ok(text) = std::fs::read_to_string(texts.join(name).join("kube-state-metrics.txt")) else {
            continue;
        };
        let expected = expected(&text);
        let mut n_families = 0;
        for kind in [Kind::Pod, Kind::Node, Kind::Namespace, Kind::Service] {
            let owners = Owners::default();
            let objects = objects(&folder, kind);
            let samples: Vec<_> = objects
                .iter()
                .flat_map(|it| {
                    state_samples(kind, it, Home { workload: owners.workload(kind, it).as_ref(), ..NOWHERE })
                })
                .collect();
            for (family, rows) in rows(&samples) {
                let expected = expected.get(&family).unwrap_or_else(|| panic!("{name:?} has no {family}"));
                compare(&family, &rows, expected);
                n_families += 1;
            }
        }
        assert!(n_families >= 40, "only {n_families} families of {name:?} were compared");
    }
}

#[test]
fn counts_restarts_as_a_counter_and_names_the_workload() {
    let pod = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u"}, "status": {
        "containerStatuses": [{"name": "app", "restartCount": 3, "lastState": {"terminated":
            {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2025-11-04T19:08:54Z"}}}]}});
    let workload = WorkloadRef { kind: "Deployment".into(), name: "web".into() };
    let samples = state_samples(Kind::Pod, &pod, Home { workload: Some(&workload), ..NOWHERE });
    let named = |name: &str| {
        let mut all = samples.iter().filter(|sample| sample.series.labels.metric_name() == name);
        all.next().unwrap_or_else(|| panic!("no {name}"))
    };
    let restarts = named("kube_pod_container_status_restarts_total");
    assert_eq!((restarts.series.kind, restarts.value), (MetricKind::Counter, 3.0));
    assert_eq!(restarts.series.labels.get("cluster"), Some("c1"));
    assert_eq!(restarts.series.labels.get("workload"), Some("web"));
    assert_eq!(restarts.series.labels.get("workload_kind"), Some("Deployment"));
    let reason = named("kube_pod_container_status_last_terminated_reason");
    assert_eq!(reason.series.labels.get("reason"), Some("OOMKilled"));
    assert_eq!(named("kube_pod_container_status_last_terminated_exitcode").value, 137.0);
}

#[test]
fn says_how_far_a_rollout_is() {
    let deployment = json!({
        "metadata": {"name": "web", "generation": 3},
        "spec": {"replicas": 5, "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}},
        "status": {"replicas": 6, "updatedReplicas": 2, "unavailableReplicas": 1, "conditions":
            [{"type": "Progressing", "status": "False"}]},
    });
    let rows = of(Kind::Deployment, &deployment);
    let value = |series: &str| rows.get(series).copied();
    assert_eq!(value(r#"kube_deployment_spec_replicas{deployment="web"}"#), Some(5.0));
    assert_eq!(value(r#"kube_deployment_status_replicas_updated{deployment="web"}"#), Some(2.0));
    assert_eq!(value(r#"kube_deployment_status_replicas_ready{deployment="web"}"#), Some(0.0));
    let surge = r#"kube_deployment_spec_strategy_rollingupdate_max_surge{deployment="web"}"#;
    let unavailable = r#"kube_deployment_spec_strategy_rollingupdate_max_unavailable{deployment="web"}"#;
    assert_eq!((value(surge), value(unavailable)), (Some(2.0), Some(1.0)));
    let progressing = |status: &str| {
        value(&format!(
            r#"kube_deployment_status_condition{{condition="Progressing",deployment="web",status="{status}"}}"#
        ))
    };
    assert_eq!((progressing("true"), progressing("false")), (Some(0.0), Some(1.0)));
}

#[test]
fn says_why_a_job_failed() {
    let mut job = json!({"metadata": {"name": "migrate"}, "status": {"failed": 3, "conditions":
        [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}});
    let rows = of(Kind::Job, &job);
    let failed = |reason: &str| {
        rows.get(&format!(r#"kube_job_status_failed{{job_name="migrate",reason="{reason}"}}"#)).copied()
    };
    assert_eq!(failed("BackoffLimitExceeded"), Some(1.0));
    assert_eq!(failed("DeadlineExceeded"), Some(0.0));
    assert_eq!(rows.get(r#"kube_job_failed{condition="true",job_name="migrate"}"#), Some(&1.0));
    job["status"]["conditions"] = json!([]);
    let rows = of(Kind::Job, &job);
    assert_eq!(rows.get(r#"kube_job_status_failed{job_name="migrate"}"#), Some(&3.0));
}

#[test]
fn lists_endpoints_paths_claims_targets_and_budgets() {
    let slice = json!({"metadata": {"name": "web-x"}, "addressType": "IPv4", "ports": [{"port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}, "nodeName": "n"}]});
    let rows = of(Kind::EndpointSlice, &slice);
    let endpoint = r#"kube_endpointslice_endpoints{address="10.0.0.1",endpointslice="web-x",nodename="n",ready="false"}"#;
    assert!(rows.contains_key(endpoint), "{rows:?}");
    let ingress = json!({"metadata": {"name": "i"}, "spec": {"rules": [{"host": "h", "http": {"paths":
        [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}});
    let path = r#"kube_ingress_path{host="h",ingress="i",path="/",path_type="Prefix",service_name="s",service_port="80"}"#;
    assert!(of(Kind::Ingress, &ingress).contains_key(path));
    let claim = json!({"metadata": {"name": "c"}, "status": {"phase": "Bound"},
        "spec": {"resources": {"requests": {"storage": "3Mi"}}}});
    let rows = of(Kind::PersistentVolumeClaim, &claim);
    let bytes = r#"kube_persistentvolumeclaim_resource_requests_storage_bytes{persistentvolumeclaim="c"}"#;
    assert_eq!(rows.get(bytes), Some(&3_145_728.0));
    let hpa = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 9, "metrics": [{"type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    let rows = of(Kind::HorizontalPodAutoscaler, &hpa);
    let target = r#"kube_horizontalpodautoscaler_spec_target_metric{horizontalpodautoscaler="h",metric_name="cpu",metric_target_type="utilization"}"#;
    assert_eq!(rows.get(target), Some(&50.0));
    assert_eq!(
        rows.get(r#"kube_horizontalpodautoscaler_spec_min_replicas{horizontalpodautoscaler="h"}"#),
        Some(&1.0)
    );
    let budget = json!({"metadata": {"name": "b"}, "status": {"disruptionsAllowed": 2}});
    let allowed = r#"kube_poddisruptionbudget_status_pod_disruptions_allowed{poddisruptionbudget="b"}"#;
    assert_eq!(of(Kind::PodDisruptionBudget, &budget).get(allowed), Some(&2.0));
}

#[test]
fn counts_pods_of_sets_and_cron_jobs() {
    let object = json!({"metadata": {"name": "x"}, "spec": {"replicas": 3, "schedule": "@daily", "suspend": true},
        "status": {"numberReady": 2, "readyReplicas": 1, "currentRevision": "x-1",
            "lastScheduleTime": "2025-11-04T19:08:54Z"}});
    let daemon_set = of(Kind::DaemonSet, &object);
    assert_eq!(daemon_set.get(r#"kube_daemonset_status_number_ready{daemonset="x"}"#), Some(&2.0));
    let stateful_set = of(Kind::StatefulSet, &object);
    assert_eq!(stateful_set.get(r#"kube_statefulset_replicas{statefulset="x"}"#), Some(&3.0));
    let revision = r#"kube_statefulset_status_current_revision{revision="x-1",statefulset="x"}"#;
    assert_eq!(stateful_set.get(revision), Some(&1.0));
    let replica_set = of(Kind::ReplicaSet, &object);
    assert_eq!(replica_set.get(r#"kube_replicaset_status_ready_replicas{replicaset="x"}"#), Some(&1.0));
    let cron_job = of(Kind::CronJob, &object);
    assert_eq!(cron_job.get(r#"kube_cronjob_spec_suspend{cronjob="x"}"#), Some(&1.0));
    let last = r#"kube_cronjob_status_last_schedule_time{cronjob="x"}"#;
    assert_eq!(cron_job.get(last), Some(&1_762_283_334.0));
}

proptest! {
    #[test]
    fn never_panics_on_arbitrary_json(kind in 0_usize..Kind::ALL.len(), spec in any_json(), status in any_json()) {
        let object = json!({"metadata": {"name": "a", "annotations": spec}, "spec": spec, "status": status,
            "endpoints": [spec, status], "ports": [spec]});
        let _ = state_samples(Kind::ALL[kind], &object, NOWHERE);
        let _ = state_samples(Kind::ALL[kind], &spec, NOWHERE);
    }
}
