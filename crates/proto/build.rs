//! Generates the wire types from `/proto`, without a protoc of the machine.

use std::path::Path;

const FILES: [&str; 7] = [
    "sentinel/deadletters/v1/deadletters.proto",
    "sentinel/events/v1/events.proto",
    "sentinel/logs/v1/logs.proto",
    "sentinel/metrics/v1/metrics.proto",
    "sentinel/objects/v1/objects.proto",
    "sentinel/rollups/v1/rollups.proto",
    "sentinel/settings/v1/settings.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    for file in FILES {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let descriptors = protox::compile(FILES, [&root])?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]);
    config.include_file("wire.rs");
    config.compile_fds(descriptors)?;
    Ok(())
}
