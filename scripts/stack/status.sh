#!/usr/bin/env bash
# Prints one line for each server; exits 1 if one that up.sh started does not answer.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

state() { # PROCESS
  started "$1" || { echo -; return; }
  alive "$1" || { echo dead; return; }
  [[ $(cut -d' ' -f3 "/proc/$(pid_of "$1")/stat") != T ]] || { echo stopped; return; }
  if call answers "$1" >/dev/null 2>&1; then echo answers; else echo silent; fi
}

human() { numfmt --from-unit=1024 --to=iec-i --suffix=B --format=%.0f; } # of kibibytes

data() { # PROCESS: what its folder takes on disk
  local folder=$RUN/$1
  [[ $1 != kafka? ]] || folder=$RUN/kafka/${1#kafka}
  [[ -d $folder ]] && du -sk "$folder" 2>/dev/null | cut -f1 | human || echo -
}

row='%-14s %-8s %-25s %8s  %-8s %9s %9s\n'
# shellcheck disable=SC2059
printf "$row" SERVER VERSION ADDRESS PID STATE RSS DATA
for server in "${ALL[@]}"; do
  for name in $(processes "$server"); do
    state=$(state "$name") pid=- rss=-
    case $state in - | answers) ;; *) failed=1 ;; esac
    if alive "$name"; then
      pid=$(pid_of "$name")
      rss=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status" | human)
    fi
    # shellcheck disable=SC2059
    printf "$row" "$name" "$(call version "$name" 2>/dev/null || echo -)" "$(call address "$name")" "$pid" "$state" "$rss" "$(data "$name")"
  done
done
exit "$failed"
