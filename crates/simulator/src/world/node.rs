//! Nodes: what they have, what is reserved on them, and whether their kubelet answers.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use sentinel_model::Timestamp;

use super::{NodeId, PodId};
use crate::dice::{Dice, Uid};
use crate::meter::Reading;
use crate::template::MIB;

#[derive(Debug)]
pub struct Node {
    pub id: NodeId,
    pub name: Arc<str>,
    pub uid: Uid,
    pub lease_uid: Uid,
    /// Machine, system and boot.
    pub identities: [Uid; 3],
    pub created: Timestamp,
    pub version: u64,
    /// Millicores.
    pub cpu: i64,
    pub memory: i64,
    pub max_pods: i64,
    pub ip: Ipv4Addr,
    pub zone: &'static str,
    /// Reserved by the requests of its pods.
    pub cpu_reserved: i64,
    pub memory_reserved: i64,
    pub pods: BTreeSet<PodId>,
    pub images: Vec<Image>,
    pub health: Health,
    pub heartbeat: Timestamp,
    /// When the conditions last changed.
    pub since: Timestamp,
    pub renewed: Timestamp,
    pub taints: Vec<Taint>,
    next_ip: u32,
    /// Use of pods that are gone: the node's own counters never fall.
    pub retired: Retired,
}

/// Totals of what is gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retired {
    pub reading: Reading,
    pub received: f64,
    pub sent: f64,
    /// When it last grew.
    pub at: Timestamp,
}

/// What the control plane thinks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Ready,
    /// The kubelet is cut off, which nobody has noticed yet.
    Silent,
    /// The control plane has noticed.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    pub key: &'static str,
    pub effect: &'static str,
    pub added: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub name: Arc<str>,
    pub bytes: i64,
}

/// Addresses of each node's pods: a /19 of 10.0.0.0/8.
const ADDRESS_BITS: u32 = 13;

const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// Size of a node in millicores and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSize {
    pub cpu: i64,
    pub memory: i64,
    pub max_pods: i64,
}

impl NodeSize {
    /// The smallest common machine on which `n_nodes` of them carry the requests with room to spare.
    pub fn for_requests((cpu, memory): (i64, i64), n_pods: usize, n_nodes: usize) -> Self {
        let nodes = n_nodes as i64;
        let cores = (cpu * 17 / 10 / nodes).div_euclid(1_000) + 1;
        let gib = (memory * 17 / 10 / nodes).div_euclid(1_024 * MIB) + 1;
        let size = cores.max(gib / 4).max(4) as u64;
        let cores = size.next_power_of_two() as i64;
        let max_pods = (n_pods as i64 * 3 / 2 / nodes).max(110);
        Self { cpu: cores * 1_000, memory: cores * 4 * 1_024 * MIB, max_pods }
    }
}

impl Node {
    pub fn new(id: NodeId, size: NodeSize, created: Timestamp, dice: &mut Dice) -> Self {
        let index = u32::from(id.0);
        Self {
            id,
            name: Arc::from(format!("node-{}", index + 1)),
            uid: dice.uid(),
            lease_uid: dice.uid(),
            identities: [dice.uid(), dice.uid(), dice.uid()],
            created,
            version: 0,
            cpu: size.cpu,
            memory: size.memory,
            max_pods: size.max_pods,
            ip: Ipv4Addr::from(u32::from(Ipv4Addr::new(172, 16, 0, 10)) + index),
            zone: ZONES[index as usize % ZONES.len()],
            cpu_reserved: 0,
            memory_reserved: 0,
            pods: BTreeSet::new(),
            images: Vec::new(),
            health: Health::Ready,
            heartbeat: created,
            since: created,
            renewed: created,
            taints: Vec::new(),
            next_ip: 1,
            retired: Retired::default(),
        }
    }

    /// Allocatable is what the system leaves of the capacity.
    pub const fn allocatable(&self) -> (i64, i64) {
        (self.cpu - 100, self.memory - 512 * MIB)
    }

    pub fn is_schedulable(&self) -> bool {
        self.health == Health::Ready && self.taints.is_empty()
    }

    pub fn fits(&self, (cpu, memory): (i64, i64)) -> Fit {
        let (allocatable_cpu, allocatable_memory) = self.allocatable();
        if self.cpu_reserved + cpu > allocatable_cpu {
            Fit::TooLittleCpu
        } else if self.memory_reserved + memory > allocatable_memory {
            Fit::TooLittleMemory
        } else if self.pods.len() as i64 >= self.max_pods {
            Fit::TooManyPods
        } else {
            Fit::Yes
        }
    }

    /// The next free address, as the bridge plugin gives them: one after the other, round and round.
    pub fn take_address(&mut self) -> Ipv4Addr {
        self.next_ip = self.next_ip % ((1 << ADDRESS_BITS) - 2) + 1;
        Ipv4Addr::from(0x0a00_0000 + (u32::from(self.id.0) << ADDRESS_BITS) + self.next_ip)
    }

    pub fn has_image(&self, image: &str) -> bool {
        self.images.iter().any(|i| &*i.name == image)
    }
}

/// Whether a pod fits on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    TooLittleCpu,
    TooLittleMemory,
    TooManyPods,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        let size = NodeSize { cpu: 4_000, memory: 16 * 1_024 * MIB, max_pods: 110 };
        Node::new(NodeId(2), size, Timestamp::from_secs(0), &mut Dice::new(1))
    }

    #[test]
    fn nodes_are_large_enough_for_what_they_are_asked_to_carry() {
        let demand = (9_000, 14 * 1_024 * MIB);
        let size = NodeSize::for_requests(demand, 60, 4);
        assert_eq!(size, NodeSize { cpu: 4_000, memory: 16 * 1_024 * MIB, max_pods: 110 });
        let large = NodeSize::for_requests((3_000_000, 5_000_000 * MIB), 20_000, 20);
        assert!(large.cpu * 20 > 3_000_000 && large.memory * 20 > 5_000_000 * MIB);
        assert!(large.max_pods * 20 > 20_000);
    }

    #[test]
    fn says_why_a_pod_does_not_fit() {
        let mut node = node();
        assert_eq!(node.fits((100, MIB)), Fit::Yes);
        assert_eq!(node.fits((64_000, MIB)), Fit::TooLittleCpu);
        assert_eq!(node.fits((100, 64 * 1_024 * MIB)), Fit::TooLittleMemory);
        node.max_pods = 0;
        assert_eq!(node.fits((100, MIB)), Fit::TooManyPods);
    }

    #[test]
    fn gives_each_pod_another_address_of_its_own_range() {
        let mut node = node();
        let first = node.take_address();
        assert_eq!(first, Ipv4Addr::new(10, 0, 64, 2));
        assert_ne!(node.take_address(), first);
    }
}
