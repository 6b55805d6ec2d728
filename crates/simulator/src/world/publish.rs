//! Writing objects to the store after they changed.

use std::sync::Arc;

use super::{NodeId, PodId, WorkloadId, World};
use crate::objects;
use crate::store::{Key, Kind, Traits};

impl World {
    pub(super) fn publish_pod(&mut self, id: PodId) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let node = |id: Option<NodeId>| id.and_then(|id| self.nodes.get(usize::from(id.0)));
        let (node, target) = (node(pod.node), node(pod.target));
        let fields = vec![
            ("spec.nodeName", node.map_or_else(|| Arc::from(""), |node| Arc::clone(&node.name))),
            ("status.phase", Arc::from(pod.phase.name())),
        ];
        let traits = Traits { labels: Arc::clone(&pod.labels), fields };
        let render = |version| objects::pod(pod, node, target, version);
        pod.version = self.store.put(Kind::Pod, pod.key.clone(), traits, render);
    }

    pub(super) fn unpublish_pod(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else { return };
        let node = |id: Option<NodeId>| id.and_then(|id| self.nodes.get(usize::from(id.0)));
        let (node, target) = (node(pod.node), node(pod.target));
        self.store.remove(Kind::Pod, &pod.key, |version| objects::pod(pod, node, target, version));
    }

    pub(super) fn publish_node(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(usize::from(id.0)) else { return };
        let traits = Traits::default();
        node.version = self.store.put(Kind::Node, Key::global(Arc::clone(&node.name)), traits, |version| {
            objects::node(node, version)
        });
    }

    pub(super) fn publish_lease(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(usize::from(id.0)) else { return };
        let key = Key::new("kube-node-lease", Arc::clone(&node.name));
        self.store.put(Kind::Lease, key, Traits::default(), |version| objects::node_lease(node, version));
    }

    /// The workload's own object.
    pub(super) fn publish_workload(&mut self, id: WorkloadId) {
        let Some(workload) = self.workloads.get_mut(id.0 as usize) else { return };
        let kind = workload.kind();
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&workload.name));
        let labels = Arc::new(workload.current().template.labels.clone());
        let traits = Traits { labels, fields: Vec::new() };
        let written = self.store.put(kind, key, traits, |version| match kind {
            Kind::StatefulSet => objects::stateful_set(workload, version),
            Kind::DaemonSet => objects::daemon_set(workload, version),
            Kind::CronJob => objects::cron_job(workload, version),
            _ => objects::deployment(workload, version),
        });
        workload.written = written;
    }

    /// The ReplicaSet of one revision of a Deployment.
    pub(super) fn publish_set(&mut self, id: WorkloadId, revision: usize) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(set) = workload.revisions.get(revision) else { return };
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&set.name));
        let mut labels = set.template.labels.clone();
        labels.insert("pod-template-hash".to_owned(), set.template.hash.clone());
        let traits = Traits { labels: Arc::new(labels), fields: Vec::new() };
        let render = |version| objects::replica_set(workload, set, version);
        let written = self.store.put(Kind::ReplicaSet, key, traits, render);
        if let Some(set) = self.workloads[id.0 as usize].revisions.get_mut(revision) {
            set.written = written;
        }
    }

    pub(super) fn unpublish_set(&mut self, id: WorkloadId, revision: usize) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(set) = workload.revisions.get(revision) else { return };
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&set.name));
        self.store.remove(Kind::ReplicaSet, &key, |version| objects::replica_set(workload, set, version));
    }

    pub(super) fn publish_job(&mut self, id: WorkloadId, name: &str) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(place) = workload.jobs.iter().position(|job| &*job.name == name) else { return };
        let job = &workload.jobs[place];
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&job.name));
        let labels = Arc::new(job.template.labels.clone());
        let traits = Traits { labels, fields: Vec::new() };
        let written = self.store.put(Kind::Job, key, traits, |version| objects::job(workload, job, version));
        self.workloads[id.0 as usize].jobs[place].written = written;
    }

    /// The Service with its slice and Ingress, as they are now.
    pub(super) fn publish_service(&mut self, id: WorkloadId) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(service) = &workload.service else { return };
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&workload.name));
        let labels = Arc::new(workload.current().template.labels.clone());
        let traits = Traits { labels, fields: Vec::new() };
        if service.ingress_uid.is_some() {
            self.store.put(Kind::Ingress, key.clone(), Traits::default(), |version| {
                objects::ingress(workload, service, version)
            });
        }
        self.store.put(Kind::Service, key, traits, |version| objects::service(workload, service, version));
    }

    pub(super) fn publish_slice(&mut self, id: WorkloadId) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(service) = &workload.service else { return };
        let endpoints: Vec<_> = service
            .endpoints
            .iter()
            .filter_map(|endpoint| {
                let pod = self.pods.get(&endpoint.pod)?;
                let node = self.nodes.get(usize::from(pod.node?.0))?;
                Some((*endpoint, pod, node))
            })
            .collect();
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&service.slice_name));
        let mut labels = workload.current().template.labels.clone();
        labels.insert("kubernetes.io/service-name".to_owned(), workload.name.to_string());
        let traits = Traits { labels: Arc::new(labels), fields: Vec::new() };
        self.store.put(Kind::EndpointSlice, key, traits, |version| {
            objects::endpoint_slice(workload, service, &endpoints, version)
        });
    }

    pub(super) fn publish_budget(&mut self, id: WorkloadId) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(budget) = &workload.budget else { return };
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&workload.name));
        self.store.put(Kind::PodDisruptionBudget, key, Traits::default(), |version| {
            objects::budget(workload, budget, version)
        });
    }

    pub(super) fn publish_autoscaler(&mut self, id: WorkloadId, used: i64) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        let Some(scaler) = &workload.autoscaler else { return };
        let key = Key::new(Arc::clone(&workload.namespace), Arc::clone(&workload.name));
        self.store.put(Kind::HorizontalPodAutoscaler, key, Traits::default(), |version| {
            objects::autoscaler(workload, scaler, used, version)
        });
    }

    pub(super) fn publish_volumes(&mut self, id: WorkloadId) {
        let Some(workload) = self.workloads.get(id.0 as usize) else { return };
        for volume in &workload.volumes {
            let claim = Key::new(Arc::clone(&workload.namespace), Arc::clone(&volume.claim));
            self.store.put(Kind::PersistentVolumeClaim, claim, Traits::default(), |version| {
                objects::claim(workload, volume, version)
            });
            let key = Key::global(Arc::clone(&volume.volume));
            self.store.put(Kind::PersistentVolume, key, Traits::default(), |version| {
                objects::volume(workload, volume, version)
            });
        }
    }
}
