#!/usr/bin/env bash
# Kills the pipeline under load SENTINEL_CRASH_ROUNDS times and recounts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo test --package sentinel --test crash -- --nocapture
cargo test --package sentinel-bus --package sentinel-metric-store --package sentinel-log-store --test crash -- --nocapture
