#!/usr/bin/env bash
# MinPy 0.3.4 with MXNet 0.11 in an environment of its own.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages libgomp1 -- libgomp
make_environment minpy 3.6 requirements.lock
