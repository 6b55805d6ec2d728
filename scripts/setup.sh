#!/usr/bin/env bash
# Installs what is missing, and says so. Usage: setup.sh [build] [test] [stack]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

packages=()
need() { # COMMAND PACKAGE: the package, if the command is missing
  command -v "$1" >/dev/null || packages+=("$2")
}

for purpose in "$@"; do
  case $purpose in
    build) need gcc build-essential; need pkg-config pkg-config ;;
    test) need chromium chromium; need prometheus-node-exporter prometheus-node-exporter ;;
    stack)
      need gcc build-essential; need pkg-config pkg-config
      need mvn maven; need javac default-jdk-headless; need pip3 python3-pip
      need kcat kcat; need curl curl; need jq jq; need faketime faketime; need openssl openssl; need envsubst gettext-base
      # Not redis-server: that starts a service on 6379 at once. The program itself is in redis-tools.
      need redis-check-rdb redis-tools
      # The test of encrypted Kafka links Debian's OpenSSL; release builds make their own.
      [[ -e /usr/include/openssl/ssl.h ]] || packages+=(libssl-dev)
      ;;
    *) die "unknown purpose $purpose: write build, test or stack" ;;
  esac
done

if ((${#packages[@]})); then
  as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  command -v apt-get >/dev/null || die "please install: ${packages[*]}"
  say "installing Debian packages: ${packages[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs (1.90 or later)"
command -v npm >/dev/null || die "Node.js is missing: install version 20.19 or later with npm"
