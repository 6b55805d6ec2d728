#!/usr/bin/env bash
# A real one-node Kubernetes on this machine with `sentinel run` watching it, while things break in it.
# Stops the cluster when sentinel stops. Arguments go to `sentinel run`.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$HERE/build.sh"
trap '"$HERE/down.sh"' EXIT
"$HERE/up.sh"
(wait_for 60 "the dashboard" curl -sf http://127.0.0.1:7700/ready && "$HERE/faults.sh") &
"$HERE/../../target/release/sentinel" run --kubeconfig "$KUBECONFIG" --cluster demo-cluster --logs '*' \
  --data-dir "$RUN/sentinel" "$@"
