//! Namespaces, leases, quotas and ConfigMaps.

use sentinel_model::Timestamp;

use super::{Meta, OwnerRef, whole};
use crate::dice::Uid;
use crate::store::Kind;
use crate::template::{cpu_text, memory_text};
use crate::world::Node;

pub fn namespace(meta: &Meta<'_>) -> String {
    whole(Kind::Namespace, meta, |object| {
        object.raw("spec", r#"{"finalizers":["kubernetes"]}"#);
        object.raw("status", r#"{"phase":"Active"}"#);
    })
}

/// Only its name: the contents of ConfigMaps are nobody's business here.
pub fn config_map(meta: &Meta<'_>) -> String {
    whole(Kind::ConfigMap, meta, |_| {})
}

pub fn node_lease(node: &Node, version: u64) -> String {
    let meta = Meta {
        name: &node.name,
        namespace: "kube-node-lease",
        uid: Some(node.lease_uid),
        version,
        created: node.created,
        owner: Some(OwnerRef { kind: Kind::Node, name: &node.name, uid: node.uid, is_controller: false }),
        ..Meta::default()
    };
    whole(Kind::Lease, &meta, |object| {
        object.object("spec", |spec| {
            spec.text("holderIdentity", &node.name);
            spec.number("leaseDurationSeconds", 40);
            spec.micro_time("renewTime", node.renewed);
        });
    })
}

/// Quota of a namespace, at twice what it requests.
pub fn resource_quota(namespace: &str, uid: Uid, (cpu, memory): (i64, i64), at: (Timestamp, u64)) -> String {
    let (created, version) = at;
    let meta = Meta { name: "compute", namespace, uid: Some(uid), version, created, ..Meta::default() };
    let hard = [("requests.cpu", cpu_text(cpu * 2)), ("requests.memory", memory_text(memory * 2))];
    let used = [("requests.cpu", cpu_text(cpu)), ("requests.memory", memory_text(memory))];
    whole(Kind::ResourceQuota, &meta, |object| {
        object.object("spec", |spec| spec.map("hard", hard.clone()));
        object.object("status", |status| {
            status.map("hard", hard);
            status.map("used", used);
        });
    })
}
