//! Numbers that only the summary has: volumes, ephemeral storage, images, processes. CPU, memory and
//! network are cAdvisor's.

use sentinel_model::{Labels, METRIC_NAME, MetricKind, Series};

use super::summary::{Scope, Subject, SummaryRow};
use crate::sources::kubernetes::view::View;

/// Paths of the summary by scope, and the families that they become.
const FAMILIES: [(Scope, &str, &str); 29] = [
    (Scope::Volume, "availableBytes", "kubelet_volume_stats_available_bytes"),
    (Scope::Volume, "capacityBytes", "kubelet_volume_stats_capacity_bytes"),
    (Scope::Volume, "usedBytes", "kubelet_volume_stats_used_bytes"),
    (Scope::Volume, "inodes", "kubelet_volume_stats_inodes"),
    (Scope::Volume, "inodesFree", "kubelet_volume_stats_inodes_free"),
    (Scope::Volume, "inodesUsed", "kubelet_volume_stats_inodes_used"),
    (Scope::Pod, "ephemeral-storage.usedBytes", "kubelet_pod_ephemeral_storage_used_bytes"),
    (Scope::Pod, "ephemeral-storage.inodesUsed", "kubelet_pod_ephemeral_storage_inodes_used"),
    (Scope::Pod, "process_stats.process_count", "kubelet_pod_processes"),
    (Scope::Container, "rootfs.usedBytes", "kubelet_container_rootfs_used_bytes"),
    (Scope::Container, "rootfs.inodesUsed", "kubelet_container_rootfs_inodes_used"),
    (Scope::Container, "logs.usedBytes", "kubelet_container_logs_used_bytes"),
    (Scope::Node, "fs.availableBytes", "kubelet_node_fs_available_bytes"),
    (Scope::Node, "fs.capacityBytes", "kubelet_node_fs_capacity_bytes"),
    (Scope::Node, "fs.usedBytes", "kubelet_node_fs_used_bytes"),
    (Scope::Node, "fs.inodes", "kubelet_node_fs_inodes"),
    (Scope::Node, "fs.inodesFree", "kubelet_node_fs_inodes_free"),
    (Scope::Node, "fs.inodesUsed", "kubelet_node_fs_inodes_used"),
    (Scope::Node, "runtime.imageFs.availableBytes", "kubelet_node_image_fs_available_bytes"),
    (Scope::Node, "runtime.imageFs.capacityBytes", "kubelet_node_image_fs_capacity_bytes"),
    (Scope::Node, "runtime.imageFs.usedBytes", "kubelet_node_image_fs_used_bytes"),
    (Scope::Node, "runtime.imageFs.inodes", "kubelet_node_image_fs_inodes"),
    (Scope::Node, "runtime.imageFs.inodesFree", "kubelet_node_image_fs_inodes_free"),
    (Scope::Node, "memory.availableBytes", "kubelet_node_memory_available_bytes"),
    (Scope::Node, "rlimit.curproc", "kubelet_node_processes"),
    (Scope::Node, "rlimit.maxpid", "kubelet_node_processes_max"),
    (Scope::Node, "swap.swapAvailableBytes", "kubelet_node_swap_available_bytes"),
    (Scope::Node, "swap.swapUsageBytes", "kubelet_node_swap_used_bytes"),
    (Scope::SystemContainer, "memory.workingSetBytes", "kubelet_system_container_memory_working_set_bytes"),
];

/// Volumes count when a claim is behind them: the others are part of a pod's ephemeral storage.
pub(super) fn gauges<'a>(
    rows: &'a [SummaryRow<'a>],
    cluster: &'a str,
    node: &'a str,
    view: &'a View,
) -> impl Iterator<Item = (Series, f64)> + 'a {
    rows.iter().filter_map(move |row| {
        let (_, _, name) =
            FAMILIES.iter().find(|(scope, path, _)| *scope == row.subject.scope && *path == row.metric)?;
        let labels = labels(&row.subject, name, view)?.with(&[("cluster", cluster), ("node", node)]);
        Some((Series { labels, kind: MetricKind::Gauge }, row.value.as_f64()?))
    })
}

fn labels(subject: &Subject<'_>, name: &str, view: &View) -> Option<Labels> {
    let facts = view.pod(subject.namespace, subject.pod);
    let workload = facts.as_ref().and_then(|facts| facts.workload.as_ref());
    let (kind, workload) =
        workload.map_or(("", ""), |workload| (workload.kind.as_str(), workload.name.as_str()));
    let pairs = match subject.scope {
        Scope::Node => vec![],
        Scope::SystemContainer => vec![("container", subject.name)],
        Scope::Volume => {
            let (namespace, claim) = subject.claim?;
            vec![("namespace", namespace), ("persistentvolumeclaim", claim)]
        }
        Scope::Pod => vec![("namespace", subject.namespace), ("pod", subject.pod)],
        Scope::Container => {
            vec![("namespace", subject.namespace), ("pod", subject.pod), ("container", subject.name)]
        }
    };
    let own = [(METRIC_NAME, name), ("workload", workload), ("workload_kind", kind)];
    Labels::from_pairs(pairs.into_iter().chain(own)).ok()
}
