//! What a path asks for.

use super::discovery;
use crate::store::Kind;

/// One resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: Kind,
    /// Events of `events.k8s.io/v1`: the same objects in another form.
    pub is_new_event: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    Text(&'static str),
    Document(String),
    AccessReview,
    Collection { resource: Resource, namespace: Option<&'a str> },
    Object { resource: Resource, namespace: &'a str, name: &'a str },
    Log { namespace: &'a str, name: &'a str },
    Kubelet { node: &'a str, path: &'a str },
}

/// `None`: there is nothing there.
pub fn parse(path: &str) -> Option<Target<'_>> {
    if let Some(rest) = path.strip_prefix("/kubelet/") {
        let (node, path) = rest.split_once('/')?;
        return Some(Target::Kubelet { node, path });
    }
    if let Some(rest) = path.strip_prefix("/api/v1/nodes/")
        && let Some((node, path)) = rest.split_once("/proxy/")
    {
        return Some(Target::Kubelet { node, path });
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["livez" | "readyz" | "healthz", ..] => Some(Target::Text("ok")),
        ["version"] => Some(Target::Document(discovery::version())),
        ["api"] => Some(Target::Document(discovery::core_versions())),
        ["apis"] => Some(Target::Document(discovery::groups())),
        ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => Some(Target::AccessReview),
        ["api", "v1"] => discovery::resources("", "v1").map(Target::Document),
        ["apis", group] => discovery::group(group).map(Target::Document),
        ["apis", group, version] => discovery::resources(group, version).map(Target::Document),
        ["api", "v1", rest @ ..] => parse_resource("", "v1", rest),
        ["apis", group, version, rest @ ..] => parse_resource(group, version, rest),
        _ => None,
    }
}

fn parse_resource<'a>(group: &str, version: &str, rest: &[&'a str]) -> Option<Target<'a>> {
    let find = |plural: &str| match (group, version, plural) {
        ("events.k8s.io", "v1", "events") => Some(Resource { kind: Kind::Event, is_new_event: true }),
        _ => {
            let kind = Kind::find(group, version, plural)?;
            Some(Resource { kind, is_new_event: false })
        }
    };
    match *rest {
        ["namespaces", namespace, "pods", name, "log"] if group.is_empty() => {
            Some(Target::Log { namespace, name })
        }
        ["namespaces", namespace, plural, name] | ["namespaces", namespace, plural, name, "status"] => {
            let resource = find(plural).filter(|resource| resource.kind.is_namespaced())?;
            Some(Target::Object { resource, namespace, name })
        }
        ["namespaces", namespace, plural] if plural != "status" => {
            let resource = find(plural).filter(|resource| resource.kind.is_namespaced())?;
            Some(Target::Collection { resource, namespace: Some(namespace) })
        }
        [plural, name] | [plural, name, "status"] => {
            let resource = find(plural).filter(|resource| !resource.kind.is_namespaced())?;
            Some(Target::Object { resource, namespace: "", name })
        }
        [plural] => Some(Target::Collection { resource: find(plural)?, namespace: None }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(kind: Kind) -> Resource {
        Resource { kind, is_new_event: false }
    }

    #[test]
    fn understands_the_paths_of_the_api() {
        let collection = |kind, namespace| Some(Target::Collection { resource: resource(kind), namespace });
        assert_eq!(parse("/api/v1/pods"), collection(Kind::Pod, None));
        assert_eq!(parse("/api/v1/namespaces/shop/pods/"), collection(Kind::Pod, Some("shop")));
        assert_eq!(parse("/api/v1/namespaces"), collection(Kind::Namespace, None));
        assert_eq!(parse("/apis/apps/v1/deployments"), collection(Kind::Deployment, None));
        let object =
            |kind, namespace, name| Some(Target::Object { resource: resource(kind), namespace, name });
        assert_eq!(parse("/api/v1/namespaces/shop"), object(Kind::Namespace, "", "shop"));
        assert_eq!(parse("/api/v1/nodes/node-1"), object(Kind::Node, "", "node-1"));
        assert_eq!(parse("/api/v1/namespaces/shop/pods/a/status"), object(Kind::Pod, "shop", "a"));
    }

    #[test]
    fn finds_logs_and_kubelets() {
        let log = Target::Log { namespace: "shop", name: "a" };
        assert_eq!(parse("/api/v1/namespaces/shop/pods/a/log"), Some(log));
        let kubelet = Target::Kubelet { node: "node-1", path: "metrics/cadvisor" };
        assert_eq!(parse("/kubelet/node-1/metrics/cadvisor"), Some(kubelet.clone()));
        assert_eq!(parse("/api/v1/nodes/node-1/proxy/metrics/cadvisor"), Some(kubelet));
    }

    #[test]
    fn finds_events_in_both_groups() {
        let is_new = |path| match parse(path) {
            Some(Target::Collection { resource, .. }) => resource.is_new_event,
            other => panic!("{other:?}"),
        };
        assert!(!is_new("/api/v1/events"));
        assert!(is_new("/apis/events.k8s.io/v1/namespaces/shop/events"));
    }

    #[test]
    fn finds_nothing_where_there_is_nothing() {
        for path in ["/", "/api/v2", "/api/v1/secrets", "/apis/apps/v1/pods", "/api/v1/pods/a", "/kubelet/x"]
        {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
