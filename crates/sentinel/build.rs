//! Makes sure that there is a folder to embed: without a built dashboard the binary serves the API
//! alone and says how to build it.

fn main() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/dist");
    std::fs::create_dir_all(&folder).expect("create ui/dist");
    println!("cargo::rerun-if-changed={}", folder.display());
}
