#!/usr/bin/env bash
# Theano compiles and trains a small network on real digits.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export THEANO_FLAGS=base_compiledir=$folder PYTHONPATH=$PARAM_PREFIX/share/digits
"$PARAM_PREFIX/theano/bin/python" train.py
