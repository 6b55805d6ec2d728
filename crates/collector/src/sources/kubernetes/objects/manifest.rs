//! An object as JSON, without what nobody should store: values of environment variables, the copy of
//! the object that kubectl leaves in an annotation, and bookkeeping that changes all the time.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use super::super::kind::Kind;
use crate::MASK;

/// Keys that are left out wherever they stand. Versions and heartbeats change without any change of
/// state; the version is a field of its own, a changed manifest thus means a changed object.
const LEFT_OUT: [&str; 7] = [
    "managedFields",
    "resourceVersion",
    "selfLink",
    "lastHeartbeatTime",
    "lastProbeTime",
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
];

pub(super) fn manifest(kind: Kind, object: &Value) -> String {
    // Serialising text-keyed values into a string cannot fail.
    serde_json::to_string(&Clean { value: object, place: Place::Root(kind) }).unwrap_or_default()
}

/// Where in the object a value stands, as far as it matters.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root(Kind),
    /// `status` of a node: the list of its images is long and of no use.
    NodeStatus,
    /// `env` of a container.
    Environment,
    Elsewhere,
}

struct Clean<'a> {
    value: &'a Value,
    place: Place,
}

impl Clean<'_> {
    fn keeps(&self, key: &str) -> bool {
        let is_list_of_images = self.place == Place::NodeStatus && key == "images";
        !LEFT_OUT.contains(&key) && !is_list_of_images
    }

    fn below(&self, key: &str) -> Place {
        match (self.place, key) {
            (Place::Root(Kind::Node), "status") => Place::NodeStatus,
            (_, "env") => Place::Environment,
            _ => Place::Elsewhere,
        }
    }
}

impl Serialize for Clean<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(None)?;
                for (key, value) in fields.iter().filter(|(key, _)| self.keeps(key)) {
                    let is_secret = self.place == Place::Environment && key == "value";
                    if is_secret && value.as_str() != Some("") {
                        map.serialize_entry(key, MASK)?;
                    } else {
                        map.serialize_entry(key, &Clean { value, place: self.below(key) })?;
                    }
                }
                map.end()
            }
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for value in items {
                    seq.serialize_element(&Clean { value, place: self.place })?;
                }
                seq.end()
            }
            plain => plain.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cleaned(kind: Kind, object: &Value) -> Value {
        serde_json::from_str(&manifest(kind, object)).expect("a manifest is JSON")
    }

    #[test]
    fn hides_values_of_environment_variables_at_any_depth() {
        let container = json!({"name": "app", "env": [
            {"name": "PASSWORD", "value": "hunter2"},
            {"name": "EMPTY", "value": ""},
            {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ]});
        let pod = json!({"spec": {"initContainers": [container.clone()], "containers": [container]}});
        let deep = json!({"spec": {"jobTemplate": {"spec": {"template": pod}}}});
        for (kind, object) in [(Kind::Pod, pod), (Kind::CronJob, deep)] {
            let text = manifest(kind, &object);
            assert!(!text.contains("hunter2"), "{text}");
            assert_eq!(text.matches(MASK).count(), 2);
            assert!(text.contains("secretKeyRef") && text.contains(r#""value":"""#));
        }
    }

    #[test]
    fn leaves_out_bookkeeping() {
        let object = json!({
            "metadata": {
                "name": "a", "resourceVersion": "7", "managedFields": [{"manager": "kubectl"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "kept": "yes"},
            },
            "status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": "now", "status": "True"}]},
        });
        let expected = json!({
            "metadata": {"name": "a", "annotations": {"kept": "yes"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        assert_eq!(cleaned(Kind::Pod, &object), expected);
    }

    #[test]
    fn leaves_out_a_nodes_images_but_not_those_of_others() {
        let object = json!({"status": {"images": [1], "phase": "x"}});
        assert_eq!(cleaned(Kind::Node, &object), json!({"status": {"phase": "x"}}));
        assert_eq!(cleaned(Kind::Service, &object), object);
    }

    #[test]
    fn is_the_same_text_for_the_same_state() {
        let a = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"x": 1}});
        let b = json!({"spec": {"x": 1}, "metadata": {"resourceVersion": "2", "name": "a"}});
        assert_eq!(manifest(Kind::Service, &a), manifest(Kind::Service, &b));
    }
}
