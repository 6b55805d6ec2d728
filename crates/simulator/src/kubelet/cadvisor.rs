//! `/metrics/cadvisor`: usage of each control group, under the names, labels and order of the real one.

use sentinel_model::Timestamp;

use super::{nanos, ticks};
use crate::exposition::{Page, Type, label};
use crate::meter::Reading;
use crate::world::{ContainerUse, MemoryUse, NodeUse, PodUse};

mod families;

use families::{FAMILIES, Family, Shown};

/// One control group.
#[derive(Debug)]
struct Group {
    kind: GroupKind,
    /// Labels in pieces, so that families can put their own between them: `container`, `id` and
    /// `image`, `name`, `namespace` and `pod`.
    labels: [String; 4],
    order: (&'static str, String),
    at: Timestamp,
    seen: Timestamp,
    reading: Reading,
    memory: MemoryUse,
    created: Timestamp,
    started: Timestamp,
    cpu_request: i64,
    cpu_limit: i64,
    memory_limit: i64,
    processes: i64,
    received: f64,
    sent: f64,
    disk: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GroupKind {
    Root,
    Slice,
    Pod,
    Sandbox { has_network: bool },
    Container,
}

const PAUSE: &str = "registry.k8s.io/pause:3.10.1";

pub fn cadvisor(node: &NodeUse) -> String {
    let mut groups = groups_of(node);
    groups.sort_by(|a, b| a.order.cmp(&b.order));
    let mut page = Page::with_capacity(groups.len() * 16_000);
    page.family(
        "cadvisor_version_info",
        "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.",
        Type::Gauge,
    );
    let info = r#"cadvisorRevision="",cadvisorVersion="",dockerVersion="",kernelVersion="6.18.44",osVersion="Debian GNU/Linux 12 (bookworm)""#;
    page.row("cadvisor_version_info", &[info], 1.0, None);
    for family in &FAMILIES {
        if family.name == "container_sockets" {
            let error = "1 if there was an error while getting container metrics, 0 otherwise";
            page.family("container_scrape_error", error, Type::Gauge);
            page.row("container_scrape_error", &[], 0.0, None);
        }
        page.family(family.name, family.help, family.kind);
        for group in groups.iter().filter(|group| group.shows(family.shown)) {
            write_rows(&mut page, family, group);
        }
    }
    write_machine(&mut page, node);
    page.finish()
}

fn write_rows(page: &mut Page, family: &Family, group: &Group) {
    let [container, id, name, pod] = group.labels.each_ref().map(String::as_str);
    let at = match family.name {
        "container_last_seen" => Some(group.seen),
        _ => family.is_timed.then_some(group.at),
    };
    let mut row = |labels: &[&str], value: f64| page.row(family.name, labels, value, at);
    let value = (family.value)(group);
    match family.shown {
        Shown::Cpu => row(&[container, "cpu=\"total\"", id, name, pod], value),
        Shown::Faults => {
            for (fault, scale) in [("pgfault", 1.0), ("pgmajfault", 0.0)] {
                for scope in ["container", "hierarchy"] {
                    let labels =
                        [container, &label("failure_type", fault), id, name, pod, &label("scope", scope)];
                    row(&labels, value * scale);
                }
            }
        }
        Shown::Network => row(&[container, id, "interface=\"eth0\"", name, pod], value),
        Shown::Ulimits => row(&[container, id, name, pod, "ulimit=\"max_open_files\""], value),
        Shown::Disk => row(&[container, "device=\"/dev/vda\"", id, name, pod], value),
        Shown::All | Shown::Quota => row(&[container, id, name, pod], value),
    }
}

impl Group {
    fn shows(&self, shown: Shown) -> bool {
        match shown {
            Shown::All | Shown::Cpu | Shown::Faults => true,
            Shown::Quota => self.cpu_limit > 0 && matches!(self.kind, GroupKind::Pod | GroupKind::Container),
            Shown::Network => {
                matches!(self.kind, GroupKind::Root | GroupKind::Sandbox { has_network: true })
            }
            Shown::Ulimits => {
                matches!(self.kind, GroupKind::Root | GroupKind::Sandbox { .. } | GroupKind::Container)
            }
            Shown::Disk => self.kind == GroupKind::Root,
        }
    }

    fn user_seconds(&self) -> f64 {
        ticks(self.reading.cpu_seconds * 0.71)
    }

    fn system_seconds(&self) -> f64 {
        ticks(self.reading.cpu_seconds * 0.29)
    }
}

fn groups_of(node: &NodeUse) -> Vec<Group> {
    let mut groups = Vec::with_capacity(node.pods.len() * 3 + 4);
    let root = slice(node, GroupKind::Root, "/");
    groups.push(Group {
        reading: node.reading,
        memory: node.memory,
        received: node.received,
        sent: node.sent,
        disk: node.disk_used,
        ..root
    });
    groups.push(Group { reading: node.pods_reading, ..slice(node, GroupKind::Slice, "/kubepods") });
    groups.push(slice(node, GroupKind::Slice, "/kubepods/besteffort"));
    let burstable = node.pods_reading.cpu_seconds - node.guaranteed_cpu_seconds;
    groups.push(Group {
        reading: Reading { cpu_seconds: burstable, ..node.pods_reading },
        ..slice(node, GroupKind::Slice, "/kubepods/burstable")
    });
    for pod in &node.pods {
        let path = format!("/kubepods{}/pod{}", pod.qos.cgroup(), pod.uid);
        groups.push(pod_group(node, pod, &path));
        groups.push(sandbox_group(node, pod, &path));
        groups.extend(pod.containers.iter().map(|c| container_group(node, pod, c, &path)));
    }
    groups
}

fn slice(node: &NodeUse, kind: GroupKind, id: &str) -> Group {
    Group {
        kind,
        labels: labels("", id, ("", ""), ("", "")),
        order: ("", id.to_owned()),
        at: node.at,
        seen: node.now,
        reading: Reading::default(),
        memory: MemoryUse::default(),
        created: node.booted,
        started: node.booted,
        cpu_request: node.cpu,
        cpu_limit: 0,
        memory_limit: if kind == GroupKind::Root { node.memory_bytes } else { 0 },
        processes: 0,
        received: 0.0,
        sent: 0.0,
        disk: 0.0,
    }
}

fn pod_group(node: &NodeUse, pod: &PodUse, path: &str) -> Group {
    Group {
        kind: GroupKind::Pod,
        labels: labels("", path, ("", ""), (&pod.namespace, &pod.name)),
        order: ("", path.to_owned()),
        at: pod.at,
        reading: pod.reading,
        memory: pod.memory,
        created: pod.started,
        started: pod.started,
        cpu_request: pod.cpu_request,
        cpu_limit: pod.cpu_limit,
        memory_limit: pod.memory_limit,
        ..slice(node, GroupKind::Pod, path)
    }
}

fn sandbox_group(node: &NodeUse, pod: &PodUse, path: &str) -> Group {
    let id = format!("{path}/{}", pod.sandbox);
    Group {
        kind: GroupKind::Sandbox { has_network: !pod.is_host_network },
        labels: labels("", &id, (PAUSE, &pod.sandbox), (&pod.namespace, &pod.name)),
        order: ("", id.clone()),
        at: pod.sandbox_at,
        reading: Reading { cpu_seconds: 0.019306855, ..Reading::default() },
        memory: MemoryUse {
            working_set: 208_896.0,
            usage: 208_896.0,
            rss: 40_960.0,
            cache: 0.0,
            max_usage: 3_522_560.0,
        },
        created: pod.sandbox_since,
        started: pod.sandbox_since,
        cpu_request: 2,
        processes: 1,
        received: pod.received,
        sent: pod.sent,
        ..slice(node, GroupKind::Pod, &id)
    }
}

fn container_group(node: &NodeUse, pod: &PodUse, container: &ContainerUse, path: &str) -> Group {
    let id = format!("{path}/{}", container.id);
    Group {
        kind: GroupKind::Container,
        labels: labels(container.name, &id, (&container.image, &container.id), (&pod.namespace, &pod.name)),
        order: (container.name, id.clone()),
        at: container.at,
        reading: container.reading,
        memory: container.memory,
        created: container.started,
        started: container.started,
        cpu_request: container.cpu_request,
        cpu_limit: container.cpu_limit,
        memory_limit: container.memory_limit,
        processes: container.processes,
        ..slice(node, GroupKind::Pod, &id)
    }
}

fn labels(
    container: &str,
    id: &str,
    (image, name): (&str, &str),
    (namespace, pod): (&str, &str),
) -> [String; 4] {
    let pair = |a: (&str, &str), b: (&str, &str)| format!("{},{}", label(a.0, a.1), label(b.0, b.1));
    [
        label("container", container),
        pair(("id", id), ("image", image)),
        label("name", name),
        pair(("namespace", namespace), ("pod", pod)),
    ]
}

fn write_machine(page: &mut Page, node: &NodeUse) {
    let [machine, system, boot] = node.identities;
    let ids = [
        label("boot_id", &boot.to_string()),
        label("machine_id", &machine.to_string()),
        label("system_uuid", &system.to_string()),
    ];
    let cores = node.cpu as f64 / 1_000.0;
    let values = [0.0, cores, 0.0, cores / 2.0, 1.0, node.memory_bytes as f64, 0.0];
    for ((name, help), value) in MACHINE.iter().zip(values) {
        page.family(name, help, Type::Gauge);
        page.row(name, &[&ids[0], &ids[1], &ids[2]], value, None);
    }
    let capacity = "NVM capacity value labeled by NVM mode (memory mode or app direct mode).";
    page.family("machine_nvm_capacity", capacity, Type::Gauge);
    for mode in ["app_direct_mode", "memory_mode"] {
        page.row("machine_nvm_capacity", &[&ids[0], &ids[1], &label("mode", mode), &ids[2]], 0.0, None);
    }
    let error = "1 if there was an error while getting machine metrics, 0 otherwise.";
    page.family("machine_scrape_error", error, Type::Gauge);
    page.row("machine_scrape_error", &[], 0.0, None);
    page.family("machine_swap_bytes", "Amount of swap memory available on the machine.", Type::Gauge);
    page.row("machine_swap_bytes", &[&ids[0], &ids[1], &ids[2]], 0.0, None);
}

/// What is told of the machine alone; most machines have no books and no drawers.
const MACHINE: [(&str, &str); 7] = [
    ("machine_cpu_books", "Number of CPU books."),
    ("machine_cpu_cores", "Number of logical CPU cores."),
    ("machine_cpu_drawers", "Number of CPU drawers."),
    ("machine_cpu_physical_cores", "Number of physical CPU cores."),
    ("machine_cpu_sockets", "Number of CPU sockets."),
    ("machine_memory_bytes", "Amount of memory installed on the machine."),
    ("machine_nvm_avg_power_budget_watts", "NVM power budget."),
];
