//! An object's JSON, compressed: it is read one at a time and kept for all.

use serde_json::Value;

/// Manifests are cut off here when read back; the API server itself takes 3 MiB at most.
const MAX_BYTES: usize = 8 << 20;

/// Fast, and within a tenth of what the highest levels reach on a few KiB of JSON.
const ZSTD_LEVEL: i32 = 3;

/// What is watched, with the version of the API that it is read at.
const KINDS: [(&str, &str); 15] = [
    ("CronJob", "batch/v1"),
    ("DaemonSet", "apps/v1"),
    ("Deployment", "apps/v1"),
    ("EndpointSlice", "discovery.k8s.io/v1"),
    ("HorizontalPodAutoscaler", "autoscaling/v2"),
    ("Ingress", "networking.k8s.io/v1"),
    ("Job", "batch/v1"),
    ("Namespace", "v1"),
    ("Node", "v1"),
    ("PersistentVolumeClaim", "v1"),
    ("Pod", "v1"),
    ("PodDisruptionBudget", "policy/v1"),
    ("ReplicaSet", "apps/v1"),
    ("Service", "v1"),
    ("StatefulSet", "apps/v1"),
];

/// Kinds that may be watched, whether there is any object of them or not.
pub fn watched_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, _)| *kind)
}

/// The API server names the kind of a list once and not on its items; on its own a manifest needs it.
pub fn complete(mut manifest: Value, kind: &str) -> Value {
    if let Value::Object(fields) = &mut manifest {
        if let Some((_, version)) = KINDS.iter().find(|(known, _)| *known == kind) {
            fields.entry("apiVersion").or_insert_with(|| (*version).into());
        }
        fields.entry("kind").or_insert_with(|| kind.into());
    }
    manifest
}

#[derive(Clone, Debug, Default)]
pub struct Manifest(Box<[u8]>);

impl Manifest {
    pub fn compress(json: &str) -> Self {
        zstd::bulk::compress(json.as_bytes(), ZSTD_LEVEL)
            .map_or_else(|_| Self::default(), |bytes| Self(bytes.into()))
    }

    /// `null` when there is none or it cannot be read.
    pub fn read(&self) -> Value {
        zstd::bulk::decompress(&self.0, MAX_BYTES)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_kind_so_that_it_can_be_applied() {
        let of = |json: &str, kind: &str| complete(Manifest::compress(json).read(), kind);
        let item = of(r#"{"metadata":{"name":"web"}}"#, "Deployment");
        assert_eq!((&item["apiVersion"], &item["kind"]), (&"apps/v1".into(), &"Deployment".into()));
        let own = of(r#"{"apiVersion":"batch/v1beta1","kind":"CronJob"}"#, "CronJob");
        assert_eq!(own["apiVersion"], "batch/v1beta1", "what it says itself stands");
        assert_eq!(of("", "Pod"), Value::Null);
        assert_eq!(of("{}", "Gateway")["apiVersion"], Value::Null, "nobody knows");
    }

    #[test]
    fn gives_back_what_it_compressed_and_null_for_anything_else() {
        let json = r#"{"kind":"Pod","metadata":{"name":"ä","creationTimestamp":"2026-11-21T10:00:00Z"}}"#;
        let value = Manifest::compress(json).read();
        assert_eq!(value["metadata"]["name"], "ä");
        assert_eq!(Manifest::compress("").read(), Value::Null);
        assert_eq!(Manifest::compress("{").read(), Value::Null);
        assert_eq!(Manifest(Box::new([1, 2, 3])).read(), Value::Null);
    }
}
