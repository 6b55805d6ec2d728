#!/usr/bin/env bash
# Runs the benchmarks; each prints its figure beside a reference of the same run. docs/benchmarks.md explains them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

printf '==> %s, %s cores\n' "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs)" "$(nproc)" >&2
for package in sentinel-proto sentinel-collector sentinel-processor sentinel-bus sentinel-metric-store; do
  printf '==> %s\n' "$package" >&2
  cargo bench --quiet --package "$package"
done
printf '==> end to end, over the release binary\n' >&2
scripts/ui.sh build
cargo build --quiet --release --package sentinel
cargo bench --quiet --package sentinel-e2e
