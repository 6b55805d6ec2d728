//! What `kubectl get pods` prints under STATUS. Follows `printPod` of Kubernetes'
//! `pkg/printers/internalversion/printers.go`, case by case.

use serde_json::Value;

use super::super::json::{flag, integer, list, text};

pub(super) fn status(pod: &Value) -> String {
    let phase = text(pod, "status.phase");
    let pod_reason = text(pod, "status.reason");
    let mut status = if pod_reason.is_empty() { phase } else { pod_reason }.to_owned();
    if has_condition(pod, "PodScheduled", |condition| text(condition, "reason") == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut status);
    }
    let initializing = initializing(pod);
    let is_initializing = initializing.is_some();
    if let Some(reason) = initializing {
        status = reason;
    }
    let is_initialized = || has_condition(pod, "Initialized", is_true);
    if !is_initializing || is_initialized() {
        status = of_containers(pod, status);
    }
    let is_terminal = matches!(phase, "Succeeded" | "Failed");
    match text(pod, "metadata.deletionTimestamp") {
        "" => status,
        _ if pod_reason == "NodeLost" => "Unknown".to_owned(),
        _ if is_terminal => status,
        _ => "Terminating".to_owned(),
    }
}

/// The first init container that is neither done nor a running sidecar decides.
fn initializing(pod: &Value) -> Option<String> {
    let specs = list(pod, "spec.initContainers");
    let is_sidecar = |name: &str| {
        specs.iter().any(|spec| text(spec, "name") == name && text(spec, "restartPolicy") == "Always")
    };
    for (i, container) in list(pod, "status.initContainerStatuses").iter().enumerate() {
        let terminated = container.get("state").and_then(|state| state.get("terminated"));
        let waiting = text(container, "state.waiting.reason");
        match terminated.filter(|terminated| !terminated.is_null()) {
            Some(terminated) if integer(terminated, "exitCode").unwrap_or(0) == 0 => {}
            _ if is_sidecar(text(container, "name")) && flag(container, "started") => {}
            Some(terminated) => return Some(format!("Init:{}", end_of(terminated))),
            None if !waiting.is_empty() && waiting != "PodInitializing" => {
                return Some(format!("Init:{waiting}"));
            }
            None => return Some(format!("Init:{i}/{}", specs.len())),
        }
    }
    None
}

/// Containers are asked from the last to the first, so that the first one's reason wins.
fn of_containers(pod: &Value, status: String) -> String {
    let mut status = status;
    let mut has_running = false;
    for container in list(pod, "status.containerStatuses").iter().rev() {
        let waiting = text(container, "state.waiting.reason");
        let terminated = container.get("state").and_then(|state| state.get("terminated"));
        if !waiting.is_empty() {
            waiting.clone_into(&mut status);
        } else if let Some(terminated) = terminated.filter(|terminated| !terminated.is_null()) {
            status = end_of(terminated);
        } else if flag(container, "ready") && container["state"]["running"].is_object() {
            has_running = true;
        }
    }
    if status == "Completed" && has_running {
        let is_ready = has_condition(pod, "Ready", is_true);
        return if is_ready { "Running" } else { "NotReady" }.to_owned();
    }
    status
}

/// How a container ended: its reason, else its signal or exit code.
fn end_of(terminated: &Value) -> String {
    match (text(terminated, "reason"), integer(terminated, "signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", integer(terminated, "exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_true(condition: &Value) -> bool {
    text(condition, "status") == "True"
}

fn has_condition(pod: &Value, kind: &str, holds: impl Fn(&Value) -> bool) -> bool {
    list(pod, "status.conditions").iter().any(|condition| text(condition, "type") == kind && holds(condition))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: Value) -> Value {
        json!({"metadata": {}, "spec": {}, "status": status})
    }

    fn containers(states: &[Value]) -> Value {
        let statuses: Vec<_> = states.iter().map(|state| json!({"ready": true, "state": state})).collect();
        pod(json!({"phase": "Running", "containerStatuses": statuses}))
    }

    fn init(states: &[Value]) -> Value {
        let statuses: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(i, state)| json!({"name": format!("i{i}"), "state": state}))
            .collect();
        let specs: Vec<_> = (0..3).map(|i| json!({"name": format!("i{i}")})).collect();
        let mut pod = pod(json!({"phase": "Pending", "initContainerStatuses": statuses}));
        pod["spec"]["initContainers"] = specs.into();
        pod
    }

    #[test]
    fn is_the_phase_when_nothing_matters_more() {
        assert_eq!(status(&pod(json!({"phase": "Pending"}))), "Pending");
        assert_eq!(status(&containers(&[json!({"running": {}})])), "Running");
        assert_eq!(status(&pod(json!({"phase": "Failed", "reason": "Evicted"}))), "Evicted");
    }

    #[test]
    fn is_the_reason_of_a_waiting_or_ended_container() {
        let cases = [
            (json!({"waiting": {"reason": "CrashLoopBackOff"}}), "CrashLoopBackOff"),
            (json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}}), "OOMKilled"),
            (json!({"terminated": {"exitCode": 3}}), "ExitCode:3"),
            (json!({"terminated": {"exitCode": 0, "signal": 9}}), "Signal:9"),
            (json!({"waiting": {}}), "Running"),
            (json!({}), "Running"),
        ];
        for (state, expected) in cases {
            assert_eq!(status(&containers(std::slice::from_ref(&state))), expected, "{state}");
        }
    }

    #[test]
    fn prefers_the_first_container_with_a_reason() {
        let first = json!({"waiting": {"reason": "ImagePullBackOff"}});
        let second = json!({"terminated": {"reason": "Error", "exitCode": 1}});
        assert_eq!(status(&containers(&[first, second])), "ImagePullBackOff");
    }

    #[test]
    fn is_running_or_not_ready_when_only_some_containers_completed() {
        let completed = json!({"terminated": {"reason": "Completed", "exitCode": 0}});
        let mut pod = containers(&[completed, json!({"running": {}})]);
        assert_eq!(status(&pod), "NotReady");
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        assert_eq!(status(&pod), "Running");
    }

    #[test]
    fn tells_how_far_initialisation_is() {
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        let cases = [
            (vec![json!({"waiting": {"reason": "PodInitializing"}})], "Init:0/3"),
            (vec![done.clone(), json!({"running": {}})], "Init:1/3"),
            (vec![done.clone(), json!({"waiting": {"reason": "CrashLoopBackOff"}})], "Init:CrashLoopBackOff"),
            (vec![done.clone(), json!({"terminated": {"exitCode": 2, "reason": "Error"}})], "Init:Error"),
            (vec![json!({"terminated": {"exitCode": 2}})], "Init:ExitCode:2"),
            (vec![json!({"terminated": {"exitCode": 2, "signal": 15}})], "Init:Signal:15"),
            (vec![done.clone(), done.clone(), done], "Pending"),
        ];
        for (states, expected) in cases {
            assert_eq!(status(&init(&states)), expected, "{states:?}");
        }
    }

    #[test]
    fn looks_past_a_started_sidecar() {
        let mut pod = init(&[json!({"running": {}})]);
        pod["spec"]["initContainers"][0]["restartPolicy"] = "Always".into();
        assert_eq!(status(&pod), "Init:0/3");
        pod["status"]["initContainerStatuses"][0]["started"] = true.into();
        assert_eq!(status(&pod), "Pending");
    }

    #[test]
    fn lets_containers_speak_once_the_pod_was_initialised() {
        let mut pod = init(&[json!({"terminated": {"exitCode": 1, "reason": "Error"}})]);
        pod["status"]["containerStatuses"] = json!([{"state": {"waiting": {"reason": "PodInitializing"}}}]);
        assert_eq!(status(&pod), "Init:Error");
        pod["status"]["conditions"] = json!([{"type": "Initialized", "status": "True"}]);
        assert_eq!(status(&pod), "PodInitializing");
    }

    #[test]
    fn tells_of_gates_deletion_and_lost_nodes() {
        let gated = json!({"phase": "Pending", "conditions":
            [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]});
        assert_eq!(status(&pod(gated)), "SchedulingGated");
        let mut leaving = containers(&[json!({"running": {}})]);
        leaving["metadata"]["deletionTimestamp"] = "2025-11-04T19:08:54Z".into();
        assert_eq!(status(&leaving), "Terminating");
        leaving["status"]["reason"] = "NodeLost".into();
        assert_eq!(status(&leaving), "Unknown");
        let mut done = pod(json!({"phase": "Succeeded", "containerStatuses":
            [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}));
        done["metadata"]["deletionTimestamp"] = "2025-11-04T19:08:54Z".into();
        assert_eq!(status(&done), "Completed");
    }
}
