//! What pods and nodes use at a moment, as the kubelet's housekeeping last measured it.

use std::sync::Arc;

use sentinel_model::Timestamp;

use super::node::Retired;
use super::{Node, NodeId, Pod, PodId, State, Trouble, World};
use crate::catalogue::{App, LogStyle};
use crate::dice::{self, Uid};
use crate::load::{Curve, Jitter, Moment};
use crate::meter::{Meter, Reading, Regime};
use crate::template::{ContainerSpec, MIB, Qos};

mod memory;

pub use memory::MemoryUse;
use memory::pages;

/// One container's sample.
#[derive(Clone, Debug)]
pub struct ContainerUse {
    pub name: &'static str,
    pub image: Arc<str>,
    pub id: String,
    pub started: Timestamp,
    pub at: Timestamp,
    pub reading: Reading,
    pub cores: f64,
    pub memory: MemoryUse,
    pub cpu_request: i64,
    pub cpu_limit: i64,
    pub memory_limit: i64,
    pub disk_bytes: f64,
    pub log_bytes: f64,
    pub processes: i64,
}

/// One pod's sample.
#[derive(Clone, Debug)]
pub struct PodUse {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
    pub uid: Uid,
    pub qos: Qos,
    pub token: String,
    pub sandbox: String,
    pub sandbox_since: Timestamp,
    pub sandbox_at: Timestamp,
    pub started: Timestamp,
    pub at: Timestamp,
    pub reading: Reading,
    pub cores: f64,
    pub memory: MemoryUse,
    pub cpu_request: i64,
    pub cpu_limit: i64,
    pub memory_limit: i64,
    pub received: f64,
    pub sent: f64,
    pub is_host_network: bool,
    pub containers: Vec<ContainerUse>,
    pub volumes: Vec<VolumeUse>,
}

#[derive(Clone, Debug)]
pub struct VolumeUse {
    pub name: &'static str,
    /// Of a PersistentVolumeClaim.
    pub claim: Option<Arc<str>>,
    pub capacity: f64,
    pub used: f64,
}

/// One node's sample with those of its pods.
#[derive(Clone, Debug)]
pub struct NodeUse {
    pub name: Arc<str>,
    pub identities: [Uid; 3],
    pub now: Timestamp,
    pub counted_from: Timestamp,
    pub at: Timestamp,
    pub booted: Timestamp,
    pub cpu: i64,
    pub memory_bytes: i64,
    pub reading: Reading,
    pub pods_reading: Reading,
    /// Of pods that get exactly what they ask for, as far as they are still there.
    pub guaranteed_cpu_seconds: f64,
    pub cores: f64,
    pub pods_cores: f64,
    pub memory: MemoryUse,
    pub pods_memory: MemoryUse,
    pub received: f64,
    pub sent: f64,
    pub disk_used: f64,
    pub pods: Vec<PodUse>,
}

/// Housekeeping looks at each container about so often, …
const PERIOD: i64 = 13_000;
/// … give or take this.
const SPREAD: i64 = 2_000;

/// Bytes of a request in each direction.
const RECEIVED_BYTES: f64 = 1_430.0;
const SENT_BYTES: f64 = 5_210.0;

/// What the system itself uses on a node.
const SYSTEM_CORES: f64 = 0.14;
const SYSTEM_MEMORY: f64 = 780.0 * MIB as f64;

/// What a pod's sandbox used to start.
const SANDBOX_CPU: f64 = 0.021;

/// Bytes a second that a pod receives without any request.
const IDLE_BYTES: f64 = 96.0;

pub const DISK_BYTES: f64 = 270_553_174_016.0;

/// When housekeeping last looked, for one of many clocks.
pub fn sampled_at(key: u64, now: Timestamp) -> Timestamp {
    let offset = (key % PERIOD as u64) as i64;
    let tick = (now.as_millis() - offset).div_euclid(PERIOD);
    let at = |tick: i64| {
        let late = (dice::mix(key ^ tick as u64) % SPREAD as u64) as i64;
        offset + tick * PERIOD + late
    };
    let last = if at(tick) <= now.as_millis() { at(tick) } else { at(tick - 1) };
    Timestamp::from_millis(last)
}

/// How a container uses the machine when it serves `demand` times its usual share.
pub fn regime(app: &App, spec: &ContainerSpec, demand: f64, trouble: Trouble) -> Regime {
    if spec.is_sidecar {
        return Regime { demand, idle_cores: 0.002, cores: 0.006, throttled: 0.0 };
    }
    let mean = app.cpu.mean / 1_000.0;
    let limit = spec.cpu_limit as f64 / 1_000.0;
    let base = Regime { demand, idle_cores: mean * 0.12, cores: mean * 0.88, throttled: 0.004 };
    let base = if limit == 0.0 { Regime { throttled: 0.0, ..base } } else { base };
    match trouble {
        Trouble::Throttled => Regime { idle_cores: limit * 0.985, cores: 0.0, throttled: 0.96, ..base },
        Trouble::Noisy => Regime { idle_cores: 0.0, cores: 0.0, ..base },
        Trouble::Starved => Regime { throttled: base.throttled * 3.0, cores: base.cores * 0.62, ..base },
        Trouble::Crashing => Regime { demand: 0.0, idle_cores: mean * 1.6, ..base },
        _ => base,
    }
}

/// Identity of one container's own randomness.
pub fn meter_key(pod: &Pod, container: usize, instance: u32) -> u64 {
    dice::mix(pod.uid.0 as u64 ^ (container as u64) << 40 ^ u64::from(instance))
}

/// Everything that one control group counts at a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    reading: Reading,
    cores: f64,
    memory: MemoryUse,
    received: f64,
    sent: f64,
}

impl World {
    /// `None` when there is no such node.
    pub fn node_use(&self, id: NodeId) -> Option<NodeUse> {
        let node = self.nodes.get(usize::from(id.0))?;
        let pods: Vec<&Pod> = node.pods.iter().filter_map(|pod| self.pods.get(pod)).collect();
        let key = dice::mix(node.uid.0 as u64);
        // No sample is older than the last change of anything that it counts.
        let changed = pods.iter().map(|pod| self.changed_at(pod)).max().unwrap_or(Timestamp::MIN);
        let at = sampled_at(key, self.now).max(changed).max(node.retired.at);
        let tallies = pods.iter().filter(|pod| pod.sandbox.is_some()).map(|pod| self.tally(pod, at));
        let total = tallies.fold(Tally::of_retired(node), Tally::plus);
        let guaranteed =
            pods.iter().filter(|pod| pod.template.qos == Qos::Guaranteed && pod.sandbox.is_some());
        let guaranteed_cpu_seconds = guaranteed.map(|pod| self.tally(pod, at).reading.cpu_seconds).sum();
        let booted = node.created.saturating_sub_millis(40_000);
        let system = Reading {
            cpu_seconds: at.millis_since(booted.max(self.counted_from)) as f64 / 1_000.0 * SYSTEM_CORES,
            ..Reading::default()
        };
        let jitter = Jitter::new(key).value(self.moment(at)) * 4e7;
        let disk: usize = pods.iter().map(|pod| pod.containers.len()).sum();
        Some(NodeUse {
            name: Arc::clone(&node.name),
            identities: node.identities,
            now: self.now,
            counted_from: self.counted_from,
            at,
            booted,
            cpu: node.cpu,
            memory_bytes: node.memory,
            reading: total.reading + system,
            pods_reading: total.reading,
            guaranteed_cpu_seconds,
            cores: total.cores + SYSTEM_CORES,
            pods_cores: total.cores,
            memory: MemoryUse::from_working_set(total.memory.working_set + SYSTEM_MEMORY + jitter, 0.0),
            pods_memory: total.memory,
            received: total.received,
            sent: total.sent,
            disk_used: 40_610_488_320.0 + disk as f64 * 262_144.0,
            pods: pods.into_iter().filter_map(|pod| self.pod_use(pod, at)).collect(),
        })
    }

    /// When what a pod counts last changed its course.
    fn changed_at(&self, pod: &Pod) -> Timestamp {
        let meters = pod.containers.iter().filter_map(|c| c.meter.as_ref());
        let since = meters.map(|meter| self.time_of(meter.since())).max();
        let sandbox = pod.sandbox.map_or(pod.turned, |sandbox| sandbox.since);
        since.unwrap_or(pod.turned).max(pod.turned).max(sandbox)
    }

    /// What a pod's control group has counted until `at`.
    fn tally(&self, pod: &Pod, at: Timestamp) -> Tally {
        let workload = &self.workloads[pod.workload.0 as usize];
        let moment = self.moment(at);
        let mut tally = Tally { memory: MemoryUse::sandbox(), reading: pod.retired, ..Tally::default() };
        tally.reading.cpu_seconds += SANDBOX_CPU;
        for (place, container) in pod.containers.iter().enumerate() {
            let Some(meter) = &container.meter else { continue };
            tally.reading = tally.reading + meter.read(&workload.curve, moment);
            tally.cores += meter.cores(&workload.curve, moment);
            tally.memory = tally.memory.plus(&self.memory_of(pod, place, at));
        }
        let since = pod.sandbox.map_or(at, |sandbox| sandbox.since.max(self.counted_from));
        let idle = at.millis_since(since).max(0) as f64 / 1_000.0 * IDLE_BYTES;
        let work = tally.reading.work * workload.app.requests;
        tally.received = (work * RECEIVED_BYTES + idle).floor();
        tally.sent = (work * SENT_BYTES + idle * 0.8).floor();
        tally
    }

    /// `None` as long as nothing of it runs.
    fn pod_use(&self, pod: &Pod, node_at: Timestamp) -> Option<PodUse> {
        let sandbox = pod.sandbox?;
        let containers: Vec<ContainerUse> =
            (0..pod.containers.len()).filter_map(|c| self.container_use(pod, c)).collect();
        let key = dice::mix(pod.uid.0 as u64 ^ 0x70D);
        let changed = self.changed_at(pod);
        let at = sampled_at(key, self.now).max(changed);
        let sandbox_at = sampled_at(dice::mix(key), self.now).max(changed);
        let (tally, network) = (self.tally(pod, at), self.tally(pod, sandbox_at));
        let limits = |get: fn(&ContainerSpec) -> i64| {
            let specs = &pod.template.containers;
            if specs.iter().all(|c| get(c) > 0) { specs.iter().map(get).sum() } else { 0 }
        };
        Some(PodUse {
            namespace: Arc::clone(&pod.key.namespace),
            name: Arc::clone(&pod.key.name),
            uid: pod.uid,
            qos: pod.template.qos,
            token: pod.token_text().to_owned(),
            sandbox: dice::hex(&sandbox.id),
            sandbox_since: sandbox.since,
            sandbox_at,
            started: pod.started.unwrap_or(pod.created),
            at,
            reading: tally.reading,
            cores: tally.cores,
            memory: tally.memory,
            cpu_request: pod.template.requests().0,
            cpu_limit: limits(|c| c.cpu_limit),
            memory_limit: limits(|c| c.memory_limit),
            received: network.received,
            sent: network.sent,
            is_host_network: pod.template.is_daemon(),
            containers,
            volumes: self.volumes_of(pod, node_at),
        })
    }

    fn container_use(&self, pod: &Pod, place: usize) -> Option<ContainerUse> {
        let container = pod.containers.get(place)?;
        let (spec, meter) = (pod.spec_of(place), container.meter.as_ref()?);
        let State::Running { since: started } = container.state else { return None };
        let workload = self.workloads.get(pod.workload.0 as usize)?;
        let key = meter_key(pod, place, container.instance);
        let sampled = self.moment(sampled_at(key, self.now));
        let moment = if sampled.seconds > meter.since().seconds { sampled } else { meter.since() };
        let at = self.time_of(moment);
        let reading = meter.read(&workload.curve, moment);
        let memory = self.memory_of(pod, place, at);
        Some(ContainerUse {
            name: spec.name,
            image: Arc::from(spec.image.as_str()),
            id: dice::hex(container.id.as_ref()?),
            started,
            at,
            reading,
            cores: meter.cores(&workload.curve, moment),
            memory,
            cpu_request: spec.cpu_request,
            cpu_limit: spec.cpu_limit,
            memory_limit: spec.memory_limit,
            disk_bytes: 45_056.0 + (key % 64) as f64 * 4_096.0,
            log_bytes: (reading.work * self.log_rate * 140.0) % 10_485_760.0,
            processes: if workload.app.log == LogStyle::Access { 5 } else { 1 + (key % 3) as i64 },
        })
    }

    /// Working set and its parts at a moment.
    pub(super) fn memory_of(&self, pod: &Pod, place: usize, at: Timestamp) -> MemoryUse {
        let (container, spec) = (&pod.containers[place], pod.spec_of(place));
        let workload = &self.workloads[pod.workload.0 as usize];
        let app = workload.app;
        let mean = if spec.is_sidecar { 24.0 } else { app.memory.mean } * MIB as f64;
        let started = container.running_since().unwrap_or(at);
        let age = at.millis_since(started) as f64 / 1_000.0;
        let moment = self.moment(at);
        let key = meter_key(pod, place, container.instance);
        let warmth = 1.0 - 0.4 * (-age / 200.0).exp();
        let demand =
            container.meter.as_ref().map_or(1.0, |meter: &Meter| meter.demand(&workload.curve, moment));
        let period = 70.0 + (key % 170) as f64;
        let saw = (moment.phase / period).fract() - 0.5;
        let swing = if app.log == LogStyle::Java { 0.09 } else { 0.02 };
        let shape = warmth * (1.0 + 0.05 * (demand - 1.0) + swing * saw);
        let leaked = container.leak.map_or(0.0, |leak| {
            leak.bytes_per_second * (at.millis_since(leak.since) as f64 / 1_000.0).max(0.0)
        });
        MemoryUse::from_working_set(mean * shape + leaked, spec.memory_limit as f64)
    }

    fn volumes_of(&self, pod: &Pod, at: Timestamp) -> Vec<VolumeUse> {
        let plain = |name, capacity, used| VolumeUse { name, claim: None, capacity, used };
        let mut volumes =
            vec![plain("config", DISK_BYTES, 28_672.0), plain("kube-api-access", 67_108_864.0, 12_288.0)];
        let workload = &self.workloads[pod.workload.0 as usize];
        if !pod.template.is_daemon() {
            volumes.push(plain("tmp", DISK_BYTES, 24_576.0));
        }
        let claim = format!("data-{}", pod.key.name);
        if let Some(volume) = workload.volumes.iter().find(|volume| *volume.claim == *claim) {
            volumes.push(VolumeUse {
                name: "data",
                claim: Some(Arc::clone(&volume.claim)),
                capacity: volume.capacity as f64 * 0.98,
                used: pages(volume.used_at(at) * 0.98),
            });
        }
        volumes
    }

    /// Mean CPU of a workload's ready pods in millicores, as the metrics API would tell it.
    pub(super) fn mean_millicores(&self, workload: &super::Workload) -> Option<f64> {
        let moment = self.moment(self.now);
        let ready = workload.pods.iter().filter_map(|id| self.pods.get(id)).filter(|pod| pod.is_ready());
        let (mut n_pods, mut cores) = (0.0, 0.0);
        for pod in ready {
            n_pods += 1.0;
            cores += pod
                .containers
                .iter()
                .filter_map(|c| c.meter.as_ref())
                .map(|meter| meter.cores(&workload.curve, moment))
                .sum::<f64>();
        }
        (n_pods > 0.0).then(|| cores / n_pods * 1_000.0)
    }

    fn time_of(&self, moment: Moment) -> Timestamp {
        let offset = self.moment(self.now).seconds - moment.seconds;
        self.now.saturating_sub_millis((offset * 1_000.0).round() as i64)
    }

    /// Counters begin where the oldest sample that can be asked for lies, whatever the age of what they count:
    /// a cluster founded again from the same seed takes up the series of the one before, and a counter that
    /// fell only a little would be read as a restart from nothing, with all its value used in that moment.
    pub(super) fn begin_counting(&mut self) {
        self.counted_from = self.now.saturating_sub_millis(PERIOD + SPREAD);
        let from = self.moment(self.counted_from);
        for pod in self.pods.values_mut() {
            let curve = &self.workloads[pod.workload.0 as usize].curve;
            pod.retired = Reading::default();
            for container in &mut pod.containers {
                if let Some(meter) = &mut container.meter {
                    meter.forget(curve, from);
                }
            }
        }
        for node in &mut self.nodes {
            node.retired = Retired { at: node.retired.at, ..Retired::default() };
        }
    }

    /// Gives the container that is starting its meter.
    pub(super) fn start_meter(&mut self, id: PodId, place: usize, demand: f64) {
        let at = self.moment(self.now);
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let app = self.workloads[pod.workload.0 as usize].app;
        let regime = regime(app, &pod.template.containers[place], demand, pod.trouble);
        let key = meter_key(pod, place, pod.containers[place].instance);
        pod.containers[place].meter = Some(Meter::new(at, regime, key));
    }

    /// From now on the containers of a pod serve `demand`, in the trouble that the pod is in.
    pub(super) fn set_demand(&mut self, id: PodId, demand: f64) {
        let at = self.moment(self.now);
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let workload = &self.workloads[pod.workload.0 as usize];
        let cores = self.nodes.get(pod.node.map_or(0, |node| usize::from(node.0))).map_or(4_000, |n| n.cpu);
        for (container, spec) in pod.containers.iter_mut().zip(&pod.template.containers) {
            let Some(meter) = &mut container.meter else { continue };
            let mut next = regime(workload.app, spec, demand, pod.trouble);
            if pod.trouble == Trouble::Noisy && !spec.is_sidecar {
                next.idle_cores = cores as f64 / 1_000.0 * 0.8;
            }
            if meter.regime() != next {
                meter.change(&workload.curve, at, next);
            }
        }
    }

    /// Keeps what a container used in the totals of its pod, when it is gone.
    pub(super) fn retire_meter(
        pod: &mut Pod,
        container: usize,
        curve: &Curve,
        (now, at): (Timestamp, Moment),
    ) {
        if let Some(meter) = pod.containers[container].meter.take() {
            pod.retired = pod.retired + meter.read(curve, at);
            pod.turned = now;
        }
    }

    /// Keeps what a pod used in the totals of its node, when it is gone.
    pub(super) fn retire_pod(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id).filter(|pod| pod.sandbox.is_some()) else { return };
        let Some(node) = pod.node else { return };
        let tally = self.tally(pod, self.now);
        let node: &mut Node = &mut self.nodes[usize::from(node.0)];
        node.retired.reading = node.retired.reading + tally.reading;
        node.retired.received += tally.received;
        node.retired.sent += tally.sent;
        node.retired.at = self.now;
    }
}

impl Tally {
    fn of_retired(node: &Node) -> Self {
        let Retired { reading, received, sent, .. } = node.retired;
        Self { reading, received, sent, ..Self::default() }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            reading: self.reading + other.reading,
            cores: self.cores + other.cores,
            memory: self.memory.plus(&other.memory),
            received: self.received + other.received,
            sent: self.sent + other.sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_are_at_most_15_seconds_old_and_never_go_back(key: u64, start in 0_i64..2_000_000_000_000) {
            let mut last = Timestamp::MIN;
            for step in 0..60 {
                let now = Timestamp::from_millis(start + step * 700);
                let at = sampled_at(key, now);
                prop_assert!(at <= now && now.millis_since(at) <= PERIOD + SPREAD);
                prop_assert!(at >= last);
                last = at;
            }
        }
    }
}
