#!/usr/bin/env bash
# Builds everything into $CACHE: the Debian packages' part, the Go binaries, the images.
# Safe to run again: what is there already is kept. Afterwards up.sh needs no registry.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir -p "$BIN"
export CGO_ENABLED=0 GOFLAGS=-trimpath

[[ $(id -u) == 0 ]] || die "the test cluster makes network namespaces and containers: run this as root"
packages=(containerd runc buildah busybox-static containernetworking-plugins
  nftables iptables conntrack iproute2 procps util-linux openssl curl gettext-base gcc libc6-dev)
dpkg -s "${packages[@]}" >/dev/null 2>&1 || {
  say "installing Debian packages: ${packages[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

command -v go >/dev/null || die "Go is missing: install 1.26 or later"
stamp=$BIN/.built-$K8S_VERSION
if [[ ! -e $stamp ]]; then
  minor=${K8S_VERSION#v1.}; minor=${minor%%.*}
  flags="-s -w"
  for package in k8s.io/client-go/pkg/version k8s.io/component-base/version; do
    flags+=" -X $package.gitVersion=$K8S_VERSION -X $package.gitMajor=1 -X $package.gitMinor=$minor"
    flags+=" -X $package.gitTreeState=clean"
  done
  say "building Kubernetes $K8S_VERSION: once, about 15 minutes on two cores (progress: one line a minute)"
  (while sleep 60; do say "still building"; done) & ticker=$!
  trap 'kill $ticker 2>/dev/null || true' EXIT
  (cd "$HERE/kubernetes" && go build -ldflags "$flags" -o "$BIN/" . github.com/coredns/coredns)
  for component in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
    ln -sf kubernetes "$BIN/$component"
  done
  touch "$stamp"
  kill $ticker
  trap - EXIT
fi
[[ -x $BIN/get ]] || (cd "$HERE/images/get" && go build -ldflags "-s -w" -o "$BIN/get" .)
"$HERE/images.sh"
say "ready: $(du -shL "$BIN" | cut -f1) of binaries, $(du -sh "$CACHE/images" | cut -f1) of images in $CACHE"
