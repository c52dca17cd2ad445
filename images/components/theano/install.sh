#!/usr/bin/env bash
# Theano 1.0.5 in an environment of its own; it needs a C++ compiler to run.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh
# shellcheck source=SCRIPTDIR/../../shared/common.sh
. ./common.sh

install_packages g++ -- gcc-c++
make_environment theano 3.8 requirements.lock
