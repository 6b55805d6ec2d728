#!/usr/bin/env bash
# Stops the named servers, or all that up.sh started; with --wipe removes their data too.
#   down.sh [--wipe] [SERVER...]
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
wipe=
if [[ ${1:-} == --wipe ]]; then
  wipe=yes
  shift
fi
for server; do check_server "$server"; done
[[ -d $RUN ]] || exit 0
all=$#
(($#)) || set -- "${ALL[@]}"

# Three brokers are stopped at once; the last ones never end in order, as nothing is left to vote with.
patience=${wipe:+3}
stop_patiently() { stop "$1" "${patience:-10}"; }
names=()
for server; do mapfile -t -O "${#names[@]}" names < <(processes "$server"); done
in_parallel stop_patiently "${names[@]}"

if [[ -n $wipe ]]; then
  for server; do rm -rf --one-file-system "${RUN:?}/$server"; done
  for name in "${names[@]}"; do rm -f "$RUN/logs/$name.log"; done
fi
write_env
if [[ -n $wipe && $all == 0 ]]; then # nothing but what we made: RUN may be a folder of someone's choice
  rm -f "$RUN/env"
  rmdir --ignore-fail-on-non-empty "$RUN"/{pids,logs} "$RUN" 2>/dev/null || true
fi
