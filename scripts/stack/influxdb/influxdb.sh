# shellcheck shell=bash
# InfluxDB, built from its published Go module and, for Flux, the Rust one inside it.

INFLUXD=$CACHE/influxdb-$INFLUXDB_VERSION/influxd
INFLUXDB_ORG=sentinel
INFLUXDB_TOKEN=sentinel-operator-token

influxdb_version() { echo "$INFLUXDB_VERSION"; }
influxdb_address() { echo "http://127.0.0.1:$((PORT + 86))"; }

influxdb_env() {
  echo "export SENTINEL_STACK_INFLUXDB=$(influxdb_address)"
  echo "export SENTINEL_STACK_INFLUXDB_ORG=$INFLUXDB_ORG"
  echo "export SENTINEL_STACK_INFLUXDB_TOKEN=$INFLUXDB_TOKEN"
}

influxdb_build() {
  [[ ! -x $INFLUXD ]] || return 0
  command -v go cargo pkg-config gcc >/dev/null || die "influxd is built from source: install Go, Rust, pkg-config and gcc"
  say "influxdb: building influxd $INFLUXDB_VERSION, once: 5 to 10 minutes on two cores (progress: one line a minute)"
  local work=$CACHE/building-influxdb ticker
  mkdir -p "$work" "$(dirname "$INFLUXD")"
  # A group of its own, so that its sleep can be ended too: that holds build.sh's lock and its output.
  setsid bash -c "while sleep 60 && kill -0 $$; do echo \"\$(date +%T) influxdb: still building\"; done" & ticker=$!
  # shellcheck disable=SC2064
  trap "kill -- -$ticker" EXIT # of the subshell in build.sh
  "$HERE/influxdb/compile.sh" "$work" >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; die "influxd: the log is $work/log"; }
  mv "$work/influxd" "$INFLUXD"
  rm -rf "$work" # 4 GiB; a build that failed keeps it, to go on from there
}

influxdb_configure() { mkdir -p "$RUN/influxdb"; }

influxdb_start() {
  check_free $((PORT + 86))
  local data=$RUN/influxdb
  # Retention is looked at every half hour by default: no test can wait for that.
  start influxdb env -C "$data" "$INFLUXD" run --http-bind-address "127.0.0.1:$((PORT + 86))" \
    --bolt-path "$data/influxd.bolt" --sqlite-path "$data/influxd.sqlite" --engine-path "$data/engine" \
    --storage-retention-check-interval 10s --reporting-disabled --ui-disabled
}

influxdb_answers() { curl -sf -m 2 -o /dev/null "$(influxdb_address)/health"; }

influxdb_prepare() { # the organisation and its operator token, once per data folder
  local url; url=$(influxdb_address)/api/v2/setup
  [[ $(curl -sf "$url" | jq .allowed) == true ]] || return 0
  jq -n --arg org "$INFLUXDB_ORG" --arg token "$INFLUXDB_TOKEN" \
    '{username: "sentinel", password: "sentinel-secret", bucket: "sentinel", org: $org, token: $token}' |
    curl -sSf -o /dev/null "$url" -H 'content-type: application/json' --data @-
}
