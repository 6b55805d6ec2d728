//! Which groups, versions and resources there are.

use crate::json::{self, Array, Object};
use crate::store::{KINDS, Kind};

const VERBS: [&str; 3] = ["get", "list", "watch"];

/// Groups in the order of the real API server, each with its one version.
const GROUPS: [(&str, &str); 9] = [
    ("apps", "v1"),
    ("events.k8s.io", "v1"),
    ("authorization.k8s.io", "v1"),
    ("autoscaling", "v2"),
    ("batch", "v1"),
    ("networking.k8s.io", "v1"),
    ("policy", "v1"),
    ("coordination.k8s.io", "v1"),
    ("discovery.k8s.io", "v1"),
];

pub fn version() -> String {
    json::object(|version| {
        for (key, value) in [
            ("major", "1"),
            ("minor", "37"),
            ("emulationMajor", "1"),
            ("emulationMinor", "37"),
            ("minCompatibilityMajor", "1"),
            ("minCompatibilityMinor", "36"),
            ("gitVersion", "v1.37.1"),
            ("gitCommit", "0000000000000000000000000000000000000000"),
            ("gitTreeState", "clean"),
            ("buildDate", "2026-10-14T12:00:00Z"),
            ("goVersion", "go1.26.2"),
            ("compiler", "gc"),
            ("platform", "linux/amd64"),
        ] {
            version.text(key, value);
        }
    })
}

pub fn core_versions() -> String {
    json::object(|versions| {
        versions.text("kind", "APIVersions");
        versions.texts("versions", ["v1"]);
        versions.raw("serverAddressByClientCIDRs", "[]");
    })
}

pub fn groups() -> String {
    json::object(|list| {
        list.text("kind", "APIGroupList");
        list.text("apiVersion", "v1");
        list.array("groups", |groups| {
            for (name, version) in GROUPS {
                groups.object(|group| write_group(group, name, version));
            }
        });
    })
}

pub fn group(name: &str) -> Option<String> {
    let (name, version) = GROUPS.into_iter().find(|(group, _)| *group == name)?;
    Some(json::object(|group| {
        group.text("kind", "APIGroup");
        group.text("apiVersion", "v1");
        write_group(group, name, version);
    }))
}

fn write_group(group: &mut Object<'_>, name: &str, version: &str) {
    let write = |entry: &mut Object<'_>| {
        entry.text("groupVersion", &format!("{name}/{version}"));
        entry.text("version", version);
    };
    group.text("name", name);
    group.array("versions", |versions| versions.object(write));
    group.object("preferredVersion", write);
}

/// Resources of one version of a group.
pub fn resources(group: &str, version: &str) -> Option<String> {
    let is_known = (group.is_empty() && version == "v1") || GROUPS.contains(&(group, version));
    is_known.then(|| {
        let full = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        json::object(|list| {
            list.text("kind", "APIResourceList");
            if !group.is_empty() {
                list.text("apiVersion", "v1");
            }
            list.text("groupVersion", &full);
            list.array("resources", |resources| {
                for kind in KINDS.into_iter().filter(|kind| kind.group() == group) {
                    write_resource(resources, kind);
                }
                match group {
                    "events.k8s.io" => write_resource(resources, Kind::Event),
                    "authorization.k8s.io" => resources.object(|r| {
                        r.text("name", "selfsubjectaccessreviews");
                        r.text("singularName", "selfsubjectaccessreview");
                        r.flag("namespaced", false);
                        r.text("kind", "SelfSubjectAccessReview");
                        r.texts("verbs", ["create"]);
                    }),
                    _ => {}
                }
            });
        })
    })
}

fn write_resource(resources: &mut Array<'_>, kind: Kind) {
    resources.object(|r| {
        r.text("name", kind.plural());
        r.text("singularName", &kind.name().to_ascii_lowercase());
        r.flag("namespaced", kind.is_namespaced());
        r.text("kind", kind.name());
        r.texts("verbs", VERBS);
        if !kind.short_names().is_empty() {
            r.texts("shortNames", kind.short_names());
        }
    });
    if kind == Kind::Pod {
        resources.object(|r| {
            r.text("name", "pods/log");
            r.text("singularName", "");
            r.flag("namespaced", true);
            r.text("kind", "Pod");
            r.texts("verbs", ["get"]);
        });
    }
}

/// Everything may be read.
pub fn access_review() -> String {
    json::object(|review| {
        review.text("kind", "SelfSubjectAccessReview");
        review.text("apiVersion", "authorization.k8s.io/v1");
        review.raw("metadata", "{}");
        review.raw("spec", "{}");
        review.raw("status", r#"{"allowed":true,"reason":"a simulated cluster lets everyone read"}"#);
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn every_group_lists_its_resources_and_every_kind_is_listed_once() {
        let mut n_resources = 0;
        for (group, version) in GROUPS.into_iter().chain([("", "v1")]) {
            let list = parsed(&resources(group, version).expect("a known group"));
            let listed = list["resources"].as_array().expect("an array");
            assert!(!listed.is_empty(), "{group}");
            n_resources += listed.len();
        }
        // Pods' logs, events once more, and access reviews come on top.
        assert_eq!(n_resources, KINDS.len() + 3);
        assert_eq!(resources("apps", "v2"), None);
        assert_eq!(group("none"), None);
    }

    #[test]
    fn tells_its_version() {
        assert_eq!(parsed(&version())["gitVersion"], "v1.37.1");
        assert_eq!(parsed(&groups())["groups"][0]["preferredVersion"]["groupVersion"], "apps/v1");
        assert_eq!(parsed(&core_versions())["versions"][0], "v1");
        assert_eq!(parsed(&access_review())["status"]["allowed"], true);
    }
}
