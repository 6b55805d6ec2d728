#!/usr/bin/env bash
# Builds or tests the dashboard. Usage: ui.sh build|test|e2e [SPEC...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../ui"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

install() { # only when the lock file has changed since the last time
  local stamp=node_modules/.installed
  if [[ ! -e $stamp || package-lock.json -nt $stamp ]]; then
    say "installing the dashboard's packages"
    npm ci --no-fund --no-audit --loglevel=error
    touch "$stamp"
  fi
}

build() { # only when a source is newer than the last build
  local stamp=dist/index.html
  if [[ ! -e $stamp || -n $(find src public index.html vite.config.ts package-lock.json -newer "$stamp" -print -quit 2>/dev/null) ]]; then
    say "building the dashboard"
    npm run --silent build
  fi
}

# The dashboard in Chromium over the real binary, which shows a simulated cluster.
e2e() {
  local folder line url binary=../target/debug/sentinel
  cargo build --quiet --package sentinel
  folder=$(mktemp -d)
  "$binary" demo --listen 127.0.0.1:0 --data-dir "$folder/data" >"$folder/out" 2>"$folder/log" &
  local pid=$!
  trap "kill $pid 2>/dev/null; wait $pid 2>/dev/null; rm -rf '$folder'" EXIT
  local deadline=$((SECONDS + 60))
  until line=$(grep -m1 'http://' "$folder/out"); do
    kill -0 "$pid" 2>/dev/null && ((SECONDS < deadline)) || { cat "$folder/log" >&2; return 1; }
    sleep 0.2
  done
  url=${line##* }
  say "dashboard in Chromium, over the binary at $url"
  # It takes about two minutes on two cores; what takes five times as long hangs.
  BASE_URL=$url SENTINEL_BIN=$binary timeout --kill-after=10 600 npm run --silent e2e -- "$@"
}

install
case ${1:-} in
  build) build ;;
  test) npm run --silent typecheck && npm run --silent lint && npm test --silent ;;
  e2e) shift; build && e2e "$@" ;;
  *) echo "usage: ui.sh build|test|e2e [SPEC...]" >&2; exit 2 ;;
esac
