# shellcheck shell=bash
# Helpers of the scripts that run servers; sourced with $RUN set. Whatever they start is known by its
# process id *and* its birth, so that a recycled id is never taken for ours.

say() { printf '%s %s\n' "$(date +%T.%3N)" "$*"; }
die() { say "FATAL: $*" >&2; exit 1; }

pid_of() { # NAME: its process id, as start() wrote it
  local pid _
  read -r pid _ <"$RUN/pids/$1" && echo "$pid"
}

born() { # PID: when it started, in clock ticks; fails for a dead process and for a zombie
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && echo "${stat[19]}"
}

alive() { # NAME: does the very process that we started under this name still run?
  local pid ticks
  [[ -s $RUN/pids/$1 ]] && read -r pid ticks <"$RUN/pids/$1" && [[ $(born "$pid") == "$ticks" ]]
}

start() { # NAME COMMAND...: start in the background unless it already runs
  local name=$1; shift
  alive "$name" && return 0
  mkdir -p "$RUN/pids" "$RUN/logs"
  setsid "$@" >>"$RUN/logs/$name.log" 2>&1 </dev/null &
  echo "$! $(born $!)" >"$RUN/pids/$name"
}

stop() { # NAME [SECONDS]: TERM, wait, KILL; only a process that start() started
  local name=$1 patience=${2:-10} i
  if alive "$name"; then
    kill -TERM "$(pid_of "$name")"
    kill -CONT "$(pid_of "$name")" 2>/dev/null || true # a paused one could not follow
    for ((i = 0; i < patience * 20; i++)); do
      alive "$name" || break
      sleep 0.05
    done
    ! alive "$name" || kill -KILL "$(pid_of "$name")"
  fi
  rm -f "$RUN/pids/$name"
}

wait_for() { # SECONDS DESCRIPTION COMMAND...
  local limit=$1 what=$2 began=$SECONDS; shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS - began < limit)) || die "$what: not within $limit s"
    sleep 0.1
  done
}
