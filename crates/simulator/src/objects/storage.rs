//! PersistentVolumeClaims and PersistentVolumes.

use super::{Meta, whole};
use crate::json::{self, Object};
use crate::store::Kind;
use crate::template::memory_text;
use crate::world::{Volume, Workload};

const CLASS: &str = "fast";

pub fn claim(workload: &Workload, volume: &Volume, version: u64) -> String {
    let meta = Meta {
        name: &volume.claim,
        namespace: &workload.namespace,
        uid: Some(volume.claim_uid),
        version,
        created: volume.created,
        labels: vec![("app", &workload.name)],
        annotations: vec![("pv.kubernetes.io/bind-completed", "yes".to_owned())],
        finalizers: &["kubernetes.io/pvc-protection"],
        ..Meta::default()
    };
    whole(Kind::PersistentVolumeClaim, &meta, |object| {
        object.object("spec", |spec| {
            write_claim_spec(spec, volume);
            spec.text("volumeName", &volume.volume);
            spec.text("storageClassName", CLASS);
            spec.text("volumeMode", "Filesystem");
        });
        object.object("status", |status| {
            status.text("phase", "Bound");
            status.texts("accessModes", ["ReadWriteOnce"]);
            status.object("capacity", |c| c.text("storage", &memory_text(volume.capacity)));
        });
    })
}

fn write_claim_spec(spec: &mut Object<'_>, volume: &Volume) {
    spec.texts("accessModes", ["ReadWriteOnce"]);
    spec.object("resources", |resources| {
        resources.object("requests", |r| r.text("storage", &memory_text(volume.capacity)));
    });
}

/// An entry of a StatefulSet's `volumeClaimTemplates`.
pub fn claim_template(volume: &Volume) -> String {
    json::object(|template| {
        template.text("kind", "PersistentVolumeClaim");
        template.text("apiVersion", "v1");
        template.object("metadata", |metadata| metadata.text("name", "data"));
        template.object("spec", |spec| {
            write_claim_spec(spec, volume);
            spec.text("storageClassName", CLASS);
            spec.text("volumeMode", "Filesystem");
        });
        template.raw("status", r#"{"phase":"Pending"}"#);
    })
}

pub fn volume(workload: &Workload, volume: &Volume, version: u64) -> String {
    let meta = Meta {
        name: &volume.volume,
        uid: Some(volume.volume_uid),
        version,
        created: volume.created,
        annotations: vec![("pv.kubernetes.io/provisioned-by", "disk.csi.example.com".to_owned())],
        finalizers: &["kubernetes.io/pv-protection"],
        ..Meta::default()
    };
    whole(Kind::PersistentVolume, &meta, |object| {
        object.object("spec", |spec| {
            spec.object("capacity", |c| c.text("storage", &memory_text(volume.capacity)));
            spec.object("csi", |csi| {
                csi.text("driver", "disk.csi.example.com");
                csi.text("volumeHandle", &format!("disk-{}", volume.volume_uid));
            });
            spec.texts("accessModes", ["ReadWriteOnce"]);
            spec.object("claimRef", |claim| {
                claim.text("kind", "PersistentVolumeClaim");
                claim.text("namespace", &workload.namespace);
                claim.text("name", &volume.claim);
                claim.uid("uid", volume.claim_uid);
                claim.text("apiVersion", "v1");
            });
            spec.text("persistentVolumeReclaimPolicy", "Delete");
            spec.text("storageClassName", CLASS);
            spec.text("volumeMode", "Filesystem");
        });
        object.raw("status", r#"{"phase":"Bound"}"#);
    })
}
