#!/usr/bin/env bash
# Measures the pipeline on real servers of its own, beside references of the same run; docs/benchmarks.md and
# docs/scaling.md explain the figures. About 20 minutes, the first time longer: it builds Telegraf.
#   bench-stack.sh [PART...]   parts: path stores latency growth; without one, all of them
#     path     producer, Kafka to socket, beside Telegraf, and Kafka into InfluxDB beside a bare writer
#     stores   the writers of InfluxDB and Elasticsearch beside bare ones
#     latency  exposition to queryable at 50,000 samples a second, of 10,000 and of 50,000 series
#     growth   processors 1 -> 2, series 1,000 -> 100,000
# Variables: SECONDS_EACH=60 of each run of `sentinel bench pipeline`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
(($#)) || set -- path stores latency growth
for part; do
  case $part in path | stores | latency | growth) ;; *) say "unknown part $part: path, stores, latency or growth"; exit 2 ;; esac
done
seconds=${SECONDS_EACH:-60}

run=$(mktemp -d /var/tmp/sentinel-bench-stack.XXXXXX)
chmod 755 "$run"
export SENTINEL_STACK_RUN=$run SENTINEL_STACK_PORT=${SENTINEL_STACK_PORT:-23000} SENTINEL_STACK_REQUIRED=1
trap 'scripts/stack/down.sh --wipe; rm -rf "$run"' EXIT
scripts/stack/up.sh kafka influxdb elasticsearch
source "$run/env"
if telegraf=$(scripts/stack/telegraf/build.sh | tail -1); then
  export SENTINEL_STACK_TELEGRAF=$telegraf
else
  say "Telegraf could not be built: its comparison is skipped"
fi
export OPENSSL_NO_VENDOR=1
cargo build --quiet --release --package sentinel
cat >"$run/sentinel.toml" <<TOML
[bus]
kind = "kafka"
brokers = ["$SENTINEL_STACK_KAFKA"]
[metric_store]
kind = "influxdb"
url = "$SENTINEL_STACK_INFLUXDB"
org = "$SENTINEL_STACK_INFLUXDB_ORG"
token = "$SENTINEL_STACK_INFLUXDB_TOKEN"
[log_store]
kind = "elasticsearch"
url = "$SENTINEL_STACK_ELASTICSEARCH"
replicas = 0
TOML

pipeline() { # FLAG...
  say "sentinel bench pipeline $*"
  target/release/sentinel bench pipeline --config "$run/sentinel.toml" --duration "${seconds}s" "$@"
}

say "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
for part; do
  case $part in
    path) cargo bench --quiet --package sentinel --bench stack ;;
    stores)
      cargo bench --quiet --package sentinel-metric-store --features influxdb --bench influxdb
      cargo bench --quiet --package sentinel-log-store --features contract,elasticsearch --bench elasticsearch
      ;;
    # InfluxDB takes long over a series that it sees for the first time: both widths are to be there before.
    latency)
      pipeline --series 10000 --rate 60000 --warm-up 45s
      pipeline --series 50000 --rate 60000 --warm-up 120s
      ;;
    growth)
      for series in 1000 10000 100000; do pipeline --series $series --rate $((series * 73 / 1000)) --warm-up 75s; done
      for processors in 1 2; do pipeline --series 50000 --rate 20000 --warm-up 75s --processors $processors; done
      ;;
  esac
done
