use sentinel_model::{MetricKind, Timestamp};
use serde_json::json;

use super::*;
use crate::exposition::{Format, parse};
use crate::sources::kubernetes::kind::Kind;
use crate::sources::kubernetes::watch::{Change, Delta};

fn view() -> View {
    let view = View::new("c1".into());
    for (name, on_host) in [("web-1", false), ("proxy-1", true)] {
        let pod = json!({
            "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences":
                [{"kind": "DaemonSet", "name": "set", "uid": "s", "controller": true}]},
            "spec": {"hostNetwork": on_host},
        });
        let delta = Delta { kind: Kind::Pod, change: Change::Seen(pod) };
        view.take(delta, Timestamp::default(), &mut Vec::new()).expect("a pod");
    }
    view
}

fn judged(endpoint: Endpoint, has_cadvisor: bool, text: &str) -> String {
    let view = view();
    let around = Surroundings { endpoint, cluster: "c1", node: "n1", view: &view, has_cadvisor };
    let mut verdicts = Vec::new();
    parse(&format!("{text} 1\n"), Format::Text, |sample| {
        verdicts.push(match judge(sample, &around) {
            Verdict::Kept(series) => series.labels.to_string(),
            Verdict::KeptUnknown(series) => format!("? {}", series.labels),
            Verdict::LeftOut => "-".to_owned(),
        });
    })
    .expect("a row");
    verdicts.concat()
}

fn cadvisor(text: &str) -> String {
    judged(Endpoint::Cadvisor, true, text)
}

#[test]
fn keeps_rows_of_containers_without_what_tells_instances_apart() {
    let row = r#"container_memory_rss{container="app",id="/kubepods/pod1/abc",image="i:1",name="abc",namespace="shop",pod="web-1"}"#;
    let expected = r#"container_memory_rss{cluster="c1",container="app",namespace="shop",node="n1",pod="web-1",workload="set",workload_kind="DaemonSet"}"#;
    assert_eq!(cadvisor(row), expected);
}

#[test]
fn leaves_out_cgroups_that_only_add_up_others() {
    let pod = r#"namespace="shop",pod="web-1""#;
    for row in [
        format!(r#"container_memory_rss{{container="",id="/kubepods/pod1",{pod}}}"#),
        format!(r#"container_memory_rss{{container="",id="/kubepods/pod1/abc",image="pause",{pod}}}"#),
        format!(r#"container_memory_rss{{container="POD",id="/kubepods/pod1/abc",{pod}}}"#),
        r#"container_memory_rss{container="",id="/kubepods",namespace="",pod=""}"#.to_owned(),
        r#"container_memory_rss{id="/system.slice/kubelet.service"}"#.to_owned(),
    ] {
        assert_eq!(cadvisor(&row), "-", "{row}");
    }
}

#[test]
fn keeps_the_machine_and_rows_about_cadvisor() {
    let machine = r#"container_memory_rss{container="",id="/",namespace="",pod=""}"#;
    assert_eq!(cadvisor(machine), r#"container_memory_rss{cluster="c1",id="/",node="n1"}"#);
    assert_eq!(cadvisor("machine_cpu_cores"), r#"machine_cpu_cores{cluster="c1",node="n1"}"#);
}

#[test]
fn keeps_the_network_of_a_sandbox_but_not_the_nodes_under_a_pods_name() {
    let row = |pod: &str| {
        format!(
            r#"container_network_receive_bytes_total{{container="POD",id="/k/p/s",interface="eth0",namespace="shop",pod="{pod}"}}"#
        )
    };
    let expected = r#"container_network_receive_bytes_total{cluster="c1",interface="eth0",namespace="shop",node="n1",pod="web-1",workload="set",workload_kind="DaemonSet"}"#;
    assert_eq!(cadvisor(&row("web-1")), expected);
    assert_eq!(cadvisor(&row("proxy-1")), "-");
}

#[test]
fn marks_rows_of_pods_that_it_does_not_know_yet() {
    let row = r#"container_memory_rss{container="app",id="/k/p/c",namespace="shop",pod="new-1"}"#;
    let expected =
        r#"? container_memory_rss{cluster="c1",container="app",namespace="shop",node="n1",pod="new-1"}"#;
    assert_eq!(cadvisor(row), expected);
}

#[test]
fn takes_from_the_resource_endpoint_what_cadvisor_does_not_give() {
    let row = r#"container_memory_working_set_bytes{container="app",namespace="shop",pod="web-1"}"#;
    assert_eq!(judged(Endpoint::Resource, true, row), "-");
    assert!(judged(Endpoint::Resource, false, row).contains(r#"workload="set""#));
    let node = judged(Endpoint::Resource, true, "node_cpu_usage_seconds_total");
    assert_eq!(node, r#"node_cpu_usage_seconds_total{cluster="c1",node="n1"}"#);
}

#[test]
fn lets_nobody_forge_where_a_row_comes_from() {
    let row = r#"x{cluster="other",node="other",workload="other",workload_kind="other"}"#;
    assert_eq!(judged(Endpoint::Probes, true, row), r#"x{cluster="c1",node="n1"}"#);
}

#[test]
fn finds_instances_that_were_outlived() {
    let row = |container, id, value| {
        format!(
            r#"container_start_time_seconds{{container="{container}",id="{id}",namespace="s",pod="p"}} {value}"#
        )
    };
    let body = [
        row("a", "/1", 10),
        row("a", "/2", 30),
        row("a", "/3", 20),
        row("b", "/4", 5),
        row("", "/5", 1),
        row("", "/6", 2),
    ];
    let body = format!("{}\n", body.join("\n"));
    let mut samples = Vec::new();
    parse(&body, Format::Text, |sample| samples.push(*sample)).expect("rows");
    let outlived = outlived(&samples);
    assert_eq!(outlived, ["/1", "/3"]);
    assert!(samples.iter().all(|sample| sample.kind != MetricKind::Counter));
}
