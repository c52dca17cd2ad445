#!/usr/bin/env bash
# MXNet trains a small network on real digits.
set -euo pipefail

PYTHONPATH=$PARAM_PREFIX/share/digits "$PARAM_PREFIX/mxnet/bin/python" train.py
