//! Finding the log of a container.

use std::sync::Arc;

use sentinel_model::Timestamp;

use super::usage::meter_key;
use super::{Container, Health, Pod, PodId, State, World};
use crate::logs::{Source, rate_of};

/// A log that a client asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// May be left out when there is only one.
    pub container: Option<String>,
    /// The container before the one that runs.
    pub is_previous: bool,
}

/// Why there is no log, in the words of the API server and the kubelet.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("a container name must be specified for pod {pod}, choose one of: {choices:?}")]
    Ambiguous { pod: String, choices: Vec<&'static str> },
    #[error("container {container} is not valid for pod {pod}")]
    NoContainer { pod: String, container: String },
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    Waiting { pod: String, container: &'static str, reason: &'static str },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious { pod: String, container: &'static str },
    #[error("pod {pod} does not have a host assigned")]
    NoNode { pod: String },
    #[error(
        "Get \"https://{address}:10250/containerLogs/{namespace}/{pod}/{container}\": dial tcp {address}:10250: connect: no route to host"
    )]
    Unreachable { address: String, namespace: String, pod: String, container: &'static str },
    #[error("pods {pod:?} not found")]
    NoPod { pod: String },
}

impl World {
    pub fn log_source(&self, id: PodId, request: &LogRequest) -> Result<Source, LogError> {
        let pod = self.pods.get(&id).ok_or_else(|| LogError::NoPod { pod: format!("{id:?}") })?;
        let place = self.container_place(pod, request)?;
        let container = &pod.containers[place];
        let (started, ended) = span_of(pod, place, request.is_previous)?;
        let workload = &self.workloads[pod.workload.0 as usize];
        let back = u32::from(request.is_previous && container.running_since().is_some());
        let notes = if back > 0 { &container.previous_notes } else { &container.notes };
        Ok(Source {
            app: workload.app,
            pod: Arc::clone(&pod.key.name),
            is_sidecar: pod.spec_of(place).is_sidecar,
            key: meter_key(pod, place, container.instance - back.min(container.instance)),
            origin: self.origin.clone(),
            curve: workload.curve.clone(),
            rate: rate_of(workload.app, self.log_rate),
            started,
            ended,
            notes: notes.clone(),
            troubles: pod.troubles.clone(),
            upstream: self.upstream_errors(pod),
        })
    }

    fn container_place(&self, pod: &Pod, request: &LogRequest) -> Result<usize, LogError> {
        let name = || pod.key.name.to_string();
        let specs = &pod.template.containers;
        let place = match &request.container {
            None if specs.len() == 1 => 0,
            None => {
                let choices = specs.iter().map(|spec| spec.name).collect();
                return Err(LogError::Ambiguous { pod: name(), choices });
            }
            Some(container) => specs
                .iter()
                .position(|spec| spec.name == container)
                .ok_or_else(|| LogError::NoContainer { pod: name(), container: container.clone() })?,
        };
        let node = pod.node.ok_or_else(|| LogError::NoNode { pod: name() })?;
        let node = &self.nodes[usize::from(node.0)];
        if node.health != Health::Ready {
            return Err(LogError::Unreachable {
                address: node.ip.to_string(),
                namespace: pod.key.namespace.to_string(),
                pod: name(),
                container: specs[place].name,
            });
        }
        Ok(place)
    }

    /// Errors that the workloads which a pod calls cause it.
    fn upstream_errors(&self, pod: &Pod) -> Vec<(Timestamp, f64)> {
        let app = pod.template.app;
        let mut all: Vec<(Timestamp, f64)> = self
            .workloads
            .iter()
            .filter(|w| w.namespace == pod.key.namespace && app.upstream.contains(&&*w.name))
            .flat_map(|w| w.ailments.iter().copied())
            .collect();
        all.sort_by_key(|(since, _)| *since);
        all
    }
}

/// From when until when the container asked for ran.
fn span_of(pod: &Pod, place: usize, is_previous: bool) -> Result<(Timestamp, Option<Timestamp>), LogError> {
    let container: &Container = &pod.containers[place];
    let name = pod.spec_of(place).name;
    let last = container.last.as_ref().and_then(|last| Some((last.started?, Some(last.finished?))));
    let no_previous = || LogError::NoPrevious { pod: pod.key.name.to_string(), container: name };
    match (&container.state, is_previous) {
        (State::Running { since }, false) => Ok((*since, None)),
        (State::Running { .. }, true) => last.ok_or_else(no_previous),
        (State::Terminated(end), false) => {
            end.started.map(|started| (started, end.finished)).ok_or_else(no_previous)
        }
        (State::Terminated(_), true) => Err(no_previous()),
        (State::Waiting { .. }, true) => last.ok_or_else(no_previous),
        (State::Waiting { reason, .. }, false) => {
            last.ok_or_else(|| LogError::Waiting { pod: pod.key.name.to_string(), container: name, reason })
        }
    }
}
