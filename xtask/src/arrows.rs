//! Which crate may use which: the arrows of the architecture, as a table.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata};

const MODEL: &str = "sentinel-model";
const PROTO: &str = "sentinel-proto";
const BUS: &str = "sentinel-bus";
const METRICS: &str = "sentinel-metric-store";
const LOGS: &str = "sentinel-log-store";
const CACHE: &str = "sentinel-cache";
const RECOUNT: &str = "sentinel-recount";
const RUNTIME: &str = "sentinel-runtime";
const SETTINGS: &str = "sentinel-settings";
const SIMULATOR: &str = "sentinel-simulator";

/// Ordinary dependencies on crates of this workspace; development dependencies are free.
const ARROWS: [(&str, &[&str]); 17] = [
    (MODEL, &[]),
    (RUNTIME, &[]),
    (PROTO, &[MODEL]),
    (BUS, &[PROTO, MODEL, RUNTIME]),
    (METRICS, &[MODEL, RUNTIME]),
    (LOGS, &[MODEL, RUNTIME]),
    (CACHE, &[RUNTIME]),
    (SETTINGS, &[MODEL, PROTO, BUS, RUNTIME]),
    ("sentinel-collector", &[MODEL, PROTO, BUS, RUNTIME]),
    ("sentinel-processor", &[MODEL, PROTO, BUS, METRICS, LOGS, SETTINGS, RUNTIME]),
    (RECOUNT, &[MODEL, PROTO, BUS, METRICS, LOGS, RUNTIME]),
    ("sentinel-api", &[MODEL, PROTO, BUS, METRICS, LOGS, CACHE, RECOUNT, SETTINGS, RUNTIME]),
    (SIMULATOR, &[MODEL, RUNTIME]),
    ("sentinel-testkit", &[MODEL, PROTO, BUS, METRICS, LOGS, CACHE, RUNTIME]),
    (
        "sentinel",
        &[
            "sentinel-api",
            BUS,
            CACHE,
            "sentinel-collector",
            LOGS,
            METRICS,
            MODEL,
            "sentinel-processor",
            RECOUNT,
            RUNTIME,
            SETTINGS,
            SIMULATOR,
        ],
    ),
    ("sentinel-e2e", &[]),
    ("xtask", &[]),
];

/// Arrows that the table does not allow, in words.
pub fn violations(metadata: &Metadata) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let packages = metadata.workspace_packages();
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut violations = Vec::new();
    for package in &packages {
        let Some(allowed) = table.get(package.name.as_str()) else {
            violations.push(format!("{} is not in the table of arrows (xtask/src/arrows.rs)", package.name));
            continue;
        };
        let used = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        for dependency in used.filter(|dependency| ours.contains(&dependency.name.as_str())) {
            if !allowed.contains(&dependency.name.as_str()) {
                violations.push(format!("{} must not use {}", package.name, dependency.name));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use cargo_metadata::MetadataCommand;

    use super::violations;

    #[test]
    fn crates_use_only_what_the_architecture_allows() {
        let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
        assert_eq!(violations(&metadata), [""; 0]);
    }
}
