#!/usr/bin/env bash
# PaddlePaddle in an environment of its own.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages libgomp1 -- libgomp

make_environment paddlepaddle 3.11 requirements.lock
