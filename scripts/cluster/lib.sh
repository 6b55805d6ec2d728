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

source "$HERE/../lib.sh"

in_node() { # COMMAND...: run inside the node's network and mount namespaces
  nsenter --target "$(pid_of node-ns)" --net --mount "$@"
}
