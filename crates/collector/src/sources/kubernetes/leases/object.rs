//! Leases as the API writes them.

use std::sync::Arc;
use std::time::Duration;

use sentinel_runtime::clock::now_millis;
use serde::Deserialize;
use serde_json::{Value, json};

/// A name in Kubernetes has at most 253 characters; what follows the prefix is cut well before.
const MAX_NAME: usize = 200;
/// Whatever a Lease claims for itself.
const MAX_SECONDS: u64 = 3_600;

/// A Lease of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: Arc<str>,
    /// Changes with each renewal.
    pub(super) version: String,
    pub(super) holder: String,
    pub(super) duration: Duration,
    pub(super) transitions: u64,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Lease>,
}

#[derive(Deserialize)]
struct Lease {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Arc<str>,
    resource_version: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    holder_identity: Option<String>,
    lease_duration_seconds: Option<u64>,
    lease_transitions: Option<u64>,
}

/// What the Leases of collectors have in common.
pub(super) const fn labels() -> [(&'static str, &'static str); 2] {
    [("app.kubernetes.io/name", "sentinel-mesh"), ("app.kubernetes.io/component", "collector")]
}

/// The name of a collector's Lease: its own, as far as names in Kubernetes can hold it.
pub(super) fn name_of(collector: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let plain: String =
        collector.chars().map(|c| if is_plain(&c) { c } else { '-' }).take(MAX_NAME).collect();
    if plain == collector && !plain.is_empty() && plain.trim_matches('-') == plain {
        return format!("sentinel-collector-{plain}");
    }
    // Two names that look alike when they are made plain stay two.
    let hash = xxhash_rust::xxh3::xxh3_64(collector.as_bytes());
    format!("sentinel-collector-{}-{hash:016x}", plain.trim_matches('-'))
}

/// # Errors
/// It is no list of Leases.
pub(super) fn leases_of(list: &[u8]) -> serde_json::Result<Vec<Seen>> {
    let list: List = serde_json::from_slice(list)?;
    let seen = |Lease { metadata, spec }: Lease| Seen {
        name: metadata.name,
        version: metadata.resource_version,
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(spec.lease_duration_seconds.unwrap_or_default().min(MAX_SECONDS)),
        transitions: spec.lease_transitions.unwrap_or_default(),
    };
    Ok(list.items.into_iter().map(seen).collect())
}

/// The version of what was written.
///
/// # Errors
/// The answer is no Lease.
pub(super) fn written(answer: &[u8]) -> serde_json::Result<String> {
    let lease: Lease = serde_json::from_slice(answer)?;
    Ok(lease.metadata.resource_version)
}

/// The own Lease, renewed now. `before` is as it was last seen: should it have changed since, the server refuses.
pub(super) fn lease((name, holder): (&str, &str), duration: Duration, before: Option<&Seen>) -> Vec<u8> {
    let now = jiff::Timestamp::from_millisecond(now_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let is_new_holder = before.is_some_and(|before| before.holder != holder);
    let transitions = before.map_or(0, |before| before.transitions + u64::from(is_new_holder));
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "labels": Value::Object(
            labels().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "leaseTransitions": transitions,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        },
    });
    if let Some(before) = before {
        lease["metadata"]["resourceVersion"] = before.version.as_str().into();
    }
    lease.to_string().into_bytes()
}

/// Asks for a deletion, unless it has changed since.
pub(super) fn deletion(version: &str) -> Vec<u8> {
    let options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version},
    });
    options.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_plain_and_stay_apart() {
        assert_eq!(name_of("collector-7d4b9-x2x"), "sentinel-collector-collector-7d4b9-x2x");
        assert_ne!(name_of("Host.A"), name_of("host-a"));
        assert_ne!(name_of("Host.A"), name_of("Host-A"));
    }

    #[test]
    fn a_renewal_tells_which_version_it_follows() {
        let first = lease(("l", "me_1"), Duration::from_millis(5_500), None);
        let first: Value = serde_json::from_slice(&first).expect("JSON");
        assert_eq!(first["spec"]["leaseDurationSeconds"], 6);
        assert_eq!(first["metadata"].get("resourceVersion"), None);
        let list = json!({"items": [{"metadata": {"name": "l", "resourceVersion": "7"},
            "spec": {"holderIdentity": "you_1", "leaseDurationSeconds": 6, "leaseTransitions": 2}}]});
        let seen = leases_of(list.to_string().as_bytes()).expect("a list").remove(0);
        let next = lease(("l", "me_1"), Duration::from_secs(6), Some(&seen));
        let next: Value = serde_json::from_slice(&next).expect("JSON");
        assert_eq!(
            (&next["metadata"]["resourceVersion"], &next["spec"]["leaseTransitions"]),
            (&"7".into(), &3.into())
        );
    }

    proptest! {
        #[test]
        fn any_name_is_a_name_in_kubernetes(collector in "\\PC{0,300}") {
            let name = name_of(&collector);
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            prop_assert!(name.len() <= 253 && name.chars().all(is_plain) && !name.ends_with('-'), "{}", name);
        }
    }
}
