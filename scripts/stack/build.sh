#!/usr/bin/env bash
# Builds or fetches what the named servers need into $CACHE; all of them if none is named.
# Safe to run again: what is there already is kept. Afterwards up.sh needs no registry.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
(($#)) || set -- "${ALL[@]}"
for server; do check_server "$server"; done
mkdir -p "$CACHE"

for server; do
  ( # two builds of one server would be in each other's way; another server's need not wait
    exec {lock}>"$CACHE/.$server.lock"
    flock --nonblock "$lock" || { say "$server: waiting for the build that is under way"; flock "$lock"; }
    call build "$server"
  )
done
