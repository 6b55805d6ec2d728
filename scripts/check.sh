#!/usr/bin/env bash
# Formatting, lints and tidiness.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fmt --all -- --check
cargo clippy --quiet --workspace --all-targets -- -D warnings
cargo xtask tidy
