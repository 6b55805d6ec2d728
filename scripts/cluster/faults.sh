#!/usr/bin/env bash
# Makes one workload for each state that an operator meets, on the running test cluster.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
kubectl apply -f "$HERE/manifests/faults.yaml" >/dev/null 2>&1 || kubectl apply -f "$HERE/manifests/faults.yaml" >/dev/null
say "made the namespace 'faults': a healthy Deployment, and pods that crash, run out of memory, cannot be"
say "scheduled, pull an image that does not exist, lack their configuration, fail their probes, and a failing Job"
