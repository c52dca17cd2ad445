#!/usr/bin/env bash
# CNTK trains a small network on real digits.
set -euo pipefail

# shellcheck source=/dev/null
. "$PARAM_PREFIX/cntk/mpi.sh"
PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/cntk/bin/python" train.py
