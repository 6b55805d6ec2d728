use serde_json::json;

use super::*;

fn pod(uid: &str, phase: &str, version: &str) -> Value {
    json!({
        "metadata": {"name": format!("web-{uid}"), "namespace": "shop", "uid": uid, "resourceVersion": version,
            "labels": {"pod-template-hash": "abc"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-abc", "uid": "rs", "controller": true}]},
        "spec": {"nodeName": "n", "containers": [{"name": "app"}]},
        "status": {"phase": phase, "containerStatuses": [{"name": "app", "state": {"running": {}}}]},
    })
}

fn event(version: &str, about: &Value) -> Value {
    json!({"metadata": {"uid": "e", "resourceVersion": version}, "reason": "BackOff", "type": "Warning",
        "involvedObject": about})
}

/// Takes changes in and gives what is worth telling as short text.
fn take(view: &View, kind: Kind, change: Change) -> Vec<String> {
    let mut news = Vec::new();
    view.take(Delta { kind, change }, Timestamp::from_millis(1), &mut news).expect("identified objects");
    let told = |news| match news {
        News::Object(state) => {
            let sign = if state.is_deleted { "-" } else { "+" };
            format!("{sign}{}", state.name)
        }
        News::Event(event) => format!("{}@{} {}", event.uid, event.resource_version, event.workload),
    };
    news.into_iter().map(told).collect()
}

fn view() -> View {
    View::new("c".into())
}

#[test]
fn tells_a_change_once_and_a_new_version_without_change_never() {
    let view = view();
    assert_eq!(take(&view, Kind::Pod, Change::Seen(pod("1", "Pending", "5"))), ["+web-1"]);
    assert_eq!(take(&view, Kind::Pod, Change::Seen(pod("1", "Pending", "6"))), [] as [&str; 0]);
    assert_eq!(take(&view, Kind::Pod, Change::Seen(pod("1", "Running", "7"))), ["+web-1"]);
}

#[test]
fn tells_of_a_deletion_and_of_what_a_list_does_not_hold_any_more() {
    let view = view();
    for uid in ["1", "2", "3"] {
        take(&view, Kind::Pod, Change::Seen(pod(uid, "Running", "5")));
    }
    assert_eq!(take(&view, Kind::Pod, Change::Gone(pod("1", "Running", "8"))), ["-web-1"]);
    assert_eq!(take(&view, Kind::Pod, Change::ListBegins), [] as [&str; 0]);
    assert_eq!(take(&view, Kind::Pod, Change::Seen(pod("3", "Running", "9"))), [] as [&str; 0]);
    assert_eq!(take(&view, Kind::Pod, Change::ListEnds), ["-web-2"]);
    assert_eq!(view.pods().len(), 1);
    assert!(view.pod("shop", "web-2").is_none() && view.pod("shop", "web-3").is_some());
}

#[test]
fn keeps_what_a_list_that_broke_off_did_not_reach() {
    let view = view();
    take(&view, Kind::Pod, Change::Seen(pod("1", "Running", "5")));
    take(&view, Kind::Pod, Change::ListBegins);
    take(&view, Kind::Pod, Change::ListBegins);
    take(&view, Kind::Pod, Change::Seen(pod("1", "Running", "5")));
    assert_eq!(take(&view, Kind::Pod, Change::ListEnds), [] as [&str; 0]);
}

#[test]
fn tells_of_the_deletion_of_what_it_never_saw() {
    assert_eq!(take(&view(), Kind::Pod, Change::Gone(pod("1", "Running", "8"))), ["-web-1"]);
}

#[test]
fn tells_again_what_did_not_reach_the_bus() {
    let view = view();
    let mut news = Vec::new();
    let delta = || Delta { kind: Kind::Pod, change: Change::Seen(pod("1", "Running", "5")) };
    view.take(delta(), Timestamp::default(), &mut news).expect("a pod");
    let Some(News::Object(state)) = news.pop() else { panic!("an object") };
    view.untell(&[state.key]);
    view.take(delta(), Timestamp::default(), &mut news).expect("a pod");
    assert_eq!(news.len(), 1);
}

#[test]
fn tells_each_state_of_an_event_once() {
    let view = view();
    let about = json!({"kind": "Pod", "namespace": "shop", "name": "web-1"});
    take(&view, Kind::Event, Change::ListBegins);
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("1", &about))), ["e@1 "]);
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("1", &about))), [] as [&str; 0]);
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("2", &about))), ["e@2 "]);
    take(&view, Kind::Event, Change::ListEnds);
    take(&view, Kind::Event, Change::ListBegins);
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("2", &about))), [] as [&str; 0]);
    take(&view, Kind::Event, Change::ListEnds);
    take(&view, Kind::Event, Change::ListBegins);
    take(&view, Kind::Event, Change::ListEnds);
    assert!(view.inner.read().events.is_empty());
}

#[test]
fn knows_the_workload_behind_an_event_also_after_the_pod_is_gone() {
    let view = view();
    let about = json!({"kind": "Pod", "namespace": "shop", "name": "web-1"});
    take(&view, Kind::Pod, Change::Seen(pod("1", "Running", "5")));
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("1", &about))), ["e@1 web"]);
    take(&view, Kind::Pod, Change::Gone(pod("1", "Running", "6")));
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("2", &about))), ["e@2 web"]);
    let about = json!({"kind": "Deployment", "namespace": "shop", "name": "cart"});
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("3", &about))), ["e@3 cart"]);
    let about = json!({"kind": "Node", "name": "n"});
    assert_eq!(take(&view, Kind::Event, Change::Seen(event("4", &about))), ["e@4 "]);
}

#[test]
fn counts_only_changes_that_scrapes_and_logs_act_on() {
    let view = view();
    let revision = view.revision();
    take(&view, Kind::Pod, Change::Seen(pod("1", "Pending", "5")));
    assert_eq!(*revision.borrow(), 1);
    take(&view, Kind::Pod, Change::Seen(pod("1", "Running", "6")));
    assert_eq!(*revision.borrow(), 1);
    take(&view, Kind::Pod, Change::Gone(pod("1", "Running", "7")));
    assert_eq!(*revision.borrow(), 2);
}

#[test]
fn gives_the_numbers_of_all_objects() {
    let view = view();
    take(&view, Kind::Pod, Change::Seen(pod("1", "Running", "5")));
    let samples = view.samples();
    let names: Vec<_> =
        samples.iter().flat_map(|all| all.iter().map(|sample| sample.series.labels.metric_name())).collect();
    assert!(names.contains(&"kube_pod_info") && names.contains(&"kube_pod_status_phase"));
    assert_eq!(samples[0][0].series.labels.get("workload"), Some("web"));
}

#[test]
fn refuses_objects_without_identity_and_lives_on() {
    let view = view();
    let mut news = Vec::new();
    for change in [Change::Seen(json!({})), Change::Gone(json!({})), Change::Seen(json!(null))] {
        let delta = Delta { kind: Kind::Pod, change };
        assert!(view.take(delta, Timestamp::default(), &mut news).is_err());
    }
    assert_eq!(news, []);
}
