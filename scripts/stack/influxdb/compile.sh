#!/usr/bin/env bash
# Compiles influxd in the folder $1, which then has it as $1/influxd.
source "$(dirname "${BASH_SOURCE[0]}")/../versions.sh"
set -euo pipefail
home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$1
influxd=github.com/influxdata/influxdb/v2/cmd/influxd
wrapper=github.com/influxdata/pkg-config # builds Flux' Rust library when Go asks for its flags

mkdir -p "$work"/{module,bin}
cd "$work/module"
export GOCACHE=$work/go GOFLAGS=-buildvcs=false GOTOOLCHAIN=local CGO_ENABLED=1
renice -n 10 $$ >/dev/null # minutes of all cores: others go first

# The wrapper looks Flux up in go.mod, so the requirements must stand there; but it cannot read the `tool`
# lines that got them there, so those go.
[[ -e go.mod ]] || go mod init influxd
go get -tool "$influxd@v$INFLUXDB_VERSION" "$wrapper@v$FLUX_PKG_CONFIG_VERSION"
go mod edit -droptool "$influxd" -droptool "$wrapper"
go mod download
go build -o "$work/bin/pkg-config" "$wrapper"

# Flux denies warnings, and compilers newer than its own warn about more. RUSTFLAGS do not reach build
# dependencies when a target is named; a wrapper of rustc reaches all.
printf '#!/bin/sh\nexec "$@" --cap-lints warn\n' >"$work/bin/rustc-lenient"
chmod +x "$work/bin/rustc-lenient"
export RUSTC_WORKSPACE_WRAPPER=$work/bin/rustc-lenient PATH=$work/bin:$PATH
# Flux names an old toolchain, which rustup would fetch: take the one that is here.
if command -v rustup >/dev/null; then
  RUSTUP_TOOLCHAIN=$(cd "$home" && rustup show active-toolchain | cut -d' ' -f1)
  export RUSTUP_TOOLCHAIN
fi
pkg-config --cflags --libs flux

go build -tags 'sqlite_foreign_keys sqlite_json' -ldflags "-s -w -X main.version=v$INFLUXDB_VERSION" \
  -o "$work/influxd" "$influxd"
