//! What the tests of this module share.

mod server;

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

pub(crate) use server::{Asked, Reply, Server};

/// A folder of shared test data; `None` (said aloud) when this checkout has none.
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
pub(crate) fn shared_data(folder: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("SKIPPED: no test data in {}", path.display());
    None
}

/// Subfolders, in order of name.
pub(crate) fn folders(path: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).expect("a readable folder");
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable entry").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// JSON of any shape, with keys that the code looks for.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![prop::sample::select(KEYS.as_slice()).prop_map(str::to_owned), "[a-z.]{0,6}",];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(TEXTS.as_slice()).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

const KEYS: [&str; 40] = [
    "containers",
    "initContainers",
    "containerStatuses",
    "initContainerStatuses",
    "name",
    "state",
    "waiting",
    "terminated",
    "running",
    "reason",
    "exitCode",
    "conditions",
    "type",
    "status",
    "resources",
    "limits",
    "requests",
    "cpu",
    "memory",
    "env",
    "value",
    "images",
    "addresses",
    "taints",
    "replicas",
    "template",
    "spec",
    "metadata",
    "strategy",
    "rollingUpdate",
    "maxSurge",
    "metrics",
    "resource",
    "target",
    "endpoints",
    "ports",
    "rules",
    "http",
    "paths",
    "series",
];

const TEXTS: [&str; 8] =
    ["True", "25%", "100m", "2025-11-04T19:08:54Z", "-1%", "999999999999999999999", "Running", "Resource"];

/// Replaces the n-th value (in the order of a walk) by another one.
pub(crate) fn replace_nth(value: &mut Value, n: usize, by: &Value) {
    fn walk(value: &mut Value, n: &mut usize, by: &Value) {
        if *n == 0 {
            by.clone_into(value);
        }
        *n = n.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, n, by)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, n, by)),
            _ => {}
        }
    }
    walk(value, &mut { n }, by);
}
