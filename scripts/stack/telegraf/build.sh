#!/usr/bin/env bash
# Builds Telegraf, which the pipeline is compared with, from its Go module into $CACHE, with no more plugins than
# the comparison takes. About 200 seconds of a core, once. Prints where it is.
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
telegraf=$CACHE/telegraf-$TELEGRAF_VERSION/telegraf
if [[ -x $telegraf ]]; then echo "$telegraf"; exit; fi
command -v go jq >/dev/null || die "telegraf is built from source: install Go and jq"
say "telegraf: building $TELEGRAF_VERSION, once" >&2
module=github.com/influxdata/telegraf work=$CACHE/building-telegraf
tags=custom,inputs.kafka_consumer,outputs.influxdb_v2,outputs.discard,parsers.influx,serializers.influx
tags+=,aggregators.basicstats,aggregators.final,aggregators.merge
export GOTOOLCHAIN=local GOFLAGS="-buildvcs=false -tags=$tags" CGO_ENABLED=0
mkdir -p "$work" "$(dirname "$telegraf")"
cd "$work" || exit
# Telegraf's own go.sum to begin with, and the same tags to resolve: otherwise modules of plugins that are left
# out are asked for, and not every one of those is to be had.
build() {
  [[ -f go.mod ]] || go mod init local/telegraf
  [[ -f go.sum ]] || cp "$(go mod download -json "$module@v$TELEGRAF_VERSION" | jq -r .Dir)/go.sum" go.sum
  chmod u+w go.sum
  go get -tool "$module/cmd/telegraf@v$TELEGRAF_VERSION"
  go build -o telegraf -ldflags "-s -w -X $module/internal.Version=$TELEGRAF_VERSION" "$module/cmd/telegraf"
}
( build ) >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; die "telegraf: the log is $work/log"; }
mv "$work/telegraf" "$telegraf"
rm -rf "$work"
echo "$telegraf"
