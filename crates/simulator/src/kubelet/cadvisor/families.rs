//! The families of `/metrics/cadvisor`, in the order and with the help texts of the real one.

use sentinel_model::Timestamp;

use super::{Group, GroupKind, nanos};
use crate::exposition::Type;
use crate::exposition::Type::{Counter, Gauge};
use crate::world::DISK_BYTES;

/// One family: which groups have it, and what its value is.
#[derive(Debug)]
pub(super) struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Type,
    pub shown: Shown,
    /// Carries the time of its measurement.
    pub is_timed: bool,
    pub value: fn(&Group) -> f64,
}

/// Groups that have a family, and the labels that it adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    All,
    Cpu,
    Quota,
    Faults,
    Network,
    Ulimits,
    Disk,
}

fn zero(_: &Group) -> f64 {
    0.0
}

fn seconds(at: Timestamp) -> f64 {
    (at.as_millis() / 1_000) as f64
}

fn inactive(group: &Group) -> f64 {
    group.memory.usage - group.memory.working_set
}

fn swap_limit(group: &Group) -> f64 {
    if group.kind == GroupKind::Container { group.memory_limit as f64 } else { 0.0 }
}

const fn family(name: &'static str, help: &'static str, kind: Type) -> Family {
    Family { name, help, kind, shown: Shown::All, is_timed: true, value: zero }
}

pub(super) static FAMILIES: [Family; 68] = [
    Family {
        shown: Shown::Quota,
        ..family("container_cpu_cfs_burst_periods_total", "Number of periods when burst occurs.", Counter)
    },
    Family {
        shown: Shown::Quota,
        ..family(
            "container_cpu_cfs_burst_seconds_total",
            "Total time duration the container has been bursted.",
            Counter,
        )
    },
    Family {
        shown: Shown::Quota,
        value: |g| g.reading.periods.floor(),
        ..family(
            "container_cpu_cfs_periods_total",
            "Number of elapsed enforcement period intervals.",
            Counter,
        )
    },
    Family {
        shown: Shown::Quota,
        value: |g| g.reading.throttled_periods.floor(),
        ..family(
            "container_cpu_cfs_throttled_periods_total",
            "Number of throttled period intervals.",
            Counter,
        )
    },
    Family {
        shown: Shown::Quota,
        value: |g| nanos(g.reading.throttled_seconds),
        ..family(
            "container_cpu_cfs_throttled_seconds_total",
            "Total time duration the container has been throttled.",
            Counter,
        )
    },
    Family {
        value: Group::system_seconds,
        ..family(
            "container_cpu_system_seconds_total",
            "Cumulative system cpu time consumed in seconds.",
            Counter,
        )
    },
    Family {
        shown: Shown::Cpu,
        value: |g| nanos(g.reading.cpu_seconds),
        ..family("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", Counter)
    },
    Family {
        value: Group::user_seconds,
        ..family("container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.", Counter)
    },
    Family {
        is_timed: false,
        value: |g| seconds(g.created),
        ..family(
            "container_creation_time_seconds",
            "Container creation time since unix epoch in seconds.",
            Gauge,
        )
    },
    Family {
        value: |g| if g.processes == 0 { 0.0 } else { 3.0 + 8.0 * g.processes as f64 },
        ..family("container_file_descriptors", "Number of open file descriptors for the container.", Gauge)
    },
    Family {
        shown: Shown::Disk,
        value: |_| 15_737_407.0,
        ..family("container_fs_inodes_free", "Number of available Inodes", Gauge)
    },
    Family {
        shown: Shown::Disk,
        value: |_| 16_777_216.0,
        ..family("container_fs_inodes_total", "Number of Inodes", Gauge)
    },
    Family {
        shown: Shown::Disk,
        ..family("container_fs_io_current", "Number of I/Os currently in progress", Gauge)
    },
    Family {
        shown: Shown::Disk,
        value: |g| nanos(g.reading.cpu_seconds * 0.021),
        ..family(
            "container_fs_io_time_seconds_total",
            "Cumulative count of seconds spent doing I/Os",
            Counter,
        )
    },
    Family {
        shown: Shown::Disk,
        value: |g| nanos(g.reading.cpu_seconds * 0.034),
        ..family(
            "container_fs_io_time_weighted_seconds_total",
            "Cumulative weighted I/O time in seconds",
            Counter,
        )
    },
    Family {
        shown: Shown::Disk,
        value: |_| DISK_BYTES,
        ..family(
            "container_fs_limit_bytes",
            "Number of bytes that can be consumed by the container on this filesystem.",
            Gauge,
        )
    },
    Family {
        shown: Shown::Disk,
        value: |g| nanos(g.reading.cpu_seconds * 0.009),
        ..family("container_fs_read_seconds_total", "Cumulative count of seconds spent reading", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| (g.reading.cpu_seconds * 1.7).floor(),
        ..family("container_fs_reads_merged_total", "Cumulative count of reads merged", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| (g.reading.cpu_seconds * 22.0).floor(),
        ..family("container_fs_reads_total", "Cumulative count of reads completed", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| (g.reading.cpu_seconds * 990.0).floor(),
        ..family("container_fs_sector_reads_total", "Cumulative count of sector reads completed", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| (g.reading.cpu_seconds * 2_360.0).floor(),
        ..family("container_fs_sector_writes_total", "Cumulative count of sector writes completed", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| g.disk,
        ..family(
            "container_fs_usage_bytes",
            "Number of bytes that are consumed by the container on this filesystem.",
            Gauge,
        )
    },
    Family {
        shown: Shown::Disk,
        value: |g| nanos(g.reading.cpu_seconds * 0.012),
        ..family("container_fs_write_seconds_total", "Cumulative count of seconds spent writing", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| (g.reading.cpu_seconds * 15.8).floor(),
        ..family("container_fs_writes_merged_total", "Cumulative count of writes merged", Counter)
    },
    Family {
        shown: Shown::Disk,
        value: |g| (g.reading.cpu_seconds * 8.2).floor(),
        ..family("container_fs_writes_total", "Cumulative count of writes completed", Counter)
    },
    Family {
        value: |_| -1.0,
        ..family("container_health_state", "The result of the container's health check", Gauge)
    },
    Family {
        value: |g| seconds(g.seen),
        ..family("container_last_seen", "Last time a container was seen by the exporter", Gauge)
    },
    Family {
        value: |g| g.memory.cache,
        ..family("container_memory_cache", "Number of bytes of page cache memory.", Gauge)
    },
    family(
        "container_memory_events_high_total",
        "Cumulative count of memory.high throttle events for the container",
        Counter,
    ),
    family(
        "container_memory_events_max_total",
        "Cumulative count of memory.max limit hit events for the container",
        Counter,
    ),
    family("container_memory_failcnt", "Number of memory usage hits limits", Counter),
    Family {
        shown: Shown::Faults,
        value: |g| (g.reading.work * 61.0).floor(),
        ..family(
            "container_memory_failures_total",
            "Cumulative count of memory allocation failures.",
            Counter,
        )
    },
    family(
        "container_memory_file_dirty_bytes",
        "Number of bytes of file cache that has been modified but not yet written back to disk.",
        Gauge,
    ),
    family(
        "container_memory_file_writeback_bytes",
        "Number of bytes of file cache that is currently being written back to disk.",
        Gauge,
    ),
    Family {
        value: |g| (g.memory.working_set * 0.03 / 4_096.0).floor() * 4_096.0,
        ..family("container_memory_kernel_usage", "Size of kernel memory allocated in bytes.", Gauge)
    },
    Family {
        value: |g| (g.memory.cache * 0.3 / 4_096.0).floor() * 4_096.0,
        ..family("container_memory_mapped_file", "Size of memory mapped files in bytes.", Gauge)
    },
    Family {
        value: |g| g.memory.max_usage,
        ..family("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes", Gauge)
    },
    family(
        "container_memory_pgscan_total",
        "Cumulative number of pages scanned by the page reclaim algorithm.",
        Counter,
    ),
    family(
        "container_memory_pgsteal_total",
        "Cumulative number of pages reclaimed by the page reclaim algorithm.",
        Counter,
    ),
    Family { value: |g| g.memory.rss, ..family("container_memory_rss", "Size of RSS in bytes.", Gauge) },
    family("container_memory_swap", "Container swap usage in bytes.", Gauge),
    Family {
        value: |g| (g.memory.cache - inactive(g)).max(0.0),
        ..family("container_memory_total_active_file_bytes", "Current total active file in bytes.", Gauge)
    },
    Family {
        value: inactive,
        ..family("container_memory_total_inactive_file_bytes", "Current total inactive file in bytes.", Gauge)
    },
    Family {
        value: |g| g.memory.usage,
        ..family(
            "container_memory_usage_bytes",
            "Current memory usage in bytes, including all memory regardless of when it was accessed",
            Gauge,
        )
    },
    Family {
        value: |g| g.memory.working_set,
        ..family("container_memory_working_set_bytes", "Current working set in bytes.", Gauge)
    },
    family(
        "container_memory_workingset_refault_anon_total",
        "Cumulative number of refaults of previously evicted anonymous pages.",
        Counter,
    ),
    family(
        "container_memory_workingset_refault_file_total",
        "Cumulative number of refaults of previously evicted file pages.",
        Counter,
    ),
    Family {
        shown: Shown::Network,
        value: |g| g.received,
        ..family("container_network_receive_bytes_total", "Cumulative count of bytes received", Counter)
    },
    Family {
        shown: Shown::Network,
        ..family(
            "container_network_receive_errors_total",
            "Cumulative count of errors encountered while receiving",
            Counter,
        )
    },
    Family {
        shown: Shown::Network,
        ..family(
            "container_network_receive_packets_dropped_total",
            "Cumulative count of packets dropped while receiving",
            Counter,
        )
    },
    Family {
        shown: Shown::Network,
        value: |g| (g.received / 310.0).floor(),
        ..family("container_network_receive_packets_total", "Cumulative count of packets received", Counter)
    },
    Family {
        shown: Shown::Network,
        value: |g| g.sent,
        ..family("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", Counter)
    },
    Family {
        shown: Shown::Network,
        ..family(
            "container_network_transmit_errors_total",
            "Cumulative count of errors encountered while transmitting",
            Counter,
        )
    },
    Family {
        shown: Shown::Network,
        ..family(
            "container_network_transmit_packets_dropped_total",
            "Cumulative count of packets dropped while transmitting",
            Counter,
        )
    },
    Family {
        shown: Shown::Network,
        value: |g| (g.sent / 640.0).floor(),
        ..family(
            "container_network_transmit_packets_total",
            "Cumulative count of packets transmitted",
            Counter,
        )
    },
    family("container_oom_events_total", "Count of out of memory events observed for the container", Counter),
    Family {
        value: |g| g.processes as f64,
        ..family("container_processes", "Number of processes running inside the container.", Gauge)
    },
    Family {
        value: |g| (g.processes as f64 - 1.0).max(0.0),
        ..family("container_sockets", "Number of open sockets for the container.", Gauge)
    },
    Family {
        is_timed: false,
        value: |_| 100_000.0,
        ..family("container_spec_cpu_period", "CPU period of the container.", Gauge)
    },
    Family {
        shown: Shown::Quota,
        is_timed: false,
        value: |g| g.cpu_limit as f64 * 100.0,
        ..family("container_spec_cpu_quota", "CPU quota of the container.", Gauge)
    },
    Family {
        is_timed: false,
        value: |g| (g.cpu_request * 1_024 / 1_000).max(2) as f64,
        ..family("container_spec_cpu_shares", "CPU share of the container.", Gauge)
    },
    Family {
        is_timed: false,
        value: |g| g.memory_limit as f64,
        ..family("container_spec_memory_limit_bytes", "Memory limit for the container.", Gauge)
    },
    Family {
        is_timed: false,
        ..family(
            "container_spec_memory_reservation_limit_bytes",
            "Memory reservation limit for the container.",
            Gauge,
        )
    },
    Family {
        is_timed: false,
        value: swap_limit,
        ..family("container_spec_memory_swap_limit_bytes", "Memory swap limit for the container.", Gauge)
    },
    Family {
        is_timed: false,
        value: |g| seconds(g.started),
        ..family(
            "container_start_time_seconds",
            "Start time of the container since unix epoch in seconds.",
            Gauge,
        )
    },
    Family {
        value: |g| g.processes as f64 * 3.0,
        ..family("container_threads", "Number of threads running inside the container", Gauge)
    },
    family(
        "container_threads_max",
        "Maximum number of threads allowed inside the container, infinity if value is zero",
        Gauge,
    ),
    Family {
        shown: Shown::Ulimits,
        value: |_| 1_048_576.0,
        ..family(
            "container_ulimits_soft",
            "Soft ulimit values for the container root process. Unlimited if -1, except priority and nice",
            Gauge,
        )
    },
];
