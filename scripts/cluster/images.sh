#!/usr/bin/env bash
# Container images without a registry: `FROM scratch` and one static binary each.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir -p "$CACHE/images"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs CONTAINERS_STORAGE_CONF=$work/storage.conf
printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$work/runroot" "$work/graph" >"$work/storage.conf"

image() { # NAME ROOTFS ENTRYPOINT-JSON: $CACHE/images/NAME.tar holds localhost/NAME:1
  local name=$1 rootfs=$2 entrypoint=$3 c
  [[ -s $CACHE/images/$name.tar ]] && return
  c=$(buildah from scratch)
  buildah copy -q "$c" "$rootfs" / >/dev/null
  buildah config --entrypoint "$entrypoint" --env PATH=/bin "$c"
  buildah commit -q --rm "$c" "localhost/$name:1" >/dev/null
  buildah push -q "localhost/$name:1" "docker-archive:$CACHE/images/$name.tar.part:localhost/$name:1"
  mv "$CACHE/images/$name.tar.part" "$CACHE/images/$name.tar"
}

mkdir -p "$work/pause"
gcc -Os -static -s -o "$work/pause/pause" "$HERE/images/pause.c"
image pause "$work/pause" '["/pause"]'

mkdir -p "$work/busybox"/{bin,etc,tmp,root}
cp /bin/busybox "$BIN/get" "$work/busybox/bin/"
for applet in $(/bin/busybox --list | grep -vx busybox); do ln -s busybox "$work/busybox/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' >"$work/busybox/etc/passwd"
image busybox "$work/busybox" '[]'

if [[ -x $BIN/coredns ]]; then
  mkdir -p "$work/coredns"; cp "$BIN/coredns" "$work/coredns/"
  image coredns "$work/coredns" '["/coredns"]'
fi
