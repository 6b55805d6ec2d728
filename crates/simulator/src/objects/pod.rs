//! Pods.

use super::{Meta, OwnerRef, pairs, pod_status, whole};
use crate::store::Kind;
use crate::template::PodMarks;
use crate::world::{Node, Pod};

/// `node` is where it runs, `target` where its DaemonSet wants it.
pub fn pod(pod: &Pod, node: Option<&Node>, target: Option<&Node>, version: u64) -> String {
    let generate_name = match pod.owner.kind {
        Kind::StatefulSet => format!("{}-", pod.owner.name),
        _ => pod.key.name[..pod.key.name.len() - 5].to_owned(),
    };
    let owner_team = format!("team-{}", pod.template.app.team);
    let meta = Meta {
        name: &pod.key.name,
        generate_name: Some(generate_name),
        namespace: &pod.key.namespace,
        uid: Some(pod.uid),
        version,
        generation: pod.generation,
        created: pod.created,
        deletion: pod.deletion.map(|deletion| (deletion.at, deletion.grace_seconds)),
        labels: pairs(&pod.labels),
        annotations: vec![("example.com/owner", owner_team)],
        owner: Some(OwnerRef {
            kind: pod.owner.kind,
            name: &pod.owner.name,
            uid: pod.owner.uid,
            is_controller: true,
        }),
        finalizers: if pod.is_uncounted { &["batch.kubernetes.io/job-tracking"] } else { &[] },
    };
    let marks = PodMarks {
        name: &pod.key.name,
        token: pod.token_text(),
        node: node.map_or("", |node| &node.name),
        target: target.map_or("", |node| &node.name),
    };
    whole(Kind::Pod, &meta, |object| {
        object.raw("spec", &pod.template.spec_of(&marks));
        object.object("status", |status| pod_status::write(status, pod, node));
    })
}
