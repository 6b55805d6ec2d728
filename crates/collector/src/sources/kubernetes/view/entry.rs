//! What the view keeps of one object.

use std::sync::Arc;

use sentinel_model::{ContainerState, ObjectDetail, ObjectState, WorkloadRef};
use serde_json::Value;

use crate::sources::kubernetes::discovery::{Wish, wish};
use crate::sources::kubernetes::json::{flag, integer};
use crate::sources::kubernetes::kind::Kind;
use crate::sources::kubernetes::state_metrics::StateSample;

/// The port that kubelets listen on unless they say otherwise.
const KUBELET_PORT: u16 = 10_250;

pub(super) struct Entry {
    /// Without the manifest, of which only the hash is kept.
    pub(super) state: ObjectState,
    /// Of everything that is told.
    pub(super) fingerprint: u64,
    /// The list in which it was seen last.
    pub(super) generation: u64,
    pub(super) samples: Arc<[StateSample]>,
    pub(super) facts: Facts,
}

/// What other parts of the collector act on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Facts {
    Pod(Arc<PodFacts>),
    Node(Arc<NodeFacts>),
    None,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) node: Arc<str>,
    pub(crate) workload: Option<WorkloadRef>,
    pub(crate) containers: Vec<ContainerFacts>,
    /// Its network is the node's.
    pub(crate) is_on_host_network: bool,
    pub(crate) wish: Option<Wish>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerFacts {
    pub(crate) name: Arc<str>,
    pub(crate) restart_count: u32,
    pub(crate) life: Life,
}

/// How far a container's current instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nothing to read yet.
    NotStarted,
    Running,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    pub(crate) name: Arc<str>,
    pub(crate) internal_ip: String,
    pub(crate) kubelet_port: u16,
}

impl Facts {
    pub(super) fn of(kind: Kind, object: &Value, state: &ObjectState) -> Self {
        match (kind, &state.detail) {
            (Kind::Pod, ObjectDetail::Pod(pod)) => {
                let containers = pod.containers.iter().map(|container| ContainerFacts {
                    name: container.name.as_str().into(),
                    restart_count: container.restart_count,
                    life: life(&container.state, &container.last_state),
                });
                Self::Pod(Arc::new(PodFacts {
                    uid: state.key.uid.clone(),
                    namespace: state.namespace.as_str().into(),
                    name: state.name.as_str().into(),
                    node: pod.node.as_str().into(),
                    workload: state.workload.clone(),
                    containers: containers.collect(),
                    is_on_host_network: flag(object, "spec.hostNetwork"),
                    wish: wish(object),
                }))
            }
            (Kind::Node, ObjectDetail::Node(node)) => Self::Node(Arc::new(NodeFacts {
                name: state.name.as_str().into(),
                internal_ip: node.internal_ip.clone(),
                kubelet_port: integer(object, "status.daemonEndpoints.kubeletEndpoint.Port")
                    .and_then(|port| u16::try_from(port).ok())
                    .filter(|port| *port > 0)
                    .unwrap_or(KUBELET_PORT),
            })),
            _ => Self::None,
        }
    }
}

/// While a container waits to be started again, its last instance is the one that has ended.
fn life(state: &ContainerState, last: &ContainerState) -> Life {
    match (state, last) {
        (ContainerState::Running { .. }, _) => Life::Running,
        (ContainerState::Terminated { .. }, _) | (_, ContainerState::Terminated { .. }) => Life::Ended,
        _ => Life::NotStarted,
    }
}
