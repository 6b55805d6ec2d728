use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use sentinel_model::{ContainerKind, ContainerState, ContainerStatus, ObjectDetail};
use serde_json::json;

use super::*;
use crate::sources::kubernetes::kind::Kind;
use crate::sources::kubernetes::objects::detail;
use crate::sources::kubernetes::owners::{controller, owner_refs};
use crate::sources::kubernetes::testing::{any_json, folders, replace_nth, shared_data};

fn read(folder: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(file)).ok()
}

fn lines(csv: &str) -> Vec<String> {
    let mut lines: Vec<_> = csv.lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}

fn summary_of(folder: &Path) -> Value {
    parse(read(folder, "stats-summary.json").expect("a summary").as_bytes()).expect("a summary")
}

const fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Node => "node",
        Scope::SystemContainer => "system_container",
        Scope::Pod => "pod",
        Scope::Container => "container",
        Scope::Volume => "volume",
    }
}

fn summary_lines(summary: &Value) -> Vec<String> {
    let line = |row: SummaryRow<'_>| {
        let Subject { scope, namespace, pod, uid, name, .. } = row.subject;
        format!(
            "{},{namespace},{pod},{uid},{name},{},{},{}",
            scope_name(scope),
            row.metric,
            row.value,
            row.time
        )
    };
    let mut lines: Vec<_> = flatten(summary).into_iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn flattens_recorded_summaries_to_exactly_the_expected_rows() {
    let Some(data) = shared_data("conformance/kubelet") else { return };
    for folder in folders(&data) {
        let expected = lines(&read(&folder, "expected_summary.csv").expect("expected rows"));
        assert!(!expected.is_empty());
        assert_eq!(summary_lines(&summary_of(&folder)), expected, "{}", folder.display());
    }
}

/// Pods of the kubelet's `/pods`, decoded as those of the API server are.
fn pods_of(folder: &Path) -> Vec<Value> {
    let Some(text) = read(folder, "pods.json") else { return Vec::new() };
    let list: Value = serde_json::from_str(&text).expect("a list of pods");
    list["items"].as_array().cloned().unwrap_or_default()
}

fn containers(pod: &Value) -> Vec<ContainerStatus> {
    match detail(Kind::Pod, pod) {
        ObjectDetail::Pod(pod) => pod.containers,
        other => panic!("not a pod: {other:?}"),
    }
}

fn millicores(cores: Option<f64>) -> String {
    cores.map_or_else(String::new, |cores| format!("{}", (cores * 1000.0).round()))
}

fn bytes(bytes: Option<f64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!("{bytes}"))
}

/// Name, reason and exit code of a state.
fn state(state: &ContainerState) -> (&'static str, &str, String) {
    match state {
        ContainerState::Absent => ("", "", String::new()),
        ContainerState::Waiting { reason, .. } => ("waiting", reason, String::new()),
        ContainerState::Running { .. } => ("running", "", String::new()),
        ContainerState::Terminated { reason, exit_code, .. } => ("terminated", reason, exit_code.to_string()),
    }
}

fn pod_line(pod: &Value, container: &ContainerStatus) -> String {
    let owners = owner_refs(pod);
    let owner = controller(&owners).filter(|owner| owner.kind != "Node");
    let kind = match container.kind {
        ContainerKind::App => "main",
        ContainerKind::Init | ContainerKind::Sidecar => "init",
        ContainerKind::Ephemeral => "ephemeral",
    };
    let has_status = container.state != ContainerState::Absent;
    let of_status = |text: String| if has_status { text } else { String::new() };
    let (now, reason, exit_code) = state(&container.state);
    let (last, last_reason, _) = state(&container.last_state);
    [
        text(pod, "metadata.namespace").to_owned(),
        text(pod, "metadata.name").to_owned(),
        text(pod, "metadata.uid").to_owned(),
        text(pod, "status.phase").to_owned(),
        text(pod, "spec.nodeName").to_owned(),
        owner.map_or_else(String::new, |owner| owner.kind.clone()),
        owner.map_or_else(String::new, |owner| owner.name.clone()),
        kind.to_owned(),
        container.name.clone(),
        of_status(container.restart_count.to_string()),
        of_status(container.is_ready.to_string()),
        now.to_owned(),
        reason.to_owned(),
        exit_code,
        last.to_owned(),
        last_reason.to_owned(),
        millicores(container.requests.cpu_cores),
        bytes(container.requests.memory_bytes),
        millicores(container.limits.cpu_cores),
        bytes(container.limits.memory_bytes),
    ]
    .join(",")
}

#[test]
fn reads_the_kubelets_pods_as_expected() {
    let Some(data) = shared_data("conformance/kubelet") else { return };
    for folder in folders(&data) {
        let Some(expected) = read(&folder, "expected_pods.csv") else { continue };
        let mut actual: Vec<_> = pods_of(&folder)
            .iter()
            .flat_map(|pod| {
                containers(pod).iter().map(|container| pod_line(pod, container)).collect::<Vec<_>>()
            })
            .collect();
        actual.sort();
        assert_eq!(actual, lines(&expected), "{}", folder.display());
    }
}

#[test]
fn joins_usage_with_limits_as_expected() {
    let Some(data) = shared_data("conformance/kubelet") else { return };
    for folder in folders(&data) {
        let Some(expected) = read(&folder, "expected_utilisation.csv") else { continue };
        let mut limits = BTreeMap::new();
        for pod in pods_of(&folder) {
            for container in containers(&pod) {
                let key =
                    (text(&pod, "metadata.namespace").to_owned(), text(&pod, "metadata.name").to_owned());
                limits.insert((key, container.name.clone()), container.limits);
            }
        }
        let summary = summary_of(&folder);
        let mut usage: BTreeMap<_, (Option<f64>, Option<f64>)> = BTreeMap::new();
        for row in flatten(&summary).into_iter().filter(|row| row.subject.scope == Scope::Container) {
            let Subject { namespace, pod, name, .. } = row.subject;
            let entry = usage.entry(((namespace.to_owned(), pod.to_owned()), name.to_owned())).or_default();
            match row.metric.as_str() {
                "cpu.usageNanoCores" => entry.0 = row.value.as_f64(),
                "memory.workingSetBytes" => entry.1 = row.value.as_f64(),
                _ => {}
            }
        }
        let mut actual = Vec::new();
        for (key, (cpu, memory)) in usage {
            let Some(limits) = limits.get(&key) else { continue };
            let fraction = |used: Option<f64>, limit: Option<f64>| match (used, limit) {
                (Some(used), Some(limit)) if limit > 0.0 => format!("{:.6}", used / limit),
                _ => String::new(),
            };
            let ((namespace, pod), container) = key;
            actual.push(format!(
                "{namespace},{pod},{container},{},{},{},{},{},{}",
                bytes(cpu),
                millicores(limits.cpu_cores),
                fraction(cpu.map(|nano| nano / 1e9), limits.cpu_cores),
                bytes(memory),
                bytes(limits.memory_bytes),
                fraction(memory, limits.memory_bytes),
            ));
        }
        actual.sort();
        assert_eq!(actual, lines(&expected), "{}", folder.display());
    }
}

fn small() -> Value {
    json!({
        "node": {"nodeName": "n", "cpu": {"time": "t1", "usageNanoCores": 5, "psi": {"full": {"avg10": 0.5}}},
            "systemContainers": [{"name": "kubelet", "memory": {"time": "t2", "rssBytes": 7}}]},
        "pods": [{"podRef": {"name": "p", "namespace": "ns", "uid": "u"}, "process_stats": {"process_count": 3},
            "network": {"time": "t3", "interfaces": [{"name": "eth0", "rxBytes": 1}]},
            "containers": [{"name": "c", "logs": {"time": "t4", "usedBytes": 9}}],
            "volume": [{"time": "t5", "usedBytes": 2, "name": "data",
                "pvcRef": {"name": "claim", "namespace": "ns"}}]}],
    })
}

#[test]
fn gives_each_number_the_nearest_time_around_it() {
    let expected = [
        "container,ns,p,u,c,logs.usedBytes,9,t4",
        "node,,,,,cpu.psi.full.avg10,0.5,t1",
        "node,,,,,cpu.usageNanoCores,5,t1",
        "pod,ns,p,u,,network.interfaces[eth0].rxBytes,1,t3",
        "pod,ns,p,u,,process_stats.process_count,3,",
        "system_container,,,,kubelet,memory.rssBytes,7,t2",
        "volume,ns,p,u,data,usedBytes,2,t5",
    ];
    assert_eq!(summary_lines(&small()), expected);
}

#[test]
fn knows_the_claim_behind_a_volume() {
    let summary = small();
    let claim = flatten(&summary).iter().find_map(|row| row.subject.claim);
    assert_eq!(claim, Some(("ns", "claim")));
}

#[test]
fn refuses_what_is_not_a_summary() {
    assert_eq!(parse(b"{").expect_err("truncated").reason(), "not_json");
    assert_eq!(parse(b"Unauthorized").expect_err("text").reason(), "not_json");
    assert_eq!(parse(b"{\"kind\": \"Status\"}").expect_err("a status").reason(), "not_a_summary");
    assert_eq!(parse(b"[]").expect_err("a list").reason(), "not_a_summary");
    assert!(parse(b"{\"pods\": []}").is_ok());
}

proptest! {
    #[test]
    fn never_panics_on_odd_summaries(at in 0_usize..40, junk in any_json()) {
        let mut summary = small();
        replace_nth(&mut summary, at, &junk);
        let _ = flatten(&summary);
        let _ = flatten(&junk);
        let _ = parse(junk.to_string().as_bytes());
    }
}
