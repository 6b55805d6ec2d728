//! The shape of JSON: its paths, as the samples of a real cluster in `tests/real` name them.

use std::collections::BTreeSet;

use serde_json::Value;

/// Maps whose keys are free.
const FREE: [&str; 13] = [
    "labels",
    "annotations",
    "matchLabels",
    "selector",
    "nodeSelector",
    "capacity",
    "allocatable",
    "allocatedResources",
    "limits",
    "requests",
    "hard",
    "used",
    "data",
];

pub fn paths(value: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    walk(value, String::new(), "", &mut all);
    all
}

fn walk(value: &Value, path: String, key: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let is_flat = !map.values().any(|v| v.is_object() || v.is_array());
            if FREE.contains(&key) && path.contains('.') && is_flat {
                all.insert(path + "{}");
                return;
            }
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(value, path, key, all);
            }
            if map.is_empty() {
                all.insert(path);
            }
        }
        Value::Array(items) => {
            if items.is_empty() {
                all.insert(format!("{path}[]"));
            }
            items.iter().for_each(|item| walk(item, format!("{path}[]"), "", all));
        }
        _ => {
            all.insert(path);
        }
    }
}

/// Lines of a sample of the real cluster.
pub fn real(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines().map(super::parse)
}
