//! `ObjectState` ⇄ `sentinel.objects.v1`.

mod detail;

use bytes::Bytes;
use sentinel_model::{ObjectKey, ObjectState, OwnerRef, Timestamp, Topic, WorkloadRef};

use super::{key, timestamp, unix_ms};
use crate::pb::objects::v1 as pb;
use crate::{Wire, WireError, wire};

impl Wire for ObjectState {
    const TOPIC: Topic = Topic::Objects;

    fn key(&self) -> Bytes {
        key([&self.key.cluster, &self.key.kind, &self.key.uid])
    }

    fn encode(&self) -> Bytes {
        let owner = |owner: &OwnerRef| pb::OwnerRef {
            kind: owner.kind.clone(),
            name: owner.name.clone(),
            uid: owner.uid.clone(),
            is_controller: owner.is_controller,
        };
        let workload = |workload: &WorkloadRef| pb::WorkloadRef {
            kind: workload.kind.clone(),
            name: workload.name.clone(),
        };
        wire::seal(&pb::ObjectState {
            cluster: self.key.cluster.to_string(),
            kind: self.key.kind.to_string(),
            uid: self.key.uid.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            resource_version: self.resource_version.clone(),
            created_unix_ms: unix_ms(self.created),
            observed_unix_ms: self.observed.as_millis(),
            is_deleted: self.is_deleted,
            labels: self.labels.clone(),
            owners: self.owners.iter().map(owner).collect(),
            workload: self.workload.as_ref().map(workload),
            detail: detail::to_wire(&self.detail),
            manifest: self.manifest.clone(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let message: pb::ObjectState = wire::open(bytes, "ObjectState")?;
        let owner = |owner: pb::OwnerRef| OwnerRef {
            kind: owner.kind,
            name: owner.name,
            uid: owner.uid,
            is_controller: owner.is_controller,
        };
        let workload = |workload: pb::WorkloadRef| WorkloadRef { kind: workload.kind, name: workload.name };
        Ok(Self {
            key: ObjectKey { cluster: message.cluster.into(), kind: message.kind.into(), uid: message.uid },
            namespace: message.namespace,
            name: message.name,
            resource_version: message.resource_version,
            created: timestamp(message.created_unix_ms),
            observed: Timestamp::from_millis(message.observed_unix_ms),
            is_deleted: message.is_deleted,
            labels: message.labels,
            owners: message.owners.into_iter().map(owner).collect(),
            workload: message.workload.map(workload),
            detail: detail::from_wire(message.detail)?,
            manifest: message.manifest,
        })
    }
}
