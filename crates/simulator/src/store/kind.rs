//! The kinds of objects that the cluster has, and how the API names them.

/// A kind of object. The number is its place in [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    ConfigMap,
    Event,
    Namespace,
    Node,
    PersistentVolumeClaim,
    PersistentVolume,
    Pod,
    ResourceQuota,
    Service,
    DaemonSet,
    Deployment,
    ReplicaSet,
    StatefulSet,
    HorizontalPodAutoscaler,
    CronJob,
    Job,
    Lease,
    EndpointSlice,
    Ingress,
    PodDisruptionBudget,
}

/// In the order of the real discovery documents.
pub const KINDS: [Kind; 20] = [
    Kind::ConfigMap,
    Kind::Event,
    Kind::Namespace,
    Kind::Node,
    Kind::PersistentVolumeClaim,
    Kind::PersistentVolume,
    Kind::Pod,
    Kind::ResourceQuota,
    Kind::Service,
    Kind::DaemonSet,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::HorizontalPodAutoscaler,
    Kind::CronJob,
    Kind::Job,
    Kind::Lease,
    Kind::EndpointSlice,
    Kind::Ingress,
    Kind::PodDisruptionBudget,
];

/// How the API names a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Names {
    name: &'static str,
    /// Empty for the core group.
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
}

impl Kind {
    /// `Pod`
    pub fn name(self) -> &'static str {
        self.names().name
    }

    /// `apps`; empty for the core group.
    pub fn group(self) -> &'static str {
        self.names().group
    }

    pub fn version(self) -> &'static str {
        self.names().version
    }

    /// `pods`
    pub fn plural(self) -> &'static str {
        self.names().plural
    }

    pub fn short_names(self) -> &'static [&'static str] {
        self.names().short
    }

    /// `apps/v1`, `v1`
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node | Self::PersistentVolume)
    }

    pub fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| {
            let names = kind.names();
            names.group == group && names.version == version && names.plural == plural
        })
    }

    /// What a bookmark's object has beside its version: Go writes fields that are not `omitempty`.
    pub fn bookmark_rest(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Lease => "",
            Self::Event => {
                r#","involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":"""#
            }
            Self::Node => {
                r#","spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}"#
            }
            Self::Pod => r#","spec":{"containers":null},"status":{}"#,
            Self::Service => r#","spec":{},"status":{"loadBalancer":{}}"#,
            Self::DaemonSet => {
                r#","spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"updateStrategy":{}},"status":{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}"#
            }
            Self::Deployment => {
                r#","spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}"#
            }
            Self::ReplicaSet => {
                r#","spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{"replicas":0}"#
            }
            Self::StatefulSet => {
                r#","spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"serviceName":"","updateStrategy":{}},"status":{"replicas":0,"availableReplicas":0}"#
            }
            Self::HorizontalPodAutoscaler => {
                r#","spec":{"scaleTargetRef":{"kind":"","name":""},"maxReplicas":0},"status":{"desiredReplicas":0,"currentMetrics":null}"#
            }
            Self::CronJob => {
                r#","spec":{"schedule":"","jobTemplate":{"metadata":{},"spec":{"template":{"metadata":{},"spec":{"containers":null}}}}},"status":{}"#
            }
            Self::Job => r#","spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}"#,
            Self::EndpointSlice => r#","addressType":"","endpoints":null,"ports":null"#,
            Self::Ingress => r#","spec":{},"status":{"loadBalancer":{}}"#,
            Self::PodDisruptionBudget => {
                r#","spec":{},"status":{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}"#
            }
            Self::Namespace | Self::PersistentVolume | Self::ResourceQuota => r#","spec":{},"status":{}"#,
            Self::PersistentVolumeClaim => r#","spec":{"resources":{}},"status":{}"#,
        }
    }

    fn names(self) -> Names {
        let names = |name, (group, version), plural, short| Names { name, group, version, plural, short };
        let (core, apps, batch) = (("", "v1"), ("apps", "v1"), ("batch", "v1"));
        match self {
            Self::ConfigMap => names("ConfigMap", core, "configmaps", &["cm"]),
            Self::Event => names("Event", core, "events", &["ev"]),
            Self::Namespace => names("Namespace", core, "namespaces", &["ns"]),
            Self::Node => names("Node", core, "nodes", &["no"]),
            Self::PersistentVolumeClaim => {
                names("PersistentVolumeClaim", core, "persistentvolumeclaims", &["pvc"])
            }
            Self::PersistentVolume => names("PersistentVolume", core, "persistentvolumes", &["pv"]),
            Self::Pod => names("Pod", core, "pods", &["po"]),
            Self::ResourceQuota => names("ResourceQuota", core, "resourcequotas", &["quota"]),
            Self::Service => names("Service", core, "services", &["svc"]),
            Self::DaemonSet => names("DaemonSet", apps, "daemonsets", &["ds"]),
            Self::Deployment => names("Deployment", apps, "deployments", &["deploy"]),
            Self::ReplicaSet => names("ReplicaSet", apps, "replicasets", &["rs"]),
            Self::StatefulSet => names("StatefulSet", apps, "statefulsets", &["sts"]),
            Self::HorizontalPodAutoscaler => {
                names("HorizontalPodAutoscaler", ("autoscaling", "v2"), "horizontalpodautoscalers", &["hpa"])
            }
            Self::CronJob => names("CronJob", batch, "cronjobs", &["cj"]),
            Self::Job => names("Job", batch, "jobs", &[]),
            Self::Lease => names("Lease", ("coordination.k8s.io", "v1"), "leases", &[]),
            Self::EndpointSlice => names("EndpointSlice", ("discovery.k8s.io", "v1"), "endpointslices", &[]),
            Self::Ingress => names("Ingress", ("networking.k8s.io", "v1"), "ingresses", &["ing"]),
            Self::PodDisruptionBudget => {
                names("PodDisruptionBudget", ("policy", "v1"), "poddisruptionbudgets", &["pdb"])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_at_its_number_and_is_found_by_its_names() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(Kind::find(kind.group(), kind.version(), kind.plural()), Some(kind));
        }
        assert_eq!(Kind::find("apps", "v1", "pods"), None);
        assert_eq!(Kind::Deployment.api_version(), "apps/v1");
        assert_eq!(Kind::Pod.api_version(), "v1");
    }

    #[test]
    fn the_rest_of_a_bookmark_is_json() {
        for kind in KINDS {
            let text = format!("{{\"metadata\":{{}}{}}}", kind.bookmark_rest());
            serde_json::from_str::<serde_json::Value>(&text).expect(&text);
        }
    }
}
