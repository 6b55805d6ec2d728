# Settings and helpers of the one-node test cluster; sourced by every script here.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

CACHE=${SENTINEL_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sentinel-mesh/cluster} # built binaries and images
RUN=${SENTINEL_CLUSTER_RUN:-${XDG_STATE_HOME:-$HOME/.local/state}/sentinel-mesh/cluster} # keys, data, logs, pids
BIN=$CACHE/bin
export PATH=$BIN:$PATH

K8S_VERSION=v1.37.1                    # as in kubernetes/go.mod
NODE=${NODE:-node-1}                   # name of the one real node
HOST_IP=10.99.0.1                      # our end of the veth pair: the control plane
LINK_CIDR=10.99.0.0/30
NODE_IP=10.99.0.2                      # the node's end, inside the node's namespace
POD_CIDR=10.244.0.0/16
SERVICE_CIDR=10.96.0.0/16
DNS_IP=10.96.0.10
API=https://$HOST_IP:6443
NODE_SOCK=/run/k8s-$NODE               # containerd's sockets (short paths: 108 chars at most)
CGROUP=k8s-$NODE                       # the node's own cgroup, in every v1 hierarchy

export KUBECONFIG=$RUN/admin.kubeconfig

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

in_node() { # COMMAND...: run inside the node's network and mount namespaces
  nsenter --target "$(pid_of node-ns)" --net --mount "$@"
}
