#!/usr/bin/env bash
# Regenerates what is generated and committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

UPDATE_OPENAPI=1 cargo test --quiet --package sentinel-api openapi
scripts/setup.sh build
cd ui
[[ -d node_modules ]] || npm ci --no-fund --no-audit --loglevel=error
npm run --silent gen
