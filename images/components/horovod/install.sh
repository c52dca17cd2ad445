#!/usr/bin/env bash
# Horovod 0.28.1 for MXNet over Gloo, built from source in an environment of its own.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages cmake g++ make libgomp1 -- cmake gcc-c++ make libgomp
# Its build looks for MXNet, so MXNet has to be there first.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
grep -v '^horovod==' requirements.lock >"$folder/before.lock"
grep '^horovod==' requirements.lock >"$folder/horovod.lock"
make_environment horovod 3.8 "$folder/before.lock"
export HOROVOD_WITH_MXNET=1 HOROVOD_WITH_GLOO=1
export HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MPI=1
install_locked "$PARAM_PREFIX/horovod" "$folder/horovod.lock"
