//! Making pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Action, Conditions, Container, NodeId, Owner, Phase, Pod, PodId, PodStep, Trouble, WorkloadId, World,
};
use crate::dice::Dice;
use crate::meter::Reading;
use crate::objects;
use crate::store::{Key, Kind};
use crate::template::Template;

/// A pod that a controller asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub workload: WorkloadId,
    pub owner: Owner,
    pub template: Arc<Template>,
    /// Name of a StatefulSet's pod; others get a random one.
    pub ordinal: Option<u32>,
    pub target: Option<NodeId>,
}

impl World {
    /// Adds a pod to the state; neither written nor scheduled yet.
    pub(super) fn add_pod(&mut self, wanted: Wanted) -> PodId {
        let id = PodId(self.next_pod);
        self.next_pod += 1;
        let mut dice = Dice::keyed(self.seed ^ 0x0050_4f44, id.0.to_be_bytes());
        let workload = &self.workloads[wanted.workload.0 as usize];
        let name = match wanted.ordinal {
            Some(ordinal) => format!("{}-{ordinal}", workload.name),
            None => format!("{}-{}", wanted.owner.name, dice.suffix_text()),
        };
        let key = Key::new(Arc::clone(&workload.namespace), name);
        let labels = labels_of(&wanted, &key.name, workload.generation);
        let pod = Pod {
            id,
            key: key.clone(),
            uid: dice.uid(),
            workload: wanted.workload,
            is_uncounted: wanted.owner.kind == Kind::Job,
            containers: wanted.template.containers.iter().map(|_| Container::new()).collect(),
            owner: wanted.owner,
            template: wanted.template,
            labels: Arc::new(labels),
            token: dice.suffix(),
            created: self.now,
            generation: 1,
            version: 0,
            node: None,
            target: wanted.target,
            ip: None,
            phase: Phase::Pending,
            conditions: Conditions::default(),
            started: None,
            deletion: None,
            is_stopping: false,
            sandbox: None,
            retired: Reading::default(),
            turned: self.now,
            trouble: Trouble::None,
            troubles: Vec::new(),
        };
        self.pods.insert(id, pod);
        self.names.insert(key, id);
        self.workloads[wanted.workload.0 as usize].pods.insert(id);
        id
    }

    /// Makes a pod: written, and on its way to the scheduler.
    pub(super) fn create_pod(&mut self, wanted: Wanted) -> PodId {
        let id = self.add_pod(wanted);
        self.publish_pod(id);
        self.after(18, Action::Pod(id, PodStep::Schedule));
        id
    }
}

/// Labels of the template and those that the controller adds.
fn labels_of(wanted: &Wanted, name: &str, generation: i64) -> BTreeMap<String, String> {
    let mut labels = wanted.template.labels.clone();
    let hash = &wanted.template.hash;
    let mut add = |key: &str, value: &str| {
        labels.insert(key.to_owned(), value.to_owned());
    };
    match wanted.owner.kind {
        Kind::ReplicaSet => add("pod-template-hash", hash),
        Kind::StatefulSet => {
            add("apps.kubernetes.io/pod-index", &wanted.ordinal.unwrap_or_default().to_string());
            add("controller-revision-hash", &format!("{}-{hash}", wanted.owner.name));
            add("statefulset.kubernetes.io/pod-name", name);
        }
        Kind::DaemonSet => {
            add("controller-revision-hash", hash);
            add("pod-template-generation", &generation.to_string());
        }
        _ => {
            let uid = wanted.owner.uid.to_string();
            for (key, value) in objects::job_labels(&uid, &wanted.owner.name) {
                add(key, value);
            }
        }
    }
    labels
}
