//! The JSON of each object, with the fields and the order that the real API server gives them.
//! `managedFields` are left out, as clients drop them.

mod batch;
mod cluster;
mod event;
mod network;
mod node;
mod pod;
mod pod_status;
mod scaling;
mod storage;
mod workload;

use sentinel_model::Timestamp;

use crate::dice::Uid;
use crate::json::{self, Object};
use crate::store::Kind;

pub use batch::{cron_job, job, job_labels};
pub use cluster::{config_map, namespace, node_lease, resource_quota};
pub use event::{EventView, event};
pub use network::{endpoint_slice, ingress, service};
pub use node::{SIMULATED, node};
pub use pod::pod;
pub use scaling::{autoscaler, budget};
pub use storage::{claim, volume};
pub use workload::{PROGRESS_DEADLINE, daemon_set, deployment, replica_set, stateful_set};

/// `metadata` of an object; what is empty is left out.
#[derive(Clone, Debug, Default)]
pub struct Meta<'a> {
    pub name: &'a str,
    pub generate_name: Option<String>,
    pub namespace: &'a str,
    pub uid: Option<Uid>,
    pub version: u64,
    pub generation: i64,
    pub created: Timestamp,
    pub deletion: Option<(Timestamp, i64)>,
    pub labels: Vec<(&'a str, &'a str)>,
    pub annotations: Vec<(&'a str, String)>,
    pub owner: Option<OwnerRef<'a>>,
    pub finalizers: &'a [&'a str],
}

#[derive(Clone, Copy, Debug)]
pub struct OwnerRef<'a> {
    pub kind: Kind,
    pub name: &'a str,
    pub uid: Uid,
    pub is_controller: bool,
}

/// An object with its kind and metadata; `rest` writes what follows.
pub fn whole(kind: Kind, meta: &Meta<'_>, rest: impl FnOnce(&mut Object<'_>)) -> String {
    json::object(|object| {
        object.text("kind", kind.name());
        object.text("apiVersion", &kind.api_version());
        object.object("metadata", |metadata| write_meta(metadata, meta));
        rest(object);
    })
}

fn write_meta(metadata: &mut Object<'_>, meta: &Meta<'_>) {
    metadata.text("name", meta.name);
    if let Some(prefix) = &meta.generate_name {
        metadata.text("generateName", prefix);
    }
    metadata.text_if("namespace", meta.namespace);
    if let Some(uid) = meta.uid {
        metadata.uid("uid", uid);
    }
    metadata.text("resourceVersion", &meta.version.to_string());
    metadata.number_if("generation", meta.generation);
    metadata.time("creationTimestamp", meta.created);
    if let Some((at, grace)) = meta.deletion {
        metadata.time("deletionTimestamp", at);
        metadata.number("deletionGracePeriodSeconds", grace);
    }
    metadata.map("labels", meta.labels.iter().copied());
    metadata.map("annotations", meta.annotations.iter().map(|(key, value)| (*key, value)));
    if let Some(owner) = &meta.owner {
        metadata.array("ownerReferences", |owners| {
            owners.object(|reference| {
                reference.text("apiVersion", &owner.kind.api_version());
                reference.text("kind", owner.kind.name());
                reference.text("name", owner.name);
                reference.uid("uid", owner.uid);
                if owner.is_controller {
                    reference.flag("controller", true);
                    reference.flag("blockOwnerDeletion", true);
                }
            });
        });
    }
    if !meta.finalizers.is_empty() {
        metadata.texts("finalizers", meta.finalizers);
    }
}

/// Labels as pairs of text.
pub fn pairs(labels: &std::collections::BTreeMap<String, String>) -> Vec<(&str, &str)> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}
