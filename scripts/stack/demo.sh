#!/usr/bin/env bash
# The pipeline as it runs in production, each role in processes of its own, on the real servers: a simulated
# cluster -> two collectors -> Kafka -> two processors -> InfluxDB and Elasticsearch -> the API with Redis.
# Ctrl-C stops the roles; the servers go on until `make stack-down`. Variables: PODS, NODES, LISTEN.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$HERE/up.sh"
source "$RUN/env"

SENTINEL=${SENTINEL:-$HERE/../../target/release/sentinel}
PODS=${PODS:-2000} NODES=${NODES:-40} LISTEN=${LISTEN:-127.0.0.1:7700}
demo=$RUN/demo
roles=(api processor1 processor2 collector1 collector2 simulator)
mkdir -p "$demo"

stop_roles() { local name; for name in "${roles[@]}"; do stop "demo-$name" 15; done; }
trap stop_roles EXIT
stop_roles # of an earlier run that was cut off

role() { # NAME ARGUMENT...
  local name=$1; shift
  say "starting $name"
  start "demo-$name" env SENTINEL__COLLECTOR__ID="$name" "$SENTINEL" "$@" --data-dir "$demo/$name"
}

role simulator simulate --pods "$PODS" --nodes "$NODES" --listen "127.0.0.1:$((PORT + 70))"
cat >"$demo/sentinel.toml" <<TOML
cluster = "demo"

[bus]
kind = "kafka"
brokers = ["$SENTINEL_STACK_KAFKA"]
topic_prefix = "demo."
partitions = 8

[metric_store]
kind = "influxdb"
url = "$SENTINEL_STACK_INFLUXDB"
org = "$SENTINEL_STACK_INFLUXDB_ORG"
token = "$SENTINEL_STACK_INFLUXDB_TOKEN"
bucket_prefix = "demo"

[log_store]
kind = "elasticsearch"
url = "$SENTINEL_STACK_ELASTICSEARCH"
index_prefix = "demo"
replicas = 0

[cache]
kind = "redis"
url = "$SENTINEL_STACK_REDIS"
key_prefix = "demo:"

[collector.sharding]
kind = "group"

[collector.kubernetes]
enabled = "always"
url = "http://127.0.0.1:$((PORT + 70))"
log_namespaces = ["*"]

[collector.kubernetes.kubelet]
mode = "url"
url = "http://127.0.0.1:$((PORT + 70))/kubelet/{node}"
TOML
# Collectors publish metrics of their own; those of the other roles are scraped, as in any installation.
for target in "processor1 127.0.0.1:$((PORT + 71))" "processor2 127.0.0.1:$((PORT + 72))" "api $LISTEN"; do
  cat >>"$demo/sentinel.toml" <<TOML

[[collector.scrape]]
name = "sentinel"
url = "http://${target#* }/metrics"
labels = { instance = "${target% *}" }
TOML
done
config=(run --config "$demo/sentinel.toml")
role collector1 "${config[@]}" --role collector --listen 127.0.0.1:0
role collector2 "${config[@]}" --role collector --listen 127.0.0.1:0
role processor1 "${config[@]}" --role processor --listen "127.0.0.1:$((PORT + 71))"
role processor2 "${config[@]}" --role processor --listen "127.0.0.1:$((PORT + 72))"
role api "${config[@]}" --role api --listen "$LISTEN"
wait_for 60 "the API on $LISTEN" curl -fsS -o /dev/null "http://$LISTEN/health"
say "Dashboard (simulated cluster of $PODS pods): http://$LISTEN  - logs of the roles: $RUN/logs/demo-*.log"
while sleep 5; do
  for name in "${roles[@]}"; do alive "demo-$name" || die "$name ended; its log is $RUN/logs/demo-$name.log"; done
done
