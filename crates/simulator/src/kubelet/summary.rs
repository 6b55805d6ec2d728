//! `/stats/summary`. As in the real one, the order of pods and volumes is that of a hash map: it
//! changes from answer to answer.

use sentinel_model::Timestamp;

use crate::dice::Dice;
use crate::json::{self, Object};
use crate::meter::Reading;
use crate::world::{ContainerUse, DISK_BYTES, MemoryUse, NodeUse, PodUse, VolumeUse};

const PSI: &str = r#"{"full":{"total":0,"avg10":0,"avg60":0,"avg300":0},"some":{"total":0,"avg10":0,"avg60":0,"avg300":0}}"#;

const INODES: i64 = 16_777_216;
const INODES_FREE: i64 = 15_737_407;

pub fn summary(node: &NodeUse) -> String {
    let mut order: Vec<&PodUse> = node.pods.iter().collect();
    shuffle(&mut order, node.now.as_millis() as u64);
    json::object(|summary| {
        summary.object("node", |o| write_node(o, node));
        summary.array("pods", |pods| {
            for pod in order {
                pods.object(|o| write_pod(o, pod, node));
            }
        });
    })
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut dice = Dice::new(seed);
    for last in (1..items.len()).rev() {
        items.swap(last, dice.index(last + 1));
    }
}

fn write_node(o: &mut Object<'_>, node: &NodeUse) {
    o.text("nodeName", &node.name);
    o.array("systemContainers", |containers| {
        containers.object(|c| {
            c.text("name", "pods");
            c.time("startTime", node.booted);
            write_cpu(c, node.at, node.pods_cores, &node.pods_reading);
            write_memory(c, (node.at, node.memory_bytes as f64), &node.pods_memory, 0.0);
            write_io(c, node.at);
            c.object("swap", |swap| write_swap(swap, node.at, None));
        });
    });
    o.time("startTime", node.booted);
    write_cpu(o, node.at, node.cores, &node.reading);
    write_memory(o, (node.at, node.memory_bytes as f64), &node.memory, 80_207.0);
    write_io(o, node.at);
    o.object("network", |network| write_network(network, node.at, (node.received, node.sent)));
    o.object("fs", |fs| write_disk(fs, node.at, node.disk_used, INODES - INODES_FREE));
    o.object("runtime", |runtime| {
        for name in ["imageFs", "containerFs"] {
            runtime.object(name, |fs| write_disk(fs, node.at, 9_942_387_200.0, 90_912));
        }
    });
    o.object("rlimit", |limit| {
        limit.time("time", node.now);
        limit.number("maxpid", 4_194_304);
        limit.number("curproc", 420 + node.pods.len() as i64 * 9);
    });
    o.object("swap", |swap| write_swap(swap, node.at, Some(0.0)));
}

fn write_pod(o: &mut Object<'_>, pod: &PodUse, node: &NodeUse) {
    o.object("podRef", |reference| {
        reference.text("name", &pod.name);
        reference.text("namespace", &pod.namespace);
        reference.uid("uid", pod.uid);
    });
    o.time("startTime", pod.started);
    o.array("containers", |containers| {
        for container in &pod.containers {
            containers.object(|c| write_container(c, container, node));
        }
    });
    write_cpu(o, pod.at, pod.cores, &pod.reading);
    write_memory(o, (pod.at, limit_or(pod.memory_limit, node)), &pod.memory, 0.0);
    write_io(o, pod.at);
    if !pod.is_host_network {
        o.object("network", |network| write_network(network, pod.sandbox_at, (pod.received, pod.sent)));
    }
    let mut volumes: Vec<&VolumeUse> = pod.volumes.iter().collect();
    shuffle(&mut volumes, node.now.as_millis() as u64 ^ pod.uid.0 as u64);
    o.array("volume", |array| {
        for volume in volumes {
            array.object(|v| write_volume(v, volume, pod, node.at));
        }
    });
    let disk: f64 = pod.containers.iter().map(|c| c.disk_bytes + c.log_bytes).sum();
    o.object("ephemeral-storage", |fs| write_disk(fs, node.now, disk + 53_248.0, 35));
    let processes = pod.containers.iter().map(|c| c.processes).sum::<i64>() + 1;
    o.object("process_stats", |stats| stats.number("process_count", processes));
    o.object("swap", |swap| write_swap(swap, pod.at, None));
}

fn write_container(c: &mut Object<'_>, container: &ContainerUse, node: &NodeUse) {
    c.text("name", container.name);
    c.time("startTime", container.started);
    write_cpu(c, container.at, container.cores, &container.reading);
    let faults = (container.reading.work * 61.0).floor();
    write_memory(c, (container.at, limit_or(container.memory_limit, node)), &container.memory, faults);
    write_io(c, container.at);
    c.object("rootfs", |fs| write_disk(fs, node.at, container.disk_bytes, 14));
    c.object("logs", |fs| write_disk(fs, node.now, (container.log_bytes / 4_096.0).ceil() * 4_096.0, 1));
    c.object("swap", |swap| write_swap(swap, container.at, Some(container.memory_limit as f64)));
}

/// Without a limit of its own the node's memory is the limit.
fn limit_or(limit: i64, node: &NodeUse) -> f64 {
    if limit > 0 { limit as f64 } else { node.memory_bytes as f64 }
}

fn write_cpu(o: &mut Object<'_>, at: Timestamp, cores: f64, reading: &Reading) {
    o.object("cpu", |cpu| {
        cpu.time("time", at);
        cpu.number("usageNanoCores", (cores * 1e9) as i64);
        cpu.number("usageCoreNanoSeconds", (reading.cpu_seconds * 1e9).round() as i64);
        cpu.raw("psi", PSI);
    });
}

fn write_memory(o: &mut Object<'_>, (at, limit): (Timestamp, f64), memory: &MemoryUse, faults: f64) {
    o.object("memory", |m| {
        m.time("time", at);
        m.number("availableBytes", (limit - memory.working_set).max(0.0) as i64);
        m.number("usageBytes", memory.usage as i64);
        m.number("workingSetBytes", memory.working_set as i64);
        m.number("rssBytes", memory.rss as i64);
        m.number("pageFaults", faults as i64);
        m.number("majorPageFaults", 0);
        m.raw("psi", PSI);
    });
}

fn write_io(o: &mut Object<'_>, at: Timestamp) {
    o.object("io", |io| {
        io.time("time", at);
        io.raw("psi", PSI);
    });
}

fn write_network(o: &mut Object<'_>, at: Timestamp, (received, sent): (f64, f64)) {
    let write = |o: &mut Object<'_>| {
        o.text("name", "eth0");
        o.number("rxBytes", received as i64);
        o.number("rxErrors", 0);
        o.number("txBytes", sent as i64);
        o.number("txErrors", 0);
    };
    o.time("time", at);
    write(o);
    o.array("interfaces", |interfaces| interfaces.object(write));
}

fn write_disk(o: &mut Object<'_>, at: Timestamp, used: f64, inodes_used: i64) {
    o.time("time", at);
    o.number("availableBytes", (DISK_BYTES * 0.78 - used) as i64);
    o.number("capacityBytes", DISK_BYTES as i64);
    o.number("usedBytes", used as i64);
    o.number("inodesFree", INODES_FREE);
    o.number("inodes", INODES);
    o.number("inodesUsed", inodes_used);
}

fn write_volume(v: &mut Object<'_>, volume: &VolumeUse, pod: &PodUse, at: Timestamp) {
    let inodes = (volume.capacity / 16_384.0) as i64;
    v.time("time", at);
    v.number("availableBytes", (volume.capacity - volume.used) as i64);
    v.number("capacityBytes", volume.capacity as i64);
    v.number("usedBytes", volume.used as i64);
    v.number("inodesFree", inodes - 212);
    v.number("inodes", inodes);
    v.number("inodesUsed", 212);
    match volume.name {
        "kube-api-access" => v.text("name", &format!("kube-api-access-{}", pod.token)),
        name => v.text("name", name),
    }
    if let Some(claim) = &volume.claim {
        v.object("pvcRef", |reference| {
            reference.text("name", claim);
            reference.text("namespace", &pod.namespace);
        });
    }
}

fn write_swap(swap: &mut Object<'_>, at: Timestamp, available: Option<f64>) {
    swap.time("time", at);
    if let Some(available) = available {
        swap.number("swapAvailableBytes", available as i64);
    }
    swap.number("swapUsageBytes", 0);
}
