//! Nodes.

use super::{Meta, whole};
use crate::json::Object;
use crate::store::Kind;
use crate::world::{Health, Node};

/// Says on every node that nothing here is real, so that a dashboard can say it too.
pub const SIMULATED: &str = "sentinel-mesh.io/simulated";

/// Names of images that a node's status lists at most, as the kubelet's default.
const MAX_IMAGES: usize = 50;

const DISK_BYTES: i64 = 270_553_174_016;

pub fn node(node: &Node, version: u64) -> String {
    let meta = Meta {
        name: &node.name,
        uid: Some(node.uid),
        version,
        created: node.created,
        labels: vec![
            ("beta.kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", &node.name),
            ("kubernetes.io/os", "linux"),
            ("node.kubernetes.io/instance-type", "sim.standard"),
            ("topology.kubernetes.io/region", "region-1"),
            ("topology.kubernetes.io/zone", node.zone),
        ],
        annotations: vec![
            ("node.alpha.kubernetes.io/ttl", "0".to_owned()),
            (SIMULATED, "true".to_owned()),
            ("volumes.kubernetes.io/controller-managed-attach-detach", "true".to_owned()),
        ],
        ..Meta::default()
    };
    whole(Kind::Node, &meta, |object| {
        object.object("spec", |spec| write_spec(spec, node));
        object.object("status", |status| write_status(status, node));
    })
}

fn write_spec(spec: &mut Object<'_>, node: &Node) {
    if node.taints.is_empty() {
        return;
    }
    spec.array("taints", |taints| {
        for taint in &node.taints {
            taints.object(|t| {
                t.text("key", taint.key);
                t.text("effect", taint.effect);
                t.time("timeAdded", taint.added);
            });
        }
    });
}

fn write_status(status: &mut Object<'_>, node: &Node) {
    let (cpu, memory) = node.allocatable();
    status.object("capacity", |c| write_resources(c, node, (node.cpu, node.memory)));
    status.object("allocatable", |c| write_resources(c, node, (cpu, memory)));
    status.array("conditions", |conditions| {
        let pressures = [
            ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "KubeletReady", "kubelet is posting ready status"),
        ];
        for (name, reason, message) in pressures {
            let status = if name == "Ready" { "True" } else { "False" };
            let (status, reason, message) = match node.health {
                Health::Lost => ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status."),
                Health::Ready | Health::Silent => (status, reason, message),
            };
            conditions.object(|c| {
                c.text("type", name);
                c.text("status", status);
                c.time("lastHeartbeatTime", node.heartbeat);
                c.time("lastTransitionTime", node.since);
                c.text("reason", reason);
                c.text("message", message);
            });
        }
    });
    status.array("addresses", |addresses| {
        for (kind, address) in [("InternalIP", node.ip.to_string()), ("Hostname", node.name.to_string())] {
            addresses.object(|a| {
                a.text("type", kind);
                a.text("address", &address);
            });
        }
    });
    status.raw("daemonEndpoints", r#"{"kubeletEndpoint":{"Port":10250}}"#);
    status.object("nodeInfo", |info| write_info(info, node));
    status.array("images", |images| {
        for image in node.images.iter().rev().take(MAX_IMAGES) {
            images.object(|i| {
                i.texts("names", [&*image.name]);
                i.number("sizeBytes", image.bytes);
            });
        }
    });
}

fn write_resources(c: &mut Object<'_>, node: &Node, (cpu, memory): (i64, i64)) {
    c.text("cpu", &crate::template::cpu_text(cpu));
    c.text("ephemeral-storage", &DISK_BYTES.to_string());
    c.text("hugepages-1Gi", "0");
    c.text("hugepages-2Mi", "0");
    c.text("memory", &format!("{}Ki", memory / 1_024));
    c.text("pods", &node.max_pods.to_string());
}

fn write_info(info: &mut Object<'_>, node: &Node) {
    let [machine, system, boot] = node.identities;
    info.uid("machineID", machine);
    info.uid("systemUUID", system);
    info.uid("bootID", boot);
    info.text("kernelVersion", "6.18.44");
    info.text("osImage", "Debian GNU/Linux 12 (bookworm)");
    info.text("containerRuntimeVersion", "containerd://2.1.4");
    info.text("kubeletVersion", "v1.37.1");
    info.text("kubeProxyVersion", "");
    info.text("operatingSystem", "linux");
    info.text("architecture", "amd64");
    info.flag("runningInUserNamespace", false);
}
