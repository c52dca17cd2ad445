#!/usr/bin/env bash
# Caffe 1.0.0 with pycaffe in an environment of its own.
set -euo pipefail
# shellcheck source=SCRIPTDIR/../../shared/python.sh
. ./python.sh

make_environment caffe 3.7 requirements.lock
