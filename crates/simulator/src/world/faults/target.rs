//! Choosing whom a fault befalls.

use std::sync::Arc;

use super::{FaultKind, FaultSpec, Victim};
use crate::catalogue::{App, AppKind, TRAINER};
use crate::scenario::ScenarioError;
use crate::store::{Key, Kind};
use crate::world::{NodeId, Pod, Trouble, WorkloadId, World};

impl World {
    pub(super) fn check_target(&self, target: &str) -> Result<(), ScenarioError> {
        let is_known = match target.split_once('/') {
            Some((namespace, name)) => {
                self.workload_named(namespace, name).is_some()
                    || self.names.contains_key(&Key::new(namespace, name))
            }
            None => self.nodes.iter().any(|node| *node.name == *target),
        };
        if is_known {
            return Ok(());
        }
        let examples: Vec<_> =
            self.workloads.iter().take(4).map(|w| format!("{}/{}", w.namespace, w.name)).collect();
        let hint = format!("there are {} and nodes node-1 to node-{}", examples.join(", "), self.nodes.len());
        Err(ScenarioError::Target { target: target.to_owned(), hint })
    }

    fn workload_named(&self, namespace: &str, name: &str) -> Option<WorkloadId> {
        let is =
            |w: &&crate::world::Workload| *w.namespace == *namespace && *w.name == *name && !w.is_deleted;
        self.workloads.iter().find(is).map(|w| w.id)
    }

    /// `None` when nothing fits.
    pub(super) fn choose(&mut self, spec: &FaultSpec) -> Option<Victim> {
        let target = spec.target.as_deref();
        match spec.kind {
            FaultKind::Unschedulable => self.choose_namespace(target),
            FaultKind::NodeNotReady => self.choose_node(target),
            FaultKind::ImagePull | FaultKind::BadRollout => self.choose_deployment(target),
            FaultKind::VolumeFilling => self.choose_volume(target),
            kind => self.choose_pod(kind, target),
        }
    }

    fn choose_pod(&mut self, kind: FaultKind, target: Option<&str>) -> Option<Victim> {
        let fits = |pod: &&Pod| {
            let (app, spec) = (pod.template.app, pod.spec_of(0));
            let is_fit = match kind {
                FaultKind::OomKill | FaultKind::MemoryLeak => spec.memory_limit > 0,
                FaultKind::CpuThrottling => spec.cpu_limit > 0,
                _ => true,
            };
            is_fit && !app.is_finite() && pod.is_ready() && pod.deletion.is_none()
        };
        let is_free = |pod: &&Pod| {
            let app = pod.template.app;
            !app.extras.is_system
                && matches!(app.kind, AppKind::Deployment(_))
                && pod.trouble == Trouble::None
                && !self.faults.concerns(pod.workload)
        };
        let mut found: Vec<_> = match target {
            Some(target) => self.pods.values().filter(|pod| is_named(pod, target) && fits(pod)).collect(),
            None => self.pods.values().filter(|pod| fits(pod) && is_free(pod)).collect(),
        };
        // The classical noisy neighbour has no limit.
        if kind == FaultKind::NoisyNeighbour && found.iter().any(|pod| pod.spec_of(0).cpu_limit == 0) {
            found.retain(|pod| pod.spec_of(0).cpu_limit == 0);
        }
        let pods: Vec<_> = found.into_iter().map(|pod| (pod.id, pod.workload, pod.node)).collect();
        let (pod, workload, node) = self.dice.pick(&pods).copied()?;
        let node = node.filter(|_| kind == FaultKind::NoisyNeighbour);
        Some(Victim { pod: Some(pod), workload: Some(workload), node, ..Victim::default() })
    }

    fn choose_deployment(&mut self, target: Option<&str>) -> Option<Victim> {
        let fits = |id: &WorkloadId| {
            let w = &self.workloads[id.0 as usize];
            w.kind() == Kind::Deployment && !w.app.extras.is_system && !w.is_deleted
        };
        let is_free = |id: &WorkloadId| {
            let w = &self.workloads[id.0 as usize];
            !self.is_troubled(*id) && !w.is_rolling() && w.replicas > 1 && w.app.port != 0
        };
        let all = (0..self.workloads.len() as u32).map(WorkloadId).filter(fits);
        let found: Vec<WorkloadId> = match target.and_then(|target| target.split_once('/')) {
            Some((namespace, name)) => {
                let named = self.workload_named(namespace, name);
                all.filter(|id| Some(*id) == named).collect()
            }
            None => all.filter(is_free).collect(),
        };
        let workload = self.dice.pick(&found).copied()?;
        let before = Some(self.workloads[workload.0 as usize].current().version.clone());
        Some(Victim { workload: Some(workload), before, ..Victim::default() })
    }

    fn choose_node(&mut self, target: Option<&str>) -> Option<Victim> {
        let fits = |id: &NodeId| {
            let node = &self.nodes[usize::from(id.0)];
            node.health == crate::world::Health::Ready && target.is_none_or(|name| *node.name == *name)
        };
        let found: Vec<NodeId> = self
            .nodes
            .iter()
            .map(|node| node.id)
            .filter(fits)
            .filter(|id| target.is_some() || !self.faults.concerns_node(*id))
            .collect();
        let node = self.dice.pick(&found).copied()?;
        Some(Victim { node: Some(node), ..Victim::default() })
    }

    fn choose_volume(&mut self, target: Option<&str>) -> Option<Victim> {
        let found: Vec<_> = self
            .pods
            .values()
            .filter(|pod| pod.owner.kind == Kind::StatefulSet && pod.is_ready())
            .filter(|pod| match target {
                Some(target) => is_named(pod, target),
                None => pod.trouble == Trouble::None && !self.faults.concerns(pod.workload),
            })
            .filter_map(|pod| {
                let claim = format!("data-{}", pod.key.name);
                let volumes = &self.workloads[pod.workload.0 as usize].volumes;
                let place = volumes.iter().position(|volume| *volume.claim == *claim)?;
                Some((pod.id, pod.workload, place))
            })
            .collect();
        let (pod, workload, claim) = self.dice.pick(&found).copied()?;
        Some(Victim { pod: Some(pod), workload: Some(workload), claim: Some(claim), ..Victim::default() })
    }

    /// The new Deployment that fits nowhere lives beside the target, or where chance wants it.
    fn choose_namespace(&mut self, target: Option<&str>) -> Option<Victim> {
        let free = |namespace: &str| self.workload_named(namespace, TRAINER.name).is_none();
        let namespaces: Vec<Arc<str>> = match target.and_then(|target| target.split_once('/')) {
            Some((namespace, _)) => vec![Arc::from(namespace)],
            None => self.workloads.iter().map(|w| Arc::clone(&w.namespace)).collect(),
        };
        let found: Vec<_> = namespaces
            .into_iter()
            .filter(|n| free(n) && !matches!(&**n, "kube-system" | "platform"))
            .collect();
        let namespace = self.dice.pick(&found).cloned()?;
        let workload = self.found_trainer(&TRAINER, &namespace);
        Some(Victim { workload: Some(workload), ..Victim::default() })
    }

    fn found_trainer(&mut self, app: &'static App, namespace: &str) -> WorkloadId {
        use crate::template::{Behaviour, Version};
        use crate::world::Revision;
        let mut dice = self.dice.fork();
        let version =
            Version { tag: app.version.to_owned(), behaviour: Behaviour::IsTooLarge, ..Version::default() };
        let revision = Revision::new(app, version, 1, self.now, &mut dice);
        let workload = self.new_workload((app, namespace), 1, vec![revision], &mut dice);
        self.insert_workload(workload)
    }
}

/// A target names a pod or its workload.
fn is_named(pod: &Pod, target: &str) -> bool {
    target.split_once('/').is_some_and(|(namespace, name)| {
        *pod.key.namespace == *namespace && (*pod.key.name == *name || pod.template.app.name == name)
    })
}
