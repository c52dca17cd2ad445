#!/usr/bin/env bash
# MXNet 1.5.1 on Python 2.7 in an environment of its own.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages libgomp1 -- libgomp
make_environment mxnet-python2 2.7 requirements.lock
