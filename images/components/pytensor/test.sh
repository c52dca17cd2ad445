#!/usr/bin/env bash
# PyTensor compiles and trains a small network on real digits.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTENSOR_FLAGS=base_compiledir=$folder PYTHONPATH=$PARAM_PREFIX/share/digits
"$PARAM_PREFIX/pytensor/bin/python" train.py
