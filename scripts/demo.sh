#!/usr/bin/env bash
# up, train, down on the embedded cloud, on a name of its own; the cluster is removed even when a step fails.
# usage: demo.sh PATH_OF_DLCLUSTER
set -euo pipefail
dlcluster=$1
export DLCLUSTER_NAME=${DLCLUSTER_NAME:-demo-$$}

finish() {
    code=$?
    trap - EXIT
    echo "\$ dlcluster down"
    "$dlcluster" down || code=$?
    exit "$code"
}
trap finish EXIT

echo "\$ dlcluster up"
"$dlcluster" up
echo "\$ dlcluster train"
"$dlcluster" train
