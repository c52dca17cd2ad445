#!/usr/bin/env bash
# PyTensor in an environment of its own; it needs a C++ compiler to run fast.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages g++ -- gcc-c++
make_environment pytensor 3.11 requirements.lock
