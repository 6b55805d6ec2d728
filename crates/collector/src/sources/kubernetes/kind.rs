//! The kinds of object that are watched, and where the API serves them.

/// A watched kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Namespace,
    Node,
    ReplicaSet,
    Job,
    Pod,
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
    Service,
    EndpointSlice,
    PersistentVolumeClaim,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    Ingress,
    Event,
}

impl Kind {
    /// Owners come before what they own.
    pub(crate) const ALL: [Self; 16] = [
        Self::Namespace,
        Self::Node,
        Self::ReplicaSet,
        Self::Job,
        Self::Pod,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::CronJob,
        Self::Service,
        Self::EndpointSlice,
        Self::PersistentVolumeClaim,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::Ingress,
        Self::Event,
    ];

    /// As in `kind:`.
    pub(crate) const fn as_str(self) -> &'static str {
        self.names().0
    }

    /// Its publishing, as work that has one owner.
    pub(super) fn unit(self) -> String {
        format!("objects/{}", self.as_str())
    }

    /// As in URLs and RBAC rules.
    pub(crate) const fn plural(self) -> &'static str {
        self.names().1
    }

    /// Path of the collection over all namespaces.
    pub(super) fn path(self) -> String {
        let (_, plural, group) = self.names();
        let prefix = if group == "v1" { "/api" } else { "/apis" };
        format!("{prefix}/{group}/{plural}")
    }

    /// From either name, as a configuration may write it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name || kind.plural() == name)
    }

    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Namespace => ("Namespace", "namespaces", "v1"),
            Self::Node => ("Node", "nodes", "v1"),
            Self::ReplicaSet => ("ReplicaSet", "replicasets", "apps/v1"),
            Self::Job => ("Job", "jobs", "batch/v1"),
            Self::Pod => ("Pod", "pods", "v1"),
            Self::Deployment => ("Deployment", "deployments", "apps/v1"),
            Self::StatefulSet => ("StatefulSet", "statefulsets", "apps/v1"),
            Self::DaemonSet => ("DaemonSet", "daemonsets", "apps/v1"),
            Self::CronJob => ("CronJob", "cronjobs", "batch/v1"),
            Self::Service => ("Service", "services", "v1"),
            Self::EndpointSlice => ("EndpointSlice", "endpointslices", "discovery.k8s.io/v1"),
            Self::PersistentVolumeClaim => ("PersistentVolumeClaim", "persistentvolumeclaims", "v1"),
            Self::HorizontalPodAutoscaler => {
                ("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling/v2")
            }
            Self::PodDisruptionBudget => ("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1"),
            Self::Ingress => ("Ingress", "ingresses", "networking.k8s.io/v1"),
            Self::Event => ("Event", "events", "v1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    #[test]
    fn knows_where_the_api_serves_each_kind() {
        assert_eq!(Kind::Pod.path(), "/api/v1/pods");
        assert_eq!(Kind::HorizontalPodAutoscaler.path(), "/apis/autoscaling/v2/horizontalpodautoscalers");
    }

    /// `rules` of a role in `docs/rbac.yaml`: group, resource and verb.
    fn granted((kind, role): (&str, &str)) -> BTreeSet<(String, String, String)> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rbac.yaml");
        let text = std::fs::read_to_string(path).expect("docs/rbac.yaml");
        let documents = text.split("\n---\n").map(|text| serde_saphyr::from_str(text).expect("YAML"));
        let is_wanted = |document: &Value| {
            document["kind"] == kind && document["metadata"]["name"].as_str() == Some(role)
        };
        let role: Value = documents.into_iter().find(is_wanted).expect("the role");
        let texts = |rule: &Value, key: &str| {
            let list = rule[key].as_array().expect("a list").iter();
            list.map(|text| text.as_str().expect("text").to_owned()).collect::<Vec<_>>()
        };
        let mut granted = BTreeSet::new();
        for rule in role["rules"].as_array().expect("rules") {
            for group in texts(rule, "apiGroups") {
                for resource in texts(rule, "resources") {
                    let verbs = texts(rule, "verbs").into_iter();
                    granted.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb)));
                }
            }
        }
        granted
    }

    #[test]
    fn the_documented_roles_grant_what_is_read_and_no_more() {
        let right = |group: &str, resource: &str, verb: &str| (group.into(), resource.into(), verb.into());
        let mut needed: BTreeSet<_> = Kind::ALL
            .into_iter()
            .flat_map(|kind| {
                let (_, plural, group) = kind.names();
                let group = group.split_once('/').map_or("", |(group, _)| group);
                ["list", "watch"].map(|verb| right(group, plural, verb))
            })
            .collect();
        // What kubelets ask the API server about /metrics/* and /stats/*.
        needed.extend(["nodes/metrics", "nodes/stats"].map(|resource| right("", resource, "get")));
        assert_eq!(granted(("ClusterRole", "sentinel-mesh")), needed);
        assert_eq!(
            granted(("ClusterRole", "sentinel-mesh-logs")),
            BTreeSet::from([right("", "pods/log", "get")])
        );
        let proxy = BTreeSet::from([right("", "nodes/proxy", "get")]);
        assert_eq!(granted(("ClusterRole", "sentinel-mesh-kubelet-proxy")), proxy);
        let lease = ["create", "delete", "list", "update"];
        let lease = lease.map(|verb| right("coordination.k8s.io", "leases", verb));
        assert_eq!(granted(("Role", "sentinel-mesh-leases")), BTreeSet::from(lease));
    }

    #[test]
    fn is_found_by_either_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.as_str()), Some(kind));
            assert_eq!(Kind::from_name(kind.plural()), Some(kind));
        }
        assert_eq!(Kind::from_name("secrets"), None);
    }
}
