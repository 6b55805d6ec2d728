//! Habits that no lint knows: sizes of files, headers, words.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cargo_metadata::MetadataCommand;

use crate::arrows;

/// A room larger than this has more than one meaning.
const MAX_LINES: usize = 500;

pub fn run() -> anyhow::Result<()> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let mut findings = arrows::violations(&metadata);
    for file in rust_files(metadata.workspace_root.as_std_path())? {
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        findings.extend(check(&file, &text));
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(())
}

fn check(file: &Path, text: &str) -> Vec<String> {
    let name = file.display();
    let mut findings = Vec::new();
    let n_lines = text.lines().count();
    if n_lines > MAX_LINES {
        findings.push(format!("{name}: {n_lines} lines; split it by meaning at {MAX_LINES}"));
    }
    let is_tests = file.file_stem().is_some_and(|stem| stem == "tests");
    if !is_tests && !text.starts_with("//!") {
        findings.push(format!("{name}: open the file with //! and its purpose"));
    }
    findings
}

fn rust_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("xtask"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    Ok(files)
}
