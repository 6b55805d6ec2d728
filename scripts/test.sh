#!/usr/bin/env bash
# The whole fast suite: Rust, the dashboard, and the dashboard in Chromium over the real binary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

scripts/setup.sh build test
scripts/ui.sh build
scripts/check.sh
say "Rust tests"
cargo test --workspace
say "dashboard tests"
scripts/ui.sh test
scripts/ui.sh e2e
