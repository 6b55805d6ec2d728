#!/usr/bin/env bash
# The suite on the real servers: contract suites of all ports, the command line and the dashboard over them, and a
# short round of faults. Fails when a server that should be there is not.
#   test.sh           everything
#   test.sh chaos     only the faults: SENTINEL_CHAOS=full plays all of them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

scripts/setup.sh build test stack
run=$(mktemp -d /var/tmp/sentinel-test-stack.XXXXXX)
chmod 755 "$run"
export SENTINEL_STACK_RUN=$run SENTINEL_STACK_PORT=${SENTINEL_STACK_PORT:-21000} SENTINEL_STACK_REQUIRED=1
disks=()
clean() { scripts/stack/down.sh; ((!${#disks[@]})) || umount "${disks[@]}"; rm -rf "$run"; }
trap clean EXIT
small_disk() { # FOLDER: a disk of its own in memory, which the test can make full
  mkdir -p "$1"
  if mount -t tmpfs -o size=4g tmpfs "$1"; then disks+=("$1"); fi
}
servers=(kafka influxdb elasticsearch redis)
if [[ ${1:-} == chaos ]]; then
  for disk in influxdb elasticsearch collector; do small_disk "$run/$disk"; done
  servers=(--brokers 3 "${servers[@]}")
else
  servers+=(opensearch2 opensearch3)
fi
scripts/stack/up.sh "${servers[@]}"
source "$run/env"

export OPENSSL_NO_VENDOR=1
adapters=sentinel-bus/kafka-tls,sentinel-metric-store/influxdb,sentinel-log-store/elasticsearch,sentinel-cache/redis
if [[ ${1:-} != chaos ]]; then
  say "contract suites on the real servers"
  cargo test --features "$adapters" -p sentinel-bus -p sentinel-metric-store -p sentinel-log-store -p sentinel-cache
  cargo test --features kafka -p sentinel-settings
fi
if [[ ${1:-} != chaos ]]; then
  cat >"$run/sentinel.toml" <<TOML
[bus]
kind = "kafka"
brokers = ["$SENTINEL_STACK_KAFKA"]
topic_prefix = "e2e."
[metric_store]
kind = "influxdb"
url = "$SENTINEL_STACK_INFLUXDB"
org = "$SENTINEL_STACK_INFLUXDB_ORG"
token = "$SENTINEL_STACK_INFLUXDB_TOKEN"
bucket_prefix = "e2e"
[log_store]
kind = "elasticsearch"
url = "$SENTINEL_STACK_ELASTICSEARCH"
index_prefix = "e2e"
replicas = 0
[cache]
kind = "redis"
url = "$SENTINEL_STACK_REDIS"
key_prefix = "e2e:"
TOML
  say "end to end on the real servers"
  cargo build --package sentinel
  SENTINEL_CONFIG=$run/sentinel.toml cargo test -p sentinel-e2e --test e2e_demo
  say "the dashboard on the real servers"
  SENTINEL_CONFIG=$run/sentinel.toml scripts/ui.sh e2e screens behaviour
fi
say "faults of roles and servers"
cargo test -p sentinel --test chaos -- --nocapture
