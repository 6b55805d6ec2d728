#!/usr/bin/env bash
# Starts real servers on loopback and waits until they answer; builds what is missing. Safe to run again.
#   up.sh [--brokers N] [SERVER...]
# SERVER: kafka influxdb elasticsearch opensearch2 opensearch3 redis; without one: kafka influxdb elasticsearch redis.
# Where they are is in $RUN/env, to be sourced. Variables:
#   SENTINEL_STACK_RUN, SENTINEL_STACK_PORT      an instance of your own; lib.sh tells the ports
#   SENTINEL_STACK_CACHE                         where the servers are kept
#   SENTINEL_STACK_{KAFKA,SEARCH}_HEAP           Java's memory, of each process
#   SENTINEL_STACK_ELASTICSEARCH_SECURE=1        HTTPS, users and API keys
if [[ ${1:-} == --brokers ]]; then
  export BROKERS=${2:?how many?}
  shift 2
fi
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
(($#)) || set -- "${DEFAULT[@]}"
for server; do check_server "$server"; done
kafka_check_brokers
"$HERE/build.sh" "$@"
mkdir -p "$RUN"

bring_up() { # SERVER
  local began process running=0 all; began=$(date +%s%3N)
  mapfile -t all < <(processes "$1")
  for process in "${all[@]}"; do ! alive "$process" || running=$((running + 1)); done
  if ((running == ${#all[@]})); then
    await "${all[0]}" 30
    say "$1: up already"
    return
  fi
  call configure "$1"
  for process in "${all[@]}"; do alive "$process" || call start "$process"; done
  for process in "${all[@]}"; do await "$process" 180; done
  call prepare "$1"
  say "$1: answers after $(($(date +%s%3N) - began)) ms"
}

in_parallel bring_up "$@"
write_env
say "addresses: $RUN/env"
exit "$failed"
